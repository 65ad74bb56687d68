"""repomd.xml, the table of contents of a repository, read without trusting it.

The format is that of createrepo_c; the location rules are ours: a file of a repository lies inside the
repository.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from urllib.parse import quote, unquote, urlsplit
from xml.parsers import expat

from ppcdeps.base.urls import is_file_url, join_url, refusal, shown_url
from ppcdeps.metadata.safexml import describe_bad_xml, parse_xml
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass

_STRONG = {"sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
# Old versions of createrepo write SHA-1 as "sha".
_WEAK = {"sha": "sha1", "sha1": "sha1"}
LAST_SECOND = 253_402_300_799
"""Of the year 9999: no later one can be shown."""
_DAY = 86_400
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class RepomdRecord:
    """One file that repomd.xml names. Checksums are ``algorithm:hex``, sizes are bytes.

    ``location`` is a path below the repository's base URL.
    """

    kind: str
    location: str
    checksum: str
    size: int | None = None
    open_checksum: str | None = None
    open_size: int | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Repomd:
    """What repomd.xml says. ``digest`` is the SHA-256 of its bytes, in hex."""

    revision: str
    digest: str
    records: Mapping[str, RepomdRecord] = field(default_factory=dict)

    @property
    def date(self) -> int | None:
        """The newest timestamp of a file, in seconds since 1970. One of that year's first day is a placeholder."""
        dates = (record.timestamp for record in self.records.values())
        return max((date for date in dates if date is not None and date >= _DAY), default=None)

    @property
    def weak(self) -> bool:
        """Whether a checksum is of a kind that can be forged (SHA-1)."""
        return any(record.checksum.startswith("sha1:") for record in self.records.values())


def parse_repomd(data: bytes, where: str) -> Repomd:
    """Read repomd.xml; ``where`` says in messages which one.

    Raises RepositoryError where it is not a repomd.xml, is broken, names a checksum that is not known or not
    safe, or a file outside of the repository.
    """
    reader = _RepomdReader()
    try:
        parse_xml(data, reader.start, reader.text, reader.end)
    except (expat.ExpatError, ValueError, LookupError) as fault:
        raise RepositoryError(f"{where}: {describe_bad_xml(data, fault)}", hint=_OTHER_MIRROR) from fault
    records: dict[str, RepomdRecord] = {}
    for raw in reader.records:
        record = _record_of(raw, where)
        if record is not None:
            records.setdefault(record.kind, record)
    if "primary" not in records:
        raise RepositoryError(f"{where}: names no primary metadata", hint=_OTHER_MIRROR)
    return Repomd(reader.revision.strip(), hashlib.sha256(data).hexdigest(), MappingProxyType(records))


_NOT_USABLE = "do not use this repository before its owner fixes it"
_OTHER_MIRROR = "try another mirror, or report it to the repository's owner"


class _NotRepomdError(ValueError):
    """The root element is another one."""


class _RepomdReader:
    """Collects the data elements, each as a dict of its children's texts and attributes."""

    def __init__(self) -> None:
        self.revision = ""
        self.records: list[dict[str, str]] = []
        self._path: list[str] = []
        self._record: dict[str, str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "repomd":
            raise _NotRepomdError(f"is not a repomd.xml: its root is <{name[:40]}>")
        self._path.append(name)
        if len(self._path) == 2 and name == "data":
            self._record = {"kind": attributes.get("type", "")}
            self.records.append(self._record)
        elif len(self._path) == 3 and self._record is not None:
            self._record.setdefault(name, "")
            for key in ("type", "href", "base"):
                if key in attributes:
                    self._record[f"{name} {key}"] = attributes[key]

    def text(self, data: str) -> None:
        if self._path[1:] == ["revision"]:
            self.revision += data
        elif len(self._path) == 3 and self._record is not None:
            self._record[self._path[2]] += data

    def end(self, _name: str) -> None:
        self._path.pop()
        if len(self._path) == 1:
            self._record = None


def _record_of(raw: Mapping[str, str], where: str) -> RepomdRecord | None:
    kind = raw["kind"]
    if kind.endswith(("_db", "_zck")) or not kind:
        # Other forms of the same data, which nothing here reads: no reason to refuse a repository over them.
        return None
    subject = f"{where}: {kind}"
    location = check_location(raw.get("location href", ""), subject, base=raw.get("location base"))
    return RepomdRecord(
        kind,
        location,
        _checksum(raw, "checksum", subject),
        _number(raw, "size", subject),
        _checksum(raw, "open-checksum", subject) if "open-checksum" in raw else None,
        _number(raw, "open-size", subject),
        _number(raw, "timestamp", subject),
    )


def check_location(href: str, subject: str, *, base: str | None = None) -> str:
    """The path, where it stays inside of the repository. Raises RepositoryError where it does not.

    A base (``xml:base``) would move the file to another place, so it is refused as well.
    """
    refusal = ""
    decoded = unquote(href)
    try:
        parts = urlsplit(href)
    except ValueError:
        raise RepositoryError(f"{subject} has an impossible location ({_shown(href)})", hint=_NOT_USABLE) from None
    if not href:
        refusal = "has no location"
    elif base:
        refusal = f"lies elsewhere by xml:base ({_shown(base)})"
    elif parts.scheme or parts.netloc or "\\" in decoded:
        refusal = f"lies elsewhere ({_shown(href)})"
    elif (
        decoded.startswith("/") or decoded.endswith("/") or parts.query or parts.fragment or not decoded.isprintable()
    ):
        refusal = f"has an impossible location ({_shown(href)})"
    # Decoded twice: a server or proxy may decode %252e%252e once more.
    elif ".." in decoded.split("/") or ".." in unquote(decoded).split("/"):
        refusal = f"climbs out of the repository ({_shown(href)})"
    if refusal:
        raise RepositoryError(f"{subject} {refusal}", hint=_NOT_USABLE)
    return href


def location_below(
    base: str, location: str, subject: str, *, named_by: str | None = None, plain: bool = False
) -> str:
    """The URL of a file at a checked location below a base URL. ``named_by`` is what names the base, if not the user.

    Reserved characters are percent-encoded: object stores take a plus sign for a blank. A ``plain`` location has no
    encoded ones, so that a percent sign is encoded, too: dnf takes those of packages so, and those of metadata not.

    Raises RepositoryError where a local one would lead out of its folder, by a link as well, or the base is not one
    that what names it may name.
    """
    url = join_url(base, quote(location, safe="/" if plain else "/%"))
    reason = refusal(url, base, base) if is_file_url(base) else ""
    if named_by is not None:
        reason = refusal(url, named_by, named_by) or reason
    if reason:
        raise RepositoryError(f"{subject}: {shown_url(url)} {reason}", hint=_NOT_USABLE)
    return url


def _shown(text: str) -> str:
    return text[:80].encode("ascii", "backslashreplace").decode()


def _checksum(raw: Mapping[str, str], name: str, subject: str) -> str:
    algorithm = raw.get(f"{name} type", "").lower()
    value = raw.get(name, "").strip().lower()
    algorithm = _WEAK.get(algorithm, algorithm)
    length = 40 if algorithm == "sha1" else _STRONG.get(algorithm)
    if length is None:
        known = ", ".join(_STRONG)
        raise RepositoryError(
            f"{subject} has a {name} of kind {_shown(algorithm) or '(none)'}, which is not accepted",
            hint=f"the repository must be made anew with one of {known}",
        )
    if len(value) != length or not _HEX.fullmatch(value):
        raise RepositoryError(f"{subject} has a malformed {name} ({_shown(value)})", hint=_OTHER_MIRROR)
    return f"{algorithm}:{value}"


def _number(raw: Mapping[str, str], name: str, subject: str) -> int | None:
    value = raw.get(name, "").strip()
    if not value:
        return None
    # Timestamps may be fractions (createrepo of old); sizes never are.
    whole = value.partition(".")[0] if name == "timestamp" else value
    # With 18 digits at most, any number fits into 64 bits.
    if (
        not whole.isascii()
        or not whole.isdigit()
        or len(whole) > 18
        or (name == "timestamp" and int(whole) > LAST_SECOND)
    ):
        raise RepositoryError(f"{subject} has a malformed {name} ({_shown(value)})", hint=_OTHER_MIRROR)
    return int(whole)
