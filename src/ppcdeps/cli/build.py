"""`ppcdeps build`: the plan becomes packages in a local repository."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ppcdeps.cli.interruption import interruptible
from ppcdeps.cli.options import (
    Command,
    FiniteRange,
    buildroot_option,
    buildroots_option,
    engine_option,
    json_option,
    locked_option,
    mirror_option,
    mode_option,
    no_check_option,
    output_options,
    recipes_option,
    repository_options,
    sources_option,
)
from ppcdeps.cli.output import write
from ppcdeps.cli.repeat import next_command, plan_again, work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.commands import command_line
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.sizes import bytes_of
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.building.run.options import BuildOptions
    from ppcdeps.model.plan import Plan


class Size(click.ParamType[int]):
    """A number of bytes: ``500M``, ``4G``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes that the text means."""
        if isinstance(value, int):
            return value
        try:
            return bytes_of(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


class SlurmOption(click.ParamType[str]):
    """An option of `sbatch` without its dashes: ``partition=power``."""

    name = "option"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text."""
        from ppcdeps.model.names import slurm_option

        try:
            return slurm_option(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


_FOLDER = click.Path(file_okay=False, path_type=Path)
_SHOWN = ("--quiet", "--no-progress", "--debug", "--json")
"""Options that say what is shown, which may be given to a resumed run anew."""
_SETTINGS = (
    click.option("--repository", type=_FOLDER, metavar="DIR", help="Publish here (default: repository-WORKLOAD)."),
    click.option("--work", type=_FOLDER, metavar="DIR", help="Logs and state of the run (default: build-WORKLOAD)."),
    click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Builds at a time (default: 1 here)."),
    click.option("--on", metavar="ENGINE",
                 help="Build elsewhere: slurm, copr, or ssh://USER@HOST?jobs=N, several with commas."),
    click.option("--project", metavar="OWNER/NAME", help="The project of COPR for --on copr."),
    click.option("--slurm", type=SlurmOption(), multiple=True, metavar="NAME=VALUE",
                 help="An option of sbatch for --on slurm: partition=power. Repeatable."),
    mode_option,
    buildroot_option,
    buildroots_option,
    mirror_option,
    engine_option,
    click.option("--connection", metavar="NAME", help="Build on another machine: a connection of podman."),
    click.option("--timeout", type=FiniteRange(min=0, min_open=True), metavar="MINUTES",
                 help="End a build that takes longer."),
    click.option("--memory", type=Size(), metavar="SIZE", help="How much memory a build may use: 4G."),
    click.option("--disk", type=Size(), metavar="SIZE", help="How much a build may write: 20G."),
    click.option("--cpus", type=FiniteRange(min=0, min_open=True), metavar="N",
                 help="Cores that a build may use."),
    sources_option,
    click.option("--only", "chosen", multiple=True, metavar="NAME",
                 help="Build this source and what it needs. Repeatable."),
    click.option("--alternatives", is_flag=True,
                 help="Build also what enabling a repository that the plan names would spare."),
    click.option("--rendered", type=_FOLDER, metavar="DIR",
                 help="Build from the rendered sources of an exported pipeline, without their metadata."),
    click.option("--store", type=_FOLDER, metavar="DIR",
                 help="Take finished builds from here, and put them here (default: the cache)."),
    click.option("--no-publish", is_flag=True, help="Build, and leave it to another run to publish."),
    click.option("--fail-fast", is_flag=True, help="End the run with the first failure."),
    no_check_option,
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
@click.option("--step", nargs=2, hidden=True, metavar="NAME DIGEST", help="Run one build, as a job of Slurm.")
@click.option("--resume", "--attach", "resume", is_flag=True,
              help="Go on with the run that was interrupted, with the options that it had.")  # fmt: skip
@_settings
@recipes_option
@locked_option
@json_option
@repository_options()
@output_options
@click.pass_context
def build(
    context: click.Context,
    /,
    plan_file: Path | None,
    resume: bool,
    step: tuple[str, str] | None,
    work: Path | None,
    until_closed: bool,
    workload: str | None,
    folders: tuple[Path, ...],
    locked_file: Path | None,
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
    from ppcdeps.workflows.locked import as_built, check_lock_of, with_lock

    if locked_file is not None and settings["mirror"] is not None:
        raise click.UsageError("--locked takes buildroots from the lock's folder: not with --mirror", context)
    choice = with_lock(choice, locked_file)
    if step is not None:
        return _step(plan_file, step, work, folders, choice, reporter, settings)
    from ppcdeps.cli.build_view import BuildView
    from ppcdeps.report.build import dump_build_run, render_build_run
    from ppcdeps.workflows.build import BuildRequest, build_until_closed, check_options, default_work, sides_read
    from ppcdeps.workflows.build import build as run_build
    from ppcdeps.workflows.replan import choose_planned
    from ppcdeps.workflows.requested import load_kept

    plan = load_kept(plan_file)
    work_on(plan.request)
    if plan.request is not None:
        reporter.note(f"{plan_file} was requested by: {plan.request.command()}")
    work = work or default_work(plan)
    options = as_built(_options(plan, settings), choice)
    check_options(options, locked=locked_file is not None, verifies=until_closed)
    if until_closed and (options.rendered is not None or not options.publishes):
        raise click.UsageError("--until-closed plans anew and publishes: not with --rendered, --no-publish", context)
    check_lock_of(plan, plan_file, choice)
    chosen = choose_planned(plan, choice, reporter)
    resolved = chosen.read(sides=sides_read(plan, chosen.target, options))
    command = _arguments(context)
    if context.params["repository"] is None:
        # What goes on with the run in another folder publishes to the same place.
        command += ["--repository", str(options.repository.absolute())]
    request = BuildRequest(plan, plan_file, resolved, options, work, folders, tuple(command))

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


def _step(
    plan_file: Path,
    step: tuple[str, str],
    work: Path | None,
    folders: tuple[Path, ...],
    choice: RepositoryChoice,
    reporter: TerminalReporter,
    settings: dict[str, Any],
) -> int:
    from ppcdeps.workflows.build import build_step, default_work
    from ppcdeps.workflows.locked import as_built
    from ppcdeps.workflows.requested import load_requested

    plan = load_requested(plan_file)
    with interruptible():
        options = as_built(_options(plan, settings), choice)
        return build_step(plan_file, step, choice, options, work or default_work(plan), folders, reporter)


def _options(plan: "Plan", settings: dict[str, Any]) -> "BuildOptions":
    from ppcdeps.building.run.options import BuildOptions
    from ppcdeps.engines.job import BuildMode, Limits
    from ppcdeps.workflows.build import default_repository

    no_publish = settings.pop("no_publish")
    timeout, no_check, mode = settings.pop("timeout"), settings.pop("no_check"), settings.pop("mode")
    limits = Limits(
        seconds=timeout * 60 if timeout else None,
        memory=settings.pop("memory"),
        disk=settings.pop("disk"),
        cpus=settings.pop("cpus"),
    )
    return BuildOptions(
        repository=settings.pop("repository") or default_repository(plan),
        jobs=settings.pop("jobs"),
        mode=BuildMode(mode) if mode else None,
        limits=limits,
        check=not no_check,
        publishes=not no_publish,
        only=settings.pop("chosen"),
        **settings,
    )


def _arguments(context: click.Context) -> list[str]:
    """The options of this command as they were given, with absolute paths: what --resume runs again."""
    from ppcdeps.workflows.requested import located_value

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
            place = one.absolute() if isinstance(one, Path) else located_value(name[2:], str(one), Path.cwd())
            arguments += [name, str(place)]
    return arguments


def _with_values(arguments: Iterable[str]) -> list[tuple[str, ...]]:
    """The options among arguments, each with its values."""
    found: list[tuple[str, ...]] = []
    for word in arguments:
        if word.startswith("--") or not found:
            found.append(())
        found[-1] += (word,)
    return found


def _resume(context: click.Context, plan_file: Path | None, work: Path | None) -> int:
    """Run the command of the interrupted run again: builds that it finished are not built again."""
    from ppcdeps.workflows.build import interrupted_run

    run = interrupted_run(plan_file, work)
    had, given = _with_values(run.command), _with_values(_arguments(context))
    other = next((each for each in given if each not in had and each[0] not in ("--work", *_SHOWN)), None)
    if other is not None:
        raise click.UsageError(
            f"--resume goes on with the options that the run began with: leave {other[0]} out", context
        )
    shown = [each[0] for each in given if each[0] in _SHOWN and each not in had]
    with build.make_context("build", [*shown, *run.command], parent=context.parent) as resumed:
        code: int = build.invoke(resumed)
    return code
