"""TOML files in: typed values out of tables, all faults of a file reported together."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from ppcdeps.model.documents import DocumentError, parse_toml, read_document
from ppcdeps.model.errors import ConfigError

TomlFile = Path
"""A file of the user's, or one that ppcdeps ships."""


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Entry = TypeVar("Entry", bound=_HasId)

_ABSENT: Final = object()
_LARGEST: Final = 2**32 - 1
_MOST_HINTS: Final = 100


def closest(word: str, known: Iterable[str]) -> str:
    """The known word nearest to a mistyped one as a hint (`did you mean "x"?`); empty where none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else ""


class Table:
    """One table of a TOML file, read key by key.

    A value that is missing or of the wrong kind is noted in ``faults``, which all tables of the file share,
    and a harmless value stands in for it, so that reading goes on and finds the next fault. ``finish`` notes
    the keys that were not read.
    """

    def __init__(self, content: Mapping[str, Any], faults: list[str], *, where: str = "") -> None:
        self._content = content
        self._read: dict[str, None] = {}
        self.faults = faults
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def text(self, key: str) -> str:
        """A string that is there and not empty."""
        return self._text(key, self._value(key, _ABSENT)) or ""

    def optional_text(self, key: str) -> str | None:
        """A string that is not empty; None where the key is absent."""
        return self._text(key, self._value(key, None))

    def any_text(self, key: str) -> str:
        """A string that is there, and may be empty."""
        value = self._value(key, _ABSENT)
        return "" if value == "" else self._text(key, value) or ""

    def texts(self, key: str) -> tuple[str, ...]:
        """Strings in their order: an array of strings, or one string alone; none where the key is absent."""
        value = self._value(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(one, str) and one.strip() for one in values):
            self.fault(f'"{key}" is to be an array of texts, not {_kind(value)}')
            return ()
        for twice in sorted(one for one, count in Counter(values).items() if count > 1):
            self.fault(f'"{key}" names "{twice}" twice')
        return tuple(values)

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            self.fault(f'"{key}" is to be true or false, not {_kind(value)}')
            return default
        return value

    def integer(self, key: str, *, least: int = 0) -> int:
        """A whole number that is there, at least ``least``, and such as C programs can hold."""
        value = self._value(key, _ABSENT)
        # Python's booleans are integers: `true` would pass as 1.
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
            if value is not _ABSENT:
                span = f"to {_LARGEST}" if isinstance(value, int) and value > _LARGEST else "on"
                self.fault(f'"{key}" is to be a whole number from {least} {span}, not {_kind(value)}')
            return least
        return value

    def number(self, key: str) -> float:
        """A number that is there, greater than 0."""
        value = self._value(key, _ABSENT)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
            if value is not _ABSENT:
                self.fault(f'"{key}" is to be a number greater than 0, not {_kind(value)}')
            return 1.0
        return float(value)

    def raw(self, key: str) -> Any:
        """The value as TOML gave it, for the few that come in several forms."""
        return self._value(key, None)

    def table(self, key: str) -> "Table":
        """A table within this one; an empty one where the key is absent."""
        value = self._value(key, {})
        if not isinstance(value, dict):
            self.fault(f'"{key}" is to be a table, not {_kind(value)}')
            value = {}
        return Table(value, self.faults, where=self._within(f"[{key}]"))

    def tables(self, key: str) -> Iterator["Table"]:
        """The tables of an array of tables, each named by its ``id`` or its place, from 1 on."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fault(f'"{key}" is to be an array of tables ([[{key}]]), not {_kind(value)}')
            return
        for place, one in enumerate(value, start=1):
            name = one.get("id") or one.get("source")
            label = f"[[{key}]] {name}" if isinstance(name, str) else f"[[{key}]] number {place}"
            yield Table(one, self.faults, where=self._within(label))

    def named(self, key: str, grammar: Callable[[str], str]) -> str:
        """A text that is there, and that a grammar of `ppcdeps.model.names` takes."""
        return self.checked(key, self.text(key), grammar)

    def optional_named(self, key: str, grammar: Callable[[str], str]) -> str | None:
        """The same; None where the key is absent."""
        text = self.optional_text(key)
        return self.checked(key, text, grammar) if text else None

    def all_named(self, key: str, grammar: Callable[[str], str]) -> tuple[str, ...]:
        """Texts like those of `texts`, all of which a grammar takes."""
        return tuple(self.checked(key, text, grammar) for text in self.texts(key))

    def checked(self, key: str, text: str, grammar: Callable[[str], str]) -> str:
        """A text of this table, if a grammar takes it, with a fault where it does not."""
        if text:
            try:
                return grammar(text)
            except ValueError as fault:
                self.fault(f'"{key}": {fault}')
        return ""

    def entries(self) -> dict[str, str]:
        """All of the table as names and texts; a number or boolean becomes the text that TOML has for it."""
        texts: dict[str, str] = {}
        for key, value in self._content.items():
            self._read[key] = None
            if isinstance(value, dict | list):
                self.fault(f'"{key}" is to be a text, not {_kind(value)}')
            else:
                texts[key] = str(value).lower() if isinstance(value, bool) else str(value)
        return texts

    def names(self) -> tuple[str, ...]:
        """All keys there are, in their order."""
        return tuple(self._content)

    def fault(self, message: str) -> None:
        """Note a fault of this table."""
        self.faults.append(f"{self.where}: {message}" if self.where else message)

    def finish(self, known: Iterable[str] = ()) -> None:
        """Note every key that was neither read nor is ``known``, with the nearest that is."""
        names = dict.fromkeys((*self._read, *known))
        for key in self._content:
            if key in names:
                continue
            # Each hint takes its time, and nobody reads thousands.
            hint = closest(key, names) if len(self.faults) < _MOST_HINTS else ""
            self.fault(f'unknown key "{key}"' + (f", {hint}" if hint else ""))

    def _text(self, key: str, value: Any) -> str | None:
        if value is None or value is _ABSENT:
            return None
        if isinstance(value, str) and value.strip():
            return value
        self.fault(f'"{key}" is to be a text, not {_kind(value)}')
        return None

    def _value(self, key: str, default: Any) -> Any:
        # Absent keys as well: ``finish`` proposes them for mistyped ones.
        self._read[key] = None
        if key in self._content:
            return self._content[key]
        if default is _ABSENT:
            self.fault(f'"{key}" is missing')
        return default

    def _within(self, label: str) -> str:
        return f"{self.where} {label}" if self.where else label


def read_toml(file: TomlFile, what: str) -> Table:
    """The top table of a TOML file; ``what`` it is (a target file) is for the message.

    Raises ConfigError where the file cannot be read or is not TOML.
    """
    try:
        raw = read_document(file, "document_toml") if isinstance(file, Path) else file.read_bytes()
        content = parse_toml(raw)
    except OSError as error:
        raise ConfigError(f"cannot read {what} {file}: {error.strerror}") from error
    except DocumentError as error:
        raise ConfigError(f"{what} {file} {error}") from error
    return Table(content, [])


def raise_faults(table: Table, file: TomlFile, what: str) -> None:
    """Raise one ConfigError with all faults of the file, if there are any."""
    if table.faults:
        count = len(table.faults)
        noun = "a fault" if count == 1 else f"{count} faults"
        raise ConfigError(f"{what} {file} has {noun}:", faults=tuple(table.faults))


def read_entries(file: TomlFile, what: str, key: str, read: Callable[[Table], Entry]) -> tuple[Entry, ...]:
    """The tables under a key as ``read`` makes them, in their order; no two of them have one ``id``.

    Raises ConfigError with all faults of the file.
    """
    top = read_toml(file, what)
    entries: dict[str, Entry] = {}
    for table in top.tables(key):
        entry = read(table)
        if entry.id in entries:
            table.fault(f'"id" {entry.id} is there twice')
        entries[entry.id] = entry
        table.finish()
    top.finish()
    raise_faults(top, file, what)
    return tuple(entries.values())


def _kind(value: object) -> str:
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            return f'the text "{value}"' if value.strip() else "an empty text"
        case int() | float():
            return f"the number {value}"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return f"the {type(value).__name__} {value}"
