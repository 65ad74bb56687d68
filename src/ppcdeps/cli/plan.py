"""`ppcdeps plan`: what is missing, and how each gap is closed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.base.atomic import check_apart, require_place, write_output
from ppcdeps.cli.options import (
    OutputFile,
    constraints_option,
    json_option,
    locked_option,
    output_options,
    python_option,
    recipes_option,
    repository_options,
    roots_argument,
    srpms_option,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command, typed_command
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.opening import open_beside
from ppcdeps.workflows.repositories import resolve_target

if TYPE_CHECKING:
    from ppcdeps.workflows.request import Installer


@click.command()
@roots_argument
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Write the plan here (default: plan-WORKLOAD.json in this folder).",
)
@click.option(
    "--build-order",
    "order_file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Write the builds in their order, each with its route and its command, here as JSON for other tools; "
    "with -, print them in place of the plan.",
)
@click.option(
    "--html",
    "page_file",
    type=OutputFile(),
    metavar="FILE",
    help="Write the plan as a page for people here, too, as `ppcdeps report PLAN` does.",
)
@click.option("--no-output", is_flag=True, help="Write no plan, only print it.")
@python_option
@constraints_option
@srpms_option
@recipes_option
@locked_option
@json_option
@repository_options()
@output_options
def plan(
    roots: tuple[str, ...],
    output: Path | None,
    order_file: Path | None,
    page_file: Path | None,
    no_output: bool,
    python: "Installer",
    constraints_file: Path | None,
    srpms: Path | None,
    folders: tuple[Path, ...],
    locked_file: Path | None,
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> int:
    """What it takes to run a workload on ppc64le.

    WORKLOAD is one of the shipped workloads (nova-compute, ...), a workload file, or a lock file of packages
    (rpms.lock.yaml, an rpm-package-manifest): is what it locks for x86_64 there? A ROOT is a package name, any RPM
    capability ("foo >= 2", "libfoo.so.1()(64bit)"), a path, or a Python distribution (pypi:NAME). A package of your
    own is its spec (./foo.spec), its source RPM, or a folder of these: what building and running it lacks.
    Several are planned for the same machine.

    Exit code 0: the target's repositories have everything; 1: gaps remain, each with its route.
    """
    read = (*choice.files, *map(Path, filter(os.path.isfile, roots)), constraints_file, locked_file)
    if page_file is not None:
        check_apart(page_file, (output, order_file, *read))
        require_place(page_file, "--html")
    if output is not None:
        check_apart(output, (order_file, *read), "plan")
        require_place(output, "--output")
    if order_file is not None and str(order_file) != "-":
        require_place(order_file, "--build-order")
    if locked_file is not None:
        from ppcdeps.workflows.locked import as_locked, differs_from_lock, with_lock

        choice = as_locked(with_lock(choice, locked_file))
    resolved = resolve_target(choice, reporter)
    # Without a look at what is remembered, the repositories are opened at once, while all else is loaded.
    opening = open_beside(resolved) if resolved.refresh and srpms is None else None
    from ppcdeps.planning.workloads import other_versions
    from ppcdeps.report.text import render_plan
    from ppcdeps.workflows.last_plan import remember_plan
    from ppcdeps.workflows.plans import plan_and_text
    from ppcdeps.workflows.request import plan_request

    request = plan_request(roots, resolved, python=python, srpms=srpms, recipes=folders, constraints=constraints_file)
    for note in request.workload.notes:
        reporter.note(note)
    made, text = plan_and_text(request, reporter, opening)
    if moved := other_versions(request.workload, made):
        reporter.note(moved)
    path = None if no_output else output or Path(f"plan-{made.workload}.json")
    if page_file is not None:
        check_apart(page_file, (path,))
    if path is not None:
        # The cache has it, too, and the same command makes it again.
        write_output(path, text, durable=False)
    remember_plan(made, path, resolved.cache)
    place = str(path) if path else None
    shown = text if as_json else render_plan(made, place, typed_command(), next_command)
    if order_file is not None:
        from ppcdeps.report.build_order import dump_build_order, render_build_order

        if str(order_file) == "-":
            order = dump_build_order if as_json else render_build_order
            shown = order(made, place, next_command)
        else:
            write_output(order_file, dump_build_order(made, place, next_command), "--build-order")
    if page_file is not None:
        from ppcdeps.workflows.pages import page_of, view_of

        view = view_of(made, place or "PLAN", reporter, recipes=folders, command=next_command)
        write_output(page_file, page_of(view), "--html")
        reporter.note(f"the page is in {page_file}")
    reporter.note(f"answered from {resolved.basis.line()}")
    if locked_file is not None and (other := differs_from_lock(made, choice)):
        reporter.warn(other)
    write(shown, as_json=as_json)
    return ExitCode.GAPS_REMAIN if made.gaps else ExitCode.DONE
