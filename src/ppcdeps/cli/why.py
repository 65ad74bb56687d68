"""`ppcdeps why`: the chain from the root to a name, why it is a gap, and what was tried."""

from pathlib import Path

import click

from ppcdeps.cli.completion import WORKLOADS
from ppcdeps.cli.options import (
    json_option,
    output_options,
    python_option,
    recipes_option,
    repository_options,
    srpms_option,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.report.text import dump_explanation, render_explanation
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import explain
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import Installer, plan_request

DEFAULT_WORKLOAD = "nova-compute"


@click.command()
@click.argument("name")
@click.option(
    "-w",
    "--for",
    "roots",
    multiple=True,
    metavar="WORKLOAD|ROOT",
    shell_complete=WORKLOADS,
    help=f"Explain it in the plan of this workload, or of these roots (default: {DEFAULT_WORKLOAD}).",
)
@python_option
@srpms_option
@recipes_option
@json_option
@repository_options()
@output_options
def why(
    name: str,
    roots: tuple[str, ...],
    python: Installer,
    srpms: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> None:
    """Why NAME is needed, why it is a gap, and what was tried.

    NAME is a package, a source, a NEVRA, a capability or a path of the plan.
    """
    resolved = resolve_target(choice, reporter)
    request = plan_request(roots or (DEFAULT_WORKLOAD,), resolved, python=python, srpms=srpms, recipes=folders)
    explanation = explain(name, request, reporter)
    reporter.note(f"answered from {resolved.basis.line()}")
    write(dump_explanation(explanation) if as_json else render_explanation(explanation), as_json=as_json)
