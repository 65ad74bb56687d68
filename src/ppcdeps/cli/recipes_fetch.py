"""`ppcdeps recipes fetch`: the sources that recipes, source packages and Python distributions are built from."""

from pathlib import Path

import click

from ppcdeps.cli.completion import RECIPES
from ppcdeps.cli.options import json_option, output_options, recipes_option, repository_options
from ppcdeps.cli.output import write, write_line
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.visible import visible
from ppcdeps.workflows.choice import RepositoryChoice


@click.command(short_help="Fetch the sources of recipes and packages, and record them.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=RECIPES)
@click.option(
    "--to",
    default=Path("sources"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the files and sources.json go.",
)
@click.option("--version", metavar="VERSION", help="The upstream version (default: the newest that fits).")
@recipes_option
@repository_options(plans=False)
@json_option
@output_options
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
    from ppcdeps.metadata.sources import record_entry
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.workflows.repositories import choose_target
    from ppcdeps.workflows.sources import fetch_sources

    if version and len(names) > 1:
        raise click.UsageError("--version is for one NAME", click.get_current_context())
    # Live repositories unless the user says otherwise: a snapshot says what there is, and not where.
    chosen = choose_target(choice, reporter, live=choice.snapshot is None)
    sources, record = fetch_sources(names, to, chosen, load_book(folders), version=version)
    if as_json:
        import json

        document = json.dumps([record_entry(source) for source in sources], indent=1, sort_keys=True)
        write(f"{document}\n", as_json=True)
    else:
        for source in sources:
            write_line(visible(str(to / source.file)))
    reporter.note(f"{len(sources)} files verified, recorded in {record}")
