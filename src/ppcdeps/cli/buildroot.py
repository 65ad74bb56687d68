"""`ppcdeps buildroot`: the root file systems that packages are built in, and the engines that run builds in them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.completion import BUILDROOTS
from ppcdeps.cli.options import (
    buildroots_option,
    cache_option,
    engine_option,
    json_option,
    mirror_option,
    mode_option,
    output_options,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.exitcodes import ExitCode

if TYPE_CHECKING:
    from ppcdeps.building.buildroots.buildroots import Buildroots
    from ppcdeps.workflows.buildroots import BuildrootRequest

_package_option = click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="A package of the distribution to have in it. Repeatable.",
)


@click.group()
def buildroot() -> None:
    """Where packages are built, and what runs builds on this machine."""


@buildroot.command(short_help="What runs builds on this machine, and what does not.")
@click.option("--connection", metavar="NAME|URL", help="Try podman on the machine of this podman connection instead.")
@cache_option
@json_option
@output_options
def doctor(connection: str | None, cache_directory: Path | None, as_json: bool, reporter: TerminalReporter) -> int:
    """What runs builds on this machine, what does not, and how to fix that.

    Every engine is tried. The exit code is 20 where none works.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.report.doctor import dump_diagnosis, render_diagnosis
    from ppcdeps.workflows.buildroots import diagnose_engines

    diagnosis = diagnose_engines(Cache.open(cache_directory, reporter), reporter, connection=connection)
    write(dump_diagnosis(diagnosis) if as_json else render_diagnosis(diagnosis), as_json=as_json)
    return ExitCode.DONE if diagnosis.chosen else ExitCode.ENVIRONMENT_LACKS


@buildroot.command(name="list")
@buildroots_option
@cache_option
@json_option
@output_options
def list_created(
    buildroot_folders: tuple[Path, ...], cache_directory: Path | None, as_json: bool, reporter: TerminalReporter
) -> None:
    """What can be created, and what is created: size, age and key."""
    from ppcdeps.report.buildroots import dump_list, render_list
    from ppcdeps.workflows.buildroots import list_buildroots

    definitions, created = list_buildroots(_buildroots(buildroot_folders, cache_directory, reporter))
    write(dump_list(definitions, created) if as_json else render_list(definitions, created), as_json=as_json)


@buildroot.command()
@click.argument("name", shell_complete=BUILDROOTS)
@mode_option
@mirror_option
@_package_option
@click.option("--renew", is_flag=True, help="Make it anew, with the packages that the mirror or registry has today.")
@buildroots_option
@cache_option
@json_option
@output_options
def create(
    name: str,
    mode: str | None,
    mirror: str | None,
    packages: tuple[str, ...],
    renew: bool,
    buildroot_folders: tuple[Path, ...],
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Create the buildroot NAME, where it is not there yet.

    debian-12 and debian-12-cross are made from a Debian mirror in a minute; the others come from a registry of
    container images.
    """
    from ppcdeps.report.buildroots import dump_created, render_created
    from ppcdeps.workflows.buildroots import create_buildroot

    roots = _buildroots(buildroot_folders, cache_directory, reporter)
    made, recorded = create_buildroot(_request(name, mode, packages, mirror), roots, renew=renew)
    write(dump_created(made, recorded) if as_json else render_created(made, recorded), as_json=as_json)


@buildroot.command(
    short_help="A shell or a command in a throw-away copy of a buildroot.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name", shell_complete=BUILDROOTS)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@mode_option
@mirror_option
@_package_option
@engine_option
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder that is /build inside, where changes stay (default: an empty one that is thrown away).",
)
@buildroots_option
@cache_option
@output_options
def shell(
    name: str,
    command: tuple[str, ...],
    mode: str | None,
    mirror: str | None,
    packages: tuple[str, ...],
    engine: str | None,
    workspace: Path | None,
    buildroot_folders: tuple[Path, ...],
    cache_directory: Path | None,
    reporter: TerminalReporter,
) -> int:
    """A shell in a throw-away copy of the buildroot NAME, or COMMAND run in one (after --).

    What is written outside of /build is removed afterwards. There is no network inside. The exit code is the
    command's.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.workflows.buildroots import buildroots_in, run_in_buildroot

    if not command and not sys.stdin.isatty():
        raise click.UsageError("a shell needs a terminal; give a command after --", click.get_current_context())

    def show(output: bytes) -> None:
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()

    cache = Cache.open(cache_directory, reporter)
    return run_in_buildroot(
        _request(name, mode, packages, mirror),
        buildroots_in(cache, buildroot_folders, reporter),
        cache,
        reporter,
        show,
        command=command,
        terminal=-1 if command else sys.stdin.fileno(),
        engine=engine,
        workspace=workspace,
    )


@buildroot.command()
@click.argument("what", nargs=-1, metavar="NAME|KEY...", shell_complete=BUILDROOTS)
@click.option("--all", "everything", is_flag=True, help="All of them, and what interrupted runs left.")
@buildroots_option
@cache_option
@json_option
@output_options
def remove(
    what: tuple[str, ...],
    everything: bool,
    buildroot_folders: tuple[Path, ...],
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Remove created buildroots, by name or by the beginning of a key."""
    from ppcdeps.report.buildroots import dump_removed, render_removed

    if bool(what) == everything:
        raise click.UsageError("say which: names, keys, or --all", click.get_current_context())
    roots = _buildroots(buildroot_folders, cache_directory, reporter)
    removed = roots.remove_all() if everything else roots.remove(*what)
    write(dump_removed(removed) if as_json else render_removed(removed), as_json=as_json)


def _request(name: str, mode: str | None, packages: tuple[str, ...], mirror: str | None) -> "BuildrootRequest":
    from ppcdeps.engines.job import BuildMode
    from ppcdeps.workflows.buildroots import BuildrootRequest

    return BuildrootRequest(name, BuildMode(mode) if mode else None, packages, mirror)


def _buildroots(folders: tuple[Path, ...], cache_directory: Path | None, reporter: TerminalReporter) -> "Buildroots":
    from ppcdeps.base.cache import Cache
    from ppcdeps.workflows.buildroots import buildroots_in

    return buildroots_in(Cache.open(cache_directory, reporter), folders, reporter)
