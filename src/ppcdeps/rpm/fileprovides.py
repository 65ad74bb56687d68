"""The files that dependencies name, among the provides of the packages that have them: searched once, and kept."""

import hashlib
from collections.abc import Sequence
from typing import Any

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Part, load_parts, store_variant

_WORTH_KEEPING = 20_000_000
"""Packages times paths from which on a search takes longer than writing and reading what it finds."""


def load_with_files(
    pool: Any, repositories: Sequence[RepoMetadata], arch: str, reference_arch: str, cache: Cache
) -> list[Part]:
    """Load the packages of repositories, as `load_parts` does, for a universe of all of them.

    Where they are many, the packages provide the files that dependencies of any of them name already. libsolv
    finds these by comparing all files with all names, which is half of the time of a plan on 60,000 packages a side.
    They are stored for these repositories together: others would name other files.
    """
    primaries = ((each.config.side, each.files["primary"]) for each in repositories if "primary" in each.files)
    states = " ".join(f"{side} {primary.checksum}" for side, primary in primaries)
    variant = f"with files 1 {hashlib.sha256(states.encode()).hexdigest()}"
    parts = [
        part for each in repositories for part in load_parts(pool, each, arch, reference_arch, cache, variant=variant)
    ]
    paths = {path for part in parts for path in part.paths}
    if len(paths) * sum(part.count for part in parts) < _WORTH_KEEPING:
        return parts
    searched = [
        (part, repodata)
        for part in parts
        if part.count and (repodata := part.repo.first_repodata()) is not None and not _is_searched(repodata)
    ]
    added = pool.addfileprovides_queue() if searched else ()
    for part, repodata in searched if added else ():
        _mark_searched(repodata, added)
        store_variant(part, variant, arch, reference_arch, cache)
    return parts


def _is_searched(repodata: Any) -> bool:
    solv = libsolv()
    return bool(repodata.lookup_idarray(solv.SOLVID_META, solv.REPOSITORY_ADDEDFILEPROVIDES))


def _mark_searched(repodata: Any, paths: Sequence[int]) -> None:
    """Note in a repository which paths were searched for, so that libsolv searches for others only."""
    solv = libsolv()
    for path in paths:
        repodata.add_idarray(solv.SOLVID_META, solv.REPOSITORY_ADDEDFILEPROVIDES, path)
    repodata.internalize()
