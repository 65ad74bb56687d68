"""Live repositories' metadata fetched into the cache, for every later plan."""

from dataclasses import replace

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.primary import announced_packages
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.state import state_key
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig
from ppcdeps.report.repositories import SyncedRepository, SyncState
from ppcdeps.workflows.basis import MetadataOrigin
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.remembered import remember_live, title_of
from ppcdeps.workflows.repositories import choose_target

ALL_KINDS = ("primary", "modules", "filelists")
"""File lists too: afterwards no request needs the network."""


def sync_repositories(choice: RepositoryChoice, reporter: Reporter) -> tuple[str, tuple[SyncedRepository, ...]]:
    """Fetch what the live repositories have, and let them answer for the target from now on.

    Returns the target's title and what was done to each repository. Raises what `resolve_target` raises.
    """
    chosen = choose_target(choice, reporter, live=True)
    before = {config.id: _cached_digest(chosen.cache, config) for config in chosen.target.repositories}
    resolved = replace(chosen, refresh=not chosen.offline).read(ALL_KINDS)
    if resolved.basis.origin is MetadataOrigin.LIVE:
        remember_live(resolved.target, resolved.cache)
    return title_of(resolved.target), tuple(_synced(one, before[one.config.id]) for one in resolved.metadata)


def _cached_digest(cache: Cache, config: RepoConfig) -> str | None:
    """The digest of the repomd.xml in the cache, None where it has none."""
    state = cache.read_state(state_key(config))
    digest = state.get("digest") if state else None
    return digest if isinstance(digest, str) else None


def _synced(metadata: RepoMetadata, before: str | None) -> SyncedRepository:
    config = metadata.config
    if metadata.problem:
        return SyncedRepository(config.id, config.side, SyncState.ABSENT, problem=metadata.problem)
    state = SyncState.UNCHANGED if before == metadata.digest else SyncState.UPDATED
    return SyncedRepository(
        config.id,
        config.side,
        SyncState.NEW if before is None else state,
        metadata.revision,
        metadata.date,
        metadata.digest,
        announced_packages(metadata.files["primary"].path) if "primary" in metadata.files else None,
        metadata.fetched_from,
    )
