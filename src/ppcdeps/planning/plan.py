"""The plan of a workload: its solution in values that outlive the solver."""

from collections.abc import Iterable, Sequence

from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.build_order import Bootstrap
from ppcdeps.model.gap import Gap, GapKind, RouteKind
from ppcdeps.model.plan import ChosenPackage, OwnPackages, Plan, RepositoryState
from ppcdeps.model.python_plan import PlannedPython, Provision, PythonFallback
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.planning.advice import advice_of, load_advice
from ppcdeps.planning.curated import load_arch_requirements, load_excluded_sources, load_recorded_runs
from ppcdeps.planning.gaps import gaps_of, requirers_among
from ppcdeps.planning.knownfaults import fault_advice, known_faults
from ppcdeps.planning.nova import nova_facts
from ppcdeps.planning.order import BuildOrder, order_of
from ppcdeps.planning.solution import Solution
from ppcdeps.planning.subjects import judged_instead
from ppcdeps.planning.tried import with_tried
from ppcdeps.planning.unsaid import unsaid
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.own import OwnSource, own_metadata
from ppcdeps.rpm.universe import Universe


@dataclass(frozen=True, slots=True)
class PythonPart:
    """What pip takes over of a plan.

    ``closed`` are the sources and requirements that ``gaps`` close, ``replaced`` the packages in whose place pip's
    distributions come.
    """

    gaps: tuple[Gap, ...]
    closed: frozenset[str]
    planned: PlannedPython
    advice: tuple[str, ...] = ()
    replaced: frozenset[str] = frozenset()


def load_rules() -> None:
    """Read the rules that plans follow, which are kept: for when there is time for it, before there is a solution."""
    for load in (
        load_arch_requirements,
        load_excluded_sources,
        load_recorded_runs,
        load_advice,
        known_faults,
        nova_facts,
    ):
        load()


def plan_of(
    solution: Solution,
    repositories: Sequence[RepoMetadata],
    python: PythonPart | None = None,
    fallback: PythonFallback | None = None,
    advice: Iterable[str] = (),
) -> Plan:
    """Everything a person or another tool needs to know of a solved workload.

    ``python`` is what pip takes over; without it all Python packages stay RPMs, and ``fallback`` says why, where
    pip was to take them over. ``advice`` comes before that of the rules.
    """
    gaps = gaps_of(solution, python.gaps, python.closed, python.replaced) if python else gaps_of(solution)
    order = waves_of(solution, solution.adaptation.bootstraps())
    waves = _waves(order, gaps)
    rebuilt = {gap.name for gap in gaps if gap.kind is GapKind.RPM and gap.route.kind is not RouteKind.REUSE}
    dropped_requirements = solution.search.dropper.dropped_requirements.values()
    closure = _closure(solution)
    undecided = (
        f"a person must decide what is built first: {cycle}" for cycle in order.cycles if not cycle.broken_by
    )

    def rules_for(target: Target) -> tuple[str, ...]:
        return advice_of(solution.workload, target, closure, gaps, by_pip=_by_pip(python))

    missing = unsaid(solution, gaps, python.planned if python else None, rules_for)
    repositories = [*repositories, *([own_metadata(solution.own)] if solution.own else [])]
    return Plan(
        workload=solution.workload.name,
        target=solution.target.name,
        arch=solution.target.arch,
        roots=tuple(sorted({*solution.workload.roots, *_roots_of(solution.own)})),
        repositories=_states(solution.universe, repositories),
        closure=closure,
        gaps=with_tried(solution, gaps),
        dropped_requirements=tuple(
            sorted(
                (dropped for dropped in dropped_requirements if dropped.source in rebuilt),
                key=lambda dropped: (dropped.source, dropped.requirement),
            )
        ),
        waves=waves,
        needs=_needs(order, waves),
        blocked_by=_blocked_by(solution, order, gaps),
        cycles=order.cycles,
        python=python.planned if python else None,
        modules=solution.target.module_streams,
        advice=(
            *undecided,
            *(python.advice if python else ()),
            *advice,
            *judged_instead(solution.workload.roots, (each.nevra for each in closure)),
            *missing,
            *fault_advice(closure, python.planned if python else None, solution.target.arch),
            *rules_for(solution.target),
        ),
        python_fallback=fallback or _unused_interpreter(solution.target, python),
        release=solution.target.openstack,
        own=tuple(map(_own_packages, solution.own)),
    )


def _by_pip(python: PythonPart | None) -> frozenset[str]:
    distributions = python.planned.distributions if python else ()
    return frozenset(one.name for one in distributions if one.provision is not Provision.RPM)


def _unused_interpreter(target: Target, python: PythonPart | None) -> PythonFallback | None:
    """Why pip has nothing to install, where that was to be for an interpreter beside the platform's."""
    chosen, platform = target.python, target.platform_python
    if not chosen.beside or (python is not None and python.gaps):
        return None
    return PythonFallback(
        f"pip has nothing to install for Python {chosen.tag}, as the workload's packages are for the platform's "
        f"Python {platform.tag}, which does not import what {chosen.tag} has",
        f"leave --python-version out, so that pip installs for {platform.tag}; or name what is to be installed for "
        f"{chosen.tag} as pypi:NAME in place of its RPM package",
    )


def waves_of(solution: Solution, bootstraps: Iterable[Bootstrap] = ()) -> BuildOrder:
    """The build order of a solved workload."""
    universe = solution.universe
    needs = {
        source: {universe.source_of(i) for i in solved.closure.chosen if universe.is_standin(i)} if solved else set()
        for source, solved in solution.builds.items()
    }
    return order_of(needs, bootstraps)


def _waves(order: BuildOrder, gaps: Iterable[Gap]) -> tuple[tuple[str, ...], ...]:
    """The waves of what can be built, in the first of which is what is built from sdists: that needs no other."""
    blocked = {gap.name for gap in gaps if gap.route.kind is RouteKind.BLOCKED}
    able = [tuple(str(step) for step in wave if step.source not in blocked) for wave in order.waves]
    sdists = tuple(gap.name for gap in gaps if gap.route.kind is RouteKind.BUILD_SDIST)
    first, *later = able or [()]
    return tuple(wave for wave in (tuple(sorted({*first, *sdists})), *later) if wave)


def _blocked_by(solution: Solution, order: BuildOrder, gaps: Iterable[Gap]) -> dict[str, tuple[str, ...]]:
    """The blocked gaps that each build needs by itself: what nothing provides, and sources that cannot be built."""
    blocked = {gap.name for gap in gaps if gap.route.kind is RouteKind.BLOCKED}
    placeholders = solution.universe.placeholders
    found = {}
    for source, solved in sorted(solution.builds.items()):
        if solved is None or source in blocked:
            continue
        needed = {*order.needs.get(source, ()), *(placeholders[i] for i in solved.closure.unknown)}
        if lost := tuple(sorted(needed & blocked)):
            found[source] = lost
    return found


def _needs(order: BuildOrder, waves: Iterable[Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """What the sources of the waves need of each other."""
    able = {name for wave in waves for name in wave}
    return {source: needed for source, needed in order.needs.items() if source in able and needed}


def _states(universe: Universe, repositories: Iterable[RepoMetadata]) -> tuple[RepositoryState, ...]:
    counts: dict[str, int] = {}
    for part in universe.parts:
        name = part.metadata.config.id
        counts[name] = counts.get(name, 0) + universe.considered_count(part)
    return tuple(
        RepositoryState(
            id=each.config.id,
            side=each.config.side,
            revision=each.revision,
            date=each.date,
            digest=each.digest,
            packages=counts.get(each.config.id, 0),
            problem=each.problem,
        )
        for each in sorted(repositories, key=lambda one: one.config.id)
    )


def _closure(solution: Solution) -> tuple[ChosenPackage, ...]:
    universe, run = solution.universe, solution.run
    requirers = solution.requirers(run)
    packages = []
    for package in run.closure.chosen:
        part = universe.part_of(package)
        if universe.is_assumed(package):
            source = solution.search.dropper.environments.source_package(universe.source_of(package))
            part = universe.part_of(source) if source is not None else None
        if part is None:
            continue
        packages.append(
            ChosenPackage(
                nevra=universe.nevra(package),
                repo=part.metadata.config.id,
                side=Role.STANDIN if part.role is Role.SOURCE else part.role,
                required_by=requirers_among(solution, run, requirers.on.get(package, ())),
                source=universe.source_of(package),
            )
        )
    return tuple(sorted(packages, key=lambda chosen: (str(chosen.nevra), chosen.repo)))


def _roots_of(own: Iterable[OwnSource]) -> tuple[str, ...]:
    """The packages of own sources as roots that any build of the same version satisfies, whatever its release."""
    return tuple(sorted({package.nevra.any_release for each in own for package in each.packages}))


def _own_packages(own: OwnSource) -> OwnPackages:
    """An own source as a plan has it."""
    return OwnPackages(
        source=own.name,
        file=own.file,
        sha256=own.sha256,
        packages=tuple(sorted((package.nevra for package in own.packages), key=str)),
        build_requires=own.evaluation.build_requires,
        files=own.evaluation.files,
        notes=own.notes,
    )
