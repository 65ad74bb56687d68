"""The universe of a target, opened in a thread while the modules that solve in it are loaded."""

from typing import TYPE_CHECKING

from ppcdeps.base.beside import Beside
from ppcdeps.workflows.repositories import ResolvedTarget

if TYPE_CHECKING:
    from ppcdeps.rpm.universe import Universe


def open_beside(resolved: ResolvedTarget) -> "Beside[Universe] | None":
    """The universe of a target, for one plan; None where repositories are to be converted first."""
    from ppcdeps.planning.universe import universe_of
    from ppcdeps.rpm.binding import take_memory_in_large_pieces
    from ppcdeps.rpm.loading import are_converted

    target = resolved.target
    if not are_converted(resolved.metadata, target.arch, target.reference_arch, resolved.cache):
        return None

    def opened() -> "Universe":
        universe = universe_of(target, resolved.metadata, resolved.cache, resolved.fetch_filelists)
        if universe.paths.are_remembered():
            # Most closures take them, and then need no second index, nor a run of the solver before it.
            universe.paths.look_up()
        universe.index.refresh()
        return universe

    take_memory_in_large_pieces()
    return Beside(opened)
