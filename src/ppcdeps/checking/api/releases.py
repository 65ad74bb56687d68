"""Which releases of a distribution have a name: found by looking at others, a few steps each way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ppcdeps.checking.api.check import ApiFault, ApiResult, module_tree_of
from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.distribution_scan import Tree, scan_all
from ppcdeps.checking.api.module_facts import Use
from ppcdeps.checking.api.module_tree import ModuleTree
from ppcdeps.checking.api.resolve import Missing, Resolver
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.importable import Importable, importable

if TYPE_CHECKING:
    from packaging.version import Version

    from ppcdeps.python.index import Index


@dataclass(frozen=True, slots=True)
class History:
    """When a name was there, around the release that lacks it; versions as text, empty where it never was.

    ``introduced``: the first later release with it. ``until``: the last earlier release with it, and ``removed`` the
    one after. ``looked_at``: how many releases were read. It rests on a name not coming and going several times.
    """

    introduced: str = ""
    until: str = ""
    removed: str = ""
    looked_at: int = 0


class ReleaseFinder:
    """Looks at releases on the index, each read once."""

    def __init__(
        self,
        index: "Index",
        environment: TargetEnvironment,
        platform: PythonPlatform,
        reporter: Reporter | None = None,
    ) -> None:
        self._index = index
        self._environment = environment
        self._platform = platform
        self._reporter = reporter or Silence()
        self._resolvers: dict[tuple[str, str], Resolver | None] = {}
        self._histories: dict[tuple[str, str, str], History] = {}

    def history(self, fault: ApiFault) -> History:
        """The history of what a fault misses. Raises RepositoryError where the index cannot be read."""
        missing = fault.missing
        key = (fault.provider, fault.provider_version, missing.dotted)
        if key not in self._histories:
            self._histories[key] = self._search(fault.provider, fault.provider_version, missing)
        return self._histories[key]

    def _search(self, name: str, version: str, missing: Missing) -> History:
        from packaging.version import Version

        try:
            current = Version(version)
        except ValueError:
            return History()
        releases = sorted(
            each
            for each in self._index.project(name).versions()
            if each != current and (not each.is_prerelease or current.is_prerelease)
        )
        older = [each for each in reversed(releases) if each < current]
        newer = [each for each in releases if each > current]
        looked: set[Version] = set()

        def has(each: "Version") -> bool | None:
            looked.add(each)
            return self._has(name, each, missing)

        task = f"releases of {name} with {missing.dotted}"
        self._reporter.begin(task, None)
        try:
            gained = _first(newer, has)
            lost = _first(older, has)
        finally:
            self._reporter.end(task)
        removed = ""
        if lost is not None:
            place = older.index(lost)
            removed = str(older[place - 1]) if place else version
        return History(
            introduced=str(gained) if gained is not None else "",
            until=str(lost) if lost is not None else "",
            removed=removed,
            looked_at=len(looked),
        )

    def _has(self, name: str, version: "Version", missing: Missing) -> bool | None:
        """Whether a release has it; None where its files cannot be had."""
        resolver = self._resolver(name, str(version))
        if resolver is None:
            return None
        use = _use_of(missing, resolver.tree)
        return use is not None and resolver.missing(use) is None

    def _resolver(self, name: str, version: str) -> Resolver | None:
        key = (name, version)
        if key not in self._resolvers:
            self._resolvers[key] = self._read(name, version)
        return self._resolvers[key]

    def _read(self, name: str, version: str) -> Resolver | None:
        try:
            found = importable(self._index, name, version, self._environment)
        except RepositoryError:
            return None
        if not found.paths:
            return None
        tree = tree_of(found)
        (release,) = scan_all([tree], self._platform, self._index.cache, workers=1)
        return Resolver(module_tree_of([release]), self._platform.version)


def histories_of(
    result: ApiResult, index: "Index", environment: TargetEnvironment, reporter: Reporter
) -> dict[str, History]:
    """When the names that are missing were there, by their dotted names; what is known without looking is left
    out.
    """
    finder = ReleaseFinder(index, environment, PythonPlatform.of(environment.python, environment.machine), reporter)
    found: dict[str, History] = {}
    for fault in result.faults:
        name = fault.missing.dotted
        if fault.missing.removed is not None or name in found:
            continue
        try:
            found[name] = finder.history(fault)
        except RepositoryError as fault_of_index:
            reporter.warn(f"other releases of {fault.provider} cannot be looked at: {fault_of_index}")
    return found


def tree_of(found: Importable) -> Tree:
    """A release as the engine takes it."""
    return Tree(
        name=found.name,
        version=found.version,
        folder=found.folder,
        paths=found.paths,
        digest=found.digest,
        incomplete=found.incomplete,
        entry_points=found.entry_points,
    )


def _use_of(missing: Missing, tree: ModuleTree) -> Use | None:
    """What is missing as a use of the longest module of this world that leads to it; None where none does."""
    parts = missing.dotted.split(".")
    if missing.dotted in tree.modules:
        return Use(missing.dotted, (), 0, 0)
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        if module in tree.modules:
            return Use(module, tuple(parts[end:]), 0, 0)
    return None


def _first(versions: Sequence["Version"], has: Callable[["Version"], bool | None]) -> "Version | None":
    """The first of the versions that has it, if those after it have it, too: searched in strides that double."""
    left = list(versions)
    low, stride = 0, 1
    while low < len(left):
        place = min(low + stride - 1, len(left) - 1)
        verdict = has(left[place])
        if verdict is None:
            del left[place]
            continue
        if verdict:
            return _boundary(left, low, place, has)
        low, stride = place + 1, stride * 2
    return None


def _boundary(left: list["Version"], low: int, high: int, has: Callable[["Version"], bool | None]) -> "Version":
    """The first that has it from ``low`` on, where the one at ``high`` has it."""
    while low < high:
        middle = (low + high) // 2
        verdict = has(left[middle])
        if verdict is None:
            del left[middle]
            high -= 1
        elif verdict:
            high = middle
        else:
            low = middle + 1
    return left[high]
