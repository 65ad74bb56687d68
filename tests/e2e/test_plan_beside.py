"""`ppcdeps plan` where a thread opens the universe: the same answers, the same faults, and Ctrl-C."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mirror import PATIENCE
from program import Program

PLAN = ("plan", "nova-compute", "--python", "rpm", "--refresh")


@pytest.fixture
def ppcdeps(ppcdeps: Program, warm_cache: Path) -> Program:
    """The program with a cache in which the embedded snapshot is."""
    shutil.copytree(warm_cache, ppcdeps.cache)
    return ppcdeps


@contextmanager
def one_processor() -> Iterator[None]:
    """What is started within has one processor, and so no thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def largest(ppcdeps: Program, pattern: str) -> Path:
    """The largest file of a kind in the cache."""
    return max(ppcdeps.cache.rglob(pattern), key=lambda file: file.stat().st_size)


def test_one_processor_and_several_make_the_same_plan(ppcdeps: Program) -> None:
    beside = ppcdeps(*PLAN, "--json", code=1)
    with one_processor():
        alone = ppcdeps(*PLAN, "--json", code=1)
    # With file lists that were looked up before, and when they are looked up first.
    shutil.rmtree(ppcdeps.cache)
    anew = ppcdeps(*PLAN, "--json", code=1)
    assert beside.out == alone.out == anew.out


def test_a_damaged_file_of_the_cache_is_made_again_in_the_thread(ppcdeps: Program) -> None:
    sound = ppcdeps(*PLAN, "--json", code=1)
    damaged = largest(ppcdeps, "*.solv")
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert ppcdeps(*PLAN, "--json", code=1).out == sound.out


def test_a_fault_in_the_thread_is_the_same_line(ppcdeps: Program) -> None:
    damaged = largest(ppcdeps, "*.solv")
    damaged.write_bytes(damaged.read_bytes()[:1000])
    for file in (ppcdeps.cache / "v1" / "objects").rglob("*"):
        if file.is_file():
            file.write_bytes(bytes(file.stat().st_size))
    kept = ppcdeps.folder / "kept"
    shutil.copytree(ppcdeps.cache, kept)
    beside = ppcdeps(*PLAN, code=30).fault
    shutil.rmtree(ppcdeps.cache)
    shutil.copytree(kept, ppcdeps.cache)
    with one_processor():
        assert ppcdeps(*PLAN, code=30).fault == beside
    assert "are not what was fetched" in beside


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="with one processor there is no thread")
def test_ctrl_c_does_not_wait_for_the_thread(ppcdeps: Program) -> None:
    endless = largest(ppcdeps, "*.solv")
    endless.unlink()
    os.mkfifo(endless)
    process = subprocess.Popen(
        ppcdeps.command(*PLAN),
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    writer = _opened_by_a_reader(endless)
    try:
        time.sleep(0.5)  # until the program has nothing left to do but to wait; the test holds without, too
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        os.close(writer)
        process.kill()
    assert (process.returncode, said.splitlines()[-1]) == (130, "ppcdeps: interrupted")


def _opened_by_a_reader(pipe: Path) -> int:
    """The descriptor of a pipe's writing end, once somebody reads from it."""
    for _ in range(int(PATIENCE * 20)):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(pipe)
