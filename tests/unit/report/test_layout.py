"""Layered drawings: columns, crossings, distances."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from ppcdeps.report.page.layout import draw


def test_crossings_that_can_be_avoided_are_avoided() -> None:
    drawing = draw([["a", "b", "c"], ["x", "y", "z"]], [("a", "z"), ("b", "y"), ("c", "x")], node_width=100)
    assert drawing.crossings == 0
    order = sorted("xyz", key=lambda name: drawing.places[name][1])
    begin = sorted("abc", key=lambda name: drawing.places[name][1])
    assert [dict(zip("abc", "zyx", strict=True))[name] for name in begin] == order


def test_a_long_edge_passes_the_columns_between() -> None:
    drawing = draw([["a"], ["b"], ["c"]], [("a", "b"), ("b", "c"), ("a", "c")], node_width=100)
    points = drawing.edges["a", "c"]
    assert len(points) == 4
    xs = [x for x, _ in points]
    assert xs == sorted(xs)
    # It does not run through the box between.
    assert abs(points[1][1] - drawing.places["b"][1]) > 20


def test_edges_to_the_left_and_within_a_column_are_drawn() -> None:
    drawing = draw([["a", "b"], ["c"]], [("c", "a"), ("a", "b")], node_width=100)
    assert drawing.edges["c", "a"][0] == (drawing.places["a"][0] + 100, drawing.places["a"][1])
    assert {x for x, _ in drawing.edges["a", "b"]} == {drawing.places["a"][0] + 100}


def test_edges_of_unknown_nodes_are_left_out() -> None:
    assert draw([["a"]], [("a", "b")], node_width=100).edges == {}
    assert draw([], [], node_width=100).places == {}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.data())
def test_no_boxes_of_a_column_overlap_and_all_are_in_the_frame(sizes: list[int], data: st.DataObject) -> None:
    columns = [[(number, place) for place in range(size)] for number, size in enumerate(sizes)]
    nodes = [node for column in columns for node in column]
    edges = data.draw(st.lists(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), max_size=20))
    drawing = draw(columns, [edge for edge in edges if edge[0] != edge[1]], node_width=100)
    for column in columns:
        for one, other in combinations(column, 2):
            assert abs(drawing.places[one][1] - drawing.places[other][1]) >= 43.9
    for x, y in drawing.places.values():
        assert 0 <= x <= drawing.width - 100
        assert y - 15 >= 40 and y + 15 <= drawing.height
