"""Which packages that are held have to move with what moves, as the packages themselves say it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ppcdeps.model.lock import RUN, HeldPackage
from ppcdeps.planning.solution import Solution, SolvedRequest
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.universe import Universe


def behind(made: Solution, newest: Solution, free: Collection[str]) -> dict[str, list[int]]:
    """What is free to move, and has another version in ``made`` than in the newest solution.

    Returns packages of the newest solution's universe by what takes them: `RUN`, or the source that is built.
    """
    there, wanted = _solved(made), _solved(newest)
    found: dict[str, list[int]] = {}
    for by in there.keys() & wanted.keys():
        versions = _versions(made, there[by])
        for package in _of_target(newest, wanted[by]):
            name = newest.universe.name_of(package)
            others = versions.get(name, set())
            if name in free and others and newest.universe.nevra(package).evr not in others:
                found.setdefault(by, []).append(package)
    return found


def to_release(
    packages: Mapping[str, Sequence[int]],
    made: Solution,
    newest: Solution,
    free: Collection[str],
    held: Collection[HeldPackage],
) -> set[str]:
    """The names that keep `behind` packages from being taken while they are held.

    These are the packages that alone have what is required, at their newest; or else those whose locked versions
    require what the newest of the free ones no longer has. Empty where the cause is another one, such as a conflict.
    """
    universe = newest.universe
    barred = {(one.repo, one.nevra) for one in held}

    def lacking(by: str) -> set[str]:
        chosen = set(_of_target(newest, _solved(newest)[by]))
        found = set()
        for package in packages[by]:
            for dep in universe.requirements_of(package):
                there = {i for i in universe.providers(dep) if universe.role_of(i) is Role.TARGET}
                if there and all(_key(universe, i) in barred for i in there):
                    found |= {universe.name_of(i) for i in there & chosen}
        return found

    found: set[str] = set().union(*map(lacking, packages))
    if found:
        return found
    latest = {str(universe.nevra(i)) for by in packages for i in _of_target(newest, _solved(newest)[by])}

    def is_there(nevra: str, name: str) -> bool:
        return name not in free or nevra in latest

    for by in packages:
        here = made.universe
        for package in _of_target(made, _solved(made)[by]):
            name = here.name_of(package)
            if name in free:
                continue
            for dep in here.requirements_of(package):
                met = here.providers(dep)
                if met and not any(is_there(str(here.nevra(i)), here.name_of(i)) for i in met):
                    found.add(name)
    return found


def replacing(made: Solution, locked: Collection[str], free: Collection[str]) -> set[str]:
    """The names of packages that are not locked, and are taken where locked ones would do as well.

    ``locked`` are names. What something requires that no locked package has which stays is not among them.
    """
    universe = made.universe
    staying = set(locked).difference(free)
    found: set[str] = set()
    needed: set[str] = set()
    for solved in _solved(made).values():
        edges = made.requirers(solved).on
        for package in _of_target(made, solved):
            name = universe.name_of(package)
            if name in locked or name in free:
                continue
            wanted = {edge.requirement for edge in edges.get(package, ())}
            met = all(
                any(universe.name_of(i) in staying for i in universe.providers_of(requirement))
                for requirement in wanted
            )
            (found if wanted and met else needed).add(name)
    return found - needed


def of_sources(solution: Solution, names: Iterable[str], wanted: Collection[str]) -> set[str]:
    """Those of the names of packages that are built of a wanted source, or of the source of a wanted package."""
    universe = solution.universe
    sources = {name: {universe.source_of(package) for package in universe.named(name, Role.TARGET)} for name in names}
    moving = set(wanted).union(*(of for name, of in sources.items() if name in wanted))
    return {name for name, of in sources.items() if not of.isdisjoint(moving)}


def least(candidates: Sequence[str], is_enough: Callable[[Collection[str]], bool]) -> tuple[str, ...]:
    """As few of the candidates as are enough, when all of them are: none of those returned can be left out.

    It takes a number of questions for each that is found which grows with the logarithm of the candidates.
    """
    found: list[str] = []
    rest = list(candidates)
    while not is_enough(found):
        low, high = 0, len(rest)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough([*found, *rest[:middle]]) else (middle, high)
        if not rest:
            break
        found.append(rest[high - 1])
        rest = rest[: high - 1]
    return tuple(found)


def _solved(solution: Solution) -> dict[str, SolvedRequest]:
    builds = {source: solved for source, solved in solution.builds.items() if solved is not None}
    return {RUN: solution.run, **builds}


def _of_target(solution: Solution, solved: SolvedRequest) -> list[int]:
    """What a closure takes from the target's repositories as it is."""
    universe = solution.universe
    return [
        package
        for package in solved.closure.chosen
        if universe.role_of(package) is Role.TARGET and not universe.is_standin(package)
    ]


def _versions(solution: Solution, solved: SolvedRequest) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in _of_target(solution, solved):
        nevra = solution.universe.nevra(package)
        found.setdefault(nevra.name, set()).add(nevra.evr)
    return found


def _key(universe: Universe, package: int) -> tuple[str, str]:
    part = universe.part_of(package)
    return (part.metadata.config.id if part is not None else "", str(universe.nevra(package)))
