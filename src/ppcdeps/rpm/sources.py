"""Source packages: which one builds a stand-in, and what its build needs."""

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import cmp_to_key

from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.isa import dependency
from ppcdeps.rpm.requests import Request, request_dependencies
from ppcdeps.rpm.solving import SolverResult, solve_requests
from ppcdeps.rpm.universe import Universe


def _no_changes(_source: str) -> "BuildNeeds | None":
    return None


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """What a recipe changes in the BuildRequires of a source: names it drops, requirements it adds.

    ``instead`` says that what is added is all there is: the recipe has a spec of its own.
    """

    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    instead: bool = False


@dataclass(slots=True)
class BuildEnvironments:
    """The build environments of sources, solved in one universe and remembered.

    ``base`` are the roots of the minimal buildroot (gcc, make, ...); ``changes`` gives what a recipe changes in a
    source's BuildRequires.
    """

    universe: Universe
    base: Sequence[str] = ()
    changes: Callable[[str], BuildNeeds | None] = _no_changes
    _requests: dict[str, Request | None] = field(default_factory=dict)
    _linkable: dict[str, SolverResult | None] = field(default_factory=dict)

    def source_package(self, source: str) -> int | None:
        """The package that builds a source's stand-ins: of their version if there is one, else the newest."""
        candidates = self.universe.source_packages(source)
        if not candidates:
            return None
        built = {self.universe.source_package_of(standin) for standin in self.universe.standins_of(source)}
        same = [i for i in candidates if _file_name(self.universe.nevra(i)) in built]
        return max(same or candidates, key=cmp_to_key(self.universe.compare_versions))

    def request(self, source: str) -> Request | None:
        """What the build of a source needs to be installed; None where no source package and no recipe says."""
        if source not in self._requests:
            self._requests[source] = self._request(source)
        return self._requests[source]

    def _request(self, source: str) -> Request | None:
        package, needs = self.source_package(source), self.changes(source)
        if package is None and (needs is None or not needs.instead):
            return None
        pool = self.universe.pool
        deps: list[int] = []
        conflicts: Sequence[int] = ()
        if package is not None and (needs is None or not needs.instead):
            deps = list(self.universe.requirements_of(package))
            conflicts = self.universe.conflicts_of(package)
        if needs is not None:
            deps = [dep for dep in deps if self.universe.text_of(dep).partition(" ")[0] not in needs.dropped]
            deps += [dependency(pool, text).id for text in needs.added]
        deps += [pool.Dep(name).id for name in self.base]
        title = self.universe.label(package) if package is not None else source
        return request_dependencies(self.universe, f"{title} (build)", deps, conflicts)

    def environment(self, source: str) -> frozenset[int] | None:
        """The packages of a source's build environment, stand-ins among them; None where it is not known."""
        if source not in self._linkable:
            request = self.request(source)
            self._linkable[source] = None if request is None else solve_requests(self.universe, [request])
        attempt = self._linkable[source]
        return frozenset(attempt.chosen) if attempt is not None and attempt.solved else None


def _file_name(nevra: Nevra) -> str:
    """name-version-release, as file names of packages have it: without epoch and architecture."""
    return f"{nevra.name}-{nevra.version}-{nevra.release}"
