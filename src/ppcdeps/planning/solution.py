"""A workload solved for a target: what runs, what must be built for it, and what building that needs in turn."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.capability import capabilities_in, parse_requirement
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.model.workload import Workload
from ppcdeps.planning.adaptation import Adaptation
from ppcdeps.planning.curated import (
    ArchPackage,
    ArchRequirement,
    ExcludedSource,
    load_arch_packages,
    load_arch_requirements,
    load_excluded_sources,
)
from ppcdeps.planning.universe import universe_of
from ppcdeps.recipebook.book import RecipeBook, load_book
from ppcdeps.rpm.closure import Closure, ClosureSearch
from ppcdeps.rpm.dropped import Grounds, RequirementDropper
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.own import OwnSource
from ppcdeps.rpm.paths import FetchFilelists
from ppcdeps.rpm.requests import Request, request_packages
from ppcdeps.rpm.requirers import Requirers
from ppcdeps.rpm.sources import BuildEnvironments
from ppcdeps.rpm.universe import Universe

if TYPE_CHECKING:
    from ppcdeps.planning.evaluation import Evaluated, Evaluations

PYPI = "pypi:"


@dataclass(frozen=True, slots=True)
class SolvedRequest:
    """One request and its closure: the workload itself, or the build of one source.

    ``requested_by`` is the workload's or the source package's name as a person reads it.
    """

    requested_by: str
    request: Request
    closure: Closure


@dataclass(frozen=True, slots=True)
class Solution:
    """Everything that was found out about a workload on a target.

    ``builds`` maps the sources to be built to their solved build environments; ``None`` where no repository has
    the source package. They stand in the order in which they were found to be needed. ``own`` are the user's own
    packages, each of which is built.
    """

    workload: Workload
    target: Target
    universe: Universe
    search: ClosureSearch
    run: SolvedRequest
    builds: Mapping[str, SolvedRequest | None]
    adaptation: Adaptation
    own: tuple[OwnSource, ...] = ()
    _requirers: dict[int, Requirers] = field(default_factory=dict)
    _requirers_of_missing: dict[int, Requirers] = field(default_factory=dict)

    def requirers(self, solved: SolvedRequest) -> Requirers:
        """Who requires what in the closure of a request."""
        request = solved.request.id
        if request not in self._requirers:
            self._requirers[request] = Requirers(self.universe, solved.closure.chosen, [request])
        return self._requirers[request]

    def requirers_of_missing(self, solved: SolvedRequest) -> Requirers:
        """Who requires what of the packages that do not come from the target's repositories."""
        if solved is self.run:
            return self.requirers(solved)
        request, chosen = solved.request.id, solved.closure.chosen
        if request not in self._requirers_of_missing:
            missing = [i for i in chosen if self.universe.role_of(i) is not Role.TARGET]
            self._requirers_of_missing[request] = Requirers(self.universe, chosen, [request], missing)
        return self._requirers_of_missing[request]

    def requirer(self, solved: SolvedRequest, by: int) -> str:
        """A package, or the request itself, as people read who requires something."""
        return solved.requested_by if by == solved.request.id else self.universe.label(by)


def open_search(
    target: Target,
    repositories: Sequence[RepoMetadata],
    cache: Cache,
    fetch_filelists: FetchFilelists,
    book: RecipeBook | None = None,
    evaluations: "Evaluations | None" = None,
    own: Sequence[OwnSource] = (),
    universe: Universe | None = None,
) -> tuple[ClosureSearch, Adaptation]:
    """A search in a target's universe with all that is known of its sources; the arguments of `solve_run`.

    Raises RepositoryError where metadata is damaged, ConfigError for a wrong recipe.
    """
    requirements, packages = load_arch_requirements(), load_arch_packages()
    at_hand: tuple[Evaluated, ...] = ()
    if evaluations is not None:
        from ppcdeps.planning.evaluation import contradictions

        at_hand = evaluations.all()
        for found in at_hand:
            for text in contradictions(found, requirements, packages, _excluded(target)):
                evaluations.reporter.warn(text)
    # A source RPM at hand counts for more than what is known of its source.
    requirements, packages = _not_contradicted(at_hand, requirements, packages)
    if universe is None:
        universe = universe_of(
            target,
            repositories,
            cache,
            fetch_filelists,
            arch_packages=packages,
            products=(product for found in at_hand for product in found.products()),
            own=own,
        )
    universe.prefer_own()
    environments = BuildEnvironments(universe, target.build_packages)
    adaptation = Adaptation(load_book() if book is None else book, target, universe, environments, evaluations)
    environments.changes = adaptation.needs
    known = _Grounds((*requirements, *map(_as_requirement, packages)), adaptation)
    search = ClosureSearch(universe, RequirementDropper(universe, environments, known))
    search.weak = target.install_weak_deps
    return search, adaptation


def solve_run(
    workload: Workload,
    target: Target,
    repositories: Sequence[RepoMetadata],
    cache: Cache,
    fetch_filelists: FetchFilelists,
    book: RecipeBook | None = None,
    evaluations: "Evaluations | None" = None,
    own: Sequence[OwnSource] = (),
    universe: Universe | None = None,
) -> Solution:
    """Solve the workload's run time alone; `solve_builds` goes on from there.

    ``book`` are the recipes to build by (default: those that ppcdeps brings), ``evaluations`` the source RPMs that
    are at hand, ``own`` the user's own packages: all of these run on the target, too. ``universe`` is that of the
    repositories, where it has been opened already; with evaluations or own packages it would be another.

    Raises UsageError for a root that is not well-formed, RepositoryError where metadata is damaged, ConfigError for a
    wrong recipe.
    """
    search, adaptation = open_search(target, repositories, cache, fetch_filelists, book, evaluations, own, universe)
    universe = search.universe
    roots = [root for root in workload.roots if not root.startswith(PYPI)]
    if target.python.beside:
        # The platform's comes with what is written for it; one beside it has no other requirer before pip installs.
        roots += [target.python.package, target.python.pip_package]
    mine = [package for source in sorted(universe.own) for package in universe.standins_of(source)]
    request = request_packages(universe, workload.name, roots, mine)
    run = _solved(search, request, workload.name, universe.own)
    return Solution(workload, target, universe, search, run, {}, adaptation, tuple(own))


def solve_builds(solution: Solution, not_built: Collection[str] = ()) -> Solution:
    """Solve the builds that a solved run time takes, and those that these take.

    ``not_built`` are sources of the run time that come by another route, and whose build needs nothing.
    """
    search = solution.search
    environments = search.dropper.environments
    own = sorted(solution.universe.own)
    builds: dict[str, SolvedRequest | None] = {}
    waiting = [*own, *(source for source in solution.run.closure.sources if source not in not_built)]
    needed = set(waiting)
    for source in waiting:
        solution.adaptation.declare(source)

    def solve(source: str, avoided: Collection[str]) -> None:
        """Solve the build of a source, where of the ``avoided`` own sources nothing is taken that others have."""
        request = environments.request(source)
        if request is None:
            builds[source] = None
            return
        solution.universe.prefer_own(but=avoided)
        build = _solved(search, request, request.title, needed)
        builds[source] = build
        for found in build.closure.sources:
            solution.adaptation.declare(found)
        waiting.extend(build.closure.sources)
        needed.update(build.closure.sources)

    def solve_waiting() -> None:
        while waiting:
            source = waiting.pop(0)
            solve(source, {source})

    solve_waiting()
    # Own packages that need each other may find in the target what builds the first of them.
    for knot in _knots({source: _own_in(solution, builds[source]) for source in own}):
        for source in sorted(knot):
            solve(source, knot)
    solve_waiting()
    solution.universe.prefer_own()
    return replace(solution, builds=builds)


def _own_in(solution: Solution, build: SolvedRequest | None) -> set[str]:
    """The own sources whose packages are installed for a build."""
    chosen = build.closure.chosen if build is not None else ()
    return {solution.universe.source_of(i) for i in chosen if solution.universe.is_standin(i)} & solution.universe.own


def _knots(needs: Mapping[str, Collection[str]]) -> list[frozenset[str]]:
    """The sets of more than one source that all need each other."""

    def reached(source: str) -> set[str]:
        found: set[str] = set()
        waiting = [source]
        while waiting:
            for needed in needs.get(waiting.pop(), ()):
                if needed not in found:
                    found.add(needed)
                    waiting.append(needed)
        return found

    reach = {source: reached(source) for source in needs}
    knots = {frozenset(other for other in reach[source] if source in reach.get(other, ())) for source in needs}
    return sorted((knot for knot in knots if len(knot) > 1), key=sorted)


def unknown_roots(solution: Solution) -> tuple[str, ...]:
    """The workload's roots that neither the target nor the reference provides, in whichever version."""
    universe = solution.universe
    unmet = {universe.placeholders[i] for i in solution.run.closure.unknown}
    return tuple(root for root in solution.workload.roots if root in unmet and not _known_name(universe, root))


def _known_name(universe: Universe, root: str) -> bool:
    return bool(universe.unbuildable_providers(root)) or any(
        universe.providers_of(capability.name)
        for capability in capabilities_in(parse_requirement(root))
        if capability.relation
    )


def _solved(
    search: ClosureSearch, request: Request, requested_by: str, free: Sequence[str] | set[str]
) -> SolvedRequest:
    return SolvedRequest(requested_by, request, search.closure([request], free))


def _excluded(target: Target) -> tuple[ExcludedSource, ...]:
    return tuple(fact for fact in load_excluded_sources() if fact.applies_to(target))


def _not_contradicted(
    at_hand: "Sequence[Evaluated]", requirements: Sequence[ArchRequirement], packages: Sequence[ArchPackage]
) -> tuple[tuple[ArchRequirement, ...], tuple[ArchPackage, ...]]:
    """The facts that no source RPM at hand contradicts."""
    found = {each.target.source.name: each for each in at_hand}
    return (
        tuple(fact for fact in requirements if fact.source not in found or not found[fact.source].requires(fact)),
        tuple(fact for fact in packages if fact.source not in found or not found[fact.source].gives(fact.package)),
    )


def _as_requirement(fact: ArchPackage) -> ArchRequirement:
    """What only the x86 build gives, only the x86 build's other packages require."""
    return ArchRequirement(fact.source, fact.package, fact.reason, fact.origin)


class _Grounds:
    """Why a rebuild does not have a requirement: by curated facts, or by a recipe."""

    def __init__(self, facts: Sequence[ArchRequirement], adaptation: Adaptation) -> None:
        self._adaptation = adaptation
        self._facts: dict[str, list[ArchRequirement]] = {}
        for fact in facts:
            self._facts.setdefault(fact.source, []).append(fact)

    def __call__(self, source: str) -> Grounds | None:
        facts = self._facts.get(source, [])
        if not facts and not self._adaptation.has_grounds(source):
            return None
        return lambda requirement: _by_facts(facts, requirement) or self._adaptation.grounds(source, requirement)


def _by_facts(facts: Iterable[ArchRequirement], requirement: str) -> str | None:
    # Most requirements name nothing that a fact does, and then need not be taken apart.
    named = [fact for fact in facts if fact.requirement.removesuffix("*") in requirement]
    if not named:
        return None
    try:
        parsed = parse_requirement(requirement)
    except ValueError:
        return None
    return next((fact.reason for fact in named if fact.matches(parsed)), None)
