import threading

import pytest

from ppcdeps.base.deadline import in_time


def test_what_the_function_returns_or_raises_in_time_is_that_of_the_call() -> None:
    def work() -> None:
        raise ValueError("no such file")

    assert in_time(lambda: 5, 30) == 5
    with pytest.raises(ValueError, match="no such file"):
        in_time(work, 30)


def test_what_takes_longer_is_not_waited_for() -> None:
    may_end = threading.Event()
    try:
        with pytest.raises(TimeoutError, match="no answer in 0 s"):
            in_time(may_end.wait, 0.1)
    finally:
        may_end.set()
