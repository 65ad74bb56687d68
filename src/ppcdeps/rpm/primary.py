"""Packages of primary.xml for libsolv: chosen by architecture, in one order, with facts that it has no index for.

The order of the packages in a repository must not change a closure, and a package of a foreign architecture must
not satisfy a requirement (big-endian ppc64 has the ISA marker ``(ppc-64)``, too), so both are settled before libsolv
reads anything.
"""

import re
from collections.abc import Callable, Iterable
from html import unescape
from typing import BinaryIO

from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.primary import PrimaryPackage, parse_primary
from ppcdeps.model import names
from ppcdeps.model.capability import depth_of, paths_in
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.isa import translated_document
from ppcdeps.rpm.symbols import cut_symbols, dump_symbols

# libsolv takes a dependency that begins with a parenthesis for a boolean one, and uses the stack for each level.
_RICH_ENTRY = re.compile(rb'\bname="([(&][^"]*)"')
_END = b"</package>"


@dataclass(frozen=True, slots=True)
class Cut:
    """The packages of some architectures as a document of their own.

    ``identities`` are those of the packages, in document order, as rpm writes them.
    ``sources`` maps each source package's name to the positions, counted from 0 in document order, of the
    packages built from it. ``paths`` are those that dependencies name. ``symbols`` is what the packages provide and
    the document has not (`ppcdeps.rpm.symbols.dump_symbols`), ``wanted_symbols`` are the names of it in dependencies.
    """

    document: bytes
    identities: list[str]
    sources: dict[str, list[int]]
    paths: list[str]
    symbols: bytes
    wanted_symbols: list[str]


_OTHER_NAME = "leave that repository out, or have the package named otherwise"


class _NameError(DamagedError):
    """A name that may be rpm's, and is not taken."""


def cut_primary(stream: BinaryIO, origin: str) -> list[PrimaryPackage]:
    """All packages of a primary.xml's open content, sorted by name, architecture and version.

    Raises RepositoryError where the document is not primary.xml, is damaged, or ends early, and where a boolean
    dependency is nested so deep that libsolv would run out of stack.
    """
    try:
        packages = list(parse_primary(stream))
        for package in packages:
            _check_boolean(package)
        sources = {package.source.rsplit("-", 2)[0] for package in packages if package.source}
        for name in sorted({package.name for package in packages} | sources):
            _check_name(names.package_name, name)
        for arch in sorted({package.arch for package in packages}):
            _check_name(names.architecture, arch)
    except DamagedError as error:
        hint = _OTHER_NAME if isinstance(error, _NameError) else "refresh with `ppcdeps sync`"
        raise RepositoryError(f"{origin}: primary.xml {error}", hint=hint) from error
    packages.sort(key=lambda package: (package.name, package.arch, package.text))
    return packages


def _check_name(grammar: Callable[[str], str], name: str) -> None:
    """Names go on into plans, arguments and paths; libsolv takes anything for one."""
    try:
        grammar(name)
    except ValueError as error:
        raise _NameError(f"has a name that is not taken, as it goes into specs and commands: {error}") from error


def _check_boolean(package: PrimaryPackage) -> None:
    """Whether its boolean dependencies are nested less deep than libsolv has stack for."""
    text = package.text
    # Plain searches first: few packages have boolean dependencies.
    if b'name="(' not in text and b'name="&' not in text:
        return
    for name in _RICH_ENTRY.findall(text):
        if depth_of(unescape(name.decode("utf-8", "replace"))) > CEILINGS.dependency_depth:
            what = f"has a boolean dependency of {package.name[:100]} that is nested deeper than"
            raise DamagedError(beyond("dependency_depth", what))


def select(packages: Iterable[PrimaryPackage], arches: Iterable[str], *, translate: bool = False) -> Cut:
    """The packages whose architecture starts with one of the given names, such as ``x86_64`` or ``noarch``.

    ``translate`` gives them the capabilities of their ppc64le builds.
    """
    wanted = tuple(arches)
    chosen = [package for package in packages if package.arch.startswith(wanted)]
    texts = [package.text for package in chosen]
    if translate:
        # What is kept apart, too; all at once, and apart again by what ends each.
        *parts, _ = translated_document(b"".join(texts)).split(_END)
        texts = [part + _END for part in parts]
    cut = list(map(cut_symbols, texts))
    document = b"".join(
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n'
            b'<metadata xmlns="http://linux.duke.edu/metadata/common"'
            b' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">\n' % len(chosen),
            *(one.text for one in cut),
            b"</metadata>\n",
        )
    )
    sources: dict[str, list[int]] = {}
    for position, package in enumerate(chosen):
        name = package.source.rsplit("-", 2)[0] or package.name
        sources.setdefault(name, []).append(position)
    return Cut(
        document,
        [str(package.nevra) for package in chosen],
        sources,
        sorted(_paths_wanted(document)),
        dump_symbols(one.provided for one in cut),
        sorted({name for one in cut for name in one.wanted}),
    )


def _paths_wanted(document: bytes) -> set[str]:
    # Splitting takes a fifth of the time of a regular expression, on tens of megabytes. "&" may begin a "/".
    entries = {
        begin + text.partition(b'"')[0]
        for begin in (b"/", b"(", b"&")
        for text in document.split(b'name="' + begin)[1:]
    }
    named = {unescape(entry.decode("utf-8", "replace")) for entry in entries}
    return {path for text in named for path in paths_in(text)}
