"""`ppcdeps recipes`: the recipe book, and what it makes."""

from pathlib import Path

import click

from ppcdeps.cli.completion import RECIPES, TARGETS
from ppcdeps.cli.options import json_option, output_options, recipes_option
from ppcdeps.cli.output import write, write_line
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.visible import visible
from ppcdeps.workflows.choice import DEFAULT_TARGET

_target_option = click.option(
    "-t",
    "--target",
    default=DEFAULT_TARGET,
    show_default=True,
    metavar="NAME|FILE",
    shell_complete=TARGETS,
    help="The distribution.",
)


class _DefaultsToList(click.Group):
    """`ppcdeps recipes` alone is `ppcdeps recipes list`; so are its options. `fetch` has a module of its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of their names."""
        return sorted({*super().list_commands(ctx), "fetch"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now where it is elsewhere."""
        if cmd_name == "fetch":
            from ppcdeps.cli.recipes_fetch import fetch

            return fetch
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in {"-h", "--help"}):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultsToList)
def recipes() -> None:
    """How sources are made to build on POWER: list, show, render, fetch and check the recipes.

    A recipe is a folder with recipe.toml in it. Folders of your own, given with --recipes, are laid over the
    shipped ones. Without a subcommand the recipes are listed.
    """


@recipes.command(name="list")
@recipes_option
@json_option
@output_options
def list_recipes(folders: tuple[Path, ...], as_json: bool, reporter: TerminalReporter) -> None:  # noqa: ARG001
    """The recipes, with what they are for."""
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.report.recipes import dump_recipes, render_book

    book = load_book(folders)
    write(dump_recipes(book) if as_json else render_book(book), as_json=as_json)


@recipes.command()
@click.argument("name", shell_complete=RECIPES)
@recipes_option
@json_option
@output_options
def show(name: str, folders: tuple[Path, ...], as_json: bool, reporter: TerminalReporter) -> None:  # noqa: ARG001
    """All that the recipe NAME (or of the source NAME) says."""
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.report.recipes import dump_recipe, render_recipe

    recipe = load_book(folders).named(name)
    write(dump_recipe(recipe) if as_json else render_recipe(recipe), as_json=as_json)


@recipes.command(short_help="Write a folder that rpmbuild builds a recipe from.")
@click.argument("name", shell_complete=RECIPES)
@click.option(
    "--to",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to write, which must be new or empty.",
)
@click.option("--version", metavar="VERSION", help="Which of the recipe's versions (default: the newest).")
@click.option(
    "--srpm",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The source RPM, for a recipe that changes one.",
)
@click.option(
    "--source-file",
    "sources",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A source that is here already; it is verified. Repeatable.",
)
@_target_option
@recipes_option
@output_options
def render(
    name: str,
    to: Path,
    version: str | None,
    srpm: Path | None,
    sources: tuple[Path, ...],
    target: str,
    folders: tuple[Path, ...],
    reporter: TerminalReporter,
) -> None:
    """Write a folder that rpmbuild builds the recipe NAME from, with no ppcdeps there.

    It holds SPECS, SOURCES, sources.list with digests, build.sh and a Containerfile. build.sh fetches the sources
    that are not there yet. The path of the spec is printed.
    """
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.workflows.recipes import render_recipe

    recipe = load_book(folders).named(name)
    written = render_recipe(recipe, to, reporter, target=target, version=version, srpm=srpm, sources=sources)
    for source in written.missing:
        reporter.note(f"build.sh will fetch {source.url}")
    write_line(visible(str(written.spec)))


@recipes.command()
@click.option(
    "--srpm",
    "srpms",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Check the recipe of this source RPM on it. Repeatable.",
)
@_target_option
@recipes_option
@json_option
@output_options
def lint(
    srpms: tuple[Path, ...], target: str, folders: tuple[Path, ...], as_json: bool, reporter: TerminalReporter
) -> int:
    """Check the whole book with rpmlint and checks of our own.

    Exit code 3 where there is an error.
    """
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.recipebook.lint import LintSeverity
    from ppcdeps.report.recipes import dump_findings, render_findings
    from ppcdeps.workflows.recipes import lint_recipes

    book = load_book(folders)
    findings = lint_recipes(book, reporter, target=target, srpms=srpms)
    write(dump_findings(findings) if as_json else render_findings(findings), as_json=as_json)
    errors = sum(one.severity is LintSeverity.ERROR for one in findings)
    reporter.note(f"{len(book.recipes)} recipes: {errors} errors, {len(findings) - errors} warnings")
    return ExitCode.CONFIG if errors else ExitCode.DONE
