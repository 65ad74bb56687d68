"""A program that an engine started, watched until it ends or reaches a limit and is ended."""

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ppcdeps.base.removal import size_of
from ppcdeps.engines.cleanup import descendants_of
from ppcdeps.engines.engine import Output
from ppcdeps.engines.job import Ending, Limits

_TICK = 0.1
_LAST_WORDS = 2.0
"""Seconds for which a killed program's output is awaited: something that got away may hold the pipe open."""
_PATIENCE = 10.0
_CHUNK = 65536
_TAIL = 4000
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch(Protocol):
    """Something that may not go over a limit. ``every``: seconds between two looks."""

    every: float

    def reached(self) -> Ending | None:
        """How the run has to end, where it is over its limit now."""


class DiskWatch:
    """What is written below some folders, workspace and layer of a run together. What was there does not count."""

    def __init__(self, limit: int, folders: Iterable[Path]) -> None:
        self._limit = limit
        self.folders = tuple(folders)
        self._before = self._used()
        self.every = 0.5

    def reached(self) -> Ending | None:
        """``DISK_FULL`` or nothing. A file that is removed again no longer counts."""
        begun = time.monotonic()
        used = self._used() - self._before
        # Looking takes at most a twentieth of the time.
        self.every = max(0.5, 20 * (time.monotonic() - begun))
        return Ending.DISK_FULL if used >= self._limit else None

    def _used(self) -> int:
        return sum(size_of(folder) for folder in self.folders)


class ProcessWatch:
    """The processes below one, for an engine without means to limit them: their number, and their memory together."""

    every = 0.2

    def __init__(self, limits: Limits, pid: int) -> None:
        self._limits = limits
        self._pid = pid

    def reached(self) -> Ending | None:
        """Which limit they are over. Pages that two share count twice: qemu's, some megabytes a process."""
        processes = (self._pid, *descendants_of(self._pid))
        if self._limits.processes is not None and len(processes) > self._limits.processes:
            return Ending.TOO_MANY_PROCESSES
        if self._limits.memory is not None and sum(map(_resident, processes)) > self._limits.memory:
            return Ending.OUT_OF_MEMORY
        return None


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True, slots=True)
class Supervised:
    """Why a program is over, the seconds that it took, and the last of its output."""

    ending: Ending
    seconds: float
    tail: str


def supervise(
    process: "subprocess.Popen[bytes]",
    output: Output,
    *,
    kill: Callable[[], None],
    seconds: float | None = None,
    stop: threading.Event | None = None,
    watches: Sequence[Watch] = (),
) -> Supervised:
    """Pass the program's output on until it ends. ``process.returncode`` is set then.

    ``kill`` ends all that the program started, ``process`` included. It is called too where ``output`` or an
    interrupt raises.
    """
    tail = bytearray()

    def pass_on(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-_TAIL]
        output(chunk)

    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    begun = time.monotonic()
    due = [begun + watch.every for watch in watches]
    ending: Ending | None = None
    ended: float | None = None
    killed = 0.0
    reading = True
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                if not reading:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_TICK)
                elif selector.select(_TICK):
                    reading = _pass_on(pipe, pass_on)
                now = time.monotonic()
                if process.poll() is not None:
                    ended = ended or now
                    if not reading or now - ended > _LAST_WORDS:
                        break
                elif ending is None:
                    ending = _reason_to_end(now, begun, seconds, stop, watches, due)
                    if ending is not None:
                        killed = now
                        kill()
                elif now - killed > _PATIENCE:
                    # What had to end the others does not end itself.
                    process.kill()
    except BaseException:
        kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    if ending is None and process.returncode != 0:
        # What it wrote last was never looked at.
        ending = next(filter(None, (watch.reached() for watch in watches)), None)
    return Supervised(ending or Ending.EXITED, time.monotonic() - begun, tail.decode(errors="replace"))


def _pass_on(pipe: int, output: Output) -> bool:
    """Give on what is there. Returns whether there may be more."""
    try:
        chunk = os.read(pipe, _CHUNK)
    except BlockingIOError:
        return True
    if chunk:
        output(chunk)
    return bool(chunk)


def _reason_to_end(
    now: float,
    begun: float,
    seconds: float | None,
    stop: threading.Event | None,
    watches: Sequence[Watch],
    due: list[float],
) -> Ending | None:
    if stop is not None and stop.is_set():
        return Ending.STOPPED
    if seconds is not None and now - begun > seconds:
        return Ending.TIMED_OUT
    for number, watch in enumerate(watches):
        if now >= due[number]:
            ending = watch.reached()
            if ending is not None:
                return ending
            due[number] = time.monotonic() + watch.every
    return None
