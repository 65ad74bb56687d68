"""Owners of paths that primary.xml does not list, looked up in filelists.xml once and remembered."""

import hashlib
import re
from collections.abc import Collection

from ppcdeps.base.cache import Cache
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Part, read_metadata

_ELEMENT = re.compile(rb'<package\b[^>]*?\bpkgid="([^"]*)"|<file(?:\s[^>]*)?>([^<]*)</file>')


def owners_of(part: Part, paths: Collection[str], cache: Cache) -> dict[str, list[int]]:
    """For each path that packages of the part own, the owners' positions in the part.

    Empty where the repository has no filelists. Raises RepositoryError where they are damaged.
    """
    key = _key(part, paths)
    if key is None:
        return {}
    known: dict[str, list[int]] | None = cache.recall(key)
    if known is None:
        owners = _search(read_metadata(part.metadata, part.metadata.files["filelists"]), frozenset(paths))
        # Libsolv is asked for each package's checksum, so not where nothing was found.
        positions = _positions(part) if owners else {}
        known = {
            path: found
            for path, packages in owners.items()
            if (found := [positions[each] for each in packages if each in positions])
        }
        cache.remember(key, known)
    return known


def are_remembered(part: Part, paths: Collection[str], cache: Cache) -> bool:
    """Whether the owners in a part were looked up before, so that no filelists have to be read."""
    key = _key(part, paths)
    return key is not None and cache.derived_path(key, ".json").exists()


def _key(part: Part, paths: Collection[str]) -> str | None:
    """What decides on the owners; None where there are none to look up."""
    filelists = part.metadata.files.get("filelists")
    primary = part.metadata.files.get("primary")
    if filelists is None or primary is None or not paths:
        return None
    digest = hashlib.sha256("\0".join(sorted(paths)).encode()).hexdigest()
    return f"owners 2 {filelists.checksum} {primary.checksum} {part.role} {digest}"


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
    from html import unescape

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
