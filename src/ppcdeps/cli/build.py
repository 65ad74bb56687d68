"""`ppcdeps build`: the plan becomes packages in a local repository."""

import contextlib
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ppcdeps.cli.options import (
    Command,
    json_option,
    narrative_options,
    recipes_option,
    repository_options,
)
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.building.run.build_run import BuildBasis, BuildOptions, BuildRun
    from ppcdeps.building.run.run_folder import RunFolder
    from ppcdeps.model.plan import Plan
    from ppcdeps.model.verification import Verification
    from ppcdeps.workflows.repositories import Repositories

BUILD_FAILED = 10
GAPS_REMAIN = 1
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


_MODES = click.Choice(["native", "emulated", "accelerated", "cross"])
_FOLDER = click.Path(file_okay=False, path_type=Path)
_SETTINGS = (
    click.option("--repository", type=_FOLDER, metavar="DIR", help="Publish here (default: repository-WORKLOAD)."),
    click.option("--work", type=_FOLDER, metavar="DIR", help="Logs and state of the run (default: build-WORKLOAD)."),
    click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Builds at a time (default: 1)."),
    click.option("--mode", type=_MODES, help="How code for ppc64le is made (default: what the buildroot does best)."),
    click.option("--buildroot", metavar="NAME", help="Build in this buildroot (default: the target's)."),
    click.option("--buildroots", "buildroot_folders", multiple=True, type=_FOLDER, metavar="DIR",
                 help="Lay the buildroots of this folder over the shipped ones. Repeatable."),
    click.option("--mirror", metavar="URL", help="The Debian mirror for buildroots made by mmdebstrap."),
    click.option("--engine", metavar="NAME", help="podman, docker or bwrap (default: the first that works)."),
    click.option("--connection", metavar="NAME", help="Build on another machine: a connection of podman."),
    click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="MINUTES",
                 help="End a build that takes longer."),
    click.option("--memory", type=Size(), metavar="SIZE", help="What a build may use of memory: 4G."),
    click.option("--disk", type=Size(), metavar="SIZE", help="What a build may write: 20G."),
    click.option("--cpus", type=click.FloatRange(min=0, min_open=True), metavar="N",
                 help="Cores that a build may use."),
    click.option("--sources", "source_folders", multiple=True, type=_FOLDER, metavar="DIR",
                 help="Look here for sources before fetching them. Repeatable."),
    click.option("--only", "chosen", multiple=True, metavar="NAME",
                 help="Build this source and what it needs. Repeatable."),
    click.option("--fail-fast", is_flag=True, help="End the run with the first failure."),
    click.option("--no-check", is_flag=True, help="Leave %check out."),
    click.option("--sign-with", metavar="KEY", help="Sign packages and metadata with this key of gpg."),
    click.option("--url", metavar="URL", help="Where the repository will be served, for its .repo file."),
    click.option("--until-closed", is_flag=True, help="Verify, plan and build again until nothing changes any more."),
    click.option("--workload", metavar="FILE",
                 help="With --until-closed: the workload file that the plan was made of, if it was one."),
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
@narrative_options
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
    from ppcdeps.building.run.build_run import check_plan
    from ppcdeps.building.run.run_folder import open_run_folder
    from ppcdeps.model.plan_file import load_plan
    from ppcdeps.report.build import dump_build_run, render_build_run

    plan = load_plan(plan_file)
    basis = _basis(choice, folders, reporter)
    options = _options(plan, settings)
    check_plan(plan, basis, options)
    loop = _Loop(choice, folders, workload, reporter) if until_closed else None
    verdict: Verification | None = None
    with open_run_folder(work or Path(f"build-{plan.workload}")) as session, _interruptible():
        _begin(session, plan_file, context)
        build_run = _built(plan, plan_file, basis, options, session, reporter)
        if loop is not None:
            build_run, verdict = loop.go_on(plan, build_run, options, session)
        session.finish()
    if as_json:
        click.echo(dump_build_run(build_run, verdict), nl=False)
    else:
        click.echo(render_build_run(build_run, verdict), nl=False)
    if verdict is not None and verdict.is_closed:
        return 0
    return BUILD_FAILED if build_run.failed else 0 if verdict is None else GAPS_REMAIN


class _Loop:
    """Verifies what was built, and plans and builds anew as long as that changes anything."""

    def __init__(
        self, choice: RepositoryChoice, folders: tuple[Path, ...], workload: str | None, reporter: TerminalReporter
    ) -> None:
        self.choice = choice
        self.folders = folders
        self.workload = workload
        self.reporter = reporter

    def go_on(
        self, plan: "Plan", build_run: "BuildRun", options: "BuildOptions", session: "RunFolder"
    ) -> tuple["BuildRun", "Verification | None"]:
        """The last campaign and the verdict on it; no verdict where nothing was published."""
        from ppcdeps.base.atomic import write_output
        from ppcdeps.cli.verify import verification_of
        from ppcdeps.model.plan_file import dump_plan
        from ppcdeps.workflows.replan import plan_again

        tried: list[tuple[tuple[str, ...], ...]] = [plan.waves]
        verdict: Verification | None = None
        while build_run.repository is not None:
            verdict = verification_of(
                plan, options.repository, self.choice, self.reporter, workload=self.workload, recipes=self.folders
            )
            if verdict.is_closed:
                break
            request, after = plan_again(
                plan, options.repository, self.choice, self.reporter, workload=self.workload, recipes=self.folders
            )
            if not after.waves or after.waves in tried:
                break
            tried.append(after.waves)
            path = session.folder / f"plan-{len(tried)}.json"
            write_output(path, dump_plan(after))
            self.reporter.note(f"what is left takes {sum(map(len, after.waves))} more builds: {path}")
            basis = basis_of(request.repositories, self.folders, self.choice, self.reporter)
            build_run = _built(after, path, basis, options, session, self.reporter)
        return build_run, verdict


def _built(
    plan: "Plan",
    path: Path,
    basis: "BuildBasis",
    options: "BuildOptions",
    session: "RunFolder",
    reporter: TerminalReporter,
) -> "BuildRun":
    from ppcdeps.building.run.build_run import build_plan
    from ppcdeps.cli.buildview import BuildView

    try:
        with BuildView(quiet=reporter.quiet, live=reporter.progress) as view:
            return build_plan(plan, path, basis, options, session, reporter, view.watch)
    except KeyboardInterrupt:
        reporter.warn(f"what was built is kept; go on with `ppcdeps build --resume --work {session.folder}`")
        raise


def _basis(choice: RepositoryChoice, folders: Sequence[Path], reporter: TerminalReporter) -> "BuildBasis":
    from ppcdeps.workflows.repositories import resolve_target

    return basis_of(resolve_target(choice, reporter), folders, choice, reporter)


def basis_of(
    found: "Repositories", folders: Sequence[Path], choice: RepositoryChoice, reporter: TerminalReporter
) -> "BuildBasis":
    """What a plan on these repositories is built on."""
    from ppcdeps.building.run.build_run import BuildBasis
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.workflows.sources import fetcher_for

    book = load_book(folders)
    fetcher = fetcher_for(found.target, book, lambda: found.metadata, found.cache, choice, reporter)
    return BuildBasis(
        found.target, found.metadata, book, found.cache, fetcher.fetch, found.fetch_filelists, choice.offline
    )


def _options(plan: "Plan", settings: Mapping[str, Any]) -> "BuildOptions":
    from ppcdeps.building.run.build_run import BuildOptions
    from ppcdeps.engines.job import BuildMode, Limits

    given = dict(settings)
    timeout, no_check, mode = given.pop("timeout"), given.pop("no_check"), given.pop("mode")
    limits = Limits(
        seconds=timeout * 60 if timeout else None,
        memory=given.pop("memory"),
        disk=given.pop("disk"),
        cpus=given.pop("cpus"),
    )
    return BuildOptions(
        repository=given.pop("repository") or Path(f"repository-{plan.workload}"),
        jobs=given.pop("jobs") or 1,
        mode=BuildMode(mode) if mode else None,
        limits=limits,
        check=not no_check,
        only=given.pop("chosen"),
        **given,
    )


# Resuming ---------------------------------------------------------------------------------------------------


def _begin(session: "RunFolder", plan_file: Path, context: click.Context) -> None:
    from ppcdeps.base.digests import sha256_of

    session.begin(plan_file, sha256_of(plan_file), _arguments(context))


def _arguments(context: click.Context) -> list[str]:
    """The options of this command as they were given, with the paths absolute: what --resume runs again."""
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
    """Run the interrupted run again: what it had built is taken as it is."""
    from ppcdeps.base.digests import sha256_of
    from ppcdeps.building.run.run_folder import read_state

    if work is None and plan_file is not None:
        from ppcdeps.model.plan_file import load_plan

        work = Path(f"build-{load_plan(plan_file).workload}")
    work = work or _only_run()
    state = read_state(work)
    if state is None:
        raise UsageError(f"there is no run in {work} to resume", hint="begin one with `ppcdeps build PLAN`")
    plan = Path(state.plan)
    if not plan.is_file() or sha256_of(plan) != state.digest:
        raise ConfigError(
            f"the plan {plan} is not the one that the run in {work} began with",
            hint=f"build it anew with `ppcdeps build {plan.name}`",
        )
    arguments = [*state.arguments, *(["--work", str(work)] if "--work" not in state.arguments else []), str(plan)]
    with build.make_context("build", arguments, parent=context.parent) as again:
        code: int = build.invoke(again)
    return code


def _only_run() -> Path:
    """The folder in this one that holds a run. Raises UsageError where there is none, or more than one."""
    from ppcdeps.building.run.run_folder import STATE

    found = sorted(path.parent for path in Path().glob(f"*/{STATE}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError("there is no run here to resume", hint="begin one with `ppcdeps build PLAN`")
    raise UsageError("there are several runs here", hint=f"name one with --work: {', '.join(map(str, found))}")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that nothing is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
