"""Layered drawing of a directed graph: columns from left to right, few crossings, smooth edges.

After K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures" (1981):
long edges get a point in each column that they pass, columns are ordered by the mean place of their neighbors, and
the order with the fewest crossings is kept.
"""

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)

_SWEEPS = 12
_NODE_SPACE = 44.0
_POINT_SPACE = 14.0
_Column = list[int]


@dataclass(frozen=True, slots=True)
class Drawing(Generic[Name]):
    """Where everything is, in pixels: the left middle of each node, the points of each edge, the columns' left edge.

    An edge's points begin at the right middle of the node in the lower column, and end at the left middle of the
    other; within one column, both are at the right.
    """

    places: Mapping[Name, tuple[float, float]]
    edges: Mapping[tuple[Name, Name], tuple[tuple[float, float], ...]]
    columns: tuple[float, ...]
    width: float
    height: float
    crossings: int


def draw(
    columns: Sequence[Sequence[Name]],
    edges: Iterable[tuple[Name, Name]],
    *,
    node_width: float,
    gap: float = 46.0,
    margin: float = 24.0,
    top: float = 40.0,
) -> Drawing[Name]:
    """Draw nodes in these columns. Edges may lead to the right, to the left or within a column.

    The order within a column is where the search for few crossings begins. ``node_width`` and ``gap`` are the
    widths of nodes and of the space between columns, ``top`` the height that is left free for titles.
    """
    column_of = {node: number for number, column in enumerate(columns) for node in column}
    known = [pair for pair in dict.fromkeys(edges) if pair[0] in column_of and pair[1] in column_of]
    ids: dict[Name, int] = {}
    layers = [[ids.setdefault(node, len(ids)) for node in column] for column in columns]
    count = len(ids)
    paths: dict[tuple[Name, Name], list[int]] = {}
    for first, second in known:
        left, right = sorted((first, second), key=lambda node: column_of[node])
        path = [ids[left]]
        for number in range(column_of[left] + 1, column_of[right]):
            layers[number].append(count)
            path.append(count)
            count += 1
        paths[first, second] = [*path, ids[right]]
    links = [
        pair
        for (first, second), path in paths.items()
        if column_of[first] != column_of[second]
        for pair in itertools.pairwise(path)
    ]
    ordered = _ordered(layers, links)
    heights = _heights(ordered, links, len(ids))
    lefts = tuple(margin + number * (node_width + gap) for number in range(len(columns)))
    lowest = min(heights.values(), default=0.0)
    across = {node: number for number, layer in enumerate(ordered) for node in layer}

    def place(node: int) -> tuple[float, float]:
        return lefts[across[node]], round(heights[node] - lowest + top + _NODE_SPACE / 2, 1)

    drawn: dict[tuple[Name, Name], tuple[tuple[float, float], ...]] = {}
    for pair, path in paths.items():
        points: list[tuple[float, float]] = []
        for number, node in enumerate(path):
            x, y = place(node)
            begins, ends = number == 0, number == len(path) - 1
            if begins or (ends and column_of[pair[0]] == column_of[pair[1]]):
                points.append((x + node_width, y))
            elif ends:
                points.append((x, y))
            else:
                points += [(x, y), (x + node_width, y)]
        drawn[pair] = tuple(points)
    size = max(heights.values(), default=0.0) - lowest
    return Drawing(
        places={node: place(number) for node, number in ids.items()},
        edges=drawn,
        columns=lefts,
        width=margin * 2 + len(columns) * node_width + max(0, len(columns) - 1) * gap,
        height=size + top + _NODE_SPACE + margin,
        crossings=_crossings(ordered, links),
    )


def _ordered(layers: Sequence[_Column], links: Sequence[tuple[int, int]]) -> list[_Column]:
    """The layers, each in the order of the best sweep."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for left, right in links:
        before.setdefault(right, []).append(left)
        after.setdefault(left, []).append(right)
    best = [list(layer) for layer in layers]
    fewest = _crossings(best, links)
    current = [list(layer) for layer in best]
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        numbers = range(1, len(current)) if forward else range(len(current) - 2, -1, -1)
        neighbors = before if forward else after
        for number in numbers:
            beside = {node: place for place, node in enumerate(current[number + (-1 if forward else 1)])}
            places = {node: place for place, node in enumerate(current[number])}

            def mean(
                node: int,
                neighbors: Mapping[int, list[int]] = neighbors,
                beside: Mapping[int, int] = beside,
                places: Mapping[int, int] = places,
            ) -> tuple[float, int]:
                there = [beside[one] for one in neighbors.get(node, ())]
                return (sum(there) / len(there) if there else float(places[node]), places[node])

            current[number].sort(key=mean)
        crossings = _crossings(current, links)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in current], crossings
    return best


def _crossings(layers: Sequence[_Column], links: Sequence[tuple[int, int]]) -> int:
    """How often two edges between neighboring columns cross."""
    places = {node: (number, place) for number, layer in enumerate(layers) for place, node in enumerate(layer)}
    by_layer: dict[int, list[tuple[int, int]]] = {}
    for left, right in links:
        by_layer.setdefault(places[left][0], []).append((places[left][1], places[right][1]))
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for pairs in by_layer.values()
        for number, one in enumerate(pairs)
        for other in pairs[number + 1 :]
    )


def _heights(layers: Sequence[_Column], links: Sequence[tuple[int, int]], nodes: int) -> dict[int, float]:
    """How far down each node is: near the mean of its neighbors, in order, and apart from the next."""
    beside: dict[int, list[int]] = {}
    for left, right in links:
        beside.setdefault(left, []).append(right)
        beside.setdefault(right, []).append(left)

    def apart(one: int, other: int) -> float:
        return (_NODE_SPACE if one < nodes else _POINT_SPACE) / 2 + (
            _NODE_SPACE if other < nodes else _POINT_SPACE
        ) / 2

    heights: dict[int, float] = {}
    for layer in layers:
        total = sum(apart(one, other) for one, other in itertools.pairwise(layer))
        height = -total / 2
        for number, node in enumerate(layer):
            height += apart(layer[number - 1], node) if number else 0.0
            heights[node] = height
    for _ in range(_SWEEPS):
        for layer in layers:
            wished = [
                sum(heights[one] for one in beside[node]) / len(beside[node]) if beside.get(node) else heights[node]
                for node in layer
            ]
            heights |= dict(zip(layer, _spread(layer, wished, apart), strict=True))
    return heights


def _spread(layer: _Column, wished: Sequence[float], apart: Callable[[int, int], float]) -> list[float]:
    """The heights nearest to those wished that keep the order and the distances: blocks that meet move as one."""
    offsets = [0.0]
    for one, other in itertools.pairwise(layer):
        offsets.append(offsets[-1] + apart(one, other))
    blocks: list[tuple[float, int]] = []  # the mean wish of a block less its members' offsets, how many it has
    for wish, offset in zip(wished, offsets, strict=False):
        mean, size = wish - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]
