"""`ppcdeps buildroot`: the root file systems that packages are built in, and the engines that run builds in them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import cache_option, json_option, narrative_options
from ppcdeps.cli.reporter import TerminalReporter

if TYPE_CHECKING:
    from ppcdeps.building.buildroots.buildroots import Buildroots

_LACKS = 20
_MODES = ("native", "emulated", "accelerated", "cross")

_folders_option = click.option(
    "--buildroots",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Lay the buildroots of this folder over the shipped ones. Repeatable.",
)
_mode_option = click.option(
    "--mode", type=click.Choice(_MODES), help="How to build (default: the best there is here)."
)
_mirror_option = click.option(
    "--mirror", metavar="URL", help="The Debian mirror (default: the one of this machine's apt)."
)
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


@buildroot.command()
@click.option("--connection", metavar="NAME|URL", help="Try podman on the machine of this podman connection instead.")
@cache_option
@json_option
@narrative_options
def doctor(connection: str | None, cache_directory: Path | None, as_json: bool, reporter: TerminalReporter) -> int:
    """What runs builds on this machine, what does not, and what would fix it.

    Every engine is tried. The exit code is 20 where none works.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.engines.cleanup import sweep
    from ppcdeps.engines.emulation import ensure_emulation
    from ppcdeps.engines.engine import engines_home
    from ppcdeps.engines.probe import probe_all
    from ppcdeps.report.doctor import Diagnosis, dump_diagnosis, render_diagnosis, space_of

    home = engines_home(Cache.open(cache_directory, reporter).directory)
    home.mkdir(parents=True, exist_ok=True)
    sweep(home, reporter)
    emulation = ensure_emulation("ppc64le", reporter)
    probes = probe_all(home=home, connection=connection, reporter=reporter)
    diagnosis = Diagnosis(probes, emulation, space_of(home))
    click.echo(dump_diagnosis(diagnosis) if as_json else render_diagnosis(diagnosis), nl=False)
    return 0 if diagnosis.chosen else _LACKS


@buildroot.command(name="list")
@_folders_option
@cache_option
@json_option
@narrative_options
def list_buildroots(
    folders: tuple[Path, ...], cache_directory: Path | None, as_json: bool, reporter: TerminalReporter
) -> None:
    """What can be created, and what is created: size, age and key."""
    from ppcdeps.report.buildroots import dump_list, render_list

    store = _store(folders, cache_directory, reporter)
    definitions = [store.definitions.named(name) for name in store.definitions.names]
    created = store.created()
    click.echo(dump_list(definitions, created) if as_json else render_list(definitions, created), nl=False)


@buildroot.command()
@click.argument("name")
@_mode_option
@_mirror_option
@_package_option
@click.option("--renew", is_flag=True, help="Make it anew, with the packages that the mirror or registry has today.")
@_folders_option
@cache_option
@json_option
@narrative_options
def create(
    name: str,
    mode: str | None,
    mirror: str | None,
    packages: tuple[str, ...],
    renew: bool,
    folders: tuple[Path, ...],
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Create the buildroot NAME, where it is not there yet.

    debian-12 and debian-12-cross are made from a Debian mirror in a minute; the others come from a registry of
    container images.
    """
    from ppcdeps.engines.job import BuildMode
    from ppcdeps.report.buildroots import dump_created, render_created

    store = _store(folders, cache_directory, reporter)
    made = store.create(name, mode=BuildMode(mode) if mode else None, packages=packages, mirror=mirror, renew=renew)
    recorded = store.of(made)
    click.echo(dump_created(made, recorded) if as_json else render_created(made, recorded), nl=False)


@buildroot.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@_mode_option
@_mirror_option
@_package_option
@click.option("--engine", metavar="NAME", help="podman, docker or bwrap (default: the first that works).")
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder that is /build inside, where changes stay (default: an empty one that is thrown away).",
)
@_folders_option
@cache_option
@narrative_options
def shell(
    name: str,
    command: tuple[str, ...],
    mode: str | None,
    mirror: str | None,
    packages: tuple[str, ...],
    engine: str | None,
    workspace: Path | None,
    folders: tuple[Path, ...],
    cache_directory: Path | None,
    reporter: TerminalReporter,
) -> int:
    """A shell in a throw-away copy of the buildroot NAME, or COMMAND run in one (after --).

    What is written outside of /build is gone afterwards. There is no network inside. The exit code is the command's.
    """
    import sys

    from ppcdeps.base.cache import Cache
    from ppcdeps.building.buildroots.shell import run_command, run_shell
    from ppcdeps.engines.cleanup import sweep
    from ppcdeps.engines.engine import engines_home
    from ppcdeps.engines.job import BuildMode
    from ppcdeps.engines.probe import choose_engine

    if not command and not sys.stdin.isatty():
        raise click.UsageError("a shell needs a terminal; give a command after --", click.get_current_context())
    store = _store(folders, cache_directory, reporter)
    root = store.create(name, mode=BuildMode(mode) if mode else None, packages=packages, mirror=mirror)
    home = engines_home(Cache.open(cache_directory, reporter).directory)
    home.mkdir(parents=True, exist_ok=True)
    sweep(home, reporter)
    chosen = choose_engine(root, engine, home=home, reporter=reporter)

    def show(said: bytes) -> None:
        sys.stdout.buffer.write(said)
        sys.stdout.buffer.flush()

    if command:
        return run_command(chosen, root, command, show, workspace).code
    return run_shell(chosen, root, show, sys.stdin.fileno(), workspace).code


@buildroot.command()
@click.argument("what", nargs=-1, metavar="NAME|KEY...")
@click.option("--all", "everything", is_flag=True, help="All of them, and what interrupted runs left.")
@_folders_option
@cache_option
@json_option
@narrative_options
def remove(
    what: tuple[str, ...],
    everything: bool,
    folders: tuple[Path, ...],
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> None:
    """Remove created buildroots, by name or by the beginning of a key."""
    from ppcdeps.report.buildroots import dump_removed, render_removed

    if bool(what) == everything:
        raise click.UsageError("say which: names, keys, or --all", click.get_current_context())
    store = _store(folders, cache_directory, reporter)
    removed = store.remove_all() if everything else store.remove(*what)
    click.echo(dump_removed(removed) if as_json else render_removed(removed), nl=False)


def _store(folders: tuple[Path, ...], cache_directory: Path | None, reporter: TerminalReporter) -> "Buildroots":
    from ppcdeps.base.cache import Cache
    from ppcdeps.building.buildroots.buildroots import Buildroots
    from ppcdeps.building.buildroots.definitions import load_definitions

    return Buildroots(Cache.open(cache_directory, reporter), load_definitions(folders), reporter)
