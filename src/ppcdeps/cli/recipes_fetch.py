"""`ppcdeps recipes fetch`: the sources that recipes, source packages and Python distributions are built from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import json_option, narrative_options, repository_options
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.metadata.repository import RepoMetadata


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--to",
    default=Path("sources"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the files and sources.json go.",
)
@click.option("--version", metavar="VERSION", help="The upstream version (default: the newest that fits).")
@click.option(
    "--recipes",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Lay the recipes of this folder over the shipped ones. Repeatable.",
)
@repository_options()
@json_option
@narrative_options
def fetch(
    names: tuple[str, ...],
    to: Path,
    version: str | None,
    folders: tuple[Path, ...],
    choice: RepositoryChoice,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Fetch what NAME is built from, verify it, and record it in sources.json.

    NAME is a recipe, a source package of the target's source repositories, or pypi:NAME==VERSION. Everything is
    compared with the digest that the repository's metadata, the recipe or the index gives. The paths of the files
    are printed.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.metadata.sources import record_entry, write_sources
    from ppcdeps.metadata.sync import fetch_repositories
    from ppcdeps.model.repository import Side
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.workflows import repositories as chosen
    from ppcdeps.workflows.sources import fetcher_for

    if version and len(names) > 1:
        raise click.UsageError("--version is for one NAME", click.get_current_context())
    cache = Cache.open(choice.cache_directory, reporter)
    # Live, unless the user says otherwise: snapshots tell what there is, and not where.
    target, _ = chosen.choose_target(choice, cache, reporter, live=choice.snapshot is None)
    read: list[RepoMetadata] = []

    def repositories() -> Sequence["RepoMetadata"]:
        if not read:
            configs = [each for each in target.repositories if each.side is Side.SOURCE and each.enabled]
            read.extend(
                fetch_repositories(
                    configs, cache, reporter, refresh=choice.refresh, offline=choice.offline, kinds=("primary",)
                )
            )
        return read

    fetcher = fetcher_for(target, load_book(folders), repositories, cache, choice, reporter)
    sources = [source for name in dict.fromkeys(names) for source in fetcher.fetch(name, version)]
    record = write_sources(to, sources)
    if as_json:
        import json

        click.echo(json.dumps([record_entry(source) for source in sources], indent=1, sort_keys=True))
    else:
        for source in sources:
            click.echo(to / source.file)
    reporter.note(f"{len(sources)} files verified, told in {record}")
