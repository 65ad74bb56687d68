"""The order of builds: each after those that it needs, independent ones in parallel, until all are over."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ppcdeps.building.run.builder import build
from ppcdeps.building.run.events import (
    BuildEvent,
    BuildFinished,
    BuildListener,
    BuildOutcome,
    BuildStage,
    BuildStarted,
    StageReached,
    TaskResult,
)
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.setup import BuildSetup
from ppcdeps.building.run.steps import StoppedError
from ppcdeps.building.run.store import StoredBuild
from ppcdeps.building.run.tasks import Task
from ppcdeps.model.commands import command_line

_POLL = 0.2
"""Seconds in which a Ctrl-C is noticed while builds run."""

BuildFunction = Callable[
    [Task, BuildSetup, Sequence[StoredBuild], threading.Event, Callable[[BuildStage], None]],
    TaskResult,
]


def run_tasks(
    tasks: Sequence[Task],
    setup: BuildSetup,
    watch: BuildListener,
    *,
    jobs: int = 1,
    fail_fast: bool = False,
    build_one: BuildFunction = build,
) -> tuple[TaskResult, ...]:
    """Build all tasks, ``jobs`` at a time. Returns a result for each, in their order.

    What needs a failed build is skipped, and the rest goes on; with ``fail_fast`` nothing new begins after a failure
    and what runs is stopped. On KeyboardInterrupt all builds are stopped, and it is raised when they are.
    """
    run = _Run(tuple(tasks), setup, watch, fail_fast, build_one)
    with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="build") as pool:
        try:
            run.go(pool, max(1, jobs))
        except BaseException:
            run.stop.set()
            raise
    return tuple(run.results[task.name] for task in tasks)


def needed_by(task: Task, tasks: Mapping[str, Task]) -> tuple[str, ...]:
    """The names of the tasks that a task needs, then of those that these need."""
    waiting, seen = list(task.needs), dict[str, None]()
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen[name] = None
            waiting += tasks[name].needs
    return tuple(seen)


def builds_before(task: Task, tasks: Sequence[Task], results: Mapping[str, TaskResult]) -> list[StoredBuild]:
    """The builds that a task needs, and those that these needed: what is installed for it may require them."""
    needed = needed_by(task, {each.name: each for each in tasks})
    return [stored for name in needed if (stored := results[name].stored) is not None]


def blocked(task: Task, results: Mapping[str, TaskResult]) -> FailureCause | None:
    """Why a task cannot be built any more: it needs one that is over, and was not built. None where it can."""
    return next((not_built(n) for n in task.needs if n in results and results[n].stored is None), None)


def not_built(name: str) -> FailureCause:
    """Why a build is skipped that needs this one."""
    return FailureCause(f"it needs {name}, which was not built", "")


@dataclass(slots=True)
class _Run:
    tasks: tuple[Task, ...]
    setup: BuildSetup
    watcher: BuildListener
    fail_fast: bool
    build_one: BuildFunction
    results: dict[str, TaskResult] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def go(self, pool: ThreadPoolExecutor, jobs: int) -> None:
        running: dict[Future[TaskResult | None], Task] = {}
        while True:
            self._skip_blocked()
            begun = {task.name for task in running.values()}
            for task in self._ready(begun)[: jobs - len(running)]:
                running[pool.submit(self._one, task)] = task
            if not running:
                break
            done, _ = wait(running, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                self._over(future.result() or self._stopped(task))
        for task in self.tasks:
            if task.name not in self.results:
                self._over(self._stopped(task))

    def _one(self, task: Task) -> TaskResult | None:
        """The result of a task; None where it was stopped."""
        mode = self.setup.build_root.root.mode
        self.watch(BuildStarted(task, (task.minutes or {}).get(mode), self.setup.log_of(task)))
        try:
            return self.build_one(
                task,
                self.setup,
                builds_before(task, self.tasks, self.results),
                self.stop,
                lambda stage: self.watch(StageReached(task, stage)),
            )
        except StoppedError:
            return None

    def _ready(self, begun: set[str]) -> list[Task]:
        if self.stop.is_set():
            return []
        return [
            task
            for task in self.tasks
            if task.name not in self.results
            and task.name not in begun
            and all(self._is_there(name) for name in task.needs)
        ]

    def _is_there(self, name: str) -> bool:
        return name in self.results and self.results[name].stored is not None

    def _skip_blocked(self) -> None:
        """Skip the tasks that need one without a result."""
        changed = True
        while changed:
            changed = False
            for task in self.tasks:
                if task.name not in self.results and (cause := blocked(task, self.results)) is not None:
                    self._over(TaskResult(task, BuildOutcome.SKIPPED, cause=cause))
                    changed = True

    def _over(self, result: TaskResult) -> None:
        self.results[result.task.name] = result
        self.watch(BuildFinished(result, len(self.results), len(self.tasks)))
        if result.outcome is BuildOutcome.FAILED and self.fail_fast:
            self.stop.set()

    def watch(self, event: BuildEvent) -> None:
        with self.guard:
            self.watcher(event)

    def _stopped(self, task: Task) -> TaskResult:
        resume = command_line("build", "--resume", "--work", str(self.setup.work))
        cause = FailureCause("the run was stopped before it was done", f"go on with `{resume}`")
        return TaskResult(task, BuildOutcome.SKIPPED, cause=cause)
