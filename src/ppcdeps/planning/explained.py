"""What `why` shows of a name: the chain that leads to it, the gap, and what was tried."""

from ppcdeps.model.gap import Gap
from ppcdeps.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain: who requires what, and which package that brings in."""

    by: str
    requirement: str
    brings: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `why` shows: what the name stands for, how the roots lead to it, and the gap it belongs to.

    ``subject`` is a package, or the requirement that nothing satisfies; ``tried`` says, a line for each place where
    the thing could have come from, why it does not.
    """

    name: str
    subject: str
    status: str
    chain: tuple[Link, ...]
    gap: Gap | None
    tried: tuple[str, ...]
