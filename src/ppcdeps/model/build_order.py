"""Cycles of builds, and what breaks them: values of the build order that a plan keeps."""

from ppcdeps.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A build condition that a recipe declares, to be built with when its source is part of a cycle.

    ``without`` are the sources that are not needed then; None stands for all those of the cycle, which is what a
    recipe means that declares a condition and no more.
    """

    source: str
    condition: str
    without: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Cycle:
    """Steps that need each other. ``chain`` is a shortest way round: each needs the next, the last the first.

    ``members`` are the sources of all that hang together, sorted. ``broken_by`` is what breaks it; where it is
    None, a person must decide.
    """

    chain: tuple[str, ...]
    members: tuple[str, ...]
    broken_by: Bootstrap | None = None

    def __str__(self) -> str:
        return " needs ".join((*self.chain, self.chain[0]))
