"""The builds of a plan as jobs of Slurm: submitted with their dependencies, followed to their ends, picked up again.

Slurm keeps the order (`afterok`), cancels what needs a failed build, and starts a job again whose node is lost, so
that the submitting machine may go away. What a build gave is in a file that its job writes (`slurm_records`); Slurm
is only asked of jobs that have not written one. Where a node is at fault and not the build, the build is submitted
again, and not to that node.
"""

import hashlib
import json
import shlex
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from pathlib import Path

from ppcdeps.base.atomic import is_full, write_file
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.buildroots.definitions import load_definitions
from ppcdeps.building.farms import slurm
from ppcdeps.building.farms.slurm_records import (
    RECORD,
    SCRIPT,
    KnownBuilds,
    MemoryPeaks,
    RunRecords,
    StepResult,
    SubmittedJob,
    visible_key,
)
from ppcdeps.building.run.build_run import FinishedBuilds, PlannedBuilds
from ppcdeps.building.run.events import BuildFinished, BuildListener, BuildOutcome, BuildStarted, FarmJob, TaskResult
from ppcdeps.building.run.failures import FailureCause, tail_of
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.building.run.roots import root_name
from ppcdeps.building.run.schedule import blocked, builds_before, needed_by
from ppcdeps.building.run.setup import log_of, plain
from ppcdeps.building.run.store import LOG
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.job import BuildMode
from ppcdeps.engines.probe import engine_named
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import EnvironmentLacksError, PpcdepsError, UsageError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.wording import counted, first_of

UNSEEN = 75
"""The exit code of a job whose node does not see the shared folders: EX_TEMPFAIL of sysexits.h."""
_IN_QUEUE = 1000
"""Jobs in the queue at a time: sites allow some thousands for each user, and Slurm 10,000 for all (MaxJobCount)."""
_ATTEMPTS = 3
"""How often a build is tried where nodes are at fault."""
_LATE = 60.0
"""Seconds in which the file of a job that ended well is waited for: a network file system may show it later."""
_SETTLED = 2.0
"""Seconds for which a job has to be over: one that is put back into the queue is so for a moment."""
_LOOK = (1.0, 15.0)
"""Seconds between two looks at Slurm: at first, and at most while nothing happens."""
_HELD = 10.0
"""Seconds after which Slurm is given a job again where it took no more."""
_SUBMITTING = 5.0
"""Seconds for which jobs are submitted before results are looked at."""
_POLL = 0.5
_OVERHEAD = 512
"""MiB that ppcdeps has beside the build's own memory."""
_ROOM = 1.5
"""How many times the memory that builds of the source took before is requested."""
_MINUTES = (30, 15)
"""The least time limit that is derived from recorded build times, and what a job takes beside a build's time-out."""
_SPARE = 4
"""How many times what a build took once it may take: on a slower node, or a busy one."""
_DIGITS = 16
"""Digits of a digest in the comment of a job."""
_USUAL = frozenset({"", "None", "Priority", "Resources", "Dependency", "BeginTime", "Cleaning", "Prolog"})
"""The reasons for which jobs wait anywhere."""


def check_for_slurm(options: BuildOptions) -> None:
    """Raise UsageError for a connection, and for an engine, a buildroot or a build mode that is not there."""
    if options.connection is not None:
        raise UsageError("--on slurm runs builds by the engine of its nodes", hint="leave --connection out")
    if options.engine is not None:
        engine_named(options.engine, Path())
    if options.buildroot is not None:
        load_definitions(options.buildroot_folders).named(options.buildroot).check_mode(options.mode)


class SlurmRunner:
    """Runs the builds of a plan on Slurm: a `BuildRunner`."""

    def __call__(self, builds: PlannedBuilds, watch: BuildListener) -> FinishedBuilds:
        """Submit what is not built yet, and wait for all. What was submitted before is picked up.

        On KeyboardInterrupt the jobs go on. Raises EnvironmentLacksError where there is no Slurm, or where nodes do
        not see the shared folders, UsageError where Slurm refuses the first job, ConfigError where no buildroot is
        named, what `check_for_slurm` raises, and what keeps the sources of a job that goes on from being read.
        """
        root = root_name(builds.options, builds.basis.target)
        check_for_slurm(replace(builds.options, buildroot=root))
        digest = sha256_of(builds.path)
        states = slurm.states()
        folder = builds.session.folder
        records = RunRecords.of(folder, digest)
        for other in RunRecords.others(folder, digest):
            live = [job.id for job in other.jobs.values() if job.id in states and states[job.id].is_active]
            if live and records.id and other.plan.parent == folder.absolute():
                # What --until-closed planned after this one.
                continue
            if live:
                raise UsageError(
                    f"{_go_on(len(live), 'of another plan')} in {folder}",
                    hint=f"wait, end with `scancel {' '.join(live)}`, or name another folder with --work DIR",
                )
            other.finish(time.time())
        if records.is_finished:
            records.begin(builds.path)
        run = _SlurmRun(builds, watch, records)
        try:
            run.prepare(states)
        except BaseException:
            run.leave()
            raise
        try:
            run.go()
        except KeyboardInterrupt:
            run.leave()
            raise
        records.finish(time.time())
        results = tuple(run.results[task.name] for task in builds.tasks)
        modes = {BuildMode(result.stored.record.mode) for result in results if result.stored is not None}
        roots = sorted(run.buildroots)
        return FinishedBuilds(results, modes.pop() if len(modes) == 1 else None, ", ".join(roots) or "-", "slurm")


@dataclass(slots=True)
class _SlurmRun:
    builds: PlannedBuilds
    watch: BuildListener
    records: RunRecords
    results: dict[str, TaskResult] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    """The jobs that go on, by task."""
    buildroots: set[str] = field(default_factory=set)
    finished: dict[str, float] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The nodes that were at fault, by task."""
    begun: set[str] = field(default_factory=set)
    ended: dict[str, float] = field(default_factory=dict)
    """When Slurm said that a job is over which has left no result yet, by task."""
    said: set[tuple[str, str]] = field(default_factory=set)
    materials: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    remembered: set[str] = field(default_factory=set)
    """The tasks whose jobs have the memory that earlier builds took."""
    roots: Mapping[str, str] = field(default_factory=dict)
    held_until: float = 0.0
    """Until when nothing is submitted, as Slurm took no more jobs."""
    look_again: float = 0.0
    pause: float = _LOOK[0]

    @property
    def known(self) -> KnownBuilds:
        return KnownBuilds.of(self.builds)

    @property
    def peaks(self) -> MemoryPeaks:
        return MemoryPeaks(self.builds.basis.cache, self.builds.basis.target.name)

    def prepare(self, states: Mapping[str, slurm.JobState]) -> None:
        """Write the script of the jobs, and find those that were submitted before."""
        records, cache = self.records, self.builds.basis.cache
        self.roots = self.known.roots()
        cache.remember(visible_key(records.id), True)
        script = records.folder / SCRIPT
        write_file(script, _script(self.builds, records))
        script.chmod(0o700)
        for state in states.values():
            # Of a submitter that was killed before it recorded what it had submitted.
            words = state.comment.split(" ", 4)
            if len(words) == 5 and words[:2] == ["ppcdeps", records.id]:
                inputs, settings, name = words[2:]
                known = records.jobs.get(name)
                if known is None or int(state.id) > int(known.id):
                    records.submit(name, SubmittedJob(state.id, inputs, settings, time.time()))
        self._pick_up(states)

    def _pick_up(self, states: Mapping[str, slurm.JobState]) -> None:
        """Go on with the jobs that give what is to be built now. The others are cancelled, and submitted again."""
        reporter, settings = self.builds.reporter, self._settings()
        submitted = [
            (task, job) for task in self.builds.tasks if (job := self.records.jobs.get(task.name)) is not None
        ]
        # All of them go on where it cannot be said which are to.
        self.jobs = {task.name: job.id for task, job in submitted if job.id in states and states[job.id].is_active}
        kept: dict[str, str] = {}
        cancelled: dict[str, str] = {}
        notes = []
        for task, job in submitted:
            state = states.get(job.id)
            counts = self._is_of_same(task, job)
            if counts and job.settings != settings:
                if state is not None and state.is_active and not state.is_waiting:
                    notes.append(
                        f"{task.name}: job {job.id} runs with the limits and options that it was submitted with; "
                        f"for those given now, end it with `scancel {job.id}`, and build again"
                    )
                else:
                    # A failure may be by the settings.
                    result = self.records.result(task.name)
                    counts = result is not None and result.job == job.id and result.key is not None
            if counts:
                kept[task.name] = job.id
            elif state is not None and state.is_active:
                cancelled[task.name] = job.id
        if kept:
            reporter.note(f"picking up {counted(len(kept), 'job')} submitted before")
        for note in notes:
            reporter.note(note)
        if cancelled:
            slurm.cancel(list(cancelled.values()))
            said = f"{first_of(list(cancelled), 5)} (job {_span(list(cancelled.values()))})"
            reporter.note(f"submitted with other options or sources, cancelled, and submitted again: {said}")
        self.jobs = kept

    def _is_of_same(self, task: Task, job: SubmittedJob) -> bool:
        """Whether a job builds what is to be built now. Raises what `_inputs` raises, where the job goes on."""
        try:
            return job.inputs == self._inputs(task)
        except PpcdepsError:
            if task.name in self.jobs:
                self.builds.reporter.note(
                    f"{task.name}: job {job.id} may be of other sources: those cannot be read now"
                )
                raise
            # It is over. That its sources cannot be had any more is said where it would be submitted.
            return False

    def go(self) -> None:
        """Until all is over."""
        while True:
            changed = self._take_results()
            changed |= self._look()
            self._skip_blocked()
            self._submit()
            if len(self.results) == len(self.builds.tasks):
                return
            if changed:
                self.pause, self.look_again = _LOOK[0], min(self.look_again, time.monotonic() + _LOOK[0])
            time.sleep(_POLL)

    def leave(self) -> None:
        """Say what goes on without this process."""
        if self.jobs:
            jobs = list(self.jobs.values())
            end = f"scancel {' '.join(jobs)}"
            if len(jobs) > 10:
                listed = self.records.folder / "jobs"
                write_file(listed, "".join(f"{job}\n" for job in jobs))
                end = f"xargs scancel <{shlex.quote(str(listed))}"
            self.builds.reporter.warn(f"{_go_on(len(jobs))} in Slurm; end with `{end}`")

    # What the jobs wrote ----------------------------------------------------------------------------------------

    def _take_results(self) -> bool:
        try:
            there = self.records.names()
        except OSError as fault:
            jobs = " ".join(self.jobs.values())
            end = f"end its jobs with `scancel {jobs}`, and build again" if jobs else "build again"
            raise EnvironmentLacksError(
                f"the results of the jobs in {self.records.folder} cannot be read: {fault.strerror}", hint=end
            ) from fault
        found = []
        for task in self.builds.tasks:
            job = self.jobs.get(task.name)
            if job is None or f"{plain(task.name)}.json" not in there:
                continue
            result = self.records.result(task.name)
            if result is not None and result.job == job:
                found.append((result.finished, task, result))
        try:
            for _, task, result in sorted(found, key=lambda one: one[0]):
                # With --fail-fast the first one ends all.
                if task.name in self.jobs:
                    self._take(task, result)
        except slurm.SlurmUnreachableError as fault:
            self._say("", f"{fault.message}; waiting for it")
        return bool(found)

    def _take(self, task: Task, result: StepResult) -> None:
        if result.cause is not None and result.cause.by_machine and self._is_retried(task, result.node, result.cause):
            return
        store, log = self.builds.store, log_of(self.builds.session.folder, task)
        stored = store.find(result.key) if result.key is not None else None
        cause, outcome = result.cause, result.outcome
        if result.key is not None and stored is None:
            outcome = BuildOutcome.FAILED
            cause = FailureCause(
                f"{result.node} built it, and this machine does not find it in {store.folder}",
                "it is to be on a file system that this machine and all nodes have: "
                + ("set PPCDEPS_CACHE" if self.builds.options.store is None else "name another with --store"),
            )
        self.buildroots |= {result.buildroot} - {""}
        self.finished[task.name] = result.finished
        ready = [self.records.jobs[task.name].submitted, *(self.finished.get(name, 0.0) for name in task.needs)]
        job = FarmJob(result.job, result.node, result.mode, max(0.0, result.started - max(ready)), result.memory)
        seconds = result.finished - result.started
        self._over(TaskResult(task, outcome, stored, cause, log, result.tail, seconds, job))

    def _over(self, result: TaskResult) -> None:
        name = result.task.name
        self.jobs.pop(name, None)
        self.results[name] = result
        self.watch(BuildFinished(result, len(self.results), len(self.builds.tasks)))
        if result.outcome is BuildOutcome.FAILED and self.builds.options.fail_fast:
            self._stop()

    def _failed(
        self, task: Task, cause: FailureCause, end: slurm.JobEnd | None = None, tail: Sequence[str] = ()
    ) -> None:
        """Have a task failed that left no result itself; ``end`` is how its job ended."""
        log = log_of(self.builds.session.folder, task)
        id_, node, seconds = self.jobs.get(task.name), end.node if end else "", end.seconds if end else 0.0
        job = FarmJob(id_, node, "", 0.0) if id_ is not None else None
        self._over(TaskResult(task, BuildOutcome.FAILED, None, cause, log, tuple(tail), seconds, job))

    def _stop(self) -> None:
        """End what goes on and begin nothing new."""
        slurm.cancel(list(self.jobs.values()))
        self.jobs.clear()
        cause = FailureCause("the run was stopped before it was done", "build without --fail-fast, or again")
        for task in self.builds.tasks:
            if task.name not in self.results:
                self._over(TaskResult(task, BuildOutcome.SKIPPED, cause=cause))

    # What Slurm says --------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Ask Slurm for the jobs that have no result. Returns whether any is over."""
        if not self.jobs or time.monotonic() < self.look_again:
            return False
        began = time.process_time()
        changed = False
        try:
            changed = self._compare(slurm.states())
        except slurm.SlurmUnreachableError as fault:
            self._say("", f"{fault.message}; waiting for it")
        # Looking may cost a twentieth of the time.
        self.pause = _LOOK[0] if self.ended else min(_LOOK[1], self.pause * 1.3)
        self.look_again = time.monotonic() + max(self.pause, 20 * (time.process_time() - began))
        return changed

    def _compare(self, states: Mapping[str, slurm.JobState]) -> bool:
        changed = False
        over = []
        for task in self.builds.tasks:
            job = self.jobs.get(task.name)
            if job is None:
                continue
            state = states.get(job)
            if state is None or not state.is_active:
                over.append((task, job, state))
                continue
            self.ended.pop(task.name, None)
            if state.is_stopped:
                self._say(job, f"{task.name}: job {job} is suspended")
            elif state.is_running and task.name not in self.begun:
                self.begun.add(task.name)
                changed = True
                # What it took before depends on the mode, which is the node's.
                self.watch(BuildStarted(task, None, log_of(self.builds.session.folder, task)))
            elif state.is_waiting and task.name in self.begun:
                self.begun.discard(task.name)
                self.builds.reporter.note(f"{task.name}: job {job} was put back into the queue ({state.reason})")
            elif state.is_held_unstarted:
                slurm.cancel([job])
                # Slurm drains that node, and no longer says which it was.
                self._retry_or_fail(task, None, f"its job {job} could not be started ({state.reason})")
                changed = True
            elif state.is_waiting and state.reason not in _USUAL:
                self._say(job, f"{task.name}: job {job} waits: {state.reason}")
        if over:
            # What these wrote since the last look comes first.
            changed |= self._take_results()
        for task, job, state in over:
            if self.jobs.get(task.name) == job:
                changed |= self._without_result(task, job, state)
        return changed

    def _without_result(self, task: Task, job: str, state: slurm.JobState | None) -> bool:
        """What became of a job that is over and left no result. Returns whether that is known by now."""
        if state is not None and state.state == "CANCELLED" and state.reason == "DependencyNeverSatisfied":
            # What it needs failed, or is to be tried again: that decides.
            del self.jobs[task.name]
            return True
        end = slurm.end_of(job)
        since = self.ended.setdefault(task.name, time.monotonic())
        if (end is not None and end.is_active) or time.monotonic() - since < self._late(task, end):
            return False
        self.ended.pop(task.name, None)
        if end is None:
            self._retry_or_fail(task, None, f"Slurm no longer knows its job {job}, which left no result")
        elif end.state == "COMPLETED":
            # What it built is in the store, where another job finds it.
            why = f"its job {job} ended well, and left no result that can be read"
            self._retry_or_fail(task, replace(end, node=""), why)
        elif end.code == UNSEEN:
            self._unseen(task, end)
        elif end.is_by_node:
            self._retry_or_fail(task, end, f"its job {job} was lost with {end.node or 'its node'} ({end.state})")
        elif end.state == "PREEMPTED":
            self._retry_or_fail(task, replace(end, node=""), f"its job {job} was preempted")
        elif end.state == "REVOKED":
            cause = f"its job {job} was begun by another cluster of the federation, whose jobs are not followed"
            self._failed(task, FailureCause(cause, "submit to a cluster that is in none", by_machine=True), end)
        elif end.state == "DEADLINE":
            cause = f"its job {job} could not end before its deadline"
            self._failed(
                task,
                FailureCause(
                    cause, "let it take less time (--slurm time=...), or see why jobs have a deadline there"
                ),
                end,
            )
        elif end.state == "CANCELLED":
            self._failed(task, FailureCause(f"its job {job} was cancelled", "build again"), end)
        elif end.state == "TIMEOUT":
            cause = f"its job {job} came to its time limit, {end.limit}"
            self._failed(task, FailureCause(cause, "give it more with --timeout or --slurm time=..."), end)
        elif end.state == "OUT_OF_MEMORY" and task.name in self.remembered:
            self.builds.reporter.warn(
                f"{task.name}: job {job}: out of memory, with what it took before; tried again with Slurm's default"
            )
            self.peaks.forget(task.name)
            del self.jobs[task.name]
        elif end.state == "OUT_OF_MEMORY":
            help_ = "give it more with --memory, or [build] memory of its recipe"
            self._failed(task, FailureCause("out of memory", help_), end)
        else:
            self._broken(task, job, end)
        return True

    def _late(self, task: Task, end: slurm.JobEnd | None) -> float:
        """For how long a job that is over may be so without a result."""
        if end is not None and (end.signal or end.code not in (ExitCode.DONE, ExitCode.BUILD_FAILED)):
            return _SETTLED
        # A result that is there, put by a rename, will not be read later either.
        return 5.0 if end is None or f"{plain(task.name)}.json" in self.records.names() else _LATE

    def _broken(self, task: Task, job: str, end: slurm.JobEnd) -> None:
        """A job that wrote no result though nothing ended it."""
        said = tail_of(self.records.output / job)
        how = f"was killed by signal {end.signal}" if end.signal else f"ended with {end.code}"
        cause = f"its job {job} {how}"
        if is_full(self.records.folder):
            cause = f"no space left in {self.builds.session.folder}"
        elif said:
            cause += f": {said[-1].removeprefix('ppcdeps: error: ')}"
        self._failed(task, FailureCause(cause, f"see {self.records.output / job}"), end, said)

    def _unseen(self, task: Task, end: slurm.JobEnd) -> None:
        """A node that does not see the shared folders. Where none has seen them yet, no other will."""
        folders = f"{self.builds.session.folder.absolute()} and {self.builds.basis.cache.directory.absolute()}"
        cause = FailureCause(
            f"{end.node} does not see {folders}",
            "both are to be on a file system that this machine and all nodes have: --work DIR, PPCDEPS_CACHE",
            by_machine=True,
        )
        seen = any(self.records.output.iterdir())
        if self._is_retried(task, end.node, cause):
            return
        if seen or any(result.job is not None and result.stored is not None for result in self.results.values()):
            self._failed(task, cause, end)
            return
        slurm.cancel(list(self.jobs.values()))
        self.records.finish(time.time())
        raise EnvironmentLacksError(cause.cause, hint=cause.help)

    def _retry_or_fail(self, task: Task, end: slurm.JobEnd | None, why: str) -> None:
        cause = FailureCause(why, "build again", by_machine=True)
        if not self._is_retried(task, end.node if end else "", cause):
            self._failed(task, cause, end)

    def _is_retried(self, task: Task, node: str, cause: FailureCause) -> bool:
        """Have a build tried again on another node, if it was not tried often enough."""
        faults = [*self.faults[task.name], node]
        if len(faults) >= _ATTEMPTS:
            return False
        job = self.jobs[task.name]
        try:
            self._submit_task(task, excluded=faults)
            self.faults[task.name] = faults
        except (slurm.SlurmRefusesError, slurm.SlurmFullError):
            # There is no other node.
            return False
        # The jobs that needed the lost one are cancelled by Slurm; they come again as any that is not submitted.
        what = cause.cause if f"job {job} " in cause.cause else f"job {job} on {node}: {cause.cause}"
        self.builds.reporter.warn(f"{task.name}: {what}; tried again elsewhere")
        return True

    def _say(self, about: str, line: str) -> None:
        if (about, line) not in self.said:
            self.said.add((about, line))
            self.builds.reporter.note(line)

    # What is submitted ------------------------------------------------------------------------------------------

    def _skip_blocked(self) -> None:
        """Skip the builds that need one which was not built."""
        for task in self.builds.tasks:  # in the order of what needs what
            if task.name not in self.results and (cause := blocked(task, self.results)) is not None:
                # Its job is cancelled by Slurm itself.
                self._over(TaskResult(task, BuildOutcome.SKIPPED, cause=cause))

    def _submit(self) -> None:
        most = self.builds.options.jobs or _IN_QUEUE
        if time.monotonic() < self.held_until:
            return
        submitted: dict[str, str] = {}
        began = time.monotonic()
        for task in self.builds.tasks:
            if task.name in self.results or task.name in self.jobs:
                continue
            if not all(name in self.jobs or self._is_there(name) for name in task.needs):
                continue
            try:
                material = self._material(task)
                if all(self._is_there(name) for name in task.needs) and self._is_unchanged(task, material):
                    continue
                if len(self.jobs) >= most or time.monotonic() - began > _SUBMITTING:
                    break
                self._submit_task(task)
                submitted[task.name] = self.jobs[task.name]
            except slurm.SlurmFullError as fault:
                if not self.jobs:
                    raise
                self.held_until = time.monotonic() + _HELD
                self._say("", f"{fault.message}; the others follow as these end")
                break
            except slurm.SlurmUnreachableError as fault:
                if not self.jobs and not self.results:
                    raise
                self._say("", f"{fault.message}; waiting for it")
                break
            except slurm.SlurmRefusesError as fault:
                if not self.jobs and not self.results:
                    raise
                self._failed(task, FailureCause.of(fault))
            except PpcdepsError as fault:
                self._failed(task, FailureCause.of(fault))
        if submitted:
            jobs = list(submitted.values())
            self.builds.reporter.note(f"submitted to Slurm: {first_of(list(submitted), 5)} (job {_span(jobs)})")

    def _is_there(self, name: str) -> bool:
        return name in self.results and self.results[name].stored is not None

    def _material(self, task: Task) -> str:
        """The digest of all that a build is rendered from, which is fetched here: nodes may have no network."""
        if task.name not in self.materials:
            scratch = self.builds.session.folder / "scratch" / plain(task.name)
            remove_tree(scratch, strict=False)
            scratch.mkdir(mode=0o700, parents=True)
            try:
                self.materials[task.name] = self.builds.sources().prepare(task, scratch / "build").digest
            finally:
                remove_tree(scratch, strict=False)
        return self.materials[task.name]

    def _inputs(self, task: Task) -> str:
        """The digest of all that decides on a build, and on those that it needs. Raises what `_material` raises."""
        if task.name not in self.inputs:
            tasks = {each.name: each for each in self.builds.tasks}
            before = [self._material(tasks[name]) for name in needed_by(task, tasks)]
            store = str(self.builds.store.folder.absolute())
            self.inputs[task.name] = self.known.inputs(self._material(task), [store, *before])[:_DIGITS]
        return self.inputs[task.name]

    def _settings(self) -> str:
        """The digest of the options by which jobs are run, and which do not decide on what is built."""
        options = self.builds.options
        how = [asdict(options.limits), sorted(self._given().items()), options.engine, options.mirror]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:_DIGITS]

    def _given(self) -> dict[str, str]:
        """The options of `sbatch` that the user gives, or else the target."""
        return dict(each.split("=", 1) for each in (*self.builds.basis.target.slurm, *self.builds.options.slurm))

    def _is_unchanged(self, task: Task, material: str) -> bool:
        """Take the build that is in the store, where nothing that it is made from has changed."""
        before = builds_before(task, self.builds.tasks, self.results)
        stored = self.known.find(material, before, self.roots)
        if stored is None:
            return False
        log = log_of(self.builds.session.folder, task)
        log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stored.folder / LOG, log)
        now = time.time()
        # The jobs of what needs it find it by this.
        result = StepResult(task.name, "", BuildOutcome.UNCHANGED, "", now, now, stored.key)
        self.records.put(result)
        self.buildroots.add(stored.record.buildroot)
        self._over(TaskResult(task, BuildOutcome.UNCHANGED, stored, None, log))
        return True

    def _submit_task(self, task: Task, excluded: Sequence[str] = ()) -> None:
        material, inputs, settings = self._material(task), self._inputs(task), self._settings()
        options = self._options(task, material)
        options["comment"] = f"ppcdeps {self.records.id} {inputs} {settings} {task.name}"
        if nodes := [node for node in excluded if node]:
            options["exclude"] = ",".join([*([options["exclude"]] if "exclude" in options else []), *nodes])
        needs = [self.jobs[name] for name in task.needs if name in self.jobs]
        when = time.time()
        script = str((self.records.folder / SCRIPT).absolute())
        self.records.forget(task.name)
        try:
            job = slurm.submit(script, (task.name, material), options, needs)
        except slurm.SlurmRefusesError:
            if task.name not in self.remembered:
                raise
            # Perhaps no node that it may have now has what it took on another one.
            job = slurm.submit(script, (task.name, material), _without(options, "mem"), needs)
            self.remembered.discard(task.name)
        self.records.submit(task.name, SubmittedJob(job, inputs, settings, when))
        self.jobs[task.name] = job
        self.begun.discard(task.name)
        self.ended.pop(task.name, None)

    def _options(self, task: Task, material: str) -> dict[str, str]:
        """The options of a job: what the user gives, then the target, then what is known of the build."""
        options = self.builds.options
        same = hashlib.sha256(f"{self.builds.store.folder.absolute()} {material}".encode()).hexdigest()[:8]
        found = {
            # Jobs of one name run one after the other: another run finds what the first one built.
            "job-name": f"ppcdeps-{plain(task.name)[:40]}-{same}",
        }
        given = self._given()
        limits, recipe = options.limits, task.recipe
        memory: float | None = limits.memory or (recipe.memory if isinstance(recipe, Recipe) else None)
        self.remembered.discard(task.name)
        if not memory and "mem" not in given and (peak := self.peaks.of(task.name)) is not None:
            memory = _ROOM * peak
            self.remembered.add(task.name)
        if memory:
            found["mem"] = f"{ceil(memory / (1 << 20)) + _OVERHEAD}M"
        if limits.cpus:
            found["cpus-per-task"] = str(ceil(limits.cpus))
        if limits.seconds:
            found["time"] = str(ceil(limits.seconds / 60) + _MINUTES[1])
        elif task.minutes:
            found["time"] = str(max(_MINUTES[0], ceil(_SPARE * max(task.minutes.values()))))
        if limits.disk:
            found["tmp"] = f"{ceil(limits.disk / (1 << 20))}M"
        return found | given


def _without(options: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: value for each, value in options.items() if each != name}


def _span(jobs: Sequence[str]) -> str:
    return jobs[0] if len(jobs) == 1 else f"{jobs[0]} to {jobs[-1]}"


def _go_on(count: int, whose: str = "") -> str:
    what = f" {whose}" if whose else ""
    return f"1 job{what} goes on" if count == 1 else f"{count} jobs{what} go on"


_JOB = """\
#!/bin/sh
# A build of ppcdeps as a job of Slurm. $1: its name, $2: the digest of what it is rendered from.
cd {folder} 2>/dev/null && [ -r {record} ] && [ -d {cache} ] || exit {unseen}
exec >{output}/"$SLURM_JOB_ID" 2>&1
export PPCDEPS_CACHE={cache}
if [ "$(uname -m)" = {arch} ] && [ -x {python} ]; then
    ppcdeps() {{ exec {python} -m ppcdeps "$@"; }}
elif [ -z "$(command -v ppcdeps)" ]; then
    echo "ppcdeps is not installed on $SLURMD_NODENAME, or not in its PATH" >&2
    exit 127
fi
exec_build() {{ ppcdeps {words} --step "$1" "$2" -- {plan}; }}
exec_build "$@"
"""


def _script(builds: PlannedBuilds, records: RunRecords) -> str:
    """The script of all jobs of a run. A node of another architecture runs the ppcdeps of its own."""
    state = builds.session.state
    words = command_line("build", *(state.arguments if state is not None else ()))
    work = builds.session.folder.absolute()
    return _JOB.format(
        folder=shlex.quote(str(Path.cwd())),
        record=shlex.quote(str(records.folder.absolute() / RECORD)),
        cache=shlex.quote(str(builds.basis.cache.directory.absolute())),
        output=shlex.quote(str(records.output.absolute())),
        arch=shlex.quote(machine_arch()),
        python=shlex.quote(sys.executable),
        words=f"{words.partition(' ')[2]} --work {shlex.quote(str(work))}",
        plan=shlex.quote(str(builds.path.absolute())),
        unseen=UNSEEN,
    )
