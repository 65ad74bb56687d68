"""`ppcdeps snapshot`: metadata saved for offline use, and which snapshot answers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.base.named_files import expanded
from ppcdeps.cli.options import (
    cache_option,
    json_option,
    output_options,
    repository_options,
    target_options,
)
from ppcdeps.cli.output import write, write_line
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


@snapshot.command(short_help="Save the live metadata of a target to a folder or tar file.")
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it (default: the target and its release).")
@click.option("--note", default="", metavar="TEXT", help="A remark: where and when its metadata is from.")
@click.option(
    "--with-disabled",
    is_flag=True,
    help="Save the target's repositories too that are known and not enabled; they stay so.",
)
@repository_options(plans=False)
@json_option
@output_options
def save(
    place: Path,
    name: str | None,
    note: str,
    with_disabled: bool,
    choice: RepositoryChoice,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Save a target's live repositories to PLACE, a folder or a file that ends in .tar.

    Repositories whose cached copy is too old are checked for news first. An older snapshot at PLACE is replaced
    when the new one is complete.
    """
    from ppcdeps.workflows.snapshots import save_snapshot

    if place.name.endswith(_SUFFIXES):
        raise click.UsageError(
            f"{place} would be a folder: what a snapshot holds is compressed already, name it .tar",
            click.get_current_context(),
        )
    saved = save_snapshot(expanded(place), choice, reporter, name=name, note=note, with_disabled=with_disabled)
    _show(saved, as_json)


@snapshot.command(short_help="Let a snapshot answer for its target from now on.")
@click.argument("name", metavar="NAME|PATH")
@target_options
@cache_option
@json_option
@output_options
def use(
    name: str,
    target: str | None,
    release: str | None,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Let a snapshot answer for its target from now on, until `ppcdeps sync`.

    The snapshot is one that came with ppcdeps, or a folder or tar file that `ppcdeps snapshot save` wrote.
    """
    from ppcdeps.workflows.snapshots import use_snapshot

    choice = RepositoryChoice(target=target, release=release, cache_directory=cache_directory)
    _show(use_snapshot(name, choice, reporter), as_json)


@snapshot.command(short_help="What a snapshot holds, or what answers for the target.")
@click.argument("name", metavar="[NAME|PATH]", required=False)
@target_options
@cache_option
@json_option
@output_options
def info(
    name: str | None,
    target: str | None,
    release: str | None,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Show what a snapshot holds; without a name, what answers for the target now."""
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.workflows.snapshots import metadata_source, show_snapshot

    choice = RepositoryChoice(target=target, release=release, cache_directory=cache_directory)
    if name is not None:
        _show(show_snapshot(name, choice, reporter), as_json)
        return
    source = metadata_source(choice, reporter)
    if source.snapshot is not None:
        reporter.note(f"a snapshot answers for {source.target}:")
        _show(source.snapshot, as_json)
    elif as_json:
        document = {"schema": 1, "target": source.target, "name": None, "shipped": list(source.shipped)}
        write(to_json(document), as_json=True)
    else:
        write_line(f"The live repositories answer for {source.target}.")
        write_line(f"Snapshots that came with ppcdeps: {', '.join(source.shipped) or 'none'}")


def _show(shown: "Snapshot", as_json: bool) -> None:
    from ppcdeps.report.repositories import render_snapshot, snapshot_document
    from ppcdeps.report.text import as_json as to_json

    write(to_json(snapshot_document(shown)) if as_json else render_snapshot(shown), as_json=as_json)
