"""Ctrl-C held back: it comes after the block, whichever thread the kernel gives it to."""

import os
import signal
import threading
import time

import pytest

from ppcdeps.base.interruption import interruption_held


@pytest.mark.parametrize("others", [0, 2])
def test_an_interruption_comes_after_the_block(others: int) -> None:
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in range(others)]
    for thread in threads:
        thread.start()
    passed: list[str] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            with interruption_held():
                os.kill(os.getpid(), signal.SIGINT)
                # Long enough for another thread to take it.
                time.sleep(0.1)
                passed.append("the end of the block")
            passed.append("what follows")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert passed == ["the end of the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
