"""`ppcdeps lock`: everything that a plan takes, pinned by digest."""

from pathlib import Path
from typing import Any

import click

from ppcdeps.base.atomic import check_apart, write_output, write_outputs
from ppcdeps.cli.completion import BUILDROOTS
from ppcdeps.cli.options import (
    buildroots_option,
    json_option,
    mirror_option,
    mode_option,
    output_options,
    recipes_option,
    repository_options,
    sources_option,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.workflows.choice import RepositoryChoice

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("ppcdeps.lock"),
    show_default=True,
    metavar="FILE",
    help="The lock.",
)
@click.option("--check", is_flag=True, help="Say whether repositories still have all that the lock names.")
@click.option(
    "--update",
    "names",
    multiple=True,
    metavar="NAME",
    help="Move this package, source, Python distribution, buildroot or all of this repository, and what must move "
    "with it, in plan and lock; all moves everything. Repeatable.",
)
@click.option(
    "--repository", type=_FOLDER, metavar="DIR", help="What was built of the plan (default: repository-WORKLOAD)."
)
@click.option(
    "--buildroot",
    metavar="NAME",
    shell_complete=BUILDROOTS,
    help="The buildroot that it is built in (default: the target's).",
)
@mode_option
@buildroots_option
@mirror_option
@sources_option
@recipes_option
@json_option
@repository_options()
@output_options
@click.pass_context
def lock(
    context: click.Context,
    /,
    plan_file: Path | None,
    output: Path,
    check: bool,
    names: tuple[str, ...],
    repository: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
    **settings: Any,
) -> int:
    """Pin everything that PLAN takes: packages, Python files, sources, recipes, buildroots, finished builds.

    PLAN is a file that `ppcdeps plan` wrote. The lock names each file by its digest, and no host of an index. What
    buildroots are made of and what was built is known once PLAN was built here.

    Exit code 0: written, or all is there; 1: --check found that something is gone; 30: that somebody does
    not answer.
    """
    if check:
        if names or plan_file is not None:
            raise click.UsageError("--check looks at the lock alone: name that with --output", context)
        return _check(output, settings, choice, reporter, as_json)
    if plan_file is None:
        raise click.UsageError("Missing argument PLAN", context)
    from ppcdeps.building.run.options import BuildOptions
    from ppcdeps.engines.job import BuildMode
    from ppcdeps.model.lock_file import dump_lock, former_lock
    from ppcdeps.report.lock import dump_moves, render_lock, render_moves
    from ppcdeps.workflows.lock import LockRequest
    from ppcdeps.workflows.lock import lock as lock_plan
    from ppcdeps.workflows.requested import load_kept
    from ppcdeps.workflows.update_lock import update_lock

    check_apart(output, (plan_file,), "lock")
    work_on(load_kept(plan_file).request)
    mode = settings.pop("mode")
    options = BuildOptions(repository=repository or Path(), mode=BuildMode(mode) if mode else None, **settings)
    request = LockRequest(plan_file, choice, options, repository, folders)
    if names:
        updated = update_lock(request, output, names, reporter)
        text = dump_lock(updated.lock)
        if text != output.read_text("utf-8"):
            # Both or none: the one is of no use without the other.
            write_outputs({plan_file: updated.plan, output: text})
        shown = dump_moves(updated.moved) if as_json else render_moves(updated.moved, output, plan_file)
        write(shown, as_json=as_json)
        return ExitCode.DONE
    made = lock_plan(request, reporter, former_lock(output))
    text = dump_lock(made)
    write_output(output, text)
    write(text if as_json else render_lock(made, output, next_command), as_json=as_json)
    return ExitCode.DONE


def _check(
    file: Path, settings: dict[str, Any], choice: RepositoryChoice, reporter: TerminalReporter, as_json: bool
) -> int:
    from ppcdeps.report.lock import dump_unavailable, render_unavailable
    from ppcdeps.workflows.locked import check_lock

    found, gone = check_lock(
        file, choice, reporter, mirror=settings["mirror"], buildroots=settings["buildroot_folders"]
    )
    shown = dump_unavailable(gone) if as_json else render_unavailable(found, gone, file, offline=choice.offline)
    write(shown, as_json=as_json)
    if any(one.is_gone for one in gone):
        return ExitCode.GAPS_REMAIN
    return ExitCode.REPOSITORY if gone else ExitCode.DONE
