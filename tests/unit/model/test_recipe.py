"""Version ranges: what is in them, and whether two have anything in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.model.recipe import VersionRange

VERSIONS = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
BOUNDS = st.tuples(st.sampled_from([">=", "<=", ">", "<", "="]), VERSIONS)
RANGES = st.lists(BOUNDS, max_size=3).map(lambda bounds: VersionRange(tuple(bounds)))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("", ["0", "10"], []),
        (">= 9.0, < 10", ["9.0", "9.0.1", "9.99"], ["8.2", "10", "10.0"]),
        ("> 9", ["9.0", "9.1"], ["9", "8"]),
        ("<= 9", ["9", "9~rc1"], ["9.0"]),
        ("= 1.0", ["1.0", "1.00"], ["1.0.1", "1"]),
        (">=1.10", ["1.10", "1.11"], ["1.9"]),
    ],
)
def test_versions_in_and_out(text: str, inside: list[str], outside: list[str]) -> None:
    found = VersionRange.parse(text)
    assert [version for version in inside if version not in found] == []
    assert [version for version in outside if version in found] == []


@pytest.mark.parametrize("text", ["9.0", ">= ", ">= 17:9.0", ">= 9.0-1", "=> 9", ">= 9 10", "~= 1.0"])
def test_what_is_not_a_bound(text: str) -> None:
    with pytest.raises(ValueError, match="not a bound"):
        VersionRange.parse(text)


@pytest.mark.parametrize("text", [">= 2, < 1", "> 1, < 1", ">= 1, < 1", "= 1, = 2", "= 1, > 1"])
def test_bounds_that_no_version_meets(text: str) -> None:
    with pytest.raises(ValueError, match="no version can be in"):
        VersionRange.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (">= 1, < 2", ">= 2", False),
        (">= 1, <= 2", ">= 2", True),
        (">= 1, < 2", ">= 1.9", True),
        ("", "= 3", True),
        ("< 1", "> 1", False),
    ],
)
def test_overlaps(one: str, other: str, overlap: bool) -> None:
    assert VersionRange.parse(one).overlaps(VersionRange.parse(other)) is overlap


@given(RANGES, RANGES, VERSIONS)
def test_a_version_in_both_is_an_overlap(one: VersionRange, other: VersionRange, version: str) -> None:
    if version in one and version in other:
        assert one.overlaps(other)
        assert not one.is_empty


@given(RANGES, RANGES)
def test_overlap_goes_both_ways(one: VersionRange, other: VersionRange) -> None:
    assert one.overlaps(other) == other.overlaps(one)


@given(RANGES)
def test_print_and_parse_are_inverse(one: VersionRange) -> None:
    if one.bounds and not one.is_empty:
        assert VersionRange.parse(str(one)) == one
