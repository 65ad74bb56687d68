"""A universe examined package by package: what is installable with what is there, and with which builds the rest.

Three sets of packages, each with more than the one before: the target's own, those and the noarch packages of the
reference, and all that builds of the reference's sources would give. A package is judged by the smallest set in
which it is installable. Which builds it needs is found by taking one source at a time out of the largest set: what
breaks then needs that source, whichever others are built.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ppcdeps.auditing.installable import installable_together, not_installable, problems_of, sources_for
from ppcdeps.auditing.requirements import RequirementGraph, Support, unmet
from ppcdeps.model.reporter import Reporter
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.universe import Universe

_TASK = "what is installable"


@dataclass(frozen=True, slots=True)
class Examination:
    """What is installable in which set; all are libsolv's ids.

    ``by_target``, ``usable`` and ``buildable`` are what is installable from the three sets. ``needs`` has for what
    only the last has installable the sources whose builds it takes, ``refused`` what is in no set installable though
    its plain requirements can be met.
    """

    graph: RequirementGraph
    by_target: frozenset[int]
    usable: frozenset[int]
    buildable: frozenset[int]
    refused: frozenset[int]
    standins: Mapping[str, tuple[int, ...]]
    needs: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def names_of(universe: Universe) -> dict[int, str]:
    """The names of all considered packages, source packages left out."""
    excluded = universe.index.excluded
    return {
        solvable.id: str(solvable.name)
        for part in universe.parts
        if part.role is not Role.SOURCE and part.count
        for solvable in part.repo.solvables_iter()
        if solvable.id not in excluded
    }


def examine(
    universe: Universe,
    names: Mapping[int, str],
    reporter: Reporter,
    requests: Collection[int] = (),
    *,
    builds: bool = True,
) -> Examination:
    """Examine all packages of a universe, which have these names, and requests as if they were packages.

    Stand-ins of packages of which the target has others of the same name only serve the rest: what they need is not
    found. Without ``builds`` only what is installable without any is. Raises EnvironmentLacksError, RepositoryError.
    """
    universe.paths.look_up()
    by_role = {
        role: {i for part in universe.parts if part.role is role for i in part.ids if i in names} for role in Role
    }
    target, standins = by_role[Role.TARGET], by_role[Role.STANDIN]
    there = target | by_role[Role.REFERENCE] | set(requests)
    graph = RequirementGraph(universe, (), there | standins)
    reporter.begin(_TASK, len(target) + len(there))
    try:
        by_target = _usable(universe, graph, target, (), reporter)
        usable = _usable(universe, graph, there, by_target, reporter)
    finally:
        reporter.end(_TASK)
    if not builds:
        return Examination(graph, by_target, usable, usable, frozenset(), {})
    has = {names[i] for i in target}
    wanted = (there - usable).union(i for i in standins if names[i] not in has)
    later, support, refused = _buildable(universe, graph, wanted, usable)
    by_source = _by_source(universe, standins)
    needs = _needs(universe, support, by_source, wanted & later, reporter)
    return Examination(graph, by_target, usable, usable | later, frozenset(refused), by_source, needs)


def unmet_of(found: Examination, package: int) -> list[int]:
    """The plain requirements of a package that nothing usable satisfies."""
    return list(unmet(found.graph, package, found.usable))


def blocking(universe: Universe, found: Examination) -> dict[int, str]:
    """Of all that no build makes installable, why that is: the requirement that nothing provides, or the conflict."""
    graph = found.graph
    reasons: dict[int, str] = {}
    everything = graph.requirements.keys()
    waiting: list[int] = []
    for package in sorted(everything - found.buildable):
        lacking = [dep for dep in graph.requirements[package] if not graph.providers[dep]]
        if lacking:
            text = universe.pool.dep2str(min(lacking, key=universe.pool.dep2str))
            reasons[package] = f"nothing provides {text} needed by {universe.label(package)}"
            waiting.append(package)
        elif package in found.refused and all(
            any(each in found.buildable for each in graph.providers[dep]) for dep in graph.requirements[package]
        ):
            reasons[package] = problems_of(universe, package)
            waiting.append(package)
    for package in waiting:
        for dep in graph.provides.get(package, ()):
            for requirer in graph.requirers[dep]:
                if requirer not in reasons and requirer not in found.buildable:
                    reasons[requirer] = reasons[package]
                    waiting.append(requirer)
    for package in sorted(everything - found.buildable - reasons.keys()):
        reasons[package] = problems_of(universe, package)
    return reasons


def _by_source(universe: Universe, standins: Iterable[int]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    known = frozenset(standins)
    for part in universe.parts:
        if part.role is Role.STANDIN:
            for source, positions in part.sources.items():
                mine = [part.start + position for position in positions if part.start + position in known]
                found.setdefault(source, []).extend(mine)
    return {source: tuple(ids) for source, ids in sorted(found.items()) if ids}


def _usable(
    universe: Universe, graph: RequirementGraph, allowed: Collection[int], known: Collection[int], reporter: Reporter
) -> frozenset[int]:
    """What is installable from the allowed packages, of which some are ``known`` to be."""

    def advance(count: int) -> None:
        reporter.advance(_TASK, count)

    advance(len(known))
    forbidden = graph.considered.difference(allowed)
    proven = installable_together(universe, set(allowed).difference(known), forbidden, advance).union(known)
    # The requirements of the few that are left say of most what is missing, which would cost the solver a run each.
    doubtful = frozenset(allowed).difference(proven)
    graph.extend(sorted(doubtful))
    broken = graph.broken(allowed)
    refused = not_installable(universe, doubtful - broken, forbidden | broken)
    return frozenset(allowed).difference(broken, refused)


def _buildable(
    universe: Universe, graph: RequirementGraph, wanted: Collection[int], usable: Collection[int]
) -> tuple[frozenset[int], Support, set[int]]:
    """What builds make installable of the wanted packages and all that these need; what the solver refused."""
    doubtful = graph.extend_to_all_that_matters(wanted, usable)
    support = Support(graph, graph.considered)
    refused = not_installable(universe, doubtful - support.broken, support.broken)
    support.mark(refused)
    return frozenset(doubtful).difference(support.broken, refused), support, refused


def _needs(
    universe: Universe,
    support: Support,
    standins: Mapping[str, Sequence[int]],
    wanted: Collection[int],
    reporter: Reporter,
) -> dict[int, tuple[str, ...]]:
    """For each wanted package the sources whose builds it takes."""
    needed: dict[int, list[str]] = {each: [] for each in wanted}
    for source, given in standins.items():
        for package in support.without(given):
            if package in needed:
                needed[package].append(source)
    groups: dict[tuple[str, ...], list[int]] = {}
    for package, in_turn in needed.items():
        groups.setdefault(tuple(in_turn), []).append(package)
    everything = {each for mine in standins.values() for each in mine}
    found: dict[int, tuple[str, ...]] = {}
    task = "which builds are needed"
    reporter.begin(task, len(groups))
    try:
        for sources, packages in sorted(groups.items()):
            forbidden = everything.difference(*(standins[source] for source in sources))
            # Where there is a choice, no source of it is needed in any case.
            chosen = not_installable(universe, packages, forbidden) if sources else set(packages)
            found |= dict.fromkeys(set(packages) - chosen, sources)
            for package in sorted(chosen):
                found[package] = sources_for(universe, package, sources, standins)
            reporter.advance(task, 1)
    finally:
        reporter.end(task)
    return found
