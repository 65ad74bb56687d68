"""Ctrl-C held back for a moment in which it would be lost, or leave a process that nothing ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruption_held() -> Iterator[None]:
    """Let an interruption come after the block, and not in it. Processes that are started in it never hear of one.

    What Python itself calls at a fork swallows one, and between a fork and the first line of the new process nobody
    would know of that.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    came: list[int] = []
    # The kernel may give it to another thread, as to that of a progress bar: the main one answers it all the same.
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number)) if is_main else None
    try:
        yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if came:
            signal.raise_signal(signal.SIGINT)
