"""The options that commands share, each set as one decorator that hands the command one value."""

import functools
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from ppcdeps.cli.completion import BUILDROOTS, ENGINES, RELEASES, TARGETS, WORKLOADS
from ppcdeps.cli.repeat import completed
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.workflows.choice import DEFAULT_TARGET, RepositoryChoice

Command = Callable[..., Any]
BUILD_MODES = ("native", "emulated", "accelerated", "cross")
"""The values of `BuildMode`, which the help is not to import."""


class FiniteRange(click.FloatRange):
    """A number in a range: neither infinite nor `nan`, which no comparison would ever end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. Fails as click's own types do."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number", param, ctx)
        return found


class OutputFile(click.Path):
    """A file to write: not an empty name, which would be this folder, nor `-`, where the command's answer goes."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Fails as click's own types do."""
        if not str(value):
            self.fail("the name of the file is empty", param, ctx)
        if str(value) == "-":
            self.fail("standard output is for the command's answer; name a file", param, ctx)
        return super().convert(value, param, ctx)


def output_options(command: Command) -> Command:
    """`--quiet` and `--no-progress`. The command is given ``reporter``, which shows what workflows report.

    Commands that its notes, warnings and errors name get the options that were typed.
    """

    @click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors on standard error.")
    @click.option("--no-progress", is_flag=True, help="Plain lines instead of a progress bar, as without a terminal.")
    @click.option("--debug", is_flag=True, expose_value=False, hidden=True, callback=_debug)
    @click.pass_context
    @functools.wraps(command)
    def with_reporter(context: click.Context, /, *args: Any, quiet: bool, no_progress: bool, **options: Any) -> Any:
        def complete(text: str) -> str:
            return completed(text, context)

        reporter = TerminalReporter(quiet=quiet, progress=not no_progress, complete=complete)
        context.call_on_close(reporter.close)
        try:
            return command(*args, reporter=reporter, **options)
        except PpcdepsError as fault:
            if fault.hint:
                fault.hint = complete(fault.hint)
            raise

    return with_reporter


def roots_argument(command: Command) -> Command:
    """WORKLOAD|ROOT... The command is given ``roots``, of which the roots are well-formed."""
    return click.argument(
        "roots",
        metavar="WORKLOAD|ROOT...",
        nargs=-1,
        required=True,
        callback=_checked_roots,
        shell_complete=WORKLOADS,
    )(command)


def _checked_roots(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    from ppcdeps.workflows.words import sorted_words

    sorted_words(words)
    return words


json_option = click.option("--json", "as_json", is_flag=True, help="Print the same value as JSON on standard output.")
"""`--json`. The command is given ``as_json``."""

cache_option = click.option(
    "--cache-dir",
    "cache_directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep metadata here (default: $PPCDEPS_CACHE, else the user's cache folder).",
)
"""`--cache-dir`. The command is given ``cache_directory``."""

recipes_option = click.option(
    "--recipes",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Lay the recipes of this folder over the shipped ones. Repeatable.",
)
"""`--recipes`. The command is given ``folders``: folders of recipes, laid over the shipped ones in this order."""

python_option = click.option(
    "--python",
    type=click.Choice(["pip", "rpm"]),
    default="pip",
    show_default=True,
    help="Who installs Python packages that the target's repositories lack.",
)
"""`--python`. The command is given ``python``: pip or rpm."""

constraints_option = click.option(
    "--constraints",
    "constraints_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Pins of Python distributions to keep to, instead of the workload's.",
)
"""`--constraints`. The command is given ``constraints_file``: a file, or None."""

srpms_option = click.option(
    "--srpms",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Evaluate the source RPMs in this folder: what their specs say for ppc64le wins over known facts.",
)
"""`--srpms`. The command is given ``srpms``: a folder, or None."""

locked_option = click.option(
    "--locked",
    "locked_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take everything from the folder of this lock, which `ppcdeps fetch LOCK --to DIR` filled, without network.",
)
"""`--locked`. The command is given ``locked_file``: a file, or None."""

engine_option = click.option(
    "--engine",
    metavar="NAME",
    shell_complete=ENGINES,
    help="podman, docker or bwrap (default: the first that works).",
)
"""`--engine`. The command is given ``engine``: a name, or None."""

mode_option = click.option(
    "--mode",
    type=click.Choice(BUILD_MODES),
    help="How code for ppc64le is built (default: the best that the buildroot can do here).",
)
"""`--mode`. The command is given ``mode``: the value of a `BuildMode`, or None."""

buildroot_option = click.option(
    "--buildroot",
    metavar="NAME",
    shell_complete=BUILDROOTS,
    help="Build in this buildroot (default: the target's).",
)
"""`--buildroot`. The command is given ``buildroot``: a name, or None."""

sources_option = click.option(
    "--sources",
    "source_folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Look here for sources before fetching them. Repeatable.",
)
"""`--sources`. The command is given ``source_folders``, in this order."""

no_check_option = click.option("--no-check", is_flag=True, help="Leave %check out.")
"""`--no-check`. The command is given ``no_check``."""

mirror_option = click.option(
    "--mirror", metavar="URL", help="The Debian mirror for buildroots (default: that of this machine's apt)."
)
"""`--mirror`. The command is given ``mirror``: a URL, or None."""

buildroots_option = click.option(
    "--buildroots",
    "buildroot_folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Lay the buildroots of this folder over the shipped ones. Repeatable.",
)
"""`--buildroots`. The command is given ``buildroot_folders``, laid over the shipped ones in this order."""


_TARGET = (
    click.option(
        "-t",
        "--target",
        metavar="NAME|FILE",
        shell_complete=TARGETS,
        help=f"The distribution to run on: a shipped target, or a target file (default: {DEFAULT_TARGET}).",
    ),
    click.option("--release", metavar="NAME", shell_complete=RELEASES, help="The OpenStack release, such as yoga."),
    click.option("--releasever", metavar="VERSION", help="The distribution's release: sets $releasever."),
)
_SNAPSHOT = (
    click.option(
        "--snapshot",
        metavar="NAME|PATH",
        help="Use this snapshot of metadata, this once, instead of repositories.",
    ),
)
_AD_HOC = (
    click.option("--repofrompath", multiple=True, metavar="ID,URL", help="A repository of the target. Repeatable."),
    click.option("--reference", multiple=True, metavar="ID,URL", help="A repository of the reference. Repeatable."),
    click.option("--source", multiple=True, metavar="ID,URL", help="A source repository. Repeatable."),
    click.option(
        "--repo-file",
        "repo_files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Repositories from a .repo file: the target's, save where a section says side=reference or source. "
        "Repeatable.",
    ),
)
_SELECTION = (
    click.option("--repo", "only", multiple=True, metavar="ID", help="Only these repositories (globs)."),
    click.option("--enablerepo", "enable", multiple=True, metavar="ID", help="These repositories, too."),
    click.option("--disablerepo", "disable", multiple=True, metavar="ID", help="Not these repositories."),
    click.option("--setopt", multiple=True, metavar="ID.OPTION=VALUE", help="An option of repositories (globs)."),
)
_ENVIRONMENT = (
    click.option(
        "--python-version",
        metavar="X.Y",
        help="Install with pip for this interpreter of the target, such as 3.11, instead of the platform's.",
    ),
    click.option(
        "--module", "modules", multiple=True, metavar="NAME:STREAM", help="Enable this module stream. Repeatable."
    ),
)
_FRESHNESS = (
    click.option("--offline", is_flag=True, help="Use no network, only what is cached or local."),
    click.option("--refresh", is_flag=True, help="Look for news in every repository, however fresh its copy."),
)


def target_options(command: Command) -> Command:
    """`--target` and `--release`, for commands that read no repository. The command is given ``target`` and
    ``release``.
    """
    for option in reversed(_TARGET[:2]):
        command = option(command)
    return command


def repository_options(*, snapshot: bool = True, plans: bool = True) -> Callable[[Command], Command]:
    """All options that say which repositories. The command is given ``choice``, a RepositoryChoice.

    ``snapshot`` says whether the command can work on a snapshot; ``plans`` whether it plans, so that the interpreter
    and the module streams count.
    """
    environment = _ENVIRONMENT if plans else ()
    groups = (_TARGET, _SNAPSHOT if snapshot else (), _AD_HOC, _SELECTION, environment, _FRESHNESS, (cache_option,))
    names = {field.name for field in fields(RepositoryChoice)}

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_choice(*args: Any, **options: Any) -> Any:
            chosen = {name: options.pop(name) for name in names & options.keys()}
            if chosen["offline"] and chosen["refresh"]:
                raise click.UsageError("--offline and --refresh contradict each other", click.get_current_context())
            return command(*args, choice=RepositoryChoice(**chosen), **options)

        decorated: Command = with_choice
        for option in reversed([option for group in groups for option in group]):
            decorated = option(decorated)
        return decorated

    return decorate


def _debug(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        import os

        os.environ["PPCDEPS_DEBUG"] = "1"
