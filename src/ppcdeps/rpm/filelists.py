"""Owners of paths that primary.xml does not list, looked up in filelists.xml once and remembered."""

import hashlib
import re
from collections.abc import Collection
from html import unescape

from ppcdeps.base.cache import Cache
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Part, read_metadata

_ELEMENT = re.compile(rb'<package\b[^>]*?\bpkgid="([^"]*)"|<file(?:\s[^>]*)?>([^<]*)</file>')


def owners_of(part: Part, paths: Collection[str], cache: Cache) -> dict[str, list[int]]:
    """For each path that packages of the part own, the owners' positions in the part.

    Empty where the repository has no filelists. Raises RepositoryError where they are damaged.
    """
    filelists = part.metadata.files.get("filelists")
    primary = part.metadata.files.get("primary")
    if filelists is None or primary is None or not paths:
        return {}
    digest = hashlib.sha256("\0".join(sorted(paths)).encode()).hexdigest()
    key = f"owners 2 {filelists.checksum} {primary.checksum} {part.role} {digest}"
    known: dict[str, list[int]] | None = cache.recall(key)
    if known is None:
        owners = _search(read_metadata(part.metadata, filelists), frozenset(paths))
        # Libsolv is asked for each package's checksum, so not where nothing was found.
        positions = _positions(part) if owners else {}
        known = {
            path: found
            for path, packages in owners.items()
            if (found := [positions[each] for each in packages if each in positions])
        }
        cache.remember(key, known)
    return known


def _positions(part: Part) -> dict[str, int]:
    checksum = libsolv().SOLVABLE_CHECKSUM
    positions = {}
    for position, solvable in enumerate(part.repo.solvables_iter()):
        found = solvable.lookup_checksum(checksum)
        if found is not None:
            positions[found.hex()] = position
    return positions


def _search(content: bytes, paths: frozenset[str]) -> dict[str, list[str]]:
    """The checksums of the packages that own each path."""
    wanted = {path.encode() for path in paths}
    found: dict[str, list[str]] = {}
    package = ""
    for element in _ELEMENT.finditer(content):
        checksum, path = element.groups()
        if checksum is not None:
            package = checksum.decode("utf-8", "replace")
            continue
        if b"&" in path:
            path = unescape(path.decode("utf-8", "replace")).encode("utf-8", "replace")
        if path in wanted:
            found.setdefault(path.decode("utf-8", "replace"), []).append(package)
    return found
