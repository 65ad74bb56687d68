"""`ppcdeps why`: the chain from the root to a name, why it is a gap, and what was tried."""

from pathlib import Path
from typing import TYPE_CHECKING

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
from ppcdeps.cli.repeat import plan_again, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import UsageError
from ppcdeps.report.text import dump_explanation, render_explanation
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import explain
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import Installer, plan_request

if TYPE_CHECKING:
    from ppcdeps.workflows.last_plan import FormerPlan

DEFAULT_WORKLOAD = "nova-compute"


@click.command()
@click.argument("name")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Explain it in this plan, as it was requested (default: the last plan of this folder).",
)
@click.option(
    "-w",
    "--for",
    "roots",
    multiple=True,
    metavar="WORKLOAD|ROOT",
    shell_complete=WORKLOADS,
    help="Explain it in the plan of this workload, or of these roots, with the options that are given here.",
)
@python_option
@srpms_option
@recipes_option
@json_option
@repository_options()
@output_options
@click.pass_context
def why(
    context: click.Context,
    /,
    name: str,
    plan_file: Path | None,
    roots: tuple[str, ...],
    python: Installer,
    srpms: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> None:
    """Why NAME is needed, why it is a gap, and what was tried.

    NAME is a package, a source, a NEVRA, a capability or a path of the plan. Where no plan was made in this folder,
    that of nova-compute is meant.
    """
    if roots and plan_file is not None:
        raise UsageError("--plan and --for exclude each other: a plan says what it was made for")
    former = None if roots else _former(plan_file, choice, reporter)
    if former is None:
        if not roots:
            reporter.note(f"no plan was made in this folder: explained in that of {DEFAULT_WORKLOAD}")
        request = plan_request(
            roots or (DEFAULT_WORKLOAD,),
            resolve_target(choice, reporter),
            python=python,
            srpms=srpms,
            recipes=folders,
        )
        explanation = explain(name, request, reporter)
    else:
        from ppcdeps.workflows.replan import explain_former

        work_on(former.request)
        reporter.note(f"explained in {former.line()}")
        typed = context.get_parameter_source("python") is click.core.ParameterSource.COMMANDLINE
        request, explanation = explain_former(
            name, former, choice, reporter, python=python if typed else None, srpms=srpms, recipes=folders
        )
    work_on(request.record)
    reporter.note(f"answered from {request.resolved.basis.line()}")
    write(dump_explanation(explanation) if as_json else render_explanation(explanation, plan_again), as_json=as_json)


def _former(plan_file: Path | None, choice: RepositoryChoice, reporter: TerminalReporter) -> "FormerPlan | None":
    """The plan that is named, else the last one of this folder, if there is one."""
    from ppcdeps.base.cache import Cache
    from ppcdeps.workflows.last_plan import former_plan, last_plan

    if plan_file is not None:
        return former_plan(plan_file)
    return last_plan(Cache.open(choice.cache_directory, reporter))
