"""What libvirt's schema for domains allows where: the paths of elements and attributes."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

SCHEMAS = Path("/usr/share/libvirt/schemas")
RECURRING = ("backingStore/backingStore", "source/dataStore/source")
"""What is in itself: each stands for the element that it begins with."""
_RELAXNG = "{http://relaxng.org/ns/structure/1.0}"
_OF_DOMAINS = "http://libvirt.org/schemas/domain/"


def schema_version() -> tuple[int, int] | None:
    """The release of the libvirt that the schemas belong to, as its library's file says; None where there is none."""
    if not (SCHEMAS / "domain.rng").is_file():
        return None
    for file in Path("/usr/lib").rglob("libvirt.so.0.*"):
        if found := re.fullmatch(r"libvirt\.so\.0\.(\d+)(\d{3})\.\d+", file.name):
            return int(found[1]), int(found[2])
    return None


@cache
def schema_paths(folder: Path = SCHEMAS) -> frozenset[str]:
    """All paths of a domain: ``devices/disk`` for an element, ``devices/disk@type`` for an attribute.

    Elements of other namespaces have the prefix that libvirt's documentation gives them (``qemu:commandline``). What
    is in itself again is there once. Attributes of the document element are ``domain@id``.
    """
    return frozenset(_Grammar(folder).paths())


class _Grammar:
    def __init__(self, folder: Path) -> None:
        self._defines: dict[str, list[ElementTree.Element]] = {}
        self._read: set[str] = set()
        self._load(folder, "domain.rng")

    def _load(self, folder: Path, name: str) -> None:
        if name in self._read:
            return
        self._read.add(name)
        root = ElementTree.parse(folder / name).getroot()
        for define in root.iter(f"{_RELAXNG}define"):
            self._defines.setdefault(define.attrib["name"], []).append(define)
        for include in root.iter(f"{_RELAXNG}include"):
            self._load(folder, include.attrib["href"])

    def paths(self) -> Iterator[str]:
        for define in self._defines["domain"]:
            for root in define.iter(f"{_RELAXNG}element"):
                if root.get("name") == "domain":
                    yield from (f"domain@{name}" for name in self._attributes(root))
                    yield from self._below(root, "", (root,))

    def _below(self, node: ElementTree.Element, path: str, above: tuple[ElementTree.Element, ...]) -> Iterator[str]:
        for child in self._elements(node):
            below = path + _name(child)
            if below.endswith(RECURRING):
                continue
            assert child not in above, f"{below} may be in itself"
            yield below
            yield from (f"{below}@{name}" for name in self._attributes(child))
            yield from self._below(child, f"{below}/", (*above, child))

    def _elements(self, node: ElementTree.Element) -> Iterator[ElementTree.Element]:
        """The elements that are directly in one, those of any name left out."""
        for part in self._parts(node):
            if part.tag == f"{_RELAXNG}element" and part.get("name"):
                yield part

    def _attributes(self, node: ElementTree.Element) -> Iterator[str]:
        for part in self._parts(node):
            if part.tag == f"{_RELAXNG}attribute" and part.get("name"):
                yield part.attrib["name"]

    def _parts(self, node: ElementTree.Element, through: tuple[str, ...] = ()) -> Iterator[ElementTree.Element]:
        """What a pattern is made of, references followed, down to elements and attributes."""
        for child in node:
            name = child.get("name", "")
            if child.tag in (f"{_RELAXNG}element", f"{_RELAXNG}attribute"):
                yield child
            elif child.tag == f"{_RELAXNG}ref":
                for define in self._defines.get(name, []) if name not in through else []:
                    yield from self._parts(define, (*through, name))
            else:
                yield from self._parts(child, through)


def _name(element: ElementTree.Element) -> str:
    namespace = element.get("ns", "")
    prefix = f"{namespace.removeprefix(_OF_DOMAINS).partition('/')[0]}:" if namespace else ""
    return f"{prefix}{element.attrib['name']}"
