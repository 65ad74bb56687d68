"""A look at repositories that are not enabled: which have to do with a plan's gaps, and what they would replace."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from ppcdeps.model.capability import Capability, capabilities_in, parse_requirement
from ppcdeps.model.gap import Gap, GapKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan, Replacement
from ppcdeps.planning.enabling import Survey, asks
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Part, Role
from ppcdeps.rpm.universe import Universe


def survey(plan: Plan, universe: Universe, known: Collection[str]) -> Survey:
    """A look at the ``known`` repositories in a universe of the target's side that has them as if they were enabled.

    Raises RepositoryError where file lists are wanted and cannot be read.
    """
    parts = {part.metadata.config.id: part for part in universe.parts if part.metadata.config.id in known}
    asking = [gap for gap in plan.gaps if asks(gap)]
    obsoleted = _obsoleted_by(parts.values())
    satisfying = {gap.name: set(_satisfying(gap, plan, universe, obsoleted)) for gap in asking}
    waiting = [
        each for gap in asking for each in (*satisfying[gap.name], *_replacing_requirers(gap, universe, obsoleted))
    ]
    return Survey(
        packages={name: universe.considered_count(part) for name, part in parts.items()},
        concerned=frozenset(_concerned(waiting, universe, known)),
        replaces=_replacements(universe, parts, {package.nevra.name for package in plan.closure}),
        offers={
            name: tuple(
                sorted(
                    (_id_of(universe, each), universe.label(each))
                    for each in found
                    if _id_of(universe, each) in known
                )
            )
            for name, found in satisfying.items()
        },
    )


def has_to_do_with(plan: Plan, universe: Universe) -> bool:
    """Whether any package of a universe might come in place of a gap's, or of those that require it.

    Raises RepositoryError where file lists are wanted and cannot be read.
    """
    obsoleted = _obsoleted_by(universe.parts)
    asking = [gap for gap in plan.gaps if asks(gap)]
    requirers = {nevra.name for gap in asking for each in gap.required_by if (nevra := _nevra(each.by)) is not None}
    if any(name in obsoleted or universe.named(name, Role.TARGET) for name in requirers):
        return True
    return any(True for gap in asking for _ in _satisfying(gap, plan, universe, obsoleted))


def _obsoleted_by(parts: Iterable[Part]) -> set[str]:
    """The names that packages of these parts obsolete: to find who obsoletes one, libsolv looks through all."""
    return {name for part in parts for s in part.repo.solvables_iter() for name, _ in _obsoletes(s)}


def _concerned(waiting: list[int], universe: Universe, known: Collection[str]) -> set[str]:
    """The repositories that have these packages, and those that such packages take to be installed."""
    seen: set[int] = set()
    found: set[str] = set()
    while waiting:
        package = waiting.pop()
        identity = _id_of(universe, package)
        if package in seen or identity not in known:
            continue
        seen.add(package)
        found.add(identity)
        for dep in universe.requirements_of(package):
            for providers in _providers(universe, universe.text_of(dep)):
                targets = [each for each in providers if universe.role_of(each) is Role.TARGET]
                if all(_id_of(universe, each) in known for each in targets):
                    waiting += targets
    return found


def _satisfying(gap: Gap, plan: Plan, universe: Universe, obsoleted: Collection[str]) -> Iterator[int]:
    """Packages that satisfy what the gap is wanted for, or have a wanted name, or obsolete what is wanted.

    ``obsoleted`` are the names that packages of known repositories obsolete.
    """
    requirements = {str(each) for each in gap.wanted if not isinstance(each, Nevra)}
    if gap.kind is GapKind.PYTHON:
        version = ".".join(plan.python.python.split(".")[:2]) if plan.python is not None else "3"
        distributions = {each.partition("==")[0] for each in requirements}
        requirements = {f"python{tag}dist({name})" for name in distributions for tag in (version, "3")}
    else:
        requirements |= {requirer.requirement for requirer in gap.required_by}
    for requirement in sorted(requirements):
        for providers in _providers(universe, requirement):
            yield from providers
    for package in gap.packages:
        yield from universe.named(package.name, Role.TARGET)
        if package.name in obsoleted:
            yield from universe.obsoleting(package)


def _replacing_requirers(gap: Gap, universe: Universe, obsoleted: Collection[str]) -> Iterator[int]:
    """Packages that come in place of who requires the gap's: a newer one may not have the requirement any more."""
    for requirer in gap.required_by:
        nevra = _nevra(requirer.by)
        for package in universe.named(nevra.name, Role.TARGET) if nevra is not None else ():
            yield package
            if universe.name_of(package) in obsoleted:
                yield from universe.obsoleting(universe.nevra(package))


def _providers(universe: Universe, requirement: str) -> Iterator[Sequence[int]]:
    """What satisfies each plain part of a requirement."""
    try:
        parts = list(capabilities_in(parse_requirement(requirement)))
    except ValueError:
        return
    for part in parts:
        yield universe.owners_of(part.name) if _is_plain_path(part) else universe.providers_of(str(part))


def _is_plain_path(capability: Capability) -> bool:
    return capability.is_path and not capability.relation


def _nevra(text: str) -> Nevra | None:
    try:
        return Nevra.parse(text)
    except ValueError:
        return None


def _id_of(universe: Universe, package: int) -> str:
    part = universe.part_of(package)
    return part.metadata.config.id if part is not None else ""


def _replacements(
    universe: Universe, parts: dict[str, Part], needed: Collection[str]
) -> dict[str, tuple[Replacement, ...]]:
    """What dnf would take from each of the repositories in place of packages of those that are enabled.

    That is a newer package of the same name, one of a repository of better priority, or one that obsoletes it.
    """
    enabled: dict[str, tuple[int, Any]] = {}
    for part in universe.parts:
        if part.role is Role.TARGET and part.metadata.config.id not in parts:
            _take_best(universe, part, enabled)
    found: dict[str, tuple[Replacement, ...]] = {}
    for identity, part in parts.items():
        own: dict[str, tuple[int, Any]] = {}
        _take_best(universe, part, own)
        pairs = [
            (enabled[name][1], best)
            for name, (priority, best) in own.items()
            if name in enabled and _wins(priority, best, *enabled[name])
        ]
        pairs += _obsoleted(own.values(), enabled)
        found[identity] = tuple(
            sorted(
                (
                    Replacement(universe.nevra(old.id), universe.nevra(new.id), str(old.name) in needed)
                    for old, new in pairs
                ),
                key=lambda each: (str(each.package), str(each.by)),
            )
        )
    return found


def _take_best(universe: Universe, part: Part, found: dict[str, tuple[int, Any]]) -> None:
    """Put the package of each name that dnf would take from a part into ``found``, where it beats what is there."""
    priority = part.metadata.config.priority
    for solvable in part.repo.solvables_iter():
        if solvable.id in universe.index.excluded:
            continue
        name = str(solvable.name)
        if name not in found or _wins(priority, solvable, *found[name]):
            found[name] = (priority, solvable)


def _wins(priority: int, solvable: Any, other_priority: int, other: Any) -> bool:
    if priority != other_priority:
        return priority < other_priority and bool(solvable.evrcmp(other) != 0)
    return bool(solvable.evrcmp(other) > 0)


def _obsoleted(own: Iterable[tuple[int, Any]], enabled: dict[str, tuple[int, Any]]) -> Iterator[tuple[Any, Any]]:
    for _, new in own:
        for name, dep in _obsoletes(new):
            there = enabled.get(name)
            if there is not None and name != str(new.name) and there[1].matchesdep(libsolv().SOLVABLE_NAME, dep):
                yield there[1], new


def _obsoletes(solvable: Any) -> Iterator[tuple[str, Any]]:
    """What a package obsoletes: the name, and the dependency on it."""
    for dep in solvable.lookup_deparray(libsolv().SOLVABLE_OBSOLETES):
        yield str(dep).partition(" ")[0], dep
