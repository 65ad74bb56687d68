"""`ppcdeps check`: what breaks at run time, found before it does."""

from typing import TYPE_CHECKING

import click

from ppcdeps.cli.lazy_group import LazyGroup
from ppcdeps.cli.output import write
from ppcdeps.model.exitcodes import ExitCode

if TYPE_CHECKING:
    from ppcdeps.checking.findings import Report
    from ppcdeps.workflows.repair_env import RepairedEnvironment

CHECKS: dict[str, tuple[str, str]] = {
    "env": ("ppcdeps.cli.check_env:env", "An installed system, an image's root folder, or a virtual environment."),
    "lock": ("ppcdeps.cli.check_lock:lock", "Names that a lock's distributions use of each other, and do not have."),
    "guest": ("ppcdeps.cli.check_guest:guest", "Can the hypervisor start this image, or this domain?"),
    "host": ("ppcdeps.cli.check_host:host", "Can this POWER host be a compute node?"),
    "node": ("ppcdeps.cli.check_node:node", "The acceptance test of a compute node, through its cloud's API."),
}
"""Where each check is, and its line in the help: a check's module is imported only to run it."""


@click.group(cls=LazyGroup, table=CHECKS)
def check() -> None:
    """Find what breaks at run time, before it does. Nothing that is checked is run, but by `check node`.

    The exit code is 0 without errors and warnings, and 1 with; advice alone is 0.
    """


def show_report(report: "Report", as_json: bool) -> int:
    """Print the report of a check. Returns the exit code."""
    from ppcdeps.report.findings import dump_report, render_report

    write(dump_report(report) if as_json else render_report(report), as_json=as_json)
    return ExitCode.DONE if report.is_clean else ExitCode.GAPS_REMAIN


def show_repair(found: "RepairedEnvironment", as_json: bool) -> int:
    """Print what puts an environment in order, with the findings. Returns the exit code."""
    from ppcdeps.report.repair import dump_repair, render_repair

    parts = found.report, found.repair, found.steps
    write(dump_repair(*parts) if as_json else render_repair(*parts), as_json=as_json)
    return ExitCode.DONE if found.report.is_clean and found.repair.is_in_order else ExitCode.GAPS_REMAIN
