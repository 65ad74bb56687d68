"""The results of the builds of a run, and the events while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.store import StoredBuild
from ppcdeps.building.run.tasks import Task


class BuildOutcome(StrEnum):
    """How a build ended."""

    BUILT = "built"
    UNCHANGED = "unchanged"
    """Nothing that it is made from has changed since it was built: that result was taken."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Something that it needs failed, or the run stopped before its turn."""


@dataclass(frozen=True, slots=True)
class FarmJob:
    """The job of an engine of many machines that ran a build.

    ``id`` is the engine's own, ``node`` the machine, ``mode`` the build mode there. ``queued`` are the seconds for
    which it waited after all that it needs was built, ``memory`` the peak in bytes, None where it was not measured.
    """

    id: str
    node: str
    mode: str
    queued: float
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One build and how it went.

    ``stored`` is there where there are packages, ``cause`` where there are none. ``log`` is the whole output and
    ``tail`` its end. ``seconds`` is the time that this run spent on it. ``job`` is None where this machine built it.
    """

    task: Task
    outcome: BuildOutcome
    stored: StoredBuild | None = None
    cause: FailureCause | None = None
    log: Path | None = None
    tail: tuple[str, ...] = ()
    seconds: float = 0.0
    job: FarmJob | None = None


class BuildStage(StrEnum):
    """What is being done for a build."""

    SOURCES = "sources"
    REQUIREMENTS = "BuildRequires"
    BUILD = "build"
    INSPECTION = "inspection"
    SMOKE_TEST = "smoke test"


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """A build has begun. ``expected`` are the minutes that it took before, where that is known."""

    task: Task
    expected: float | None
    log: Path


@dataclass(frozen=True, slots=True)
class StageReached:
    """A build has come to a stage."""

    task: Task
    stage: BuildStage


@dataclass(frozen=True, slots=True)
class BuildFinished:
    """A build is over, well or not. ``done`` of ``total`` are over now."""

    result: TaskResult
    done: int
    total: int


BuildEvent = BuildStarted | StageReached | BuildFinished
BuildListener = Callable[[BuildEvent], None]
"""Receives the events, from any thread, one at a time."""
