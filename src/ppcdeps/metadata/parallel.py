"""Work of several repositories side by side, which Ctrl-C ends at once."""

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from ppcdeps.model.reporter import Reporter

T = TypeVar("T")

_WORKERS = 8


def run_all(tasks: Mapping[int, Callable[[], T]], interrupt: Callable[[], object]) -> dict[int, T | BaseException]:
    """Run the tasks side by side and collect what each returned or raised.

    The threads are daemons: an interrupted run need not wait for a mirror that hangs. ``interrupt`` is called before
    the interrupt goes on, to end what they do and remove what they were writing.
    """
    # Imported here: it brings the logging package, and a warm cache needs no threads.
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    futures: dict[int, Future[T]] = {place: Future() for place in tasks}
    waiting = list(tasks)
    guard = threading.Lock()

    def work() -> None:
        while True:
            with guard:
                if not waiting:
                    return
                place = waiting.pop(0)
            try:
                futures[place].set_result(tasks[place]())
            except BaseException as fault:
                futures[place].set_exception(fault)

    threads = [
        threading.Thread(target=work, name=f"ppcdeps-fetch-{number}", daemon=True)
        for number in range(min(_WORKERS, len(tasks)))
    ]
    try:
        for thread in threads:
            thread.start()
        pending = set(futures.values())
        while pending:
            # Short waits: a thread that waits without limit may take its Ctrl-C late.
            _, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
    except BaseException:
        with guard:
            waiting.clear()
        interrupt()
        raise
    for thread in threads:
        thread.join()
    return {place: future.exception() or future.result() for place, future in futures.items()}


class SerializedReporter:
    """A reporter for many threads: one message at a time reaches the real one."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._guard = threading.Lock()

    def note(self, message: str) -> None:
        with self._guard:
            self._reporter.note(message)

    def warn(self, message: str) -> None:
        with self._guard:
            self._reporter.warn(message)

    def begin(self, task: str, total: int | None) -> None:
        with self._guard:
            self._reporter.begin(task, total)

    def advance(self, task: str, amount: int) -> None:
        with self._guard:
            self._reporter.advance(task, amount)

    def end(self, task: str) -> None:
        with self._guard:
            self._reporter.end(task)
