"""Objects of a JSON document, read with their types checked: a fault names the place of the value."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import Any, NoReturn, Self, TypeVar

Choice = TypeVar("Choice", bound=StrEnum)
Parsed = TypeVar("Parsed")
_LATEST = 253402300799
"""The last second of the year 9999: a later one has no date."""
_LARGEST = 10**15
"""The largest number: a few sums of such stay finite, and any of them can be divided."""


class WrongValueError(ValueError):
    """A value of the document is missing, or is not what it has to be."""


class JsonObject:
    """One object of a document. Its methods read a member, or raise WrongValueError where it is of another kind."""

    # Not a dataclass: a plan has thousands of these, and a place is put into words only for a fault.
    __slots__ = ("_members", "_name", "_number", "_outer")

    def __init__(
        self, members: Any, outer: "JsonObject | None" = None, name: str = "", number: int | None = None
    ) -> None:
        self._outer = outer
        self._name = name
        self._number = number
        if not isinstance(members, dict):
            self._members: Mapping[str, Any] = {}
            self.refuse("", "is not an object")
        self._members = members

    def place(self, key: str = "") -> str:
        """Where a member stands: ``gaps[3].route.kind``."""
        outer = self._outer.place() if self._outer is not None else ""
        own = self._name if self._number is None else f"{self._name}[{self._number}]"
        return ".".join(part for part in (outer, own, key) if part)

    def text(self, key: str) -> str:
        """A text."""
        value = self._members.get(key)
        if not isinstance(value, str):
            self.refuse(key, "is not a text" if key in self._members else "is missing")
        return value

    def optional_text(self, key: str) -> str | None:
        """A text, or null."""
        return None if self._value(key) is None else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of texts."""
        values = self._array(key)
        if not all(isinstance(value, str) for value in values):
            self.refuse(key, "has an entry that is not a text")
        return tuple(values)

    def named(self, key: str, grammar: Callable[[str], Parsed]) -> Parsed:
        """A text that a grammar takes, as ``ppcdeps.model.names`` has them."""
        return self.checked(key, self.text(key), grammar)

    def all_named(self, key: str, grammar: Callable[[str], Parsed]) -> tuple[Parsed, ...]:
        """An array of texts, each of which a grammar takes."""
        return tuple(self.checked(key, text, grammar) for text in self.texts(key))

    def checked(self, key: str, text: str, grammar: Callable[[str], Parsed]) -> Parsed:
        """What a grammar makes of a text of a member."""
        try:
            return grammar(text)
        except ValueError as fault:
            self.refuse(key, f"is {fault}" if str(fault).startswith("not ") else f"has {fault}")

    def text_arrays(self, key: str) -> tuple[tuple[str, ...], ...]:
        """An array of arrays of texts."""
        values = self._array(key)
        if not all(isinstance(value, list) and all(isinstance(one, str) for one in value) for value in values):
            self.refuse(key, "is not an array of arrays of texts")
        return tuple(map(tuple, values))

    def whole(self, key: str) -> int:
        """A whole number, of as many digits as anything that is counted has."""
        value = self._value(key)
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(key, "is not a whole number")
        if abs(value) > _LARGEST:
            self.refuse(key, f"is beyond {_LARGEST:.0e}")
        return value

    def optional_whole(self, key: str) -> int | None:
        """A whole number, or null."""
        return None if self._value(key) is None else self.whole(key)

    def count(self, key: str) -> int:
        """A whole number of at least 0."""
        value = self.whole(key)
        if value < 0:
            self.refuse(key, "is less than 0")
        return value

    def optional_count(self, key: str) -> int | None:
        """A whole number of at least 0, or null."""
        return None if self._value(key) is None else self.count(key)

    def optional_moment(self, key: str) -> int | None:
        """Seconds since 1970 that have a date, or null."""
        value = self.optional_whole(key)
        if value is not None and not 0 <= value <= _LATEST:
            self.refuse(key, "is not a time in seconds since 1970")
        return value

    def number(self, key: str) -> float:
        """A number of at least 0: a time or a size."""
        value = self._value(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
            self.refuse(key, f"is not a number of 0 to {_LARGEST:.0e}")
        return value

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            self.refuse(key, "is not true or false")
        return value

    def choice(self, key: str, choices: type[Choice]) -> Choice:
        """One of the values of an enumeration."""
        text = self.text(key)
        try:
            return choices(text)
        except ValueError:
            self.refuse(key, f'is "{text}", not one of {", ".join(choices)}')

    def one_of(self, key: str, texts: tuple[str, ...]) -> str:
        """One of these texts."""
        text = self.text(key)
        if text not in texts:
            self.refuse(key, f'is "{text}", not one of {", ".join(texts)}')
        return text

    def inner(self, key: str) -> Self:
        """An object."""
        return type(self)(self._value(key), self, key)

    def is_null(self, key: str) -> bool:
        """Whether a member is null."""
        return self._value(key) is None

    def objects(self, key: str) -> Iterator[Self]:
        """The objects of an array."""
        for number, value in enumerate(self._array(key)):
            yield type(self)(value, self, key, number)

    def text_rows(self, key: str, *columns: str) -> "list[tuple[str, ...]]":
        """The texts of these members, two at least, for each object of an array of thousands of small ones."""
        values = self._array(key)
        try:
            rows = list(map(itemgetter(*columns), values))
            if {str}.issuperset(map(type, chain.from_iterable(rows))):
                return rows
        except (KeyError, TypeError, IndexError):
            pass
        # One of them raises, and names the place.
        return [tuple(map(each.text, columns)) for each in self.objects(key)]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all members."""
        return tuple(self._members)

    def refuse(self, key: str, fault: str) -> NoReturn:
        """Raise WrongValueError for a member."""
        raise WrongValueError(f"{self.place(key) or 'the document'} {fault}")

    def _value(self, key: str) -> Any:
        try:
            return self._members[key]
        except KeyError:
            self.refuse(key, "is missing")

    def _array(self, key: str) -> list[Any]:
        value = self._value(key)
        if not isinstance(value, list):
            self.refuse(key, "is not an array")
        return value

    def __contains__(self, key: str) -> bool:
        return key in self._members
