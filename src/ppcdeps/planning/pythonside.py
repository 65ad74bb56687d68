"""The Python side of a solved workload: from the closure's packages to one lock, its files, and the bridge."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.evr import evr_key
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.model.values import dataclass
from ppcdeps.planning.buildtimes import timed_sdists
from ppcdeps.planning.plan import PythonPart
from ppcdeps.planning.pythonpackages import as_python, python_packages
from ppcdeps.planning.solution import PYPI, Solution
from ppcdeps.python.bridge import bridge_provides, bridge_requires, bridged_for_builds
from ppcdeps.python.explain import ConflictError
from ppcdeps.python.gaps import planned_python, python_gaps
from ppcdeps.python.index import Index
from ppcdeps.python.lock import DEFAULT_POLICY, LockPolicy, PythonLock, PythonRoot
from ppcdeps.python.lockfiles import FilePlaces, LockFiles
from ppcdeps.python.names import provided_distribution, wanted_by
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.routing import PythonPolicy, PythonRouting, meant_by, route_python
from ppcdeps.python.rpmpackages import PythonPackage, distributions_of, name_prefixes
from ppcdeps.python.workload import WorkloadPython, constraints_for
from ppcdeps.rpm.loading import Role

_MOST_RETREATS = 20


@dataclass(frozen=True, slots=True)
class PythonSide:
    """``bridge`` are the capabilities that the bridge RPM provides; none where no RPM requires what pip installs.

    ``bridge_requires`` is what it requires in the name of the packages that pip replaces.
    """

    routing: PythonRouting
    lock: PythonLock
    files: LockFiles
    bridge: tuple[str, ...]
    bridge_requires: tuple[str, ...] = ()


def python_side(
    solution: Solution,
    index: Index,
    reporter: Reporter | None = None,
    *,
    policy: PythonPolicy = PythonPolicy.PIP,
    lock_policy: LockPolicy = DEFAULT_POLICY,
    constraints: Path | None = None,
    former: Path | None = None,
    hints: Mapping[str, str] | None = None,
    places: FilePlaces = FilePlaces.PATH,
    command: str = "",
) -> PythonSide:
    """Route and resolve the Python of a solved workload.

    ``former`` is the folder of an earlier run's files, whose pins stay where they fit, as versions in ``hints`` do. A
    package that is on no index under its name stays an RPM, with a note. Raises what
    ``ppcdeps.python.workload.constraints_for`` raises.
    """
    reporter = reporter or Silence()
    packages = python_packages(solution)
    python = solution.target.python
    missing = tuple(_missing(solution))
    # Of several versions the newest, in whatever order repositories have them.
    referenced = dict(sorted(_referenced(solution, python), key=lambda each: evr_key(each[1])))
    stated = frozenset(_stated(solution, packages, python))
    roots = tuple(
        PythonRoot(root.removeprefix(PYPI), f"workload {solution.workload.name}")
        for root in solution.workload.roots
        if root.startswith(PYPI)
    )
    keep: set[str] = set()
    for _ in range(_MOST_RETREATS):
        routing = route_python(
            packages,
            policy=policy,
            python=python.tag,
            beside=python.beside,
            roots=roots,
            missing=missing,
            keep=keep,
            stated=stated,
        )
        wanted = WorkloadPython(
            workload=solution.workload.name,
            python=python,
            roots=routing.roots,
            machine=solution.target.arch,
            fixed=routing.fixed,
            reference=referenced | dict(routing.reference),
            constraints=constraints,
            policy=lock_policy,
            available=tuple(_available(solution, python)),
            hints=hints or {},
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
        bridged = (*routing.bridged, *bridged_for_builds(lock, python.tag, python.package))
        name = solution.workload.name
        inherited = bridge_requires(name, routing.inherited)
        return PythonSide(routing, lock, files, bridge_provides(name, bridged, lock), inherited)
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
    python = solution.target.python
    sources: dict[str, str] = {}
    closed = set()
    for package in python_packages(solution):
        source = routed[package.nevra]
        if package.nevra in by_pip and source not in stay:
            closed.add(source)
            for name, _ in distributions_of(package, python.tag, python.beside):
                sources.setdefault(name, source)
    found = timed_sdists(python_gaps(side.lock), side.lock)
    gaps = tuple(replace(gap, name=sources.get(gap.name, gap.name)) for gap in found)
    packages = python_packages(solution)
    for requirement, by in _missing(solution):
        wanted = meant_by(requirement, by, packages)
        if wanted is not None and PythonRoot(wanted.requirement, by) in side.routing.roots:
            closed.add(requirement)
    advice, replaced = tuple(_differences(solution, side)), frozenset(side.routing.by_pip)
    return PythonPart(
        gaps,
        frozenset(closed),
        planned_python(side.lock, side.bridge, side.bridge_requires, python.package),
        advice,
        replaced,
    )


def _differences(solution: Solution, side: PythonSide) -> Iterator[str]:
    """Where the native gaps would be others with all Python as RPMs.

    RPMs and the index's distributions of the same name need not require the same: packagers add requirements and
    take them away. A workload with roots on the index cannot have all of it as RPMs.
    """
    if any(root.startswith(PYPI) for root in solution.workload.roots):
        return
    universe, python = solution.universe, solution.target.python
    requirers = solution.requirers(solution.run)
    native: dict[str, int] = {}
    for package in sorted(solution.run.closure.chosen, key=universe.label):
        if universe.is_standin(package):
            found = distributions_of(as_python(solution, package, on_target=False), python.tag, python.beside)
            native |= {name: package for name, _ in found}
    for name, package in sorted(native.items()):
        if universe.label(package) in side.routing.by_pip and side.lock.by_name(name) is None:
            edges = sorted((universe.label(edge.by), edge.requirement) for edge in requirers.on.get(package, ()))
            by, requirement = edges[0] if edges else (solution.workload.name, name)
            yield (
                f"with --python rpm, {universe.source_of(package)} is one gap more: {by} requires {requirement}, and "
                f"no distribution of this plan requires {name}"
            )
    built = {each.name for each in side.lock.having(Provision.BUILD)}
    yield from _lacking_builds(solution, (package for name, package in native.items() if name in built))
    for each in side.lock.having(Provision.BUILD):
        if each.name not in native:
            by = each.required_by[0][0] if each.required_by else solution.workload.name
            yield (
                f"with --python rpm, {each.name} is not a gap: the distribution {by} requires it, and the RPMs do not"
            )


def _lacking_builds(solution: Solution, packages: Iterable[int]) -> Iterator[str]:
    """What the source packages of distributions that are built from sdists would lack as RPMs, and the sdists do not.

    A look at the BuildRequires themselves: what those need in turn is known where RPMs are planned.
    """
    universe, environments = solution.universe, solution.search.dropper.environments
    missing = {universe.source_of(each) for each in solution.run.closure.chosen if universe.is_standin(each)}
    for source in sorted({universe.source_of(package) for package in packages}):
        package = environments.source_package(source)
        required = universe.requirements_of(package) if package is not None else ()
        for requirement in sorted(map(universe.text_of, required)):
            providers = () if requirement.startswith(("(", "/")) else universe.providers_of(requirement)
            lacking = providers and all(universe.is_standin(each) for each in providers)
            if lacking and universe.source_of(min(providers)) not in missing:
                yield (
                    f"with --python rpm, {universe.source_of(min(providers))} is one gap more: the source package of "
                    f"{source} requires {requirement} to be built, and its sdist does not"
                )


def _missing(solution: Solution) -> Iterator[tuple[str, str]]:
    universe = solution.universe
    requirers = solution.requirers(solution.run)
    for each in solution.run.closure.unknown:
        requirement = universe.placeholders.get(each)
        if requirement is not None:
            edges = requirers.on.get(each, ())
            requesters = sorted(universe.label(edge.by) for edge in edges)
            yield requirement, requesters[0] if requesters else f"workload {solution.workload.name}"
            # Others may be met by the same placeholder, and narrow what it stands for.
            for edge in edges:
                alike = (other.met_by for other in requirers.of[edge.by] if other.requirement == edge.requirement)
                if edge.requirement != requirement and universe.placeholders.keys() >= set(alike):
                    yield edge.requirement, universe.label(edge.by)


def _stated(
    solution: Solution, packages: Iterable[PythonPackage], python: PythonEnvironment
) -> Iterator[tuple[str, str]]:
    """The distributions that packages are named after and any known package states, with that package's name."""
    universe = solution.universe
    for package in packages:
        named = wanted_by(package.name)
        if named is None or distributions_of(package, python.tag, python.beside):
            continue
        for prefix in (f"python{python.tag}", *(() if python.beside else ("python3",))):
            provide = f"{prefix}dist({named.name})"
            yield from ((named.name, universe.name_of(each)) for each in universe.providers_of(provide))


def _available(solution: Solution, python: PythonEnvironment) -> Iterator[FixedDistribution]:
    """What the target's own packages, in the closure or not, provide to its Python."""
    universe = solution.universe
    prefixes = name_prefixes(python.tag, python.beside)
    for part in universe.parts:
        if part.role is not Role.TARGET:
            continue
        for each in part.ids:
            if not universe.name_of(each).startswith(prefixes):
                continue
            for text in universe.provides_of(each):
                if text.startswith(f"python{python.tag}dist(") and (stated := provided_distribution(text)):
                    yield FixedDistribution(*stated, universe.label(each))


def _referenced(solution: Solution, python: PythonEnvironment) -> Iterator[tuple[str, str]]:
    """Names and versions of the distributions that the reference's packages have, in the closure or not."""
    universe = solution.universe
    prefixes = name_prefixes(python.tag, python.beside)
    for part in universe.parts:
        if part.role is Role.TARGET:
            continue
        for each in part.ids:
            name = universe.name_of(each)
            if name.startswith(prefixes):
                package = PythonPackage(universe.label(each), name, False, universe.provides_of(each))
                yield from distributions_of(package, python.tag, python.beside)


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
