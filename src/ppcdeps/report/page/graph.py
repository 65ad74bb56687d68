"""What matters of a plan as a drawing: the shortest chains from the root to the gaps that need work."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ppcdeps.model.gap import Gap, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.report.build_order import BUILT, build_order_of
from ppcdeps.report.page.layout import Drawing, draw
from ppcdeps.report.page.requirers import Node, NodeKind, PlanRequirers

MOST_NODES = 80
"""How many nodes a drawing has at most: more of them are not readable."""
NODE_WIDTH = 168.0
NODE_HEIGHT = 30.0
_LABEL = 24
_BUILT_FIRST = "is built before"


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A box. ``x`` and ``y`` are its left upper corner; ``chain`` are the ids of the boxes from the root to it.

    ``kind`` is the route of a gap, else root, package or distribution. ``gap`` is the gap's name, empty for what
    is no gap. ``needs`` and ``needed_by`` are the labels of its neighbors, each with the requirement.
    """

    id: str
    label: str
    name: str
    kind: str
    x: float
    y: float
    chain: tuple[str, ...]
    gap: str = ""
    needs: tuple[tuple[str, str], ...] = ()
    needed_by: tuple[tuple[str, str], ...] = ()
    builds_before: tuple[str, ...] = ()
    builds_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A line from one box to another, as the path of an SVG. ``kind`` is requires or before (is built before)."""

    begin: str
    end: str
    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class GraphColumn:
    """The title of a column, and where its left edge is."""

    title: str
    x: float


@dataclass(frozen=True, slots=True)
class GraphView:
    """The drawing; ``more`` counts the gaps that have no place in it."""

    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    columns: tuple[GraphColumn, ...] = ()
    width: float = 0.0
    height: float = 0.0
    more: int = 0


@dataclass(frozen=True, slots=True)
class _Box:
    """What becomes one box: a gap with all of its packages, or a package or distribution that is there."""

    key: str
    node: Node | None
    gap: Gap | None


def graph_of(plan: Plan, requirers: PlanRequirers, most: int = MOST_NODES) -> GraphView:
    """The drawing of a plan. Empty where nothing is missing."""
    waves = {entry.source: number for number, wave in enumerate(build_order_of(plan)) for entry in wave}
    chains, more = _cone(_that_matter(plan), requirers, most)
    if not chains:
        return GraphView(more=more)
    boxes: dict[str, _Box] = {}
    depths: dict[str, int] = {}
    edges: dict[tuple[str, str], str] = {}
    for chain in chains.values():
        for depth, (box, _) in enumerate(chain):
            boxes.setdefault(box.key, box)
            depths[box.key] = min(depth, depths.get(box.key, depth))
        for (one, _), (other, requirement) in itertools.pairwise(chain):
            edges.setdefault((one.key, other.key), requirement)
    for name in chains:
        gap = boxes[f"gap {name}"].gap
        for node in requirers.nodes_of(gap) if gap is not None else ():
            for by, requirement in requirers.requirers_of(node):
                begin = _box(by, requirers).key
                if begin in boxes and begin != f"gap {name}":
                    edges.setdefault((begin, f"gap {name}"), requirement)
    before = sorted(
        (f"gap {needed}", f"gap {name}")
        for name, wanted in plan.needs.items()
        for needed in wanted
        if f"gap {needed}" in boxes and f"gap {name}" in boxes
    )
    ends = {f"gap {name}" for name in chains}
    columns, titles = _columns(boxes, depths, ends, waves)
    drawing = draw(columns, [*edges, *before], node_width=NODE_WIDTH)
    return _view(boxes, edges, before, drawing, titles, more, _parents(chains))


def _that_matter(plan: Plan) -> list[Gap]:
    """The gaps that somebody has to do something about; where there are none, all."""
    needing = [gap for gap in plan.gaps if gap.route.kind in (RouteKind.BLOCKED, RouteKind.ENABLE, *BUILT)]
    order = [RouteKind.BLOCKED, RouteKind.RECIPE, RouteKind.REBUILD, RouteKind.ENABLE, RouteKind.BUILD_SDIST]
    rank = {kind: number for number, kind in enumerate(order)}
    return sorted(needing or plan.gaps, key=lambda gap: (rank.get(gap.route.kind, len(rank)), gap.name))


Chain = tuple[tuple[_Box, str], ...]


def _cone(gaps: Sequence[Gap], requirers: PlanRequirers, most: int) -> tuple[dict[str, Chain], int]:
    """The chain to each gap, as long as there are few enough boxes, and for how many there were too many."""
    chains: dict[str, Chain] = {}
    keys: set[str] = set()
    more = 0
    for gap in gaps:
        chain = _collapsed(requirers.chain_to(requirers.nodes_of(gap)), requirers)
        own = _Box(f"gap {gap.name}", None, gap)
        if not chain or chain[-1][0].key != own.key:
            chain = (*chain, (own, gap.required_by[0].requirement if gap.required_by else ""))
        new = {box.key for box, _ in chain} - keys
        if len(keys) + len(new) > most:
            more += 1
            continue
        keys |= new
        chains[gap.name] = chain
    return chains, more


def _collapsed(chain: Iterable[tuple[Node, str]], requirers: PlanRequirers) -> Chain:
    """A chain of boxes: a gap that it passes several times in a row is one."""
    found: list[tuple[_Box, str]] = []
    for node, requirement in chain:
        box = _box(node, requirers)
        if not found or found[-1][0].key != box.key:
            found.append((box, requirement))
    return tuple(found)


def _box(node: Node, requirers: PlanRequirers) -> _Box:
    gap = requirers.gap_of(node)
    return _Box(f"gap {gap.name}", None, gap) if gap is not None else _Box(f"{node.kind} {node.name}", node, None)


def _columns(
    boxes: Mapping[str, _Box], depths: Mapping[str, int], ends: set[str], waves: Mapping[str, int]
) -> tuple[list[list[str]], list[str]]:
    """The boxes of each column with its title: what leads to gaps by its distance, then the waves, then the rest."""
    last = max((depth for key, depth in depths.items() if key not in ends), default=0)
    count = max(waves.values(), default=-1) + 1
    columns: list[list[str]] = [[] for _ in range(last + 1 + count + 1)]
    for key, box in boxes.items():
        if key not in ends:
            columns[depths[key]].append(key)
        elif box.gap is not None and box.gap.name in waves and box.gap.alternative is None:
            columns[last + 1 + waves[box.gap.name]].append(key)
        else:
            columns[-1].append(key)
    chain = ["Workload", "it requires", *([""] * last)]
    titles = [*chain[: last + 1], *(f"Wave {number}" for number in range(1, count + 1)), "Without a build"]
    kept = [number for number, column in enumerate(columns) if column]
    return [columns[number] for number in kept], [titles[number] for number in kept]


def _parents(chains: Mapping[str, Chain]) -> dict[str, str]:
    """The box before each on its chain."""
    parents: dict[str, str] = {}
    for chain in chains.values():
        for (one, _), (other, _) in itertools.pairwise(chain):
            parents.setdefault(other.key, one.key)
    return parents


def _view(
    boxes: Mapping[str, _Box],
    edges: Mapping[tuple[str, str], str],
    before: Sequence[tuple[str, str]],
    drawing: Drawing[str],
    titles: Sequence[str],
    more: int,
    parents: Mapping[str, str],
) -> GraphView:
    ids = {key: f"n{number}" for number, key in enumerate(drawing.places)}
    names = {key: _name(box) for key, box in boxes.items()}
    nodes = []
    for key, (x, y) in drawing.places.items():
        box = boxes[key]
        chain = [key]
        while chain[0] in parents and parents[chain[0]] not in chain:
            chain.insert(0, parents[chain[0]])
        label = _label(box)
        nodes.append(
            GraphNode(
                id=ids[key],
                label=label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…",
                name=names[key],
                kind=box.gap.route.kind if box.gap is not None else str(box.node.kind if box.node else ""),
                x=x,
                y=round(y - NODE_HEIGHT / 2, 1),
                chain=tuple(ids[one] for one in chain),
                gap=box.gap.name if box.gap is not None else "",
                needs=tuple((names[end], how) for (begin, end), how in sorted(edges.items()) if begin == key),
                needed_by=tuple((names[begin], how) for (begin, end), how in sorted(edges.items()) if end == key),
                builds_before=tuple(names[end] for begin, end in before if begin == key),
                builds_after=tuple(names[begin] for begin, end in before if end == key),
            )
        )
    lines = [
        GraphEdge(ids[begin], ids[end], "before" if (begin, end) in before else "requires", _path(points))
        for (begin, end), points in drawing.edges.items()
    ]
    columns = tuple(GraphColumn(title, x) for title, x in zip(titles, drawing.columns, strict=True))
    return GraphView(tuple(nodes), tuple(lines), columns, drawing.width, round(drawing.height, 1), more)


def _name(box: _Box) -> str:
    return box.gap.name if box.gap is not None else str(box.node)


def _label(box: _Box) -> str:
    """A name that is short enough to read: of a package without its version."""
    if box.node is not None and box.node.kind is NodeKind.PACKAGE:
        return Nevra.parse(box.node.name).name
    return _name(box)


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A smooth line through the points, flat where it leaves and where it arrives; one within a column bows out."""
    x, y = points[0]
    parts = [f"M{x:.0f} {y:.0f}"]
    for end, height in points[1:]:
        bend = (end - x) / 2 if end > x else 34.0
        if height == y and end > x:
            parts.append(f"H{end:.0f}")
        else:
            back = end - bend if end > x else end + bend
            parts.append(f"C{x + bend:.0f} {y:.0f} {back:.0f} {height:.0f} {end:.0f} {height:.0f}")
        x, y = end, height
    return "".join(parts)
