"""`ppcdeps plan`: what is missing, and how each gap is closed."""

import sys
from pathlib import Path

import click

from ppcdeps.base.atomic import write_output
from ppcdeps.cli.options import (
    json_option,
    narrative_options,
    python_option,
    recipes_option,
    repository_options,
    srpms_option,
)
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.report.text import render_plan
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan_for, solution_of
from ppcdeps.workflows.request import PlanRequest, plan_request

GAPS_REMAIN = 1


@click.command()
@click.argument("roots", metavar="WORKLOAD|ROOT...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the plan here (default: plan-WORKLOAD.json in this folder).",
)
@click.option(
    "--build-order",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the waves of the builds, what each needs, and cycles, here as JSON for other tools.",
)
@click.option("--no-output", is_flag=True, help="Write no plan, only print it.")
@python_option
@srpms_option
@recipes_option
@json_option
@repository_options()
@narrative_options
def plan(
    roots: tuple[str, ...],
    output: Path | None,
    build_order: Path | None,
    no_output: bool,
    python: str,
    srpms: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: Reporter,
) -> None:
    """What it takes to run a workload on ppc64le.

    WORKLOAD is one of the shipped workloads (nova-compute, ...) or a workload file. A ROOT is a package name,
    any RPM capability ("foo >= 2", "libfoo.so.1()(64bit)"), a path, or a Python distribution (pypi:NAME). Several
    are wanted together.

    Exit code 0: the target's repositories have everything; 1: gaps remain, each with its route.
    """
    request = plan_request(roots, choice, reporter, srpms, folders)
    made, text = plan_for(request, python, reporter)
    path = None if no_output else output or Path(f"plan-{made.workload}.json")
    if path is not None:
        write_output(path, text)
    if build_order is not None:
        write_output(build_order, _build_order(made, request, reporter))
    reporter.note(f"answered from {request.repositories.basis.line()}")
    click.echo(text if as_json else render_plan(made, str(path) if path else None), nl=False)
    sys.exit(GAPS_REMAIN if made.gaps else 0)


def _build_order(made: Plan, request: PlanRequest, reporter: Reporter) -> str:
    from ppcdeps.planning.plan import waves_of
    from ppcdeps.report.build_order import dump_build_order

    solution = solution_of(made, request, reporter)
    return dump_build_order(waves_of(solution, solution.adaptation.bootstraps()))
