import os
import sys
import threading

import pytest

from ppcdeps.base.beside import Beside


def test_the_work_is_done_in_another_thread_while_the_program_goes_on() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert may_end.wait(30)
        return threading.current_thread().name

    beside = Beside(work)
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: nothing is done beside")
    assert begun.wait(30)
    may_end.set()
    assert beside.result() != threading.current_thread().name


@pytest.mark.parametrize("processors", [{0}, {0, 1}])
def test_what_the_work_raises_is_raised_where_its_result_is_wanted(
    processors: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
    turn = sys.getswitchinterval()

    def work() -> None:
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        Beside(work).result()
    assert sys.getswitchinterval() == turn


def test_with_one_processor_the_work_is_done_by_who_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert Beside(threading.current_thread).result() is threading.current_thread()
