"""Paths that dependencies name and only filelists.xml has the owners of, which is read when one of them matters."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.capability import paths_in
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.filelists import are_remembered, owners_of
from ppcdeps.rpm.index import PoolIndex
from ppcdeps.rpm.loading import Part, Role

FetchFilelists = Callable[[Sequence[RepoMetadata]], Sequence[RepoMetadata]]
"""Fetches the filelists of the given repositories and returns these with the files added."""

_IN_PRIMARY = re.compile(r"/etc/|/usr/lib/sendmail$|.*bin/")


def answered_by_primary(path: str) -> bool:
    """Whether primary.xml lists the path, if any package owns it (createrepo's rule)."""
    return _IN_PRIMARY.match(path) is not None


class PathOwners:
    """Adds the paths to what their owners provide, so that the solver finds them like all else."""

    def __init__(
        self, pool: Any, parts: Iterable[Part], index: PoolIndex, cache: Cache, fetch_filelists: FetchFilelists
    ) -> None:
        self._pool = pool
        self._parts = tuple(parts)
        self._index = index
        self._cache = cache
        self._fetch_filelists = fetch_filelists
        self._requested: set[str] = set()
        self._is_answered = False

    def request(self, paths: Iterable[str]) -> None:
        """Take paths that no package's dependency names into the next look-up."""
        new = {path for path in paths if not answered_by_primary(path)} - self._requested
        if new:
            self._requested |= new
            self._is_answered = False

    @property
    def is_answered(self) -> bool:
        """Whether a look-up has nothing to find any more."""
        return self._is_answered

    def look_up(self) -> bool:
        """Find the owners of all paths that dependencies name and primary metadata does not list.

        Fetches filelists where they are not there yet. Returns whether anything may have changed: only the first
        look-up, or one after a request of further paths, can change something.
        """
        if self._is_answered:
            return False
        self._is_answered = True
        wanted = self._wanted()
        if not wanted:
            return False
        binary = self._binary()
        fetched = {r.config.id: r for r in self._fetch_filelists([part.metadata for part in binary])}
        solv = libsolv()
        for part in binary:
            part.metadata = fetched.get(part.metadata.config.id, part.metadata)
            for path, positions in owners_of(part, wanted, self._cache).items():
                dep = self._pool.Dep(path)
                for position in positions:
                    self._pool.id2solvable(part.start + position).add_deparray(solv.SOLVABLE_PROVIDES, dep)
        self._index.outdate()
        return True

    def are_remembered(self) -> bool:
        """Whether a look-up takes no reading of filelists, as all owners were looked up before."""
        wanted = self._wanted()
        return all(are_remembered(part, wanted, self._cache) for part in self._binary())

    def _wanted(self) -> set[str]:
        named = {path for part in self._parts for path in part.paths if not answered_by_primary(path)}
        return named | self._requested

    def _binary(self) -> list[Part]:
        return [part for part in self._parts if part.role is not Role.SOURCE]


def needs_filelists(requirement: str) -> bool:
    """Whether the requirement names a path that only filelists have."""
    return requirement[:1] in ("/", "(") and any(not answered_by_primary(path) for path in paths_in(requirement))
