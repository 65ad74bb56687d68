"""The pool's index of provides, and which packages libsolv sees."""

from collections.abc import Collection
from typing import Any

from ppcdeps.rpm.binding import add_file_provides, disable, index_provides


class PoolIndex:
    """Knows when the index has to be made anew, and what is visible at the moment.

    ``excluded`` are never seen: by their repository's options, or as parts of module streams that are not active.
    """

    def __init__(self, pool: Any, excluded: Collection[int]) -> None:
        self._pool = pool
        self.excluded = frozenset(excluded)
        self.generation = 0
        """Grows whenever the index is made: what was looked up in an earlier one may not hold any more."""
        self.is_outdated = True
        """Whether the next search has the index made anew."""
        self._has_new_paths = True
        self._is_narrowed = False

    def outdate(self, *, paths: bool = False) -> None:
        """Say that packages or provides were added; ``paths`` where a dependency names further files."""
        self.is_outdated = True
        self._has_new_paths |= paths

    def refresh(self) -> None:
        """Make the index anew if it is outdated."""
        if not self.is_outdated:
            return
        self.is_outdated = False
        self._is_narrowed = False
        disable(self._pool, self.excluded)
        if self._has_new_paths:
            # Searches the file lists of all packages: as long as all the rest of an index on large repositories.
            add_file_provides(self._pool)
            self._has_new_paths = False
        index_provides(self._pool)
        self.generation += 1

    def widen(self) -> None:
        """Let searches see all considered packages: libsolv hides from them, too, what the last solve left out."""
        if self.is_outdated:
            self.refresh()
        elif self._is_narrowed:
            self._is_narrowed = False
            disable(self._pool, self.excluded)

    def narrow(self, forbidden: Collection[int]) -> None:
        """Hide further packages from the next run of the solver."""
        self.refresh()
        self._is_narrowed = True
        disable(self._pool, [*self.excluded, *forbidden])
