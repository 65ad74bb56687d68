"""Which metadata an answer rests on, and how old it is."""

import time
from enum import StrEnum

from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.values import dataclass

_DAY = 86400


class MetadataOrigin(StrEnum):
    """Where the metadata of an answer comes from."""

    LIVE = "live"
    SNAPSHOT = "snapshot"
    AD_HOC = "ad-hoc"
    LOCK = "lock"


@dataclass(frozen=True, slots=True)
class MetadataBasis:
    """Which metadata an answer rests on. ``dates`` are those of its repositories, in seconds since 1970,
    where they are known; ``absent`` are the repositories that did not answer and need not; ``left_out`` those that
    the target knows, has not enabled, and a snapshot has not got; ``live`` are the repositories that it is of.
    """

    origin: MetadataOrigin
    name: str
    """The snapshot's name, or the target's."""
    dates: tuple[int, ...] = ()
    absent: tuple[str, ...] = ()
    shipped: bool = False
    """Whether it is a snapshot that came with ppcdeps."""
    note: str = ""
    """What the snapshot's maker says of it."""
    left_out: tuple[RepoConfig, ...] = ()
    live: tuple[RepoConfig, ...] = ()

    def line(self, now: float | None = None) -> str:
        """One line for the user: what it is, and how old. ``now`` is in seconds since 1970."""
        match self.origin:
            case MetadataOrigin.SNAPSHOT:
                what = f"the {'embedded ' if self.shipped else ''}snapshot {self.name}"
                if self.note:
                    return f"{what}: {self.note}"
            case MetadataOrigin.LOCK:
                what = f"the lock in {self.name}"
            case MetadataOrigin.AD_HOC:
                what = "the repositories named on the command line"
            case MetadataOrigin.LIVE:
                what = f"the live repositories of {self.name}"
        if not self.dates:
            return f"{what}, of unknown age"
        moment = time.time() if now is None else now
        first, last = (time.strftime("%Y-%m-%d", time.gmtime(d)) for d in (min(self.dates), max(self.dates)))
        written = first if first == last else f"{first} to {last}"
        age = int((moment - max(self.dates)) // _DAY)
        if age < 0:
            return f"{what}, written {written}"
        days = {0: "today", 1: "yesterday"}.get(age, f"{age} days ago")
        return f"{what}, written {written} ({'newest ' if first != last else ''}{days})"
