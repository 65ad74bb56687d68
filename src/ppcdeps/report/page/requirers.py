"""Who requires whom in a plan: packages, Python distributions and builds in one graph, with shortest chains."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ppcdeps.model.gap import Gap, GapKind, Phase
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.planning.explained import Link


class NodeKind(StrEnum):
    """What a node of the graph stands for."""

    ROOT = "root"
    PACKAGE = "package"
    DISTRIBUTION = "distribution"
    BUILD = "build"
    """The build of a source: it requires what its BuildRequires say."""
    REQUIREMENT = "requirement"
    """What nothing provides."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node: a workload, a package's NEVRA, the name of a distribution or of a source, or a bare requirement."""

    kind: NodeKind
    name: str

    def __str__(self) -> str:
        return f"the build of {self.name}" if self.kind is NodeKind.BUILD else self.name


class PlanRequirers:
    """The graph of a plan. Edges lead from what requires to what is required."""

    def __init__(self, plan: Plan) -> None:
        self._root = Node(NodeKind.ROOT, plan.workload)
        self._packages = {str(one.nevra): one for one in plan.closure}
        distributions = plan.python.distributions if plan.python is not None else ()
        self._distributions = {one.name for one in distributions}
        self._by: dict[Node, list[tuple[Node, str]]] = {}
        self._gap_of: dict[Node, Gap] = {}
        for package in plan.closure:
            node = Node(NodeKind.PACKAGE, str(package.nevra))
            for requirer in package.required_by:
                self._add(node, self._requirer(requirer.by), requirer.requirement)
            if package.side == "standin":
                self._add(Node(NodeKind.BUILD, package.source), node, "must be built")
        for one in distributions:
            node = Node(NodeKind.DISTRIBUTION, one.name)
            for each in one.required_by:
                self._add(node, self._requirer(each.by), f"{one.name} {each.specifier}".strip())
        for gap in plan.gaps:
            self._add_gap(gap)
        self._steps = self._from_root()

    def nodes_of(self, gap: Gap) -> tuple[Node, ...]:
        """What a gap's name stands for in the graph: its packages, its distribution, or a bare requirement."""
        return tuple(node for node, owner in self._gap_of.items() if owner is gap and node.kind is not NodeKind.BUILD)

    def gap_of(self, node: Node) -> Gap | None:
        """The gap that a node belongs to, None for what is there."""
        return self._gap_of.get(node)

    def chain_to(self, nodes: Iterable[Node]) -> tuple[tuple[Node, str], ...]:
        """A shortest chain from the root to the nearest of these nodes: each node, and what the one before requires
        of it (nothing of the root). Empty where no chain leads there.
        """
        reached = [node for node in nodes if node in self._steps]
        if not reached:
            return ()
        place = min(reached, key=lambda node: (self._steps[node][0], node.kind, node.name))
        chain: list[tuple[Node, str]] = []
        while True:
            _, by, requirement = self._steps[place]
            chain.append((place, requirement))
            if by is None:
                return tuple(reversed(chain))
            place = by

    def links_to(self, nodes: Iterable[Node]) -> tuple[Link, ...]:
        """The same chain in words."""
        chain = self.chain_to(nodes)
        pairs = itertools.pairwise(chain)
        return tuple(Link(str(by), requirement, str(node)) for (by, _), (node, requirement) in pairs)

    def held_back_by(self, nodes: Iterable[Node]) -> tuple[Node, ...]:
        """All packages and distributions that need one of these nodes, directly or through others."""
        own = set(nodes)
        seen, waiting = set(own), deque(own)
        while waiting:
            for by, _ in self._by.get(waiting.popleft(), ()):
                if by not in seen:
                    seen.add(by)
                    waiting.append(by)
        kinds = (NodeKind.PACKAGE, NodeKind.DISTRIBUTION)
        return tuple(sorted((node for node in seen - own if node.kind in kinds), key=lambda node: node.name))

    def requirers_of(self, node: Node) -> tuple[tuple[Node, str], ...]:
        """Who requires a node directly, each with its requirement."""
        return tuple(self._by.get(node, ()))

    def _add_gap(self, gap: Gap) -> None:
        nodes = [self._wanted(gap, one) for one in gap.wanted]
        if gap.kind is GapKind.RPM and gap.source:
            self._gap_of.setdefault(Node(NodeKind.BUILD, gap.source), gap)
            nodes += [
                Node(NodeKind.PACKAGE, nevra)
                for nevra, package in self._packages.items()
                if package.source == gap.source and package.side != "target"
            ]
        for node in dict.fromkeys(nodes):
            self._gap_of.setdefault(node, gap)
            if node.name in self._packages or node.name in self._distributions:
                continue  # its requirers are known
            for requirer in gap.required_by:
                self._add(node, self._requirer(requirer.by, build=gap.phase is Phase.BUILD), requirer.requirement)
            if gap.kind is GapKind.RPM and gap.source and node.kind is NodeKind.PACKAGE:
                self._add(Node(NodeKind.BUILD, gap.source), node, "must be built")

    def _wanted(self, gap: Gap, wanted: Nevra | str) -> Node:
        if isinstance(wanted, Nevra):
            return Node(NodeKind.PACKAGE, str(wanted))
        if gap.kind is GapKind.PYTHON:
            return Node(NodeKind.DISTRIBUTION, wanted.partition("==")[0])
        return Node(NodeKind.REQUIREMENT, wanted)

    def _requirer(self, by: str, *, build: bool = False) -> Node:
        if by == self._root.name:
            return self._root
        if by in self._packages and not build:
            return Node(NodeKind.PACKAGE, by)
        if by in self._distributions:
            return Node(NodeKind.DISTRIBUTION, by)
        try:
            return Node(NodeKind.BUILD, Nevra.parse(by).name)
        except ValueError:
            return Node(NodeKind.BUILD, by)

    def _add(self, node: Node, by: Node, requirement: str) -> None:
        self._by.setdefault(node, []).append((by, requirement))

    def _from_root(self) -> Mapping[Node, tuple[int, Node | None, str]]:
        """Of each node that the root leads to: how far it is, by whom it is required there, and how."""
        required: dict[Node, list[tuple[Node, str]]] = {}
        for node, requirers in self._by.items():
            for by, requirement in requirers:
                required.setdefault(by, []).append((node, requirement))
        steps: dict[Node, tuple[int, Node | None, str]] = {self._root: (0, None, "")}
        waiting = deque([self._root])
        while waiting:
            by = waiting.popleft()
            for node, requirement in self._ordered(required.get(by, ())):
                if node not in steps:
                    steps[node] = (steps[by][0] + 1, by, requirement)
                    waiting.append(node)
        return steps

    @staticmethod
    def _ordered(required: Iterable[tuple[Node, str]]) -> Iterator[tuple[Node, str]]:
        """Independent of the order in which the plan has them."""
        return iter(sorted(required, key=lambda pair: (pair[0].kind, pair[0].name, pair[1])))
