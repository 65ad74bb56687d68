"""`ppcdeps verify`: is the gap of a plan closed?"""

from pathlib import Path

import click

from ppcdeps.cli.options import (
    buildroots_option,
    engine_option,
    json_option,
    locked_option,
    output_options,
    recipes_option,
    repository_options,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import plan_again, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.workflows.choice import RepositoryChoice

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--repository", type=_FOLDER, metavar="DIR", help="What was built (default: repository-WORKLOAD).")
@click.option(
    "--workload", metavar="FILE", help="The workload file that the plan was made of, if it is elsewhere by now."
)
@click.option("--no-install", is_flag=True, help="Only plan again: install and run nothing.")
@engine_option
@buildroots_option
@recipes_option
@locked_option
@json_option
@repository_options()
@output_options
def verify(
    plan_file: Path,
    repository: Path | None,
    workload: str | None,
    no_install: bool,
    engine: str | None,
    buildroot_folders: tuple[Path, ...],
    folders: tuple[Path, ...],
    locked_file: Path | None,
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> int:
    """Check whether what was built closes the gaps of PLAN.

    Plans again with the local repository first, installs the roots with dnf into a fresh root file system for
    ppc64le, the Python part with pip, and runs imports and the recipes' smoke tests there, emulated where this
    machine is not ppc64le. Repositories and recipes are those that the plan was requested with; options here count
    for more. Nothing stays on this machine.

    Exit code 0: closed; 1: not.
    """
    from ppcdeps.report.verification import dump_verification, render_verification
    from ppcdeps.workflows.build import default_repository
    from ppcdeps.workflows.locked import check_lock_of, with_lock
    from ppcdeps.workflows.replan import local_repository, resolve_planned
    from ppcdeps.workflows.requested import load_requested
    from ppcdeps.workflows.verify import verify as verdict_on

    before = load_requested(plan_file)
    work_on(before.request)
    if before.request is not None:
        reporter.note(f"{plan_file} was requested by: {before.request.command()}")
    place = repository or default_repository(before)
    local_repository(place)  # its faults come before any download
    choice = with_lock(choice, locked_file)
    check_lock_of(before, plan_file, choice)
    resolved = resolve_planned(before, choice, reporter)
    found = verdict_on(
        before,
        place,
        resolved,
        reporter,
        workload=workload,
        recipes=folders,
        engine=engine,
        buildroots=buildroot_folders,
        install=not no_install,
    )
    write(dump_verification(found) if as_json else render_verification(found, plan_again), as_json=as_json)
    return ExitCode.DONE if found.is_closed else ExitCode.GAPS_REMAIN
