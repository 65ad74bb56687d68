"""primary.xml as a stream of packages, each cut out as text: for questions that libsolv does not answer.

createrepo_c and its kin write one ``<package type="rpm">`` element after another, and an XML parser in Python takes
thirty times as long. No entity is expanded, so that the text cannot grow.
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import BinaryIO, Self

from ppcdeps.base.compression import DamagedError, open_stream
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass

_BLOCK = 1 << 20
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
# How createrepo_c begins a package, with nothing in it that needs a second look.
_USUAL_BEGINNING = re.compile(
    rb'<package type="rpm">\s*<name>([A-Za-z0-9_][\w.+-]*)</name>\s*<arch>([a-z][a-z0-9_]*)</arch>\s*'
    rb'<version epoch="(\d{1,10})" ver="([\w.+~^]+)" rel="([\w.+~^]+)"/>'
)
_EPOCH_VERSION_RELEASE = re.compile(rb'\s+epoch="(\d{1,10})" ver="([\w.+~^]+)" rel="([\w.+~^]+)"\s*/?')
_VERSION_TEXT = re.compile(
    rb'(?:\s+(?:epoch="\d{0,10}"|(?:ver|rel)="[\w.+~^]*"|(?!(?:epoch|ver|rel)=)[\w:]+="[^"]*"))*\s*/?'
)
_BAD_ENTRY = re.compile(
    # As createrepo_c writes entries first: it takes half the time.
    rb'<rpm:entry(?! name="[^"]++"(?: flags="(?:EQ|[GL][TE])" epoch="\d{0,10}+" ver="[^"\s<>]*+"'
    rb'(?: rel="[^"\s<>]*+")?)?(?: pre="1")?/>'
    rb'|(?:\s+(?:name="[^"]+"|flags="(?:EQ|[GL][TE])"|epoch="\d{0,10}"|(?:ver|rel)="[^"\s<>]*"'
    rb'|(?!(?:name|flags|epoch|ver|rel)=)[\w:]+="[^"]*"))*\s*/?>)'
)
_NAMES = re.compile(rb'\b\w+="([^"]*)"|<(?:name|arch|file|rpm:sourcerpm)\b[^>]*>([^<]*)')


@dataclass(frozen=True, slots=True)
class PrimaryPackage:
    """One package element. Its identity is read at once, the rest out of ``text`` on demand."""

    text: bytes
    nevra: Nevra
    source: str
    """The file name of the source package that it was built from; empty for a source package."""

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Raises DamagedError where there is no version or release, or what rpm takes for neither."""
        usual = _USUAL_BEGINNING.match(text)
        if usual is not None:
            name, arch, epoch, version, release = (part.decode() for part in usual.groups())
            return cls(text, Nevra(name, int(epoch), version, release, arch), _field(text, b"<rpm:sourcerpm>"))
        name = _field(text, b"<name>")
        found = _VERSION.search(text)
        attributes = found[1] if found else b""
        plain = _EPOCH_VERSION_RELEASE.fullmatch(attributes)
        if plain is not None:
            epoch, version, release = (part.decode() for part in plain.groups())
        elif _VERSION_TEXT.fullmatch(attributes) is None:
            raise DamagedError(f"has a version that is none: {name[:100]} {attributes[:100]!r}")
        else:
            given = _attributes(attributes)
            epoch, version, release = given.get("epoch") or "0", given.get("ver", ""), given.get("rel", "")
            if not version or not release:
                raise DamagedError(f"says no version of {name[:100]}")
        identity = Nevra(name, int(epoch), version, release, _field(text, b"<arch>"))
        return cls(text, identity, _field(text, b"<rpm:sourcerpm>"))

    @property
    def name(self) -> str:
        """The package's name."""
        return self.nevra.name

    @property
    def arch(self) -> str:
        """Its architecture: that of the RPM file, ``src`` for a source package."""
        return self.nevra.arch

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
            package = PrimaryPackage.read(buffer[begin.start() : start])
            _check(package)
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


def _check(package: PrimaryPackage) -> None:
    """Whether rpm could make such a package: libsolv takes any words for a name, and for an entry's version."""
    text, most = package.text, CEILINGS.metadata_name
    if (
        len(text) > most
        # Few packages have any part that is so long, a description mostly.
        and _has_part_of_more_than(most, text)
        and any(len(value) > most for found in _NAMES.findall(text) for value in found)
    ):
        raise DamagedError(beyond("metadata_name", "has a name of more than"))
    # libsolv takes the last of two names, and a plan the first.
    if text.count(b"<name") != 1:
        raise DamagedError(f"has a package with more than one name: {package.name[:100]}")
    if _BAD_ENTRY.search(text):
        raise DamagedError(f"has a dependency of {package.name[:100]} without a name, or with a version that is none")


def _has_part_of_more_than(most: int, text: bytes) -> bool:
    """Whether more bytes lie between two of what begins or ends a value. They have one at a multiple of ``most``."""
    for place in range(most, len(text), most):
        begin = max(text.rfind(b'"', 0, place), text.rfind(b"<", 0, place))
        ends = (text.find(b'"', place), text.find(b"<", place))
        if min((end for end in ends if end >= 0), default=len(text)) - begin - 1 > most:
            return True
    return False


def announced_packages(path: Path) -> int | None:
    """How many packages a primary.xml says that it has, None where it does not say."""
    try:
        with open_stream(path) as stream:
            head = _HEAD.search(stream.read(4096))
    except (DamagedError, OSError):
        return None
    found = _COUNT.search(head[0]) if head else None
    return int(found[1]) if found else None


def _field(text: bytes, tag: bytes) -> str:
    """The text of the first element of that start tag, without attributes; empty without one."""
    # Plain searches: a tenth of what a regular expression costs, for tens of thousands of packages.
    found = text.find(tag)
    if found < 0:
        return ""
    start = found + len(tag)
    return _plain(text[start : text.find(b"<", start)]).strip()


def _attributes(text: bytes) -> dict[str, str]:
    return {key.decode("utf-8", "replace"): _plain(value) for key, value in _ATTRIBUTE.findall(text)}


def _plain(text: bytes) -> str:
    decoded = text.decode("utf-8", "replace")
    return unescape(decoded) if "&" in decoded else decoded
