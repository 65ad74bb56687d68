"""`ppcdeps report`: a plan as one page for people."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import json_option, output_options, recipes_option
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import UsageError
from ppcdeps.model.exitcodes import ExitCode

if TYPE_CHECKING:
    from ppcdeps.report.page.comparison import ComparisonView
    from ppcdeps.report.page.view import PlanView


@click.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("other", metavar="[OTHER]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the page here (default: the plan's name with .html, in this folder).",
)
@click.option(
    "--build",
    "build_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Show how the builds went: what `ppcdeps build PLAN --json` printed.",
)
@click.option(
    "--verify",
    "verify_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Show the verdict: what `ppcdeps verify PLAN --json` printed.",
)
@recipes_option
@json_option
@output_options
def report(
    plan_file: Path,
    other: Path | None,
    output: Path | None,
    build_file: Path | None,
    verify_file: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Write PLAN as one HTML page: what is missing, why, how it is closed, and what that takes.

    PLAN is a file that `ppcdeps plan` wrote. The page is one file that requests nothing from anywhere: it can be
    opened, mailed and put on any server. It can be searched, sorted, filtered and printed.

    With OTHER, a later plan, the page shows what came, went and moved between the two, and why.
    """
    from ppcdeps.base.atomic import write_output
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.report.text import text_of
    from ppcdeps.workflows.pages import comparison_of, page_of, view_of
    from ppcdeps.workflows.requested import load_requested

    found = load_requested(plan_file)
    work_on(found.request)
    view: PlanView | ComparisonView
    if other is None:
        view = view_of(found, str(plan_file), reporter, recipes=folders, command=next_command)
        place = output or Path(f"{plan_file.stem}.html")
    else:
        if plan_file == other:
            raise UsageError("both plans are the same file")
        if build_file or verify_file:
            raise UsageError("--build and --verify are for the page of one plan")
        view = comparison_of(found, load_requested(other), (str(plan_file), str(other)))
        place = output or Path(f"{plan_file.stem}-to-{other.stem}.html")
    page = page_of(view, build=build_file, verify=verify_file)
    write_output(place, page)
    if as_json:
        answer = {"schema": 1, "file": str(place), "title": view.title, "verdict": view.verdict}
        write(to_json(answer), as_json=True)
    else:
        write(text_of([view.title, f"  {view.verdict}", "", f"The page is in {place} ({len(page) // 1000} kB)."]))
    return ExitCode.DONE
