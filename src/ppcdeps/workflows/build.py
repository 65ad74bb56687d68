"""Building what a plan takes: once, until the gap is closed, or on from where a run was interrupted."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.atomic import write_output
from ppcdeps.base.digests import sha256_of
from ppcdeps.building.run.build_run import (
    BuildBasis,
    BuildOptions,
    BuildRun,
    build_plan,
    check_plan,
    takes_builds,
)
from ppcdeps.building.run.events import BuildEvent, BuildListener
from ppcdeps.building.run.run_folder import STATE, RunFolder, open_run_folder, read_state
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.verification import Verification
from ppcdeps.recipebook.book import load_book
from ppcdeps.workflows.replan import replan
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.requested import recipes_of
from ppcdeps.workflows.sources import fetcher_for
from ppcdeps.workflows.verify import verdict_on

OpenView = Callable[[], AbstractContextManager[BuildListener]]
"""Opens what shows the events of one run, for as long as that goes on."""


@contextlib.contextmanager
def no_view() -> Iterator[BuildListener]:
    """Shows nothing."""

    def ignore(event: BuildEvent) -> None:
        """Take no notice."""

    yield ignore


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A plan to build, and the file that it is in.

    ``work`` is the folder of logs and state, None for the one that is named after the workload. ``recipes`` are
    folders laid over the shipped recipes, those that the plan was requested with where there are none. ``command``
    are the arguments of the command line, which the state keeps so that the run can be resumed.
    """

    plan: Plan
    plan_file: Path
    resolved: ResolvedTarget
    options: BuildOptions
    work: Path | None = None
    recipes: tuple[Path, ...] = ()
    command: tuple[str, ...] = ()


def build(request: BuildRequest, reporter: Reporter, open_view: OpenView = no_view) -> BuildRun:
    """Build what a plan takes, and publish it as a local repository. A build that fails is a result.

    Raises ConfigError for a plan that does not fit any more, EnvironmentLacksError where
    nothing can be built here, RepositoryError where an image, a package or a source cannot be had.
    """
    with _run(request, reporter, open_view) as run:
        return run.build(request.plan, request.plan_file, request.resolved)


def build_until_closed(
    request: BuildRequest,
    reporter: Reporter,
    open_view: OpenView = no_view,
    *,
    workload: str | None = None,
) -> tuple[BuildRun, Verification | None]:
    """Build, verify, plan again and build that, until the gap is closed or nothing changes any more.

    ``workload`` names the workload file that the plan was made of, if it was one. Returns the last run and the
    verdict on it, which is None where nothing was published. Raises what `build` and
    `ppcdeps.workflows.verify.verify` raise.
    """
    repository = request.options.repository
    with _run(request, reporter, open_view) as run:
        built = run.build(request.plan, request.plan_file, request.resolved)
        tried = [request.plan.waves]
        verdict: Verification | None = None
        while built.repository is not None:
            planned, after = replan(
                request.plan, repository, request.resolved, reporter, workload=workload, recipes=request.recipes
            )
            verdict = verdict_on(
                request.plan, after, planned, repository, reporter, buildroots=request.options.buildroot_folders
            )
            if verdict.is_closed or not after.waves or after.waves in tried:
                break
            if not takes_builds(after, request.options):
                break
            tried.append(after.waves)
            path = run.session.folder / f"plan-{len(tried)}.json"
            write_output(path, dump_plan(after))
            reporter.note(f"what is left takes {sum(map(len, after.waves))} more builds: {path}")
            built = run.build(after, path, planned.resolved)
        return built, verdict


@dataclass(frozen=True, slots=True)
class InterruptedRun:
    """A run that can be resumed: its folder, and the arguments of the command that began it, the plan among them."""

    work: Path
    command: tuple[str, ...]


def interrupted_run(plan_file: Path | None, work: Path | None) -> InterruptedRun:
    """The run in the folder ``work``, else that of the plan, else the only one below this folder.

    Raises UsageError where there is none or more than one, ConfigError where its plan is not what it was.
    """
    if work is None:
        work = default_work(load_plan(plan_file)) if plan_file is not None else _only_run()
    state = read_state(work)
    if state is None:
        raise UsageError(f"there is no run in {work} to resume", hint="begin one with `ppcdeps build PLAN`")
    plan = Path(state.plan)
    if not plan.is_file() or sha256_of(plan) != state.digest:
        raise ConfigError(
            f"the plan {plan} is not the one that the run in {work} began with",
            hint=f"build it anew with `{command_line('build', str(plan))}`",
        )
    named = () if "--work" in state.arguments else ("--work", str(work))
    return InterruptedRun(work, (*state.arguments, *named, "--", str(plan)))


def default_work(plan: Plan) -> Path:
    """The folder of logs and state of a plan's build, where the user names none."""
    return Path(f"build-{plan.workload}")


def default_repository(plan: Plan) -> Path:
    """The folder that a plan's build publishes to, where the user names none."""
    return Path(f"repository-{plan.workload}")


@dataclass(frozen=True, slots=True)
class _OpenRun:
    """A run that holds its folder."""

    request: BuildRequest
    session: RunFolder
    reporter: Reporter
    open_view: OpenView

    def build(self, plan: Plan, path: Path, resolved: ResolvedTarget) -> BuildRun:
        basis = _basis_of(resolved, self.request.recipes)
        with self.open_view() as watch:
            return build_plan(plan, path, basis, self.request.options, self.session, self.reporter, watch)


@contextlib.contextmanager
def _run(request: BuildRequest, reporter: Reporter, open_view: OpenView) -> Iterator[_OpenRun]:
    request = replace(request, recipes=recipes_of(request.plan.request, request.recipes))
    check_plan(request.plan, _basis_of(request.resolved, request.recipes), request.options)
    with open_run_folder(request.work or default_work(request.plan)) as session:
        session.begin(request.plan_file, sha256_of(request.plan_file), request.command)
        yield _OpenRun(request, session, reporter, open_view)
        session.finish()


def _basis_of(resolved: ResolvedTarget, recipes: Sequence[Path]) -> BuildBasis:
    """What a plan is built on."""
    book = load_book(recipes)
    return BuildBasis(
        target=resolved.target,
        metadata=resolved.metadata,
        book=book,
        cache=resolved.cache,
        fetch_sources=fetcher_for(resolved, book, lambda: resolved.metadata).fetch,
        fetch_filelists=resolved.fetch_filelists,
        offline=resolved.offline,
    )


def _only_run() -> Path:
    """The folder below this one that holds a run. Raises UsageError where there is none, or more than one."""
    found = sorted(path.parent for path in Path().glob(f"*/{STATE}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError("there is no run here to resume", hint="begin one with `ppcdeps build PLAN`")
    raise UsageError("there are several runs here", hint=f"name one with --work: {', '.join(map(str, found))}")
