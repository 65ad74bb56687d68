"""The Python side of a solved workload: from the closure's packages to one lock, its files, and the bridge."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.planning.plan import PythonPart
from ppcdeps.planning.solution import PYPI, Solution
from ppcdeps.python.bridge import bridge_provides, bridged_for_builds
from ppcdeps.python.explain import ConflictError
from ppcdeps.python.gaps import planned_python, python_gaps
from ppcdeps.python.index import Index
from ppcdeps.python.lock import DEFAULT_POLICY, LockPolicy, PythonLock, PythonRoot
from ppcdeps.python.lockfiles import FilePlaces, LockFiles
from ppcdeps.python.names import provided_distribution, wanted_by
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.routing import PythonPackage, PythonPolicy, PythonRouting, distributions_of, route_python
from ppcdeps.python.workload import WorkloadPython, constraints_for
from ppcdeps.rpm.loading import Role

_MOST_RETREATS = 20


@dataclass(frozen=True, slots=True)
class PythonSide:
    """``bridge`` are the capabilities that the bridge RPM provides; none where no RPM requires what pip installs."""

    routing: PythonRouting
    lock: PythonLock
    files: LockFiles
    bridge: tuple[str, ...]


def python_side(
    solution: Solution,
    index: Index,
    reporter: Reporter | None = None,
    *,
    policy: PythonPolicy = PythonPolicy.PIP,
    lock_policy: LockPolicy = DEFAULT_POLICY,
    constraints: Path | None = None,
    former: Path | None = None,
    places: FilePlaces = FilePlaces.PATH,
    command: str = "",
) -> PythonSide:
    """Route and resolve the Python of a solved workload.

    ``former`` is the folder of an earlier run's files, whose pins stay where they fit. A package that is
    on no index under its name stays an RPM, with a note. Raises what
    ``ppcdeps.python.workload.constraints_for`` raises.
    """
    reporter = reporter or Silence()
    packages = python_packages(solution)
    tag = _tag(solution)
    missing = tuple(_missing(solution))
    roots = tuple(
        PythonRoot(root.removeprefix(PYPI), f"workload {solution.workload.name}")
        for root in solution.workload.roots
        if root.startswith(PYPI)
    )
    keep: set[str] = set()
    for _ in range(_MOST_RETREATS):
        routing = route_python(packages, policy=policy, python=tag, roots=roots, missing=missing, keep=keep)
        wanted = WorkloadPython(
            workload=solution.workload.name,
            python=solution.target.python,
            roots=routing.roots,
            machine=solution.target.arch,
            fixed=routing.fixed,
            reference=routing.reference,
            constraints=constraints,
            policy=lock_policy,
            available=tuple(_available(solution, tag)),
        )
        try:
            lock, files = constraints_for(wanted, index, reporter, former=former, command=command, places=places)
        except ConflictError as fault:
            unknown = _unknown_to_index(fault, packages, routing, index)
            if not unknown:
                raise
            for nevra in unknown:
                reporter.note(f"{nevra} stays an RPM: no configured index knows its distribution")
            keep.update(unknown)
            continue
        bridged = (*routing.bridged, *bridged_for_builds(lock, tag))
        return PythonSide(routing, lock, files, bridge_provides(solution.workload.name, bridged, lock))
    raise ConfigError(
        f"more than {_MOST_RETREATS} times, what is to go to pip is on no index", hint="use --python rpm"
    )


def python_part(solution: Solution, side: PythonSide) -> PythonPart:
    """The Python side as a part of the plan.

    A gap that replaces packages of an RPM source keeps the source's name, so that a plan without pip and one
    with it can be compared; further distributions are named as the index names them.
    """
    universe = solution.universe
    by_pip = set(side.routing.by_pip)
    routed = {universe.label(i): universe.source_of(i) for i in solution.run.closure.chosen}
    stay = {source for package, source in routed.items() if package not in by_pip}
    tag = _tag(solution)
    sources: dict[str, str] = {}
    closed = set()
    for package in python_packages(solution):
        source = routed[package.nevra]
        if package.nevra in by_pip and source not in stay:
            closed.add(source)
            for name, _ in distributions_of(package, tag):
                sources.setdefault(name, source)
    gaps = tuple(replace(gap, name=sources.get(gap.name, gap.name)) for gap in python_gaps(side.lock))
    for requirement, by in _missing(solution):
        wanted = wanted_by(requirement)
        if wanted is not None and PythonRoot(wanted.requirement, by) in side.routing.roots:
            closed.add(requirement)
    return PythonPart(gaps, frozenset(closed), planned_python(side.lock, side.bridge))


def concerns_python(solution: Solution) -> bool:
    """Whether anything that the closure does not find in the target's repositories may be Python's."""
    universe = solution.universe
    if any(root.startswith(PYPI) for root in solution.workload.roots):
        return True
    for package in solution.run.closure.chosen:
        if universe.role_of(package) is not Role.TARGET and "python" in universe.label(package):
            return True
    return False


def _tag(solution: Solution) -> str:
    """The target's Python as packages name it: 3.9."""
    return ".".join(solution.target.python.version.split(".")[:2])


def python_packages(solution: Solution) -> tuple[PythonPackage, ...]:
    """The packages of the closure, as routing sees them.

    A native package whose source builds more than Python (libguestfs) counts as the target's: it is rebuilt
    with the rest, and its Python part is on no index. So does one of the user's own.
    """
    universe = solution.universe
    chosen = [each for each in solution.run.closure.chosen if universe.part_of(each) is not None]
    mixed = {
        universe.source_of(each)
        for each in chosen
        if universe.is_standin(each) and not universe.name_of(each).startswith("python")
    } | universe.own
    found = [
        PythonPackage(
            nevra=universe.label(each),
            name=universe.name_of(each),
            on_target=universe.role_of(each) is Role.TARGET or universe.source_of(each) in mixed,
            provides=universe.provides_of(each),
            requires=tuple(str(dep) for dep in universe.requirements_of(each)),
        )
        for each in chosen
    ]
    return tuple(sorted(found, key=lambda package: package.nevra))


def _missing(solution: Solution) -> Iterator[tuple[str, str]]:
    universe = solution.universe
    requirers = solution.requirers(solution.run)
    for each in solution.run.closure.unknown:
        requirement = universe.placeholders.get(each)
        if requirement is not None:
            requesters = sorted(universe.label(edge.by) for edge in requirers.on.get(each, ()))
            yield requirement, requesters[0] if requesters else f"workload {solution.workload.name}"


def _available(solution: Solution, tag: str) -> Iterator[FixedDistribution]:
    """What the target's own packages, in the closure or not, provide to its Python."""
    universe = solution.universe
    for part in universe.parts:
        if part.role is not Role.TARGET:
            continue
        for each in part.ids:
            if not universe.name_of(each).startswith("python3-"):
                continue
            for text in universe.provides_of(each):
                if text.startswith(f"python{tag}dist(") and (stated := provided_distribution(text)):
                    yield FixedDistribution(*stated, universe.label(each))


def _unknown_to_index(
    fault: ConflictError, packages: tuple[PythonPackage, ...], routing: PythonRouting, index: Index
) -> list[str]:
    """Packages on the way to pip whose distribution the conflict is about and no index knows."""
    unknown = {clash.name for clash in fault.clashes if not index.project(clash.name).files}
    return sorted(
        package.nevra
        for package in packages
        if package.nevra in routing.by_pip
        and any((stated := provided_distribution(each)) and stated[0] in unknown for each in package.provides)
    )
