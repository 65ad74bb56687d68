"""Synced repositories and snapshots as text and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ppcdeps.metadata.snapshot import Snapshot
from ppcdeps.report.text import by_side, columns, date_of, text_of


class SyncState(StrEnum):
    """What a sync changed of a repository's metadata."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    ABSENT = "absent"
    """It did not answer, and is optional."""


@dataclass(frozen=True, slots=True)
class SyncedRepository:
    """One repository after a sync. ``date`` is in seconds since 1970; ``packages`` is what its metadata
    announces.
    """

    id: str
    side: str
    state: SyncState
    revision: str = ""
    date: int | None = None
    digest: str = ""
    packages: int | None = None
    fetched_from: str = ""
    problem: str = ""


def sync_document(target: str, repositories: Iterable[SyncedRepository]) -> dict[str, Any]:
    """What a sync did, in JSON's own kinds."""
    return {"schema": 1, "target": target, "repositories": [asdict(one) for one in repositories]}


def render_sync(target: str, repositories: Sequence[SyncedRepository]) -> str:
    """A line for each repository, and below them why others are absent."""
    rows = [("REPOSITORY", "SIDE", "STATE", "PACKAGES", "WRITTEN", "REVISION", "FROM")]
    rows += [
        (one.id, one.side, one.state, _number(one.packages), date_of(one.date), one.revision, one.fetched_from)
        for one in repositories
    ]
    lines = [f"Live repositories of {target}", *columns(rows)]
    absent = [one for one in repositories if one.problem]
    if absent:
        lines += ["", "Optional, and not there:", *(f"  {one.id}: {one.problem}" for one in absent)]
    return text_of(lines)


def snapshot_document(snapshot: Snapshot, **more: object) -> dict[str, Any]:
    """What a snapshot says of itself, in JSON's own kinds; ``more`` is added at the top."""
    return {
        "schema": 1,
        "name": snapshot.name,
        "path": str(snapshot.path),
        "size": snapshot.size,
        "note": snapshot.note,
        "absent": list(snapshot.absent),
        "repositories": [asdict(one) for one in snapshot.repositories],
        **more,
    }


def render_snapshot(snapshot: Snapshot) -> str:
    """What the snapshot has, how big it is, and of when."""
    rows = [("REPOSITORY", "SIDE", "PACKAGES", "WRITTEN", "REVISION")]
    rows += [
        (one.id, one.side, _number(one.packages), date_of(one.date), one.revision)
        for one in by_side(snapshot.repositories)
    ]
    lines = [
        f"Snapshot {snapshot.name}, {snapshot.size / 2**20:.1f} MiB, in {snapshot.path}",
        *([f"note: {snapshot.note}"] if snapshot.note else []),
        *columns(rows),
    ]
    disabled = [config.id for config in snapshot.configs if not config.enabled]
    if disabled:
        lines += ["", f"Known and not enabled: {', '.join(disabled)}"]
    if snapshot.absent:
        lines += ["", f"Not there when it was made: {', '.join(snapshot.absent)}"]
    return text_of(lines)


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
