"""Dataclasses from JSON: what asdict writes is read, and what is of another type is named."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import pytest

from ppcdeps.base.jsonvalues import value_from


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    name: str
    size: int = 0


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    weights: Mapping[str, float]
    color: Color
    note: str | None
    is_new: bool = False


WHOLE = Whole((Part("a", 1), Part("b")), {"a": 1.5, "b": 2}, Color.RED, None)


def test_what_is_written_is_read() -> None:
    assert value_from(Whole, json.loads(json.dumps(asdict(WHOLE)))) == WHOLE


def test_defaults_may_be_left_out_and_other_keys_are_left_alone() -> None:
    assert value_from(Part, {"name": "a", "other": []}) == Part("a")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"parts": {}}, '"parts" is to be an array'),
        ({"parts": ["a"]}, '"parts" is to be an object'),
        ({"parts": [{"size": 1}]}, '"name" is missing'),
        ({"parts": [{"name": 1}]}, '"name" is to be a text'),
        ({"parts": [{"name": "a", "size": True}]}, '"size" is to be a whole number'),
        ({"parts": [{"name": "a", "size": 1.5}]}, '"size" is to be a whole number'),
        ({"weights": {"a": "1"}}, '"weights" is to be a number'),
        ({"weights": []}, '"weights" is to be an object'),
        ({"color": "blue"}, "'blue' is not a valid Color"),
        ({"note": 1}, '"note" is to be a text'),
        ({"is_new": 1}, '"is_new" is to be true or false'),
    ],
)
def test_a_value_of_another_type_is_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        value_from(Whole, json.loads(json.dumps(asdict(WHOLE))) | changes)


@pytest.mark.parametrize("document", [None, [], "text", 1])
def test_what_is_no_object_is_said(document: object) -> None:
    with pytest.raises(ValueError, match="the document is to be an object"):
        value_from(Part, document)
