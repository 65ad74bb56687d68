"""`ppcdeps build`: the plan becomes packages in a local repository."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ppcdeps.cli.completion import BUILDROOTS
from ppcdeps.cli.interruption import interruptible
from ppcdeps.cli.options import (
    Command,
    buildroots_option,
    engine_option,
    json_option,
    mirror_option,
    mode_option,
    output_options,
    recipes_option,
    repository_options,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command, plan_again, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.commands import command_line
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.building.run.build_run import BuildOptions
    from ppcdeps.model.plan import Plan

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Size(click.ParamType[int]):
    """A number of bytes: ``500M``, ``4G``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes that the text means."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is not a size such as 500M or 4G", param, ctx)
        return int(float(found[1]) * _UNITS[found[2]])


_FOLDER = click.Path(file_okay=False, path_type=Path)
_SETTINGS = (
    click.option("--repository", type=_FOLDER, metavar="DIR", help="Publish here (default: repository-WORKLOAD)."),
    click.option("--work", type=_FOLDER, metavar="DIR", help="Logs and state of the run (default: build-WORKLOAD)."),
    click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Builds at a time (default: 1)."),
    mode_option,
    click.option(
        "--buildroot",
        metavar="NAME",
        shell_complete=BUILDROOTS,
        help="Build in this buildroot (default: the target's).",
    ),
    buildroots_option,
    mirror_option,
    engine_option,
    click.option("--connection", metavar="NAME", help="Build on another machine: a connection of podman."),
    click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES",
                 help="End a build that takes longer."),
    click.option("--memory", type=Size(), metavar="SIZE", help="How much memory a build may use: 4G."),
    click.option("--disk", type=Size(), metavar="SIZE", help="How much a build may write: 20G."),
    click.option("--cpus", type=click.FloatRange(min=0, min_open=True), metavar="N",
                 help="Cores that a build may use."),
    click.option("--sources", "source_folders", multiple=True, type=_FOLDER, metavar="DIR",
                 help="Look here for sources before fetching them. Repeatable."),
    click.option("--only", "chosen", multiple=True, metavar="NAME",
                 help="Build this source and what it needs. Repeatable."),
    click.option("--alternatives", is_flag=True,
                 help="Build also what enabling a repository that the plan names would spare."),
    click.option("--fail-fast", is_flag=True, help="End the run with the first failure."),
    click.option("--no-check", is_flag=True, help="Leave %check out."),
    click.option("--sign-with", metavar="KEY", help="Sign packages and metadata with this key of gpg."),
    click.option("--url", metavar="URL", help="Where the repository will be served, for its .repo file."),
    click.option("--until-closed", is_flag=True, help="Verify, plan again and build until nothing changes any more."),
    click.option("--workload", metavar="FILE",
                 help="With --until-closed: the workload file that the plan was made of, if it is elsewhere by now."),
)  # fmt: skip


def _settings(command: Command) -> Command:
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--resume", is_flag=True, help="Go on with the run that was interrupted, with the options that it had.")
@_settings
@recipes_option
@json_option
@repository_options()
@output_options
@click.pass_context
def build(
    context: click.Context,
    /,
    plan_file: Path | None,
    resume: bool,
    work: Path | None,
    until_closed: bool,
    workload: str | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
    **settings: Any,
) -> int:
    """Build what PLAN takes, in containers for ppc64le, and publish it as a local repository.

    PLAN is a file that `ppcdeps plan` wrote. Builds whose sources, recipe, buildroot and BuildRequires are as they
    were are not built again. What does not depend on a failed build goes on.

    Exit code 0: all is built and published; 10: a build failed; with --until-closed, 1: gaps remain.
    """
    if resume:
        return _resume(context, plan_file, work)
    if plan_file is None:
        raise click.UsageError("Missing argument PLAN", context)
    from ppcdeps.cli.build_view import BuildView
    from ppcdeps.report.build import dump_build_run, render_build_run
    from ppcdeps.workflows.build import BuildRequest, build_until_closed, default_work
    from ppcdeps.workflows.build import build as run_build
    from ppcdeps.workflows.replan import resolve_planned
    from ppcdeps.workflows.requested import load_requested

    plan = load_requested(plan_file)
    work_on(plan.request)
    if plan.request is not None:
        reporter.note(f"{plan_file} was requested by: {plan.request.command()}")
    work = work or default_work(plan)
    resolved = resolve_planned(plan, choice, reporter)
    request = BuildRequest(
        plan, plan_file, resolved, _options(plan, settings), work, folders, tuple(_arguments(context))
    )

    @contextlib.contextmanager
    def view() -> Iterator[Any]:
        try:
            with BuildView(quiet=reporter.quiet, live=reporter.progress) as shown:
                yield shown.watch
        except KeyboardInterrupt:
            resume = command_line("build", "--resume", "--work", str(work))
            reporter.warn(f"finished builds are stored; go on with `{resume}`")
            raise

    verdict = None
    with interruptible():
        if until_closed:
            build_run, verdict = build_until_closed(request, reporter, view, workload=workload)
        else:
            build_run = run_build(request, reporter, view)
    shown = (
        dump_build_run(build_run, verdict)
        if as_json
        else render_build_run(build_run, verdict, next_command, plan_again)
    )
    write(shown, as_json=as_json)
    if verdict is not None and verdict.is_closed:
        return ExitCode.DONE
    if build_run.failed:
        return ExitCode.BUILD_FAILED
    return ExitCode.DONE if verdict is None else ExitCode.GAPS_REMAIN


def _options(plan: "Plan", settings: dict[str, Any]) -> "BuildOptions":
    from ppcdeps.building.run.build_run import BuildOptions
    from ppcdeps.engines.job import BuildMode, Limits
    from ppcdeps.workflows.build import default_repository

    timeout, no_check, mode = settings.pop("timeout"), settings.pop("no_check"), settings.pop("mode")
    limits = Limits(
        seconds=timeout * 60 if timeout else None,
        memory=settings.pop("memory"),
        disk=settings.pop("disk"),
        cpus=settings.pop("cpus"),
    )
    return BuildOptions(
        repository=settings.pop("repository") or default_repository(plan),
        jobs=settings.pop("jobs") or 1,
        mode=BuildMode(mode) if mode else None,
        limits=limits,
        check=not no_check,
        only=settings.pop("chosen"),
        **settings,
    )


def _arguments(context: click.Context) -> list[str]:
    """The options of this command as they were given, with absolute paths: what --resume runs again."""
    arguments: list[str] = []
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is not click.core.ParameterSource.COMMANDLINE:
            continue
        if not isinstance(parameter, click.Option) or parameter.name == "resume":
            continue
        value = context.params[parameter.name or ""]
        name = max(parameter.opts, key=len)
        if parameter.is_flag:
            arguments += [name] if value else []
            continue
        for one in value if parameter.multiple else (value,):
            arguments += [name, str(one.absolute() if isinstance(one, Path) else one)]
    return arguments


def _resume(context: click.Context, plan_file: Path | None, work: Path | None) -> int:
    """Run the command of the interrupted run again: builds that it finished are not built again."""
    from ppcdeps.workflows.build import interrupted_run

    run = interrupted_run(plan_file, work)
    with build.make_context("build", list(run.command), parent=context.parent) as resumed:
        code: int = build.invoke(resumed)
    return code
