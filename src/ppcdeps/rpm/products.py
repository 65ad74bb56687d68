"""Stand-ins of packages that a rebuild of their source would not give, though the reference has them.

A stand-in says what a rebuild gives. Two kinds do not:

- A package of an older build. Repositories keep names that newer builds of the source no longer make
  (qemu-virtiofsd 6.2.0 beside qemu-kvm 9.1.0), and the source package that is rebuilt is the newest.
- A package that the source builds on the reference's architecture only.

Packages of the target, and noarch ones of the reference, are not concerned: they are there, of whichever build.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ppcdeps.base.cache import Cache
from ppcdeps.model.evr import EvrKey, evr_key
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.loading import Part, Role

_DIST_TAG = re.compile(r"(?:^|[._])((?:el|fc)[0-9]+s?)(?![a-z])")
"""`.el9` of the distribution and `.el9s` of a SIG: two distributors, who may both build a source of the same name."""
_MODULAR = re.compile(r"(?:^|\.)module[_+]")
"""Builds of several streams lie beside one another, and modules.yaml says which counts."""


@dataclass(frozen=True, slots=True)
class OneArchPackage:
    """A package that its source builds on the reference's architecture only, and why."""

    source: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Built:
    """A package of the reference: which build of which source it is of, and how its repository ranks.

    ``part`` and ``position`` say where it is loaded; ``epoch`` is None where its version is not its source's.
    """

    part: int
    position: int
    native: bool
    priority: int
    version: str
    epoch: int | None


def not_rebuilt(
    parts: Sequence[Part], excluded: Collection[int], one_arch: Iterable[OneArchPackage], cache: Cache
) -> dict[int, str]:
    """The stand-ins that no rebuild gives, by id, each with the reason in words.

    ``excluded`` are packages that are not considered: a build that none but they are of does not count.
    """
    found = _outdated(parts, excluded, cache)
    for fact in one_arch:
        for part in parts:
            if part.role is not Role.STANDIN:
                continue
            for position in part.sources.get(fact.source, ()):
                package = part.start + position
                if str(part.repo.pool.id2solvable(package).name) == fact.name:
                    found[package] = fact.reason
    return found


def _outdated(parts: Sequence[Part], excluded: Collection[int], cache: Cache) -> dict[int, str]:
    """The stand-ins of older builds, by id. Looking through all packages takes long, so the result is kept."""
    reference = [part for part in parts if part.role in (Role.STANDIN, Role.REFERENCE)]
    left_out = frozenset(i for part in reference for i in excluded if i in part.ids)
    states = (f"{p.role} {p.metadata.files['primary'].checksum} {p.metadata.config.priority}" for p in reference)
    digest = hashlib.sha256(repr(sorted(left_out)).encode()).hexdigest()
    key = f"outdated 1 {' '.join(states)} without {digest}"
    known = cache.recall(key)
    if known is None:
        known = list(_of_older_builds(reference, left_out))
        cache.remember(key, known)
    return {reference[at].start + position: reason for at, position, reason in known}


def _of_older_builds(reference: Sequence[Part], left_out: Collection[int]) -> Iterator[tuple[int, int, str]]:
    """Of each outdated stand-in the number of its part, its position there, and the reason."""
    places: dict[str, list[tuple[int, int]]] = {}
    for at, part in enumerate(reference):
        for source, positions in part.sources.items():
            places.setdefault(source, []).extend((at, position) for position in positions)
    for source, found in places.items():
        files = {place: _source_file(reference, place) for place in found} if len(found) > 1 else {}
        if len(set(files.values())) < 2:
            continue
        by_tag: dict[str, list[_Built]] = {}
        for (at, position), file in files.items():
            part, package = reference[at], reference[at].start + position
            version = "-".join(file.removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)[1:])
            release = version.rpartition("-")[2]
            if package in left_out or not release or _MODULAR.search(release):
                continue
            tag = _DIST_TAG.search(release)
            epoch, _, own = str(part.repo.pool.id2solvable(package).evr).rpartition(":")
            native, priority = part.role is Role.STANDIN, part.metadata.config.priority
            known = int(epoch or 0) if own == version else None
            by_tag.setdefault(tag[1] if tag else "", []).append(
                _Built(at, position, native, priority, version, known)
            )
        for packages in by_tag.values():
            yield from _older_of(source, packages)


def _source_file(reference: Sequence[Part], place: tuple[int, int]) -> str:
    """The file name of the source package that a package was built from."""
    part = reference[place[0]]
    return str(part.repo.pool.id2solvable(part.start + place[1]).lookup_sourcepkg() or "")


def _older_of(source: str, packages: Sequence[_Built]) -> Iterator[tuple[int, int, str]]:
    order = _order_of(packages)
    # Where dnf would prefer a repository, a newer build in one of a lower rank does not count.
    best: dict[str, int] = {}
    for package in packages:
        best[package.version] = min(best.get(package.version, package.priority), package.priority)
    for package in packages:
        newer = [
            version
            for version, priority in best.items()
            if order[version] > order[package.version] and priority <= package.priority
        ]
        if package.native and newer:
            newest = max(newer, key=order.__getitem__)
            yield package.part, package.position, f"a package of an older build of {source}, which is {newest} now"


def _order_of(packages: Iterable[_Built]) -> Mapping[str, EvrKey]:
    """Keys that sort the builds of a source by age.

    File names of source packages have no epoch. Packages of the build that have its version know it; a build of
    which none has it is taken to have the highest.
    """
    epochs: dict[str, int | None] = {}
    for package in packages:
        known = epochs.setdefault(package.version, None)
        if package.epoch is not None:
            epochs[package.version] = max(known or 0, package.epoch)
    highest = max((epoch for epoch in epochs.values() if epoch is not None), default=0)
    return {version: evr_key(f"{highest if epoch is None else epoch}:{version}") for version, epoch in epochs.items()}
