"""Dataclasses read from JSON, with the type of every field checked.

`dataclasses.asdict` writes them. A field may be a text, number, boolean, enum or dataclass, None where its type
allows that, and a tuple or mapping of these.
"""

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

_Value = TypeVar("_Value")
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def value_from(kind: Callable[..., _Value], document: object, name: str = "the document") -> _Value:
    """The value of a dataclass that a JSON object has. Keys that are not among its fields are left alone.

    Raises ValueError that names the first field which is missing or of another type.
    """
    if not isinstance(document, dict):
        raise ValueError(f"{name} is to be an object")
    values = {}
    for field_name, (type_, is_needed) in _fields(kind).items():
        if field_name in document:
            values[field_name] = _read(type_, document[field_name], f'"{field_name}"')
        elif is_needed:
            raise ValueError(f'"{field_name}" is missing')
    return kind(**values)


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {
        field.name: (
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    }


def _read(kind: Any, value: Any, name: str) -> Any:
    if isinstance(kind, UnionType):
        if value is None and NoneType in get_args(kind):
            return None
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    arguments = get_args(kind)
    match get_origin(kind) or kind:
        case origin if origin is tuple:
            if not isinstance(value, list):
                raise ValueError(f"{name} is to be an array")
            return tuple(_read(arguments[0], one, name) for one in value)
        case origin if origin is Mapping:
            if not isinstance(value, dict):
                raise ValueError(f"{name} is to be an object")
            return {key: _read(arguments[1], one, name) for key, one in value.items()}
        case origin if dataclasses.is_dataclass(origin):
            return value_from(kind, value, name)
        case origin if issubclass(origin, Enum):
            # An enum raises ValueError by itself for what is not one of its values.
            return origin(value)
        case origin:
            # JSON has one kind of number, and Python's booleans are integers.
            fits = isinstance(value, (int, float) if origin is float else origin)
            if not fits or (isinstance(value, bool) and origin is not bool):
                raise ValueError(f"{name} is to be {_NAMES.get(origin, origin.__name__)}")
            return value
