"""`ppcdeps why`: the chain from the root to a name, why it is a gap, and what was tried."""

from pathlib import Path

import click

from ppcdeps.cli.options import (
    json_option,
    narrative_options,
    python_option,
    recipes_option,
    repository_options,
    srpms_option,
)
from ppcdeps.model.reporter import Reporter
from ppcdeps.planning.explanation import explain
from ppcdeps.report.text import dump_explanation, render_explanation
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan_for, solution_of
from ppcdeps.workflows.request import plan_request

DEFAULT_WORKLOAD = "nova-compute"


@click.command()
@click.argument("name")
@click.option(
    "-w",
    "--for",
    "roots",
    multiple=True,
    metavar="WORKLOAD|ROOT",
    help=f"Explain it in the plan of this workload, or of these roots (default: {DEFAULT_WORKLOAD}).",
)
@python_option
@srpms_option
@recipes_option
@json_option
@repository_options()
@narrative_options
def why(
    name: str,
    roots: tuple[str, ...],
    python: str,
    srpms: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: Reporter,
) -> None:
    """Why NAME is needed, why it is a gap, and what was tried.

    NAME is a package, a source, a NEVRA, a capability or a path of the plan.
    """
    request = plan_request(roots or (DEFAULT_WORKLOAD,), choice, reporter, srpms, folders)
    plan, _ = plan_for(request, python, reporter)
    explanation = explain(solution_of(plan, request, reporter), name, plan.gaps)
    reporter.note(f"answered from {request.repositories.basis.line()}")
    click.echo(dump_explanation(explanation) if as_json else render_explanation(explanation), nl=False)
