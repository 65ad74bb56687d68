"""`ppcdeps buildroot`: the root file systems that packages are built in, and the engines that run builds in them."""

from pathlib import Path

import click

from ppcdeps.cli.options import cache_option, json_option, narrative_options
from ppcdeps.cli.reporter import TerminalReporter

_LACKS = 20


@click.group()
def buildroot() -> None:
    """Where packages are built, and what runs builds on this machine."""


@buildroot.command()
@click.option("--connection", metavar="NAME|URL", help="Try podman on the machine of this podman connection instead.")
@cache_option
@json_option
@narrative_options
def doctor(connection: str | None, cache_directory: Path | None, as_json: bool, reporter: TerminalReporter) -> int:
    """What runs builds on this machine, what does not, and what would mend it.

    Every engine is tried. The exit code is 20 where none works.
    """
    from ppcdeps.building.emulation import ensure_emulation
    from ppcdeps.building.engines.engine import engines_home
    from ppcdeps.building.engines.leftovers import sweep
    from ppcdeps.building.engines.probing import probe_all
    from ppcdeps.metadata.cache import Cache
    from ppcdeps.report.doctor import Diagnosis, dump_diagnosis, render_diagnosis, space_of

    home = engines_home(Cache.open(cache_directory, reporter).directory)
    home.mkdir(parents=True, exist_ok=True)
    sweep(home, (), reporter)
    emulation = ensure_emulation("ppc64le", reporter)
    probes = probe_all(home=home, connection=connection, reporter=reporter)
    diagnosis = Diagnosis(probes, emulation, space_of(home))
    click.echo(dump_diagnosis(diagnosis) if as_json else render_diagnosis(diagnosis), nl=False)
    return 0 if diagnosis.chosen else _LACKS
