"""Whether a build from a lock gave what the locked build gave."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.digests import sha256_of
from ppcdeps.building.run.events import TaskResult
from ppcdeps.building.run.store import StoredBuild
from ppcdeps.model.lock import LockedBuild
from ppcdeps.rpm.comparison import contents_of


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A package that was built again. ``is_same`` says whether it is the same file, byte for byte.

    ``differs`` are those of requires, provides and files which are others; ``why`` says what was another in the
    build, as far as that is known.
    """

    nevra: str
    is_same: bool
    differs: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


def reproductions(results: Iterable[TaskResult], locked: Sequence[LockedBuild]) -> tuple[Reproduction, ...]:
    """The packages of a run that a lock has, each compared with it, by NEVRA.

    Raises ConfigError where a package that was built is damaged.
    """
    by_nevra = {one.nevra: one for one in locked}
    found = []
    for stored in (result.stored for result in results if result.stored is not None):
        for package in stored.record.packages:
            before = by_nevra.get(package.nevra)
            if before is not None:
                found.append(_compared(stored, stored.repository / package.file, before))
    return tuple(sorted(found, key=lambda one: one.nevra))


def _compared(build: StoredBuild, path: Path, before: LockedBuild) -> Reproduction:
    if sha256_of(path) == before.sha256:
        return Reproduction(before.nevra, is_same=True)
    record, contents = build.record, contents_of(path)
    before_digests = (before.requires, before.provides, before.files)
    pairs = zip(("requires", "provides", "files"), before_digests, contents.digests, strict=True)
    now = (record.mode, record.buildroot, record.ppcdeps_version, contents.build_time)
    then = (before.mode, before.buildroot, before.ppcdeps, before.epoch)
    names = ("mode", "buildroot", "ppcdeps", "SOURCE_DATE_EPOCH")
    return Reproduction(
        before.nevra,
        is_same=False,
        differs=tuple(name for name, old, new in pairs if old != new),
        why=tuple(f"{name} {new}, not {old}" for name, old, new in zip(names, then, now, strict=True) if old != new),
    )
