"""What `dnf install` takes besides names and capabilities: versions, architectures and globs in a package's identity.

The forms and their order are those of dnf's manual ("Specifying Packages"): name-[epoch:]version-release.arch,
name.arch, name, name-[epoch:]version-release, name-[epoch:]version. The first form that any package fits counts; a
glob means every package that it fits, one of each name; one that no form fits is compared with whole identities.
"""

import fnmatch
import re
from collections.abc import Iterator

from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.universe import Universe

_NAME = r"(?P<name>[^:(/=<> ]+)"
_EPOCH = r"(?:(?P<epoch>[0-9]+):)?"
_VERSION, _RELEASE = r"(?P<version>[^-:(/=<> ]+)", r"(?P<release>[^-:(/=<> ]+)"
_ARCH = r"(?P<arch>[^-:.(/=<> ]+)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{_NAME}-{_EPOCH}{_VERSION}-{_RELEASE}\.{_ARCH}",
        rf"{_NAME}\.{_ARCH}",
        _NAME,
        rf"{_NAME}-{_EPOCH}{_VERSION}-{_RELEASE}",
        rf"{_NAME}-{_EPOCH}{_VERSION}",
    )
)
_GLOB = re.compile(r"[*?\[]")
_ROLES = (Role.TARGET, Role.REFERENCE, Role.STANDIN)


@dataclass(frozen=True, slots=True)
class Meant:
    """The packages of one name that a subject means. ``by_name``: it says nothing of them but the name."""

    name: str
    packages: tuple[int, ...]
    by_name: bool = False


def is_glob(text: str) -> bool:
    """Whether a text has characters that the shell and dnf take for a pattern. Brackets in parentheses are extras."""
    return _GLOB.search(text.partition("(")[0]) is not None or "*" in text or "?" in text


def packages_meant(universe: Universe, text: str) -> tuple[Meant, ...]:
    """The packages that a text means, by name and sorted; none where no considered package fits.

    Where no package of the target fits a release exactly, any build of the version does: a rebuild has a release of
    its own.
    """
    if is_glob(text) and "(" in text:
        return _by_provides(universe, text)
    for form in _FORMS:
        parts = form.fullmatch(text)
        if parts is None:
            continue
        wanted = {key: value for key, value in parts.groupdict().items() if value is not None}
        found = _fitting(universe, wanted)
        if found:
            return tuple(Meant(name, tuple(ids), set(wanted) == {"name"}) for name, ids in sorted(found.items()))
    if not is_glob(text):
        return ()
    return _by_whole_identity(universe, text) or _by_provides(universe, text)


def _by_whole_identity(universe: Universe, text: str) -> tuple[Meant, ...]:
    """What a glob fits whose brackets have a hyphen: no form takes it apart (``foo-[0-9]-1.ppc64le``)."""
    pattern = re.compile(fnmatch.translate(text))
    found: dict[str, list[int]] = {}
    for name, package in _considered(universe, re.compile("")):
        nevra = universe.nevra(package)
        epoch = f"{nevra.epoch or 0}:" if ":" in text else ""
        if pattern.match(f"{name}-{epoch}{nevra.version}-{nevra.release}.{nevra.arch}"):
            found.setdefault(name, []).append(package)
    return tuple(Meant(name, tuple(ids)) for name, ids in sorted(found.items()))


def _fitting(universe: Universe, wanted: dict[str, str]) -> dict[str, list[int]]:
    patterns = {key: re.compile(fnmatch.translate(value)) for key, value in wanted.items() if key != "epoch"}
    pattern, text = patterns.pop("name"), wanted["name"]
    found: dict[str, list[int]] = {}
    for name, package in _named(universe, text) if set(text).isdisjoint("*?[") else _considered(universe, pattern):
        nevra = universe.nevra(package)
        if "epoch" in wanted and nevra.epoch != int(wanted["epoch"]):
            continue
        if all(pattern.match(str(getattr(nevra, key))) for key, pattern in patterns.items()):
            found.setdefault(name, []).append(package)
    if "release" in wanted:
        for name, ids in found.items():
            if all(universe.role_of(each) is not Role.TARGET for each in ids):
                versions = {universe.nevra(each).any_release for each in ids}
                ids += [
                    each for each in universe.named(name, Role.TARGET) if universe.nevra(each).any_release in versions
                ]
    return found


def _named(universe: Universe, name: str) -> list[tuple[str, int]]:
    """What `_considered` finds for the pattern of a name that is no glob, without a look at all packages."""
    return [(name, package) for package in sorted(i for role in _ROLES for i in universe.named(name, role))]


def _considered(universe: Universe, pattern: re.Pattern[str]) -> Iterator[tuple[str, int]]:
    for part in universe.parts:
        if part.role not in _ROLES:
            continue
        for solvable in part.repo.solvables_iter():
            if solvable.id in universe.index.excluded or solvable.id in universe.not_rebuilt:
                continue
            name = str(solvable.name)
            if pattern.match(name):
                yield name, solvable.id


def _by_provides(universe: Universe, text: str) -> tuple[Meant, ...]:
    solv = libsolv()
    universe.provide_symbols_like(text)
    universe.index.widen()
    how = solv.Selection.SELECTION_PROVIDES | solv.Selection.SELECTION_GLOB
    found: dict[str, list[int]] = {}
    for solvable in universe.pool.select(text, how).solvables():
        if solvable.id not in universe.index.excluded and universe.role_of(solvable.id) in _ROLES:
            found.setdefault(str(solvable.name), []).append(solvable.id)
    return tuple(Meant(name, tuple(ids)) for name, ids in sorted(found.items()))
