"""Building what a plan takes: once, until the gap is closed, or on from where a run was interrupted."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from ppcdeps.base.atomic import write_output
from ppcdeps.base.digests import sha256_of
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.building.farms.copr import build_on_copr, project_in
from ppcdeps.building.farms.slurm_run import SlurmRunner, check_for_slurm
from ppcdeps.building.farms.slurm_step import run_step, write_failure
from ppcdeps.building.farms.ssh import build_over_ssh, machines_in
from ppcdeps.building.run.build_run import (
    BuildRun,
    BuildRunner,
    PlannedBuilds,
    build_here,
    build_plan,
    check_plan,
    takes_builds,
)
from ppcdeps.building.run.events import BuildEvent, BuildListener
from ppcdeps.building.run.options import BuildBasis, BuildOptions, LockedFiles
from ppcdeps.building.run.run_folder import STATE, RunFolder, open_run_folder, read_state
from ppcdeps.building.run.tasks import tasks_of
from ppcdeps.locking.folder import store_sources
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError, UsageError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import Side
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.model.verification import Verification
from ppcdeps.model.wording import counted
from ppcdeps.recipebook.book import load_book
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.replan import replan, resolve_replanned
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.requested import load_kept, load_requested, recipes_of
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
    are the arguments of the command line, which the state keeps so that the run can be resumed; jobs of Slurm are run
    with them.
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
            reporter.note(f"what is left takes {counted(sum(map(len, after.waves)), 'more build')}: {path}")
            built = run.build(after, path, planned.resolved)
        return built, verdict


def build_step(
    plan_file: Path,
    step: tuple[str, str],
    choice: RepositoryChoice,
    options: BuildOptions,
    work: Path,
    recipes: tuple[Path, ...],
    reporter: Reporter,
) -> ExitCode:
    """Run one build of a plan as a job of Slurm: ``step`` is its name and the digest of what it is rendered from.

    The result is left in the folder ``work``. Metadata is taken as the cache has it: who submitted the build has read
    it, and it may have changed since. Returns the exit code of the job.
    """
    began = time.time()
    digest = sha256_of(plan_file)
    try:
        plan = load_requested(plan_file)
        choice_now = replace(choice, offline=True, refresh=False)
        resolved = resolve_replanned(plan, options.repository, choice_now, reporter)
        basis = replace(basis_of(resolved, recipes_of(plan.request, recipes)), offline=choice.offline)
        check_plan(plan, basis, options)
        tasks = tasks_of(plan, basis.book, options.only, alternatives=options.alternatives)
        builds = PlannedBuilds(plan, plan_file, tasks, basis, options, RunFolder(work), reporter)
        return run_step(builds, digest, *step, began)
    except (PpcdepsError, OSError) as fault:
        # What the operating system refuses is the node's, which may have the shared file systems otherwise.
        error = fault if isinstance(fault, PpcdepsError) else EnvironmentLacksError(_refused_by_system(fault))
        reporter.warn(str(error))
        return write_failure(work, digest, step[0], error, began)


def _refused_by_system(fault: OSError) -> str:
    return f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault)


@dataclass(frozen=True, slots=True)
class InterruptedRun:
    """A run that can be resumed: its folder, and the arguments of the command that began it, the plan among them."""

    work: Path
    command: tuple[str, ...]


def interrupted_run(plan_file: Path | None, work: Path | None) -> InterruptedRun:
    """The run in the folder ``work``, else that of the plan, else the only one below this folder.

    Raises UsageError where there is none or more than one, or the plan is a pipe, ConfigError where the plan cannot
    be read or the run's is not what it was.
    """
    requested = load_kept(plan_file) if plan_file is not None else None
    if work is None:
        work = default_work(requested) if requested is not None else _only_run()
    state = read_state(work)
    if state is None:
        raise UsageError(f"there is no run in {work} to resume", hint="begin one with `ppcdeps build PLAN`")
    if plan_file is not None and sha256_of(plan_file) != state.digest:
        raise ConfigError(
            f"the run in {work} builds another plan than {plan_file}: {state.plan}",
            hint=f"leave the plan out, or build it with `{command_line('build', str(plan_file))}`",
        )
    plan = Path(state.plan)
    if not plan.is_file() or sha256_of(plan) != state.digest:
        raise ConfigError(
            f"the plan {plan} is not the one that the run in {work} began with",
            hint=f"build it anew with `{command_line('build', str(plan))}`",
        )
    named = () if "--work" in state.arguments else ("--work", str(work))
    return InterruptedRun(work, (*state.arguments, *named, "--", str(plan)))


def sides_read(plan: Plan, target: Target, options: BuildOptions) -> Collection[Side]:
    """The sides of the target whose repositories a build reads: all, or fewer where all is rendered.

    What was rendered takes the target's packages to satisfy BuildRequires, and not even these where the root is one
    of Debian, which has its own. Who publishes needs the reference, where packages of it are published as they are.
    """
    if options.rendered is None:
        return frozenset(Side)
    name = options.buildroot or target.buildroot
    definitions = load_definitions(options.buildroot_folders)
    is_debian = name is not None and isinstance(definitions.named(name).making, DebianMaking)
    reuses = any(gap.route_without_enabling.kind is RouteKind.REUSE for gap in plan.gaps)
    return {
        *(() if is_debian else (Side.TARGET,)),
        *((Side.REFERENCE,) if options.publishes and reuses else ()),
    }


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
        basis = basis_of(resolved, self.request.recipes)
        runner = _runner_on(self.request.options.on)
        with self.open_view() as watch:
            return build_plan(plan, path, basis, self.request.options, self.session, self.reporter, watch, runner)


def check_options(options: BuildOptions, *, locked: bool = False, verifies: bool = False) -> None:
    """Raise UsageError for options that do not go together, as far as these alone say so.

    ``locked`` is whether all files are those of a lock, ``verifies`` whether what is built is installed here.
    """
    runner = _runner_on(options.on)
    if options.slurm and options.on != "slurm":
        raise UsageError("--slurm says how Slurm is to run the builds", hint="give --on slurm as well")
    if options.project is not None and options.on != "copr":
        raise UsageError("--project is the project of COPR to build in", hint="give --on copr as well")
    if runner is build_on_copr:
        project_in(options, locked=locked, verifies=verifies)
    elif runner is build_over_ssh:
        machines_in(options)
    elif options.on == "slurm":
        check_for_slurm(options)


def _runner_on(name: str | None) -> BuildRunner:
    """What runs builds on the engine of many machines that has this name, None for this machine.

    Raises UsageError where there is none of that name.
    """
    match name:
        case None:
            return build_here
        case "slurm":
            return SlurmRunner()
        case "copr":
            return build_on_copr
        case address if address.startswith("ssh://"):
            return build_over_ssh
        case _:
            raise UsageError(
                f'there is nothing to build on that is called "{name}"',
                hint="--on takes slurm, copr, or ssh://USER@HOST",
            )


@contextlib.contextmanager
def _run(request: BuildRequest, reporter: Reporter, open_view: OpenView) -> Iterator[_OpenRun]:
    request = replace(request, recipes=recipes_of(request.plan.request, request.recipes))
    check_plan(request.plan, basis_of(request.resolved, request.recipes), request.options)
    with open_run_folder(request.work or default_work(request.plan)) as session:
        session.begin(request.plan_file, sha256_of(request.plan_file), request.command)
        yield _OpenRun(request, session, reporter, open_view)
        session.finish()


def basis_of(resolved: ResolvedTarget, recipes: Sequence[Path]) -> BuildBasis:
    """What a plan is built on."""
    book = load_book(recipes)
    locked = resolved.choice.locked
    metadata = resolved.metadata
    if locked is not None:
        store_sources(locked, resolved.cache)
        metadata = tuple(replace(each, config=locked.narrowed(each.config)) for each in metadata)
    return BuildBasis(
        target=resolved.target,
        metadata=metadata,
        book=book,
        cache=resolved.cache,
        fetch_sources=fetcher_for(resolved, book, lambda: resolved.metadata).fetch,
        fetch_filelists=resolved.fetch_filelists,
        offline=resolved.offline,
        locked=(
            LockedFiles(locked.digest, locked.roots, locked.own_folders, locked.lock.builds)
            if locked is not None
            else None
        ),
    )


def _only_run() -> Path:
    """The folder below this one that holds a run. Raises UsageError where there is none, or more than one."""
    found = sorted(path.parent for path in Path().glob(f"*/{STATE}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError("there is no run here to resume", hint="begin one with `ppcdeps build PLAN`")
    raise UsageError("there are several runs here", hint=f"name one with --work: {', '.join(map(str, found))}")
