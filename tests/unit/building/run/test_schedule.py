"""The order of a run, seen with builds that take no time."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.run.events import BuildEvent, BuildFinished, BuildOutcome, BuildStage, BuildStarted, TaskResult
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.schedule import run_tasks
from ppcdeps.building.run.setup import BuildSetup, ProvisionedRoot
from ppcdeps.building.run.sources import SourceCollector
from ppcdeps.building.run.steps import StoppedError
from ppcdeps.building.run.store import Store, StoredBuild
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.engines.job import BuildMode, Buildroot

PATIENCE = 30.0


@pytest.fixture
def setup(tmp_path: Path) -> BuildSetup:
    """A workshop in which nothing can be built: only its names are used."""
    root = Buildroot("debian-12-cross", BuildMode.CROSS, tmp_path, "x86_64", "ppc64le", "0")
    nothing: Any = None
    store, sources = Store(tmp_path / "builds"), SourceCollector(lambda name, version: ())
    run = tmp_path / "run"
    place = ProvisionedRoot(root, nothing)
    return BuildSetup(nothing, place, None, sources, store, Cache(tmp_path), run, run / "scratch", ())


def task(name: str, *needs: str) -> Task:
    return Task(name, name, Bridge(name, (), 1), needs=needs)


class Yard:
    """Builds that note who was built with what, and fail or wait as a test wants."""

    def __init__(self, setup: BuildSetup, *, failing: Sequence[str] = ()) -> None:
        self.setup = setup
        self.failing = set(failing)
        self.before: dict[str, list[str]] = {}
        self.events: list[BuildEvent] = []
        self.at: dict[str, Callable[[threading.Event], None]] = {}

    def build(
        self,
        one: Task,
        setup: BuildSetup,
        before: Sequence[StoredBuild],
        stop: threading.Event,
        reached: Callable[[BuildStage], None],
    ) -> TaskResult:
        self.before[one.name] = sorted(each.key for each in before)
        if one.name in self.at:
            self.at[one.name](stop)
        if one.name in self.failing:
            return TaskResult(one, BuildOutcome.FAILED, cause=FailureCause("it broke", ""))
        stored = StoredBuild(one.name, Path(), record(one.name), 0.0, {})
        return TaskResult(one, BuildOutcome.BUILT, stored)

    def run(self, *tasks: Task, jobs: int = 1, fail_fast: bool = False) -> dict[str, BuildOutcome]:
        results = run_tasks(
            tasks, self.setup, self.events.append, jobs=jobs, fail_fast=fail_fast, build_one=self.build
        )
        return {result.task.name: result.outcome for result in results}


def record(name: str) -> BuildRecord:
    return BuildRecord(name, "1", "ppc64le", "cross", "debian-12-cross", "0", ("true",), 0, 0, "0.1.0")


def test_builds_come_after_what_they_need_and_are_given_all_of_it(setup: BuildSetup) -> None:
    yard = Yard(setup)
    assert set(yard.run(task("c", "b"), task("b", "a"), task("a"), task("d")).values()) == {BuildOutcome.BUILT}
    assert yard.before == {"a": [], "b": ["a"], "c": ["a", "b"], "d": []}


def test_what_does_not_need_a_failed_build_goes_on(setup: BuildSetup) -> None:
    yard = Yard(setup, failing=["a"])
    results = yard.run(task("a"), task("b", "a"), task("c", "b"), task("d"))
    assert results == {
        "a": BuildOutcome.FAILED,
        "b": BuildOutcome.SKIPPED,
        "c": BuildOutcome.SKIPPED,
        "d": BuildOutcome.BUILT,
    }
    finished = [event for event in yard.events if isinstance(event, BuildFinished)]
    assert sorted(event.done for event in finished) == [1, 2, 3, 4]
    skipped = next(event.result for event in finished if event.result.task.name == "c")
    assert skipped.cause is not None
    assert skipped.cause.cause == "it needs b, which was not built"


def test_with_fail_fast_nothing_begins_after_a_failure(setup: BuildSetup) -> None:
    yard = Yard(setup, failing=["a"])
    assert yard.run(task("a"), task("b"), fail_fast=True) == {"a": BuildOutcome.FAILED, "b": BuildOutcome.SKIPPED}
    assert [event.task.name for event in yard.events if isinstance(event, BuildStarted)] == ["a"]
    stopped = next(event.result for event in yard.events if isinstance(event, BuildFinished) and event.done == 2)
    assert stopped.cause is not None
    assert stopped.cause.help == f"go on with `ppcdeps build --resume --work {setup.work}`"


def test_with_fail_fast_what_runs_is_stopped(setup: BuildSetup) -> None:
    yard = Yard(setup, failing=["a"])
    running = threading.Event()

    def wait_for_b(stop: threading.Event) -> None:
        assert running.wait(PATIENCE)

    def until_stopped(stop: threading.Event) -> None:
        running.set()
        assert stop.wait(PATIENCE)
        raise StoppedError

    yard.at = {"a": wait_for_b, "b": until_stopped}
    assert yard.run(task("a"), task("b"), jobs=2, fail_fast=True) == {
        "a": BuildOutcome.FAILED,
        "b": BuildOutcome.SKIPPED,
    }


def test_independent_builds_run_beside_each_other(setup: BuildSetup) -> None:
    yard = Yard(setup)
    meeting = threading.Barrier(2, timeout=PATIENCE)

    def meet(stop: threading.Event) -> None:
        meeting.wait()

    yard.at = {"a": meet, "b": meet}
    assert set(yard.run(task("a"), task("b"), jobs=2).values()) == {BuildOutcome.BUILT}


def test_an_interruption_stops_what_runs_before_it_is_reported(setup: BuildSetup) -> None:
    yard = Yard(setup)
    ended: list[str] = []

    def interrupted(event: BuildEvent) -> None:
        if isinstance(event, BuildFinished):
            raise KeyboardInterrupt

    def until_stopped(stop: threading.Event) -> None:
        assert stop.wait(PATIENCE)
        ended.append("b")
        raise StoppedError

    yard.at = {"b": until_stopped}
    with pytest.raises(KeyboardInterrupt):
        run_tasks((task("a"), task("b")), setup, interrupted, jobs=2, build_one=yard.build)
    assert ended == ["b"]
