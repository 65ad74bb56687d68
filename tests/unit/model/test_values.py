"""The decorator for values, compared with that of the standard library: the same classes made with both."""

import copy
import dataclasses
from dataclasses import field, replace
from typing import Any

import pytest

from ppcdeps.model import values


def classes(dataclass: Any) -> tuple[Any, ...]:
    """The same classes, each made by the decorator."""

    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        note: str = field(default="", compare=False)
        secret: str = field(default="", repr=False)

    @dataclass(frozen=True, slots=True)
    class Named(Point):
        name: str = field(kw_only=True)

    @dataclass(frozen=True, slots=True)
    class Nothing:
        """Without fields."""

    @dataclass(slots=True)
    class Mutable:
        items: list[int] = field(default_factory=list)

    @dataclass(frozen=True, slots=True)
    class Caseless:
        text: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Caseless) and self.text.lower() == other.text.lower()

        def __hash__(self) -> int:
            return hash(self.text.lower())

        def __repr__(self) -> str:
            return f"<{self.text}>"

    @dataclass(slots=True, eq=False)
    class Alone:
        number: int

    return Point, Named, Nothing, Mutable, Caseless, Alone


def made(dataclass: Any) -> list[Any]:
    point, named, nothing, mutable, caseless, alone = classes(dataclass)
    first = point(1)
    return [
        first,
        point(1, note="elsewhere"),
        point(1, secret="s"),
        point(x=2, y=2),
        replace(first, y=3),
        copy.deepcopy(first),
        named(1, name="n"),
        named(1, 2, name="n"),
        nothing(),
        nothing(),
        mutable(),
        mutable([1]),
        caseless("A"),
        caseless("a"),
        alone(1),
        alone(1),
        1,
    ]


def test_values_compare_and_read_as_those_of_the_standard_library() -> None:
    ours, theirs = made(values.dataclass), made(dataclasses.dataclass)
    assert [repr(each).rpartition("object at")[0] or repr(each) for each in ours] == [
        repr(each).rpartition("object at")[0] or repr(each) for each in theirs
    ]
    for at, one in enumerate(ours):
        assert [one == other for other in ours] == [theirs[at] == other for other in theirs]
        assert [one != other for other in ours] == [theirs[at] != other for other in theirs]


def test_equal_values_have_equal_hashes_and_mutable_ones_none() -> None:
    ours = made(values.dataclass)
    for one in ours:
        if type(one).__name__ == "Mutable":
            with pytest.raises(TypeError, match="unhashable"):
                hash(one)
            continue
        assert all(hash(one) == hash(other) for other in ours if one == other)
    assert len({hash(one) for one in ours if type(one).__name__ == "Point"}) == 4


def test_the_standard_library_knows_the_fields() -> None:
    for ours, theirs in zip(classes(values.dataclass), classes(dataclasses.dataclass), strict=True):
        names = [each.name for each in dataclasses.fields(theirs)]
        assert [each.name for each in dataclasses.fields(ours)] == names
        assert ours.__match_args__ == theirs.__match_args__
        assert ours.__slots__ == theirs.__slots__
