"""Which metadata answers for a target, as `sync` and `snapshot use` chose it last: kept in the cache."""

import hashlib
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.model.target import Target
from ppcdeps.workflows.basis import MetadataOrigin


def title_of(target: Target) -> str:
    """The target's name with what else decides on its repositories: `centos-stream-9-yoga`, `fedora-44`."""
    second = target.openstack or target.releasever
    return target.name if target.name.endswith(f"-{second}") else f"{target.name}-{second}"


def remember_live(target: Target, cache: Cache) -> None:
    """From now on the live repositories answer for this target."""
    cache.write_state(_memory_key(target), {"target": title_of(target), "uses": str(MetadataOrigin.LIVE)})


def remember_snapshot(target: Target, snapshot: str, cache: Cache) -> None:
    """From now on this snapshot (a shipped one's name, or an absolute path) answers for the target."""
    cache.write_state(
        _memory_key(target),
        {"target": title_of(target), "uses": str(MetadataOrigin.SNAPSHOT), "snapshot": snapshot},
    )


def remembered(target: Target, cache: Cache) -> str | None:
    """The snapshot that was chosen for the target, an empty text for live repositories, None for no choice."""
    state = cache.read_state(_memory_key(target)) or {}
    match state.get("uses"), state.get("snapshot"):
        case "live", _:
            return ""
        case "snapshot", str(snapshot):
            return snapshot
    return None


def _memory_key(target: Target) -> str:
    """A name that no repository's state can have. Two files that define a target of one name are two targets."""
    where = Path(target.origin)
    origin = str(where.resolve()) if where.is_file() else target.origin
    identity = "\0".join((target.name, target.releasever, target.openstack or "", origin))
    return f"@target-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
