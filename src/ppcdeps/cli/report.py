"""`ppcdeps report`: a plan, an audit, or two of these compared, as one page for people."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import OutputFile, json_option, output_options, recipes_option
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import named_plan, next_command, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import UsageError
from ppcdeps.model.exitcodes import ExitCode

if TYPE_CHECKING:
    from ppcdeps.report.page.audit import AuditView
    from ppcdeps.report.page.comparison import ComparisonView
    from ppcdeps.report.page.view import PlanView


@click.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("other", metavar="[OTHER]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
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

    PLAN is a file that `ppcdeps plan` wrote, or an audit that `ppcdeps audit --output` wrote. The page is one file
    that requests nothing from anywhere: it can be opened, mailed and put on any server. It can be searched, sorted,
    filtered and printed.

    With OTHER, a later plan or audit, the page shows what came, went and moved between the two, and why.
    """
    from ppcdeps.base.atomic import check_apart, write_output
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.report.text import text_of
    from ppcdeps.workflows.pages import page_of

    if plan_file == other:
        raise UsageError("both are the same file")
    place = output or Path(
        f"{plan_file.stem}-to-{other.stem}.html" if other is not None else f"{plan_file.stem}.html"
    )
    check_apart(place, (plan_file, other, build_file, verify_file))
    view = _view(plan_file, other, folders, reporter, build_file, verify_file)
    page = page_of(view)
    write_output(place, page)
    if as_json:
        answer = {"schema": 1, "file": str(place), "title": view.title, "verdict": view.verdict}
        write(to_json(answer), as_json=True)
    else:
        write(text_of([view.title, f"  {view.verdict}", "", f"The page is in {place} ({len(page) // 1000} kB)."]))
    return ExitCode.DONE


def _view(
    file: Path,
    other: Path | None,
    folders: tuple[Path, ...],
    reporter: TerminalReporter,
    build: Path | None,
    verify: Path | None,
) -> "PlanView | AuditView | ComparisonView":
    """What the page shows."""
    from ppcdeps.auditing.audit import Audit
    from ppcdeps.workflows import pages
    from ppcdeps.workflows.diff import load_answer, load_pair, warn_of_audits

    of_one_plan = any(one is not None for one in (build, verify, *folders))
    misplaced = UsageError("--build, --verify and --recipes are for the page of one plan")
    if other is not None:
        if of_one_plan:
            raise misplaced
        names = (str(file), str(other))
        before, after = load_pair(file, other)
        if isinstance(before, Audit) and isinstance(after, Audit):
            warn_of_audits(before, after, reporter)
            return pages.audit_comparison_of(before, after, names)
        assert not isinstance(before, Audit) and not isinstance(after, Audit)
        return pages.comparison_of(before, after, names)
    found = load_answer(file)
    work_on(found.request)
    if isinstance(found, Audit):
        if of_one_plan:
            raise misplaced
        return pages.audit_view_of(found, next_command if found.request is not None else None)
    return pages.view_of(
        found, named_plan(file), reporter, recipes=folders, command=next_command, build=build, verify=verify
    )
