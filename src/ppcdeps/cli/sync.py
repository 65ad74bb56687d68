"""`ppcdeps sync`: the live repositories' metadata into the cache, for every later answer."""

from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import json_option, narrative_options, repository_options
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.base.cache import Cache
    from ppcdeps.metadata.repository import RepoMetadata
    from ppcdeps.model.repository import RepoConfig
    from ppcdeps.report.repositories import SyncedRepository

KINDS = ("primary", "modules", "filelists")
"""File lists too: so that afterwards no question needs the network."""


@click.command()
@repository_options(snapshot=False)
@json_option
@narrative_options
def sync(choice: RepositoryChoice, as_json: bool, reporter: TerminalReporter) -> int:
    """Fetch the repositories' metadata, and use it from now on.

    Every repository is asked for news, and what changed is fetched and checked. From then on the live
    repositories answer for the target, in place of the snapshot that came with ppcdeps or was chosen with
    `ppcdeps snapshot use`.
    """
    from dataclasses import replace

    from ppcdeps.base.cache import Cache
    from ppcdeps.report.repositories import render_sync, sync_document
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.workflows import repositories as chosen

    cache = Cache.open(choice.cache_directory, reporter)
    target, basis = chosen.choose_target(choice, cache, reporter, live=True)
    before = {config.id: _digest_before(cache, config) for config in target.repositories}
    requested = replace(choice, refresh=not choice.offline)
    resolved = chosen.fetch_metadata(target, basis, requested, cache, reporter, kinds=KINDS)
    if basis.origin is chosen.MetadataOrigin.LIVE:
        chosen.remember_live(target, cache)
    synced = [_synced(one, before[one.config.id]) for one in resolved.metadata]
    title = chosen.title_of(target)
    text = to_json(sync_document(title, synced)) if as_json else render_sync(title, synced)
    click.echo(text, nl=False)
    return 0


def _digest_before(cache: "Cache", config: "RepoConfig") -> str | None:
    """The digest of the table of contents that the cache had, None where it had none."""
    from ppcdeps.metadata.state import state_key

    state = cache.read_state(state_key(config))
    digest = state.get("digest") if state else None
    return digest if isinstance(digest, str) else None


def _synced(metadata: "RepoMetadata", before: str | None) -> "SyncedRepository":
    from ppcdeps.metadata.primary import announced_packages
    from ppcdeps.report.repositories import SyncedRepository, SyncState

    config = metadata.config
    if metadata.problem:
        return SyncedRepository(config.id, config.side, SyncState.ABSENT, problem=metadata.problem)
    primary = metadata.files.get("primary")
    state = SyncState.UNCHANGED if before == metadata.digest else SyncState.UPDATED
    return SyncedRepository(
        config.id,
        config.side,
        SyncState.NEW if before is None else state,
        metadata.revision,
        metadata.date,
        metadata.digest,
        announced_packages(primary.path) if primary else None,
        metadata.fetched_from,
    )
