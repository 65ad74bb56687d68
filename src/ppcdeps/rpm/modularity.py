"""Packages that modularity hides: on each side by the module streams of that side's own repositories.

`modules.yaml` differs from one architecture to the other, so the target's packages are judged by the target's
streams, the reference's packages and the source packages by the reference's. Nothing is read, YAML parser
included, where no repository has modules.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.errors import RepositoryError, UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.repository import Side
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Part, Role

if TYPE_CHECKING:
    from ppcdeps.metadata.modules import ModuleIndex, ModuleVerdict


@dataclass(frozen=True, slots=True)
class Hidden:
    """The ids of hidden packages. ``problems`` say which wanted streams could not be active, and where."""

    ids: frozenset[int] = frozenset()
    problems: tuple[str, ...] = ()


def hidden_ids(
    parts: Sequence[Part],
    arch: str,
    reference_arch: str,
    cache: Cache,
    *,
    streams: Sequence[str] = (),
    platform_id: str | None = None,
) -> Hidden:
    """The packages that the enabled streams (``name:stream``), or default ones, hide.

    Repositories with module_hotfixes are exempt: their streams count, their packages stay visible. Raises
    UsageError where no repository of either side has an enabled stream, RepositoryError where a modules.yaml
    is damaged.
    """
    repositories = {part.metadata.config.id: part.metadata for part in parts}
    with_modules = [one for one in repositories.values() if "modules" in one.files]
    if not with_modules and not streams:
        return Hidden()
    judged = [part for part in parts if not part.metadata.config.module_hotfixes]
    key = _key(parts, arch, reference_arch, streams, platform_id)
    known = cache.recall(key)
    if known is None:
        verdicts = _verdicts(with_modules, arch, reference_arch, streams, platform_id)
        known = {
            "hidden": [
                _hidden_positions(part, verdicts[part.metadata.config.side], reference_arch) for part in judged
            ],
            "problems": [
                f"{problem} ({side} repositories)"
                for side, verdict in verdicts.items()
                if side is not Side.SOURCE
                for problem in verdict.problems
            ],
        }
        cache.remember(key, known)
    ids = frozenset(part.start + at for part, found in zip(judged, known["hidden"], strict=True) for at in found)
    return Hidden(ids, tuple(known["problems"]))


def _key(
    parts: Iterable[Part], arch: str, reference_arch: str, streams: Sequence[str], platform_id: str | None
) -> str:
    made_from = [arch, reference_arch, platform_id or "", *sorted(set(streams))]
    for part in parts:
        modules, config = part.metadata.files.get("modules"), part.metadata.config
        made_from.append(
            f"{part.role} {part.metadata.files['primary'].checksum} {modules.checksum if modules else ''}"
            f" {config.module_hotfixes}"
        )
    return "modularity 1 " + hashlib.sha256("\0".join(made_from).encode()).hexdigest()


def _verdicts(
    repositories: Iterable[RepoMetadata],
    arch: str,
    reference_arch: str,
    streams: Sequence[str],
    platform_id: str | None,
) -> dict[Side, "ModuleVerdict"]:
    from ppcdeps.metadata.modules import module_filter

    indexes: dict[Side, list[ModuleIndex]] = {side: [] for side in Side}
    for one in repositories:
        indexes[one.config.side].append(_index_of(one))
    _refuse_unknown(streams, [index for side in indexes.values() for index in side])
    # The source packages are those that the reference was built from.
    indexes[Side.SOURCE] += indexes[Side.REFERENCE] or indexes[Side.TARGET]
    arches = {Side.TARGET: arch, Side.REFERENCE: reference_arch, Side.SOURCE: reference_arch}
    if not indexes[Side.REFERENCE]:
        arches[Side.SOURCE] = arch
    return {
        side: module_filter(
            [*found, _empty_streams(found, arches[side], streams)], streams, platform_id, arch=arches[side]
        )
        for side, found in indexes.items()
    }


def _index_of(metadata: RepoMetadata) -> "ModuleIndex":
    from ppcdeps.metadata.modules import read_modules

    try:
        return read_modules(metadata.files["modules"].intact_path())
    except DamagedError as error:
        raise RepositoryError(
            f"repository {metadata.config.id}: modules {error}", hint="refresh with `ppcdeps sync`"
        ) from error


def _refuse_unknown(streams: Iterable[str], indexes: Iterable["ModuleIndex"]) -> None:
    there = sorted({f"{one.name}:{one.stream}" for index in indexes for one in index.streams})
    for text in sorted(set(streams).difference(there)):
        module = text.partition(":")[0]
        same = [one.partition(":")[2] for one in there if one.partition(":")[0] == module]
        known = f"there are {', '.join(same)}" if same else "no repository has this module"
        raise UsageError(f"the module stream {text} is not in any repository; {known}")


def _empty_streams(indexes: Iterable["ModuleIndex"], arch: str, streams: Iterable[str]) -> "ModuleIndex":
    """Streams that are enabled and not there for this architecture: active and empty.

    That the target lacks what the reference has in a stream is what a plan looks for, not an error,
    and the packages of the default stream must not step in.
    """
    from ppcdeps.metadata.modules import ModuleIndex, ModuleStream

    there = {f"{one.name}:{one.stream}" for index in indexes for one in index.streams if one.arch in (arch, "noarch")}
    missing = sorted(set(streams).difference(there))
    return ModuleIndex(
        tuple(
            ModuleStream(name, stream, 0, "", arch) for name, _, stream in (text.partition(":") for text in missing)
        )
    )


def _hidden_positions(part: Part, verdict: "ModuleVerdict", reference_arch: str) -> list[int]:
    hidden = []
    for position, solvable in enumerate(part.repo.solvables_iter()):
        identity = str(solvable)
        if part.role is Role.STANDIN:
            identity = f"{identity.rpartition('.')[0]}.{reference_arch}"
        if verdict.hides(Nevra.parse(identity), _named(solvable, verdict.hidden_names)):
            hidden.append(position)
    return hidden


def _named(solvable: Any, names: Collection[str]) -> Iterator[str]:
    """The wanted names among those of a package's capabilities."""
    for dep in solvable.lookup_deparray(libsolv().SOLVABLE_PROVIDES):
        name = str(dep).partition(" ")[0]
        if name in names:
            yield name
