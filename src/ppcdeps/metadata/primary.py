"""primary.xml as a stream of packages, each cut out as text: for questions that libsolv does not answer.

createrepo_c and its kin write one ``<package type="rpm">`` element after another, and an XML parser in Python takes
thirty times as long. No entity is expanded, so that the text cannot grow.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.compression import DamagedError, open_stream
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.nevra import Nevra

_BLOCK = 1 << 20
_LONGEST_EPOCH = 10
"""Digits: an epoch has 32 bits."""
_HEAD = re.compile(rb"<metadata\b[^>]*>")
_COUNT = re.compile(rb'\bpackages="(\d{1,9})"')
_BEGIN = re.compile(rb"<package\b")
_END = b"</package>"
_VERSION = re.compile(rb"<version\b([^>]*)>")
_CHECKSUM = re.compile(rb'<checksum\b[^>]*\btype="([^"]*)"[^>]*>\s*([0-9A-Fa-f]+)\s*</checksum>')
_SIZE = re.compile(rb'<size\b[^>]*\bpackage="(\d{1,18})"')
_LOCATION = re.compile(rb"<location\b([^>]*)>")
_RELATION = re.compile(rb"<rpm:(\w+)>(.*?)</rpm:\1>", re.DOTALL)
# A dependency's name may hold what would end the tag, if not quoted: (a >= 1 if b).
_ENTRY = re.compile(rb'<rpm:entry((?:\s+[\w:]+="[^"]*")*)\s*/?>')
_FILE = re.compile(rb"<file\b[^>]*>([^<]*)</file>")
_ATTRIBUTE = re.compile(rb'([\w:]+)="([^"]*)"')
_VERSION_TEXT = re.compile(
    rb'(?:\s+(?:epoch="\d{0,10}"|(?:ver|rel)="[^"\s<>-]*"|(?!(?:epoch|ver|rel)=)[\w:]+="[^"]*"))*\s*/?'
)
_BAD_FLAGS = re.compile(rb'flags="(?!EQ"|[GL][TE]")')
_NAMES = re.compile(rb'\b\w+="([^"]*)"|<(?:name|arch|file|rpm:sourcerpm)\b[^>]*>([^<]*)')


@dataclass(frozen=True)
class PrimaryPackage:
    """One package element. Its fields are read out of ``text`` on demand."""

    text: bytes

    def field(self, name: str) -> str:
        """The text of the first element of that name, such as ``arch`` or ``rpm:sourcerpm``; empty without one."""
        # Plain searches: a tenth of what a regular expression costs, for tens of thousands of packages.
        text = self.text
        tag = b"<%b>" % name.encode()
        start = text.find(tag)
        if start < 0:
            return ""
        start += len(tag)
        return _plain(text[start : text.find(b"<", start)]).strip()

    @cached_property
    def name(self) -> str:
        """The package's name."""
        return self.field("name")

    @cached_property
    def arch(self) -> str:
        """Its architecture: that of the RPM file, ``src`` for a source package."""
        return self.field("arch")

    @property
    def source(self) -> str:
        """The file name of the source package that it was built from; empty for a source package."""
        return self.field("rpm:sourcerpm")

    @cached_property
    def version_text(self) -> bytes:
        """The attributes of its version, as they are written."""
        found = _VERSION.search(self.text)
        return found[1] if found else b""

    @property
    def version(self) -> Mapping[str, str]:
        """``epoch``, ``ver`` and ``rel``, as far as they are given."""
        return _attributes(self.version_text)

    @property
    def nevra(self) -> Nevra:
        """Raises DamagedError where there is no version, or an epoch that is not a number."""
        epoch = self.version.get("epoch") or "0"
        if "ver" not in self.version or not epoch.isascii() or not epoch.isdigit() or len(epoch) > _LONGEST_EPOCH:
            raise DamagedError(f"says no version of {self.name}")
        return Nevra(self.name, int(epoch), self.version["ver"], self.version.get("rel", ""), self.arch)

    @property
    def checksum(self) -> str:
        """The RPM file's checksum as ``algorithm:hex``; empty without one."""
        found = _CHECKSUM.search(self.text)
        return f"{found[1].decode('utf-8', 'replace').lower()}:{found[2].decode().lower()}" if found else ""

    @property
    def size(self) -> int | None:
        """Bytes of the RPM file; None also for the 0 of tools that make metadata without the packages at hand."""
        found = _SIZE.search(self.text)
        return int(found[1]) or None if found else None

    @property
    def location(self) -> Mapping[str, str]:
        """``href``, and ``xml:base`` where there is one."""
        found = _LOCATION.search(self.text)
        return _attributes(found[1]) if found else {}

    def relations(self) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
        """The kind of each relation (``provides``, ``requires`` ...) with its entries' attributes."""
        for kind, entries in _RELATION.findall(self.text):
            yield kind.decode("utf-8", "replace"), [_attributes(entry) for entry in _ENTRY.findall(entries)]

    def files(self) -> list[str]:
        """The paths that primary.xml lists of the package."""
        return [_plain(path).strip() for path in _FILE.findall(self.text)]


def read_primary(path: Path, *, limit: int | None = None) -> Iterator[PrimaryPackage]:
    """The packages of a primary.xml, in its order. Raises DamagedError where it is not one, or ends early."""
    with open_stream(path, limit=limit) as stream:
        yield from parse_primary(stream)


def parse_primary(stream: BinaryIO) -> Iterator[PrimaryPackage]:
    """The packages of the open content of a primary.xml. Raises like ``read_primary``, at the end at the latest."""
    buffer = stream.read(_BLOCK)
    head = _HEAD.search(buffer[:4096])
    if head is None or b"<!DOCTYPE" in buffer[: head.start()]:
        raise DamagedError("is not package metadata")
    count = 0
    tail = b""
    while True:
        start = 0
        while (begin := _BEGIN.search(buffer, start)) and (end := buffer.find(_END, begin.start())) >= 0:
            count += 1
            start = end + len(_END)
            if count > CEILINGS.metadata_packages:
                raise DamagedError(beyond("metadata_packages", "has more than"))
            package = PrimaryPackage(buffer[begin.start() : start])
            _check_lengths(package.text)
            _check_version(package)
            yield package
        buffer = buffer[start:]
        if len(buffer) > CEILINGS.metadata_package + _BLOCK:
            raise DamagedError(beyond("metadata_package", "has a package of more than"))
        tail = buffer[-64:]
        block = stream.read(_BLOCK)
        if not block:
            break
        buffer += block
    announced = _COUNT.search(head[0])
    if b"</metadata>" not in tail or (announced and int(announced[1]) != count):
        declared = announced[1].decode() if announced else "some"
        raise DamagedError(f"is cut short or damaged: {count} of {declared} packages")


def _check_version(package: PrimaryPackage) -> None:
    """Whether rpm could make such a package: libsolv takes any words for a name, a version, and an entry's."""
    if _VERSION_TEXT.fullmatch(package.version_text) is None:
        raise DamagedError(f"has a version that is none: {package.name[:100]} {package.version_text[:100]!r}")
    # Plain searches: each package of a distribution is looked through.
    if b' name=""' in package.text or _BAD_FLAGS.search(package.text):
        raise DamagedError(f"has a dependency of {package.name[:100]} without a name, or of an unknown kind")


def _check_lengths(text: bytes) -> None:
    most = CEILINGS.metadata_name
    # Cutting at quotation marks costs a tenth of finding the names, and shows that there is no long one.
    if len(text) <= most or max(map(len, text.split(b'"'))) <= most:
        return
    if any(len(value) > most for found in _NAMES.findall(text) for value in found):
        raise DamagedError(beyond("metadata_name", "has a name of more than"))


def announced_packages(path: Path) -> int | None:
    """How many packages a primary.xml says that it has, None where it does not say."""
    try:
        with open_stream(path) as stream:
            head = _HEAD.search(stream.read(4096))
    except (DamagedError, OSError):
        return None
    found = _COUNT.search(head[0]) if head else None
    return int(found[1]) if found else None


def _attributes(text: bytes) -> dict[str, str]:
    return {key.decode("utf-8", "replace"): _plain(value) for key, value in _ATTRIBUTE.findall(text)}


def _plain(text: bytes) -> str:
    decoded = text.decode("utf-8", "replace")
    return unescape(decoded) if "&" in decoded else decoded
