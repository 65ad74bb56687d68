"""What a run shows while it goes on, where nothing can move."""

import io
from pathlib import Path

from ppcdeps.building.run.events import (
    BuildFinished,
    BuildOutcome,
    BuildStage,
    BuildStarted,
    StageReached,
    TaskResult,
)
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.cli.build_view import BuildView

TASK = Task("libvirt", "libvirt", Bridge("w", (), 1))
CAUSE = FailureCause("the program rpcgen is missing", "add the package that has it", "rpcgen: not found")
FAILED = TaskResult(TASK, BuildOutcome.FAILED, None, CAUSE, Path("logs/libvirt.log"), ("one", "two"), 90.0)


def shown(*, quiet: bool = False) -> list[str]:
    stream = io.StringIO()
    with BuildView(quiet=quiet, stream=stream) as view:
        view.watch(BuildStarted(TASK, 6.5, Path("logs/libvirt.log")))
        view.watch(StageReached(TASK, BuildStage.BUILD))
        view.watch(BuildFinished(FAILED, 1, 2))
        view.watch(BuildFinished(TaskResult(TASK, BuildOutcome.SKIPPED, cause=FailureCause("it needs x", "")), 2, 2))
    return stream.getvalue().splitlines()


def test_a_failure_comes_with_the_end_of_its_log_and_what_helps() -> None:
    assert shown() == [
        "libvirt: begins, usually 6 min; log: logs/libvirt.log",
        "[1/2] libvirt: failed after 2 min: the program rpcgen is missing",
        "  | one",
        "  | two",
        "    add the package that has it",
        "    log: logs/libvirt.log",
        "[2/2] libvirt: skipped: it needs x",
    ]


def test_the_quiet_are_told_failures_alone() -> None:
    assert [line for line in shown(quiet=True) if not line.startswith(" ")] == [
        "[1/2] libvirt: failed after 2 min: the program rpcgen is missing"
    ]
