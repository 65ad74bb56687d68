"""`ppcdeps buildroot`: the root file systems that packages are built in, and the engines that run builds in them."""

from pathlib import Path

import click

from ppcdeps.cli.options import cache_option, json_option, narrative_options
from ppcdeps.cli.reporter import TerminalReporter


@click.group()
def buildroot() -> None:
    """Where packages are built, and what runs builds on this machine."""


@buildroot.command()
@cache_option
@json_option
@narrative_options
def doctor(cache_directory: Path | None, as_json: bool, reporter: TerminalReporter) -> None:
    """What runs builds on this machine, what does not, and what would mend it.

    The exit code is 20 where builds for ppc64le cannot run.
    """
    from ppcdeps.building.emulation import ensure_emulation
    from ppcdeps.metadata.cache import Cache
    from ppcdeps.report.doctor import Diagnosis, dump_diagnosis, render_diagnosis, space_of

    place = Cache.open(cache_directory, reporter).root
    diagnosis = Diagnosis(ensure_emulation("ppc64le", reporter), space_of(place))
    click.echo(dump_diagnosis(diagnosis) if as_json else render_diagnosis(diagnosis), nl=False)
