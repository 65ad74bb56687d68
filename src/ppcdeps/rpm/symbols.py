"""What kernels provide by the ten thousand and hardly anything requires, kept apart from `.solv` files.

Each symbol that a kernel exports is a capability of its package, and each device that a module drives: they are half
of all that EL9's BaseOS and AppStream provide. Of these only what is asked for comes into a pool.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any

from ppcdeps.model.capability import Capability, capabilities_in, parse_requirement
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.isa import plain_dependency

_FAMILIES = ("kernel(", "kmod(", "modalias(")
_IN_XML = tuple(family.encode() for family in _FAMILIES)
_FEW = 20
"""Names up to which a search for each takes less time than a look at every line."""
_SECTION = b"<rpm:provides>"
_SECTION_END = b"</rpm:provides>"
_ENTRY = b'<rpm:entry name="'
_NAME = re.compile(rb'\bname="([^"]*)"')
_RELATIONS = {"EQ": "=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}
_ATTRIBUTE = re.compile(rb'([a-z]+)="([^"]*)"')


def symbols_in(requirement: str) -> list[str]:
    """The names in a requirement, also in a boolean one, that are kept apart; none where it is malformed."""
    if not any(family in requirement for family in _FAMILIES):
        return []
    try:
        return [
            each.name for each in capabilities_in(parse_requirement(requirement)) if each.name.startswith(_FAMILIES)
        ]
    except ValueError:
        return []


@dataclass(frozen=True, slots=True)
class CutPackage:
    """A package of primary.xml without what is kept apart of it: that is the entries, without their beginning.

    ``wanted`` are the names in its dependencies that are kept apart.
    """

    text: bytes
    provided: Sequence[bytes] = ()
    wanted: Sequence[str] = ()


def cut_symbols(package: bytes) -> CutPackage:
    """Take a package of primary.xml apart."""
    # What begins with "&#" may be a letter.
    if not any(sign in package for sign in (*_IN_XML, b"&#")):
        return CutPackage(package)
    before, begin, rest = package.partition(_SECTION)
    section, end, after = rest.partition(_SECTION_END)
    names = _NAME.findall(before + after)
    wanted = [symbol for name in names for symbol in symbols_in(unescape(name.decode("utf-8", "replace")))]
    if not end:
        return CutPackage(package, wanted=wanted)
    first, *entries = section.split(_ENTRY)
    kept, provided = [first], []
    for entry in entries:
        stripped = entry.rstrip()
        # What is written otherwise is provided like all else.
        if entry.startswith(_IN_XML) and stripped.endswith(b"/>") and b"&" not in entry and b"\n" not in stripped:
            provided.append(stripped)
        else:
            kept.append(entry)
    return CutPackage(b"".join((before, begin, _ENTRY.join(kept), end, after)), provided, wanted)


def dump_symbols(packages: Iterable[Sequence[bytes]]) -> bytes:
    """What is kept apart of the packages of a part, which are given in their order.

    Of each that has some: a line with its position, then one for each entry.
    """
    return b"".join(
        b"\n@%d\n%b\n" % (position, b"\n".join(provided)) for position, provided in enumerate(packages) if provided
    )


def _entries(dumped: bytes, names: Collection[str]) -> Iterator[tuple[int, str, bytes]]:
    """What `dump_symbols` made of these names: position, name and entry."""
    if len(names) > _FEW:
        position = 0
        for line in dumped.split(b"\n"):
            if line.startswith(b"@"):
                position = int(line[1:])
            elif (name := _name_of(line)) in names:
                yield position, name, line
        return
    for name in sorted(names):
        beginning = b'\n%b"' % name.encode()
        at = dumped.find(beginning)
        while at >= 0:
            position = int(dumped[dumped.rfind(b"\n@", 0, at) + 2 :].partition(b"\n")[0])
            yield position, name, dumped[at + 1 :].partition(b"\n")[0]
            at = dumped.find(beginning, at + 1)


def _name_of(line: bytes) -> str:
    return line.partition(b'"')[0].decode("utf-8", "replace")


class SymbolProviders:
    """Adds what is kept apart to what packages provide, by name, where it is asked for.

    ``files`` are those of `dump_symbols`, each with the solvable id from which its positions are counted.
    """

    def __init__(self, pool: Any, files: Iterable[tuple[int, Path]]) -> None:
        self._pool = pool
        self._files = tuple(files)
        self._provided: set[str] = set()

    def provide(self, names: Collection[str]) -> bool:
        """Have all packages provide what they have of these names. Returns whether there was any."""
        new = set(names) - self._provided
        self._provided |= new
        provides, found = libsolv().SOLVABLE_PROVIDES, False
        for start, file in self._files if new else ():
            for position, name, entry in _entries(file.read_bytes(), new):
                self._pool.id2solvable(start + position).add_deparray(provides, self._dependency(name, entry))
                found = True
        return found

    def provide_like(self, glob: str) -> bool:
        """Have all packages provide what they have of the names that a glob fits. Returns whether there was any."""
        pattern = re.compile(fnmatch.translate(glob))
        lines = (line for _, file in self._files for line in file.read_bytes().split(b"\n"))
        return self.provide({name for line in lines if pattern.match(name := _name_of(line)) and line[:1] != b"@"})

    def _dependency(self, name: str, entry: bytes) -> Any:
        """The capability of an entry, by its attributes."""
        found = {key.decode(): value.decode("utf-8", "replace") for key, value in _ATTRIBUTE.findall(entry)}
        relation = _RELATIONS.get(found.get("flags", ""), "")
        epoch, release = found.get("epoch", ""), found.get("rel", "")
        version = (
            (f"{epoch}:" if epoch.strip("0") else "") + found.get("ver", "") + (f"-{release}" if release else "")
        )
        return plain_dependency(self._pool, Capability(name, relation, version) if relation else Capability(name))
