"""comps.xml: the package groups of a repository, which `dnf group install` takes."""

from dataclasses import field
from pathlib import Path
from xml.parsers import expat

from ppcdeps.base.compression import DamagedError, open_stream
from ppcdeps.metadata.safexml import UnsafeXmlError, describe_bad_xml, parse_xml
from ppcdeps.model.values import dataclass

KIND = "group"
"""The type in repomd.xml."""
_INSTALLED = ("mandatory", "default")
"""The types of packages that come with a group where nothing more is requested."""


@dataclass(frozen=True, slots=True)
class PackageGroup:
    """A group with the names of the packages that come with it. ``title`` is its name in English."""

    id: str
    title: str
    packages: frozenset[str] = field(default_factory=frozenset)


def read_groups(path: Path) -> tuple[PackageGroup, ...]:
    """The groups of a comps.xml, compressed or not. Raises DamagedError where it is not one."""
    with open_stream(path, ceiling="metadata_groups") as stream:
        content = stream.read()
    reader = _Reader()
    try:
        parse_xml(content, reader.start, reader.text, reader.end, doctype=True)
    except (UnsafeXmlError, expat.ExpatError) as fault:
        raise DamagedError(describe_bad_xml(content, fault)) from fault
    if reader.root != "comps":
        raise DamagedError(f"is not a comps.xml: its root is {reader.root[:40]}")
    return tuple(reader.groups)


class _Reader:
    def __init__(self) -> None:
        self.root = ""
        self.groups: list[PackageGroup] = []
        self._path: list[str] = []
        self._attributes: dict[str, str] = {}
        self._text: list[str] = []
        self._group: dict[str, str] = {}
        self._packages: set[str] = set()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.root = self.root or name
        self._path.append(name)
        self._attributes = attributes
        self._text.clear()
        if self._path[1:] == ["group"]:
            self._group, self._packages = {}, set()

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, _name: str) -> None:
        text = "".join(self._text).strip()
        match self._path[1:]:
            case ["group", "id"]:
                self._group["id"] = text
            case ["group", "name"] if not self._attributes:
                # The translations have a language.
                self._group["name"] = text
            case ["group", "packagelist", "packagereq"] if self._attributes.get("type", "mandatory") in _INSTALLED:
                self._packages.add(text)
            case ["group"] if self._group.get("id"):
                group = self._group["id"]
                self.groups.append(PackageGroup(group, self._group.get("name", group), frozenset(self._packages)))
        self._path.pop()
        self._text.clear()
