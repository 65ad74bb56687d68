"""A program that an engine started, watched until it ends or has to be ended."""

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ppcdeps.engines.engine import Output
from ppcdeps.engines.job import Ending

_TICK = 0.1
_LAST_WORDS = 2.0
"""Seconds for which a killed program's output is awaited: something that got away may hold the pipe open."""
_PATIENCE = 10.0
_CHUNK = 65536


class Watch(Protocol):
    """Something that may not go over a limit. ``every``: seconds between two looks."""

    every: float

    def is_over(self) -> bool:
        """Whether it is over."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A watch, and the ending of the run where it is over."""

    watch: Watch
    ending: Ending


def supervise(
    process: "subprocess.Popen[bytes]",
    output: Output,
    *,
    kill: Callable[[], None],
    seconds: float | None = None,
    stop: threading.Event | None = None,
    watched: Sequence[Watched] = (),
) -> Ending:
    """Give the program's output on until it ends. Returns why it is over; ``process.returncode`` is set then.

    ``kill`` ends all that the program started, ``process`` included. It is called too where ``output`` or an
    interrupt raises.
    """
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    begun = time.monotonic()
    due = [begun + one.watch.every for one in watched]
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
                    reading = _pass_on(pipe, output)
                now = time.monotonic()
                if process.poll() is not None:
                    ended = ended or now
                    if not reading or now - ended > _LAST_WORDS:
                        break
                elif ending is None:
                    ending = _reason_to_end(now, begun, seconds, stop, watched, due)
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
        for one in watched:
            # What it wrote last was never looked at.
            if one.ending is Ending.DISK_FULL and one.watch.is_over():
                return one.ending
    return ending or Ending.EXITED


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
    watched: Sequence[Watched],
    due: list[float],
) -> Ending | None:
    if stop is not None and stop.is_set():
        return Ending.STOPPED
    if seconds is not None and now - begun > seconds:
        return Ending.TIMED_OUT
    for number, one in enumerate(watched):
        if now >= due[number]:
            if one.watch.is_over():
                return one.ending
            due[number] = time.monotonic() + one.watch.every
    return None
