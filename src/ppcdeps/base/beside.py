"""A function in a thread of its own: for work during which other threads run, as where libsolv reads a file."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_TURN = 0.0005
"""Seconds that a thread waits for its turn, in place of Python's 0.005: the work is made of many short calls."""


class Beside(Generic[T]):
    """What a function returns, which is called in another thread at once; with one processor, when it is wanted."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._found: list[T] = []
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        if len(os.sched_getaffinity(0)) > 1:
            # A daemon: who is interrupted need not wait for it.
            self._thread = threading.Thread(target=self._run, name="ppcdeps-beside", daemon=True)
            self._turn = sys.getswitchinterval()
            sys.setswitchinterval(_TURN)
            self._thread.start()

    def result(self) -> T:
        """What the function returned, once it has. Raises what it raised."""
        if self._thread is None:
            return self._work()
        try:
            self._thread.join()
        finally:
            sys.setswitchinterval(self._turn)
        if self._fault is not None:
            raise self._fault
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as fault:
            self._fault = fault
