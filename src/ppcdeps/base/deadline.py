"""A call with an end in time, of a library that itself may wait for ever."""

import threading
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")


def in_time(function: Callable[[], _Value], seconds: float) -> _Value:
    """What a function returns or raises; TimeoutError where that takes longer, and its thread is left to itself."""
    found: list[_Value] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(function())
        except BaseException as fault:  # raised again below
            raised.append(fault)

    # A daemon: the program ends without it.
    thread = threading.Thread(target=run, name="ppcdeps-deadline", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        # Out of the list: its frame is in the traceback, and both would be kept until garbage is collected.
        raise raised.pop()
    if not found:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    return found[0]
