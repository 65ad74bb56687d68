"""primary.xml cut into packages: chosen by architecture, in one order, with the facts libsolv has no index for.

The order of the packages in a repository must not change a closure, and a package of a foreign architecture must
not satisfy a requirement (big-endian ppc64 has the ISA marker ``(ppc-64)``, too), so both are settled before libsolv
reads anything. The cutting is textual: createrepo_c and its kin write one ``<package type="rpm">`` element after
another, and expat in Python takes thirty times as long.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

from ppcdeps.model.capability import paths_in
from ppcdeps.model.errors import RepositoryError

_HEAD = re.compile(rb"<metadata\b[^>]*>")
_COUNT = re.compile(rb'\bpackages="(\d+)"')
_PACKAGE = re.compile(rb"<package\b[^>]*>.*?</package\s*>", re.DOTALL)
_NAME = re.compile(rb"<name>([^<]*)</name>")
_ARCH = re.compile(rb"<arch>([^<]*)</arch>")
_VERSION = re.compile(rb"<version\b([^>]*)>")
_SOURCE = re.compile(rb"<rpm:sourcerpm>([^<]*)</rpm:sourcerpm>")
_PATH_ENTRY = re.compile(rb'<rpm:entry\b[^>]*?\bname="([^"]*/[^"]*)"')
_IN_PRIMARY = re.compile(r"/etc/|/usr/lib/sendmail$|.*bin/")


@dataclass(frozen=True, slots=True)
class Package:
    """One package element: its place in the order, and its text."""

    name: bytes
    arch: bytes
    version: bytes
    source: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The packages of some architectures as a document of their own.

    ``sources`` maps each source package's name to the positions, counted from 0 in document order, of the
    packages built from it. ``paths`` are those that dependencies name.
    """

    document: bytes
    count: int
    sources: dict[str, list[int]]
    paths: list[str]


def cut_primary(content: bytes, origin: str) -> list[Package]:
    """All packages of a primary.xml, sorted by name, architecture and version.

    Raises RepositoryError where the document is not primary.xml, or ends early.
    """
    head = _HEAD.search(content[:4096])
    if head is None:
        raise RepositoryError(f"{origin}: primary.xml is not package metadata", hint="refresh with `ppcdeps sync`")
    packages = [_package(found[0]) for found in _PACKAGE.finditer(content)]
    announced = _COUNT.search(head[0])
    if b"</metadata>" not in content[-64:] or (announced and int(announced[1]) != len(packages)):
        declared = announced[1].decode() if announced else "some"
        raise RepositoryError(
            f"{origin}: primary.xml is cut short or damaged: {len(packages)} of {declared} packages",
            hint="refresh with `ppcdeps sync`",
        )
    packages.sort(key=lambda package: (package.name, package.arch, package.version, package.text))
    return packages


def select(packages: Iterable[Package], arches: Iterable[str]) -> Cut:
    """The packages whose architecture starts with one of the given names, such as ``x86_64`` or ``noarch``."""
    wanted = tuple(arch.encode() for arch in arches)
    chosen = [package for package in packages if package.arch.startswith(wanted)]
    document = b"".join(
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n'
            b'<metadata xmlns="http://linux.duke.edu/metadata/common"'
            b' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">\n' % len(chosen),
            *(package.text for package in chosen),
            b"</metadata>\n",
        )
    )
    sources: dict[str, list[int]] = {}
    for position, package in enumerate(chosen):
        name = package.source.decode().rsplit("-", 2)[0] if package.source else package.name.decode()
        sources.setdefault(name, []).append(position)
    return Cut(document, len(chosen), sources, sorted(_paths_wanted(document)))


def answered_by_primary(path: str) -> bool:
    """Whether primary.xml lists the path, if any package owns it (createrepo's rule)."""
    return _IN_PRIMARY.match(path) is not None


def _package(text: bytes) -> Package:
    name, arch, version, source = (_first(what, text) for what in (_NAME, _ARCH, _VERSION, _SOURCE))
    return Package(name, arch, version, source, text)


def _first(what: re.Pattern[bytes], text: bytes) -> bytes:
    found = what.search(text)
    return found[1].strip() if found else b""


def _paths_wanted(document: bytes) -> set[str]:
    named = {unescape(entry.decode()) for entry in set(_PATH_ENTRY.findall(document))}
    return {path for text in named for path in paths_in(text)}
