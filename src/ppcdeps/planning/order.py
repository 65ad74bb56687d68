"""The order of builds: in waves, each of which needs only what earlier ones give.

What a build needs is read off its solved environment: a source comes after another if the other's stand-ins are
installed for its build. That includes the runtime needs of these stand-ins too, as they are in the same environment.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ppcdeps.model.build_order import Bootstrap, Cycle
from ppcdeps.model.values import dataclass


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One build of a source: its own, or an earlier one with the build condition ``bootstrap``."""

    source: str
    bootstrap: str = ""

    def __str__(self) -> str:
        return f"{self.source} (with {self.bootstrap})" if self.bootstrap else self.source


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """The waves, and why they are so.

    ``needs`` has for each source those that it needs to be built. Sources of cycles that nothing breaks, and
    those that need them, are in no wave: they are ``undecided``.
    """

    waves: tuple[tuple[BuildStep, ...], ...]
    needs: Mapping[str, tuple[str, ...]]
    cycles: tuple[Cycle, ...] = ()
    undecided: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """The waves as a plan has them: the sources' names, with their condition where it is a bootstrap."""
        return tuple(tuple(map(str, wave)) for wave in self.waves)


def order_of(needs: Mapping[str, Collection[str]], bootstraps: Iterable[Bootstrap] = ()) -> BuildOrder:
    """The build order of sources, given what each needs to be built; names that are not keys need nothing.

    The same needs give the same order, however they are sorted.
    """
    edges = {source: tuple(sorted(set(wanted))) for source, wanted in sorted(needs.items())}
    for source in sorted({wanted for all_wanted in edges.values() for wanted in all_wanted} - edges.keys()):
        edges[source] = ()
    edges = dict(sorted(edges.items()))
    try:
        return BuildOrder(tuple(_waves(edges)), edges)
    except CycleError:
        pass  # networkx describes cycles better, but takes 0.1 s to load: most plans have none
    return _Sorter(edges, tuple(sorted(bootstraps, key=lambda one: (one.source, one.condition)))).order()


def _waves(needs: Mapping[str, Collection[str]]) -> Iterator[tuple[BuildStep, ...]]:
    """The waves where there is no cycle. Raises CycleError."""
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield tuple(map(BuildStep, ready))
        sorter.done(*ready)


class _Sorter:
    """Builds the graph of steps, breaks its cycles where that is declared, and cuts it into waves."""

    def __init__(self, needs: Mapping[str, tuple[str, ...]], bootstraps: tuple[Bootstrap, ...]) -> None:
        import networkx

        self.networkx = networkx
        self.needs = needs
        self.bootstraps = bootstraps
        # An edge leads from what is needed to what needs it.
        self.graph: Any = networkx.DiGraph()
        self.graph.add_nodes_from(map(BuildStep, needs))
        self.graph.add_edges_from(
            (BuildStep(w), BuildStep(source)) for source, wanted in needs.items() for w in wanted
        )

    def order(self) -> BuildOrder:
        cycles = []
        left: set[BuildStep] = set()
        while (knot := self._next_knot(left)) is not None:
            cycle = self._broken(self._cycle_in(knot))
            cycles.append(cycle)
            if cycle.broken_by is None:
                left.update(knot)
        stuck = left.union(*(self.networkx.descendants(self.graph, step) for step in left))
        self.graph.remove_nodes_from(stuck)
        waves = tuple(tuple(sorted(wave, key=_by_name)) for wave in self.networkx.topological_generations(self.graph))
        undecided = tuple(sorted({step.source for step in stuck}))
        return BuildOrder(waves, self.needs, tuple(sorted(cycles, key=lambda one: one.chain)), undecided)

    def _next_knot(self, left: set[BuildStep]) -> list[BuildStep] | None:
        """The first set of steps, by name, that all need each other, and that is not left to a person."""
        parts = (sorted(part, key=_by_name) for part in self.networkx.strongly_connected_components(self.graph))
        tied = [part for part in parts if len(part) > 1 or self.graph.has_edge(part[0], part[0])]
        return min((part for part in tied if part[0] not in left), key=lambda part: _by_name(part[0]), default=None)

    def _cycle_in(self, knot: list[BuildStep]) -> Cycle:
        chain = self._chain(knot)
        return Cycle(tuple(map(str, chain)), tuple(sorted({step.source for step in knot})))

    def _chain(self, knot: list[BuildStep]) -> list[BuildStep]:
        """A shortest cycle through a knot, begun at its first name; each step needs the next."""
        inside = self.graph.subgraph(knot)
        best: list[BuildStep] = []
        for start in knot:
            paths_from = self.networkx.single_source_shortest_path(inside, start)
            for before in sorted(inside.predecessors(start), key=_by_name):
                if not best or len(paths_from[before]) < len(best):
                    best = paths_from[before]
        chain = best[::-1]
        first = min(range(len(chain)), key=lambda place: _by_name(chain[place]))
        return chain[first:] + chain[:first]

    def _broken(self, cycle: Cycle) -> Cycle:
        """The cycle with what breaks it, the graph being changed accordingly; as it is where nothing does."""
        for declared in self.bootstraps:
            without = frozenset(cycle.members) if declared.without is None else declared.without
            bootstrap = replace(declared, without=without)
            early, full = BuildStep(bootstrap.source, bootstrap.condition), BuildStep(bootstrap.source)
            if early in self.graph or not _opens(bootstrap.source, without, cycle):
                continue
            for needed in self.needs[bootstrap.source]:
                if needed not in without:
                    self.graph.add_edge(BuildStep(needed), early)
            # Those of the cycle are built with what the bootstrap gives; the full build comes after them.
            for member in cycle.members:
                if self.graph.has_edge(full, BuildStep(member)):
                    self.graph.remove_edge(full, BuildStep(member))
                    self.graph.add_edge(early, BuildStep(member))
            self.graph.add_edge(early, full)
            return Cycle(cycle.chain, cycle.members, bootstrap)
        return cycle


def _opens(source: str, without: Collection[str], cycle: Cycle) -> bool:
    """Whether what the bootstrap does without is what the chain needs of its source."""
    if source not in cycle.chain:
        return False
    place = cycle.chain.index(source)
    return cycle.chain[(place + 1) % len(cycle.chain)] in without


def _by_name(step: BuildStep) -> tuple[str, str]:
    return step.source, step.bootstrap
