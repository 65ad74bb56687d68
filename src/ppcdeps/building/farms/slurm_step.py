"""One build as a job of Slurm: what runs on the node.

Sources, metadata, buildroots and finished builds are in the shared cache; the engine's own state and the folder that
is built in are on the node, in $TMPDIR. The build mode is the one that the node is best at.
"""

import contextlib
import os
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.owned import make_private, require_own
from ppcdeps.building.farms.slurm_records import (
    KnownBuilds,
    MemoryPeaks,
    RunRecords,
    StepResult,
    visible_key,
)
from ppcdeps.building.run.build_run import PlannedBuilds, setup_of
from ppcdeps.building.run.builder import build
from ppcdeps.building.run.events import BuildOutcome
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.schedule import needed_by, not_built, run_tasks
from ppcdeps.building.run.sources import RenderedBuild, TaskSources
from ppcdeps.building.run.store import StoredBuild
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.cleanup import RunRegister
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError, RepositoryError, UsageError
from ppcdeps.model.exitcodes import ExitCode

_LATE = 60.0
"""Seconds in which what an earlier job built is waited for: a network file system may show it later."""
_CROSS = "-cross"
_TEMPORARY = "/tmp"  # noqa: S108


def write_failure(work: Path, digest: str, name: str, error: PpcdepsError, began: float) -> ExitCode:
    """Record that a build could not begin on this node. Returns the exit code of the job."""
    by_machine = isinstance(error, EnvironmentLacksError | RepositoryError)
    cause = FailureCause.of(error, by_machine=by_machine)
    RunRecords.of(work, digest).put(
        StepResult(name, _job(), BuildOutcome.FAILED, _node(), began, time.time(), cause=cause)
    )
    return ExitCode.ENVIRONMENT_LACKS if by_machine else ExitCode.BUILD_FAILED


def run_step(builds: PlannedBuilds, digest: str, name: str, material: str, began: float) -> ExitCode:
    """Build one task of a plan with this digest, and leave the result with the run's records.

    ``material`` is the digest of what it was rendered from where it was submitted; what gives another one here is a
    failure. Returns the exit code of the job. Raises what `setup_of` raises; a build that fails is a result.
    """
    records = RunRecords.of(builds.session.folder, digest)
    cache = builds.basis.cache
    if cache.recall(visible_key(records.id)) is None:
        raise EnvironmentLacksError(
            f"{_node()} has another folder as {cache.directory} than the machine that submitted the build",
            hint="the cache is to be on a file system that all nodes have: set PPCDEPS_CACHE",
        )
    tasks = {task.name: task for task in builds.tasks}
    if name not in tasks:
        raise UsageError(f"the plan {builds.path} does not build {name} any more", hint="build it again")
    task = tasks[name]
    before = _before(task, tasks, records, builds)
    if isinstance(before, FailureCause):
        records.put(StepResult(name, _job(), BuildOutcome.SKIPPED, _node(), began, time.time(), cause=before))
        return ExitCode.BUILD_FAILED
    home = _node_folder()
    with _scratch(home) as scratch:
        setup = setup_of(_for_this_node(builds), home, parallel=_cores(), scratch=scratch)
        setup = replace(setup, sources=_SubmittedSources(setup.sources, material))
        (result,) = run_tasks(
            (replace(task, needs=()),),
            setup,
            lambda _: None,
            build_one=lambda one, with_, _, stop, reached: build(one, with_, before, stop, reached),
        )
    root = setup.build_root.root
    if result.stored is not None:
        KnownBuilds.of(builds).add(material, before, result.stored, root)
    memory, is_whole = _memory(setup.engine.name)
    # The largest process says little of a build that runs several at once.
    if memory is not None and result.outcome is BuildOutcome.BUILT and (is_whole or _cores() == 1):
        MemoryPeaks(cache, builds.basis.target.name).add(name, memory)
    records.put(
        StepResult(
            task=name,
            job=_job(),
            outcome=result.outcome,
            node=_node(),
            started=began,
            finished=time.time(),
            key=result.stored.key if result.stored is not None else None,
            mode=root.mode,
            buildroot=root.name,
            memory=memory,
            cause=result.cause,
            tail=result.tail,
        )
    )
    if result.stored is not None:
        return ExitCode.DONE
    by_machine = result.cause is not None and result.cause.by_machine
    return ExitCode.ENVIRONMENT_LACKS if by_machine else ExitCode.BUILD_FAILED


@dataclass(frozen=True, slots=True)
class _SubmittedSources:
    """The sources of the build that was submitted, with this digest."""

    sources: TaskSources
    material: str

    def prepare(self, task: Task, folder: Path) -> RenderedBuild:
        """See `TaskSources`. Raises ConfigError where they are not as they were."""
        rendered = self.sources.prepare(task, folder)
        if rendered.digest != self.material:
            raise ConfigError(
                f"the sources of {task.name} changed since it was submitted",
                hint="run the same command again; where nothing changed, the ppcdeps of this node is another version",
            )
        return rendered

    def build_requires(self, task: Task) -> tuple[str, ...]:
        """See `TaskSources`."""
        return self.sources.build_requires(task)


def _before(
    task: Task, tasks: Mapping[str, Task], records: RunRecords, builds: PlannedBuilds
) -> Sequence[StoredBuild] | FailureCause:
    """The builds that a task needs, and those that these needed; why not, where one is not there."""
    found = []
    for name in needed_by(task, tasks):
        stored = None
        end = time.monotonic() + _LATE
        while stored is None:
            records.names()
            result = records.result(name)
            if result is not None and result.key is not None:
                stored = builds.store.find(result.key)
            if stored is None:
                if time.monotonic() > end or (result is not None and result.key is None):
                    return not_built(name)
                time.sleep(1)
        found.append(stored)
    return found


def _for_this_node(builds: PlannedBuilds) -> PlannedBuilds:
    """The builds with the buildroot that fits: what cross-compiles elsewhere is native on the target's own nodes."""
    target, options = builds.basis.target, builds.options
    name = options.buildroot or target.buildroot or ""
    if machine_arch() == target.arch and name.endswith(_CROSS) and options.mode is None:
        return replace(builds, options=replace(options, buildroot=name.removesuffix(_CROSS)))
    return builds


def _node_folder() -> Path:
    """The folder of this user on this node, in which engines keep what they need."""
    place = Path(os.environ.get("TMPDIR") or _TEMPORARY) / f"ppcdeps-{os.geteuid()}"
    make_private(place)
    require_own(place, "the folder", "remove it, or set TMPDIR on the nodes")
    return place


@contextlib.contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A folder to build in, which the next job removes if this one is killed."""
    folder = home / f"job-{_job()}"
    claim = RunRegister(home).claim(f"slurm-{_job()}")
    claim.add("folder", folder)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        claim.finish()


def _job() -> str:
    return os.environ.get("SLURM_JOB_ID", "")


def _cores() -> int:
    """How many processes a build may start: the cores of the job, whether the node binds it to them or not."""
    return int(os.environ.get("SLURM_CPUS_ON_NODE") or len(os.sched_getaffinity(0)))


def _node() -> str:
    return os.environ.get("SLURMD_NODENAME") or os.uname().nodename


def _memory(engine: str) -> tuple[int | None, bool]:
    """The peak of memory in bytes: of the job where Slurm has a control group for it, else of the largest process.

    None where neither knows it: containers of podman and docker are not below this process. And whether it is that
    of the job.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            before, found, _ = path.partition(f"/job_{_job()}")
            if found and controllers in ("", "memory"):
                top, name = ("", "memory.peak") if not controllers else ("memory", "memory.max_usage_in_bytes")
                peak = Path("/sys/fs/cgroup", top, f"{before}{found}".lstrip("/"), name).read_text()
                return int(peak), engine == "bwrap"
    if engine != "bwrap":
        return None, False
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, False
