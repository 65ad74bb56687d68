"""What a cloud's API answers as JSON, read with its types checked: a fault is the API's, and says where it stands."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from ppcdeps.model.errors import CloudError
from ppcdeps.model.json_object import JsonObject

_Read = TypeVar("_Read")
_IDENTIFIER = re.compile(r"(?!\.{1,2}$)[^/?#\s\x00-\x1f\x7f]+( [^/?#\s\x00-\x1f\x7f]+)*")


class Document(JsonObject):
    """One object of an answer. Its methods raise CloudError where a member is of another kind than it has to be.

    ``source`` is what the whole of it is: nova's answer to a request.
    """

    __slots__ = ("_source",)

    def __init__(
        self,
        members: Any,
        outer: "Document | None" = None,
        name: str = "",
        number: int | None = None,
        *,
        source: str = "an API's answer",
    ) -> None:
        self._source: str = outer._source if outer is not None else source
        super().__init__(members, outer, name, number)

    def refuse(self, key: str, fault: str) -> NoReturn:
        """Raise CloudError for a member."""
        place = self.place(key)
        raise CloudError(f"{self._source} cannot be understood: {place or 'it'} {fault}")

    def identifier(self, key: str) -> str:
        """What something is called in the paths of its API: a text, or a whole number."""
        found = self.word(key)
        if not _IDENTIFIER.fullmatch(found):
            self.refuse(key, "is not an identifier" if key in self else "is missing")
        return found

    def word(self, key: str) -> str:
        """A text, or a whole number as one; empty where it is missing or null."""
        if not self._has(key):
            return ""
        return str(self.whole(key)) if isinstance(self._value(key), int) else self.text(key)

    def label(self, key: str) -> str:
        """A text, or a whole number as one; empty where it is anything else, as that of something not looked for."""
        try:
            return self.word(key)
        except CloudError:
            return ""

    def amount(self, key: str, otherwise: int = 0) -> int:
        """A whole number; ``otherwise`` where it is missing or null."""
        return self.whole(key) if self._has(key) else otherwise

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing or null."""
        return self._has(key) and self.truth(key)

    def part(self, key: str) -> "Document":
        """An object; one without members where it is missing or null."""
        return self.inner(key) if self._has(key) else Document({}, self, key)

    def parts(self, key: str) -> "Iterator[Document]":
        """The objects of an array; none where it is missing or null."""
        return self.objects(key) if self._has(key) else iter(())

    def words(self, key: str = "") -> Mapping[str, str]:
        """The members that are texts, where others say nothing: metadata, the properties of an image.

        With a key those of that member, of which there are none where it is not an object.
        """
        members = self._members.get(key) if key else self._members
        pairs = members.items() if isinstance(members, Mapping) else ()
        return {name: value for name, value in pairs if isinstance(value, str)}

    def _has(self, key: str) -> bool:
        return key in self and not self.is_null(key)


def readable(elements: Iterable[Document], read: Callable[[Document], _Read]) -> Iterator[_Read]:
    """What is read of each element of a list, without those of which it cannot be: the list has also others'."""
    for one in elements:
        try:
            found = read(one)
        except CloudError:
            continue
        yield found
