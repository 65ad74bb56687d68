"""`ppcdeps fetch`: all files of a lock in one folder."""

from pathlib import Path

import click

from ppcdeps.cli.options import (
    buildroots_option,
    json_option,
    mirror_option,
    output_options,
    repository_options,
    sources_option,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("lock_file", metavar="LOCK", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to", required=True, type=_FOLDER, metavar="DIR", help="The folder that all files come to.")
@sources_option
@click.option(
    "--no-buildroots", is_flag=True, help="Leave out what buildroots are made of: they have to be in the cache then."
)
@mirror_option
@buildroots_option
@repository_options(snapshot=False, plans=False)
@json_option
@output_options
def fetch(
    lock_file: Path,
    to: Path,
    source_folders: tuple[Path, ...],
    no_buildroots: bool,
    mirror: str | None,
    buildroot_folders: tuple[Path, ...],
    choice: RepositoryChoice,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Bring all files of LOCK into one folder, each compared with its digest.

    LOCK is a file that `ppcdeps lock` wrote. Repositories and indexes are those that its plan was made with; options
    here count for more. Container images of buildroots are pulled by podman or docker. What the folder has is not
    brought again, and nothing in it is half a file. From there `plan`, `build` and `verify` run without network, with
    --locked DIR/ppcdeps.lock.
    """
    from ppcdeps.report.lock import dump_fetched, render_fetched
    from ppcdeps.workflows.locked import fetch_lock

    done = fetch_lock(
        lock_file,
        to,
        choice,
        reporter,
        mirror=mirror,
        source_folders=source_folders,
        buildroots=buildroot_folders,
        with_roots=not no_buildroots,
    )
    write(dump_fetched(done) if as_json else render_fetched(done, next_command), as_json=as_json)
