"""A console's proxy that speaks too slowly."""

import contextlib
import socket
import threading
import time

import pytest

from ppcdeps.checking.node.recorder import StepFailed
from ppcdeps.checking.node.websocket import WebSocket


def test_a_proxy_that_sends_a_byte_from_time_to_time_does_not_answer_in_time() -> None:
    stopping = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            while not stopping.wait(0.2):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(StepFailed, match="does not answer: timed out"):
                WebSocket(f"ws://127.0.0.1:{listening.getsockname()[1]}/", 1.0)
        finally:
            stopping.set()
            thread.join(30)
        assert time.monotonic() - began < 15
