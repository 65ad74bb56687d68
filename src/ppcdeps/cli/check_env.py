"""`ppcdeps check env`: an installed system, an image's root folder, or a virtual environment."""

from pathlib import Path

import click

from ppcdeps.cli.options import json_option, narrative_options
from ppcdeps.cli.reporter import TerminalReporter


@click.command()
@click.option(
    "--root",
    default="/",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The root folder of a system, of any architecture, or a virtual environment.",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The interpreter, as a path inside the root (default: the system's own).",
)
@click.option(
    "--constraints",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Versions that distributions are to have, in pip's format.",
)
@click.option(
    "--isolated", is_flag=True, help="See the path of `python -s`, as programs of Fedora's and EL's RPMs do."
)
@click.option("--user-home", metavar="DIR", help="Add the user site of this home folder, a path inside the root.")
@json_option
@narrative_options
def env(
    root: Path,
    python: Path | None,
    constraints: Path | None,
    isolated: bool,
    user_home: str | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Examine the Python environment of a system, an image or a virtual environment.

    Nothing in it is run and nothing is changed: all folders of the module search path are read in their order, with
    their distributions and native modules, and the RPM database where there is one. Commands that mend a finding are
    to be run inside the root.
    """
    from ppcdeps.checking.env import check_env
    from ppcdeps.report.findings import dump_report, render_report

    report = check_env(root, reporter, python=python, constraints=constraints, isolated=isolated, user_home=user_home)
    click.echo(dump_report(report) if as_json else render_report(report), nl=False)
    return 0 if report.is_clean else 1
