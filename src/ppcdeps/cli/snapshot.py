"""`ppcdeps snapshot`: metadata kept for where there is no network, and which one answers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import (
    cache_option,
    json_option,
    narrative_options,
    repository_options,
    target_options,
)
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.metadata.snapshot import Snapshot

_SUFFIXES = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tar.zst", ".zip")


@click.group()
def snapshot() -> None:
    """Save metadata for offline use, or use what was saved.

    A snapshot holds the dependency facts of a target's repositories: names, versions, architectures,
    capabilities and paths, no prose.
    """


@snapshot.command()
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it (default: the target and its release).")
@click.option("--note", default="", metavar="TEXT", help="What to say of it: where and when its metadata is from.")
@repository_options()
@json_option
@narrative_options
def save(
    place: Path, name: str | None, note: str, choice: RepositoryChoice, as_json: bool, reporter: TerminalReporter
) -> int:
    """Save a target's live repositories to PLACE, a folder or a file that ends in .tar.

    Repositories whose cached copy is too old are asked for news first. An older snapshot at PLACE is replaced
    when the new one is complete.
    """
    from ppcdeps.cli.sync import KINDS
    from ppcdeps.metadata.snapshot import save as write
    from ppcdeps.workflows.repositories import resolve_target, title_of

    if place.name.endswith(_SUFFIXES):
        raise click.UsageError(
            f"{place} would be a folder: what a snapshot holds is compressed already, name it .tar",
            click.get_current_context(),
        )
    resolved = resolve_target(choice, reporter, live=True, kinds=KINDS)
    saved = write(
        resolved.metadata,
        name or title_of(resolved.target),
        place.expanduser(),
        resolved.cache,
        reporter,
        note=note,
        offline=choice.offline,
    )
    _show(saved, as_json)
    return 0


@snapshot.command()
@click.argument("name", metavar="NAME|PATH")
@target_options
@cache_option
@json_option
@narrative_options
def use(
    name: str,
    target: str | None,
    release: str | None,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Let a snapshot answer for its target from now on, until `ppcdeps sync`.

    The snapshot is one that came with ppcdeps, or a folder or tar file that `ppcdeps snapshot save` wrote.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.metadata.snapshot import shipped_snapshots
    from ppcdeps.metadata.snapshot import use as find
    from ppcdeps.workflows.repositories import remember_snapshot, target_of_snapshot, title_of

    cache = Cache.open(cache_directory, reporter)
    found = find(name, cache)
    choice = RepositoryChoice(target=target, release=release)
    meant = target_of_snapshot(choice, found, reporter)
    path = Path(name).expanduser()
    shipped = not path.exists() and name in shipped_snapshots()
    remember_snapshot(meant, name if shipped else str(path.resolve()), cache)
    reporter.note(f"from now on the snapshot {found.name} answers for {title_of(meant)}")
    _show(found, as_json)
    return 0


@snapshot.command()
@click.argument("name", metavar="[NAME|PATH]", required=False)
@target_options
@cache_option
@json_option
@narrative_options
def info(
    name: str | None,
    target: str | None,
    release: str | None,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Show what a snapshot holds; without a name, what answers for the target now."""
    from ppcdeps.base.cache import Cache
    from ppcdeps.metadata.snapshot import shipped_snapshots
    from ppcdeps.metadata.snapshot import use as find
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.workflows.repositories import load_chosen, snapshot_for, title_of

    cache = Cache.open(cache_directory, reporter)
    if name is not None:
        _show(find(name, cache), as_json)
        return 0
    choice = RepositoryChoice(target=target, release=release)
    meant = load_chosen(choice, reporter)
    found = snapshot_for(meant, choice, cache)
    if found is not None:
        reporter.note(f"a snapshot answers for {title_of(meant)}:")
        _show(found, as_json)
        return 0
    shipped = list(shipped_snapshots())
    if as_json:
        document = {"schema": 1, "target": title_of(meant), "name": None, "shipped": shipped}
        click.echo(to_json(document), nl=False)
    else:
        click.echo(f"The live repositories answer for {title_of(meant)}.")
        click.echo(f"Snapshots that came with ppcdeps: {', '.join(shipped) or 'none'}")
    return 0


def _show(shown: "Snapshot", as_json: bool) -> None:
    from ppcdeps.report.repositories import render_snapshot, snapshot_document
    from ppcdeps.report.text import as_json as to_json

    click.echo(to_json(snapshot_document(shown)) if as_json else render_snapshot(shown), nl=False)
