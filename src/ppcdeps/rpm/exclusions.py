"""Packages that a repository has and the solver must not see: excludepkgs and includepkgs."""

from collections.abc import Iterable
from typing import Any

from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.loading import Part


def excluded_ids(pool: Any, parts: Iterable[Part]) -> set[int]:
    """The ids of all packages that their repository's own options exclude, as dnf.conf(5) defines them."""
    excluded: set[int] = set()
    for part in parts:
        config = part.metadata.config
        if config.includepkgs:
            excluded |= set(part.ids) - _matching(pool, part, config.includepkgs)
        if config.excludepkgs:
            excluded |= _matching(pool, part, config.excludepkgs)
    return excluded


def _matching(pool: Any, part: Part, patterns: Iterable[str]) -> set[int]:
    """Packages of the part whose name, name.arch or longer identity matches a shell pattern."""
    selection = libsolv().Selection
    how = (
        selection.SELECTION_NAME
        | selection.SELECTION_CANON
        | selection.SELECTION_DOTARCH
        | selection.SELECTION_GLOB
        | selection.SELECTION_WITH_SOURCE
    )
    return {s.id for pattern in patterns for s in pool.select(pattern, how).solvables() if s.id in part.ids}
