"""The trials themselves: what they measure is what was used, and what goes beyond the ceilings is found."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from doortrial import MEMORY, Outcome, Scene, run_line

MIB = 1 << 20
HOLD = "import sys, time; x = bytearray(b'x') * (int(sys.argv[1]) << 20); time.sleep(0.4)"


def trial(place: Scene, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], seconds: float = 10) -> Outcome:
    """How a run of something else than ppcdeps is judged."""

    def main(_: Sequence[str]) -> int:
        work()
        return 0

    monkeypatch.setattr("ppcdeps.cli.main.main", main)
    return run_line([], place, seconds=seconds)


def holding(*sizes: int) -> Callable[[], object]:
    """Work by programs that hold so many MiB each, at once."""

    def work() -> None:
        for one in [subprocess.Popen([sys.executable, "-c", HOLD, str(size)]) for size in sizes]:
            one.wait()

    return work


def test_the_memory_of_a_run_is_measured(place: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = trial(place, monkeypatch, lambda: None)
    # What it has from the process that forked it does not count.
    assert idle.memory < 50 * MIB
    used = trial(place, monkeypatch, lambda: bytearray(b"x") * (300 * MIB))
    assert used.is_good
    assert 290 * MIB < used.memory - idle.memory < 330 * MIB


def test_the_memory_of_what_it_starts_is_measured(place: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trial(place, monkeypatch, holding(300)).memory > 300 * MIB
    assert trial(place, monkeypatch, holding(200, 200)).memory > 400 * MIB


@pytest.mark.parametrize("sizes", [(1200,), (600, 600)])
def test_more_than_the_ceiling_is_found(
    sizes: tuple[int, ...], place: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = trial(place, monkeypatch, holding(*sizes))
    # One alone may not get it, and says so; two do, and are ended.
    assert not outcome.is_good
    if len(sizes) > 1:
        assert [kind for kind, _ in outcome.complaints] == ["memory"]
        assert outcome.memory > MEMORY
        assert outcome.seconds < 5


def test_a_run_that_wants_more_than_the_ceiling_is_found(place: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = trial(place, monkeypatch, lambda: bytearray(b"x") * (1200 * MIB))
    assert not outcome.is_good


def test_a_run_that_hangs_is_found(place: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = trial(place, monkeypatch, lambda: time.sleep(60), seconds=1)
    assert [kind for kind, _ in outcome.complaints] == ["hang"]


def test_what_came_along_from_the_tests_closes_no_file_of_the_run(
    place: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pool of libsolv's does, which has its file open until it is collected."""
    theirs = os.open(__file__, os.O_RDONLY)

    def work() -> None:
        before = str(Path(f"/proc/self/fd/{theirs}").readlink())
        own = os.open("own", os.O_WRONLY | os.O_CREAT)
        os.close(theirs)
        os.write(own, b"x")
        os.close(own)
        assert before == os.devnull

    try:
        outcome = trial(place, monkeypatch, work)
    finally:
        os.close(theirs)
    assert (outcome.complaints, outcome.err) == ((), "")
