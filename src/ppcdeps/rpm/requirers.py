"""Who requires what in a closure: the edges from each package to those that satisfy its requirements."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from ppcdeps.model.capability import capabilities_in, requirement_of
from ppcdeps.rpm.isa import dependency
from ppcdeps.rpm.universe import Universe


class Edge(NamedTuple):
    """A requirement that one package (or request) has and another package satisfies."""

    by: int
    requirement: str
    met_by: int


class Requirers:
    """The edges of one closure, indexed by the package that satisfies them."""

    def __init__(
        self,
        universe: Universe,
        chosen: Iterable[int],
        requesters: Iterable[int],
        on: Collection[int] | None = None,
    ) -> None:
        """Read the requirements of all chosen packages and of the requesters (requests, source packages).

        ``on`` are the packages whose requirers matter (None: all): only edges to these are known then.
        """
        self._universe = universe
        self._chosen = frozenset(chosen)
        self._met_by = self._chosen if on is None else self._chosen.intersection(on)
        self.requesters = tuple(requesters)
        self.on: dict[int, list[Edge]] = {}
        self._edges: list[Edge] = []
        met: dict[int, tuple[str, list[int]]] = {}
        for package in sorted({*self._chosen, *self.requesters}):
            for dep in universe.requirements_of(package):
                if dep not in met:
                    met[dep] = (universe.text_of(dep), sorted(self._providers(dep)))
                requirement, providers = met[dep]
                for provider in providers:
                    if provider != package:
                        edge = Edge(package, requirement, provider)
                        self._edges.append(edge)
                        self.on.setdefault(provider, []).append(edge)

    @cached_property
    def of(self) -> Mapping[int, list[Edge]]:
        """The edges by the package that requires, those of each in the order of its requirements."""
        found: dict[int, list[Edge]] = {}
        for edge in self._edges:
            found.setdefault(edge.by, []).append(edge)
        return found

    def chain_to(self, package: int) -> list[Edge]:
        """A shortest chain of requirements from a requester to the package; empty where there is none."""
        came_by: dict[int, Edge | None] = dict.fromkeys(self.requesters)
        waiting = deque(self.requesters)
        while waiting:
            at = waiting.popleft()
            if at == package:
                break
            for edge in self.of.get(at, ()):
                if edge.met_by not in came_by:
                    came_by[edge.met_by] = edge
                    waiting.append(edge.met_by)
        return _unwound(came_by, package)

    def _providers(self, dep: int) -> frozenset[int]:
        """The chosen packages that matter and satisfy a requirement, or a part of one that is boolean."""
        universe, text = self._universe, self._universe.text_of(dep)
        if not text.startswith("("):
            return self._met_by.intersection(universe.satisfying(dep))
        deps = [dependency(universe.pool, str(plain)).id for plain in capabilities_in(requirement_of(text))]
        return self._met_by.intersection(i for plain in deps for i in universe.satisfying(plain))


def _unwound(came_by: Mapping[int, Edge | None], package: int) -> list[Edge]:
    chain: list[Edge] = []
    edge = came_by.get(package)
    while edge is not None:
        chain.append(edge)
        edge = came_by.get(edge.by)
    return chain[::-1]
