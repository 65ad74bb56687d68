"""Mirror lists and metalinks: where else a repository lies, and what its repomd.xml must be."""

import hashlib
from collections.abc import Sequence
from dataclasses import field
from urllib.parse import urlsplit
from xml.parsers import expat

from ppcdeps.base.responses import looks_like_html
from ppcdeps.metadata.safexml import describe_bad_xml, parse_xml
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass

_REPOMD_PATH = "repodata/repomd.xml"
_HASHES = ("sha512", "sha384", "sha256")
"""The kinds of hash that prove a repomd.xml, the strongest first; weaker ones are not looked at."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One state of repomd.xml that a metalink vouches for."""

    checksum: str | None
    """``algorithm:hex``."""
    size: int | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class MirrorList:
    """Base URLs in order of preference, and the states of repomd.xml that count as current.

    ``accepted`` is empty where the list (a plain mirrorlist) says nothing about them; else the first is the
    newest.
    """

    mirrors: tuple[str, ...]
    accepted: tuple[Fingerprint, ...] = ()


def parse_mirrorlist(data: bytes, where: str, *, local: bool = False) -> MirrorList:
    """Read a plain list: a base URL a line, ``#`` begins a comment.

    Only a ``local`` list may name file URLs: a server has no say over what is read on this machine. Raises
    RepositoryError where no line is a usable URL.
    """
    if looks_like_html(data):
        raise RepositoryError(f"{where}: the mirrorlist {describe_bad_xml(data, ValueError())}")
    if b"<metalink" in data[:4096]:
        # Servers give either form at the same address, as yum took either.
        return parse_metalink(data, where, local=local)
    lines = data.decode("utf-8", errors="replace").splitlines()
    mirrors = tuple(dict.fromkeys(line.strip() for line in lines if _is_usable(line.strip(), local)))
    if not mirrors:
        said = next((line.strip("# \t") for line in lines if line.strip("# \t")), "it is empty")
        raise RepositoryError(f"{where}: the mirrorlist names no mirror ({said[:100]})")
    return MirrorList(mirrors)


def parse_metalink(data: bytes, where: str, *, local: bool = False) -> MirrorList:
    """Read a metalink 3 document as MirrorManager serves it, for repomd.xml.

    Mirrors come by falling preference, https before http at the same one; ``local`` as above. Raises
    RepositoryError where it is broken, or names no mirror, or vouches for no state of repomd.xml.
    """
    reader = _MetalinkReader()
    try:
        parse_xml(data, reader.start, reader.text, reader.end)
    except (expat.ExpatError, ValueError, LookupError) as fault:
        raise RepositoryError(f"{where}: the metalink {describe_bad_xml(data, fault)}") from fault
    if not reader.is_metalink:
        raise RepositoryError(f"{where}: the metalink {describe_bad_xml(data, ValueError('is none'))}")
    ranked = sorted(
        (link for link in reader.links if _is_usable(link.url, local) and link.url.endswith(_REPOMD_PATH)),
        key=lambda link: (-link.preference, urlsplit(link.url).scheme != "https"),
    )
    mirrors = tuple(dict.fromkeys(link.url.removesuffix(_REPOMD_PATH) for link in ranked))
    if not mirrors:
        raise RepositoryError(f"{where}: the metalink names no usable mirror (http or https)")
    accepted = tuple(_fingerprint_of(state) for state in reader.states)
    accepted = tuple(one for one in accepted if one.checksum is not None)
    if not accepted:
        raise RepositoryError(f"{where}: the metalink has no strong checksum for repomd.xml ({', '.join(_HASHES)})")
    return MirrorList(mirrors, accepted)


def _is_usable(url: str, local: bool) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "file":
        return local and bool(parts.path)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _fingerprint_of(state: "_MetalinkState") -> Fingerprint:
    checksum = next((f"{kind}:{state.hashes[kind]}" for kind in _HASHES if state.hashes.get(kind)), None)
    return Fingerprint(checksum, _integer(state.size), _integer(state.timestamp))


def _integer(text: str) -> int | None:
    text = text.strip()
    # With fewer than 19 digits any number fits into 64 bits.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@dataclass(slots=True)
class _MetalinkState:
    hashes: dict[str, str] = field(default_factory=dict)
    size: str = ""
    timestamp: str = ""


@dataclass(slots=True)
class _MetalinkLink:
    preference: int
    url: str = ""


class _MetalinkReader:
    """Collects the file element of repomd.xml: its own state, its alternates, and its resources."""

    def __init__(self) -> None:
        self.is_metalink = False
        self.links: list[_MetalinkLink] = []
        self.states: list[_MetalinkState] = []
        self._path: list[str] = []
        self._wanted = False
        self._hash = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path:
            self.is_metalink = name == "metalink"
        self._path.append(name)
        match name:
            case "file":
                self._wanted = attributes.get("name", "repomd.xml") == "repomd.xml"
                if self._wanted:
                    self.states.append(_MetalinkState())
            # Mirrors lag behind: MirrorManager also lists the states before the newest one.
            case "alternate" if self._wanted:
                self.states.append(_MetalinkState())
            case "hash" if self._wanted and self.states:
                self._hash = attributes.get("type", "").lower().replace("-", "")
                self.states[-1].hashes.setdefault(self._hash, "")
            case "url" if self._wanted:
                self.links.append(_MetalinkLink(_integer(attributes.get("preference", "")) or 0))

    def text(self, data: str) -> None:
        if not self._wanted:
            return
        match self._path[-1]:
            case "hash" if self.states:
                self.states[-1].hashes[self._hash] += data.strip().lower()
            case "size" if self.states:
                self.states[-1].size += data
            case "timestamp" if self.states:
                self.states[-1].timestamp += data
            case "url" if self.links:
                self.links[-1].url += data.strip()

    def end(self, name: str) -> None:
        self._path.pop()
        if name == "file":
            self._wanted = False


def matches(data: bytes, accepted: Sequence[Fingerprint]) -> bool:
    """Whether these bytes are one of the states that a metalink vouches for (any, where it names none)."""
    for fingerprint in accepted:
        algorithm, _, wanted = (fingerprint.checksum or "").partition(":")
        right_size = fingerprint.size is None or fingerprint.size == len(data)
        if algorithm and right_size and hashlib.new(algorithm, data).hexdigest() == wanted:
            return True
    return not accepted
