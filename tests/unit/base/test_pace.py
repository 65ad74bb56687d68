"""Servers that send slowly, for ever, or beside the file: each transfer ends, with a line that names the ceiling."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from ppcdeps.base.http import FaultKind, HttpClient, HttpSettings, TransportFault
from ppcdeps.model.ceilings import CEILINGS

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that gives each connection to ``answer``. Gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        connection.recv(1 << 16)
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/file"
        listening.shutdown(socket.SHUT_RDWR)


def fault_of(url: str, *, packed: bool = False, timeout: float = 0.5) -> TransportFault:
    """How reading the URL fails, within ten seconds."""
    client = HttpClient(HttpSettings(timeout=timeout, proxy=""))
    began = time.monotonic()
    with pytest.raises(TransportFault) as caught:
        client.read(url, limit="index_page", packed=packed)
    client.close()
    assert time.monotonic() - began < 10
    return caught.value


def trickle(text: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(text)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return answer


def flood(text: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(text)
        while True:
            connection.sendall(piece)

    return answer


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"H"),
        (HEAD, b"X-A: b\r\n"),
        (HEAD + b"X: ", b"a"),
        (HEAD + b"\r\n", b"a"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"a"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status", "headers", "header", "endless", "sized", "chunks", "chunk size", "extension", "continue"],
)
def test_bytes_that_come_slowly_without_end(head: bytes, piece: bytes) -> None:
    with server(trickle(head, piece)) as url:
        fault = fault_of(url)
    assert fault.kind is FaultKind.SLOW
    assert "transfer.rate in ceilings.toml" in fault.reason


def test_a_transfer_that_is_fast_enough_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CEILINGS, "transfer_seconds", 1)
    with server(trickle(HEAD + b"\r\n", bytes(2000))) as url:
        fault = fault_of(url)
    assert fault.kind is FaultKind.SLOW
    assert "transfer.seconds in ceilings.toml" in fault.reason


def test_the_first_byte_may_take_as_long_as_the_time_out() -> None:
    def answer(connection: socket.socket) -> None:
        time.sleep(1.2)
        connection.sendall(HEAD + b"Content-Length: 3\r\n\r\na")
        time.sleep(1.0)
        connection.sendall(b"bc")

    with server(answer) as url:
        client = HttpClient(HttpSettings(timeout=2.0, proxy=""))
        assert client.read(url, limit="index_page").body == b"abc"
        client.close()


def test_what_is_sent_around_the_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CEILINGS, "index_page", 1 << 20)
    # Each member opens to nothing.
    nothing = gzip.compress(b"") * 1000
    with server(flood(HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", nothing)) as url:
        assert "index.page" in fault_of(url, packed=True, timeout=5).reason
    with server(flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)) as url:
        assert "index.page" in fault_of(url, timeout=5).reason


@pytest.mark.parametrize("encoding", [b"", b"Content-Encoding: gzip\r\n"])
def test_the_body_of_a_redirect_is_not_loaded(encoding: bytes) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /else\r\nConnection: close\r\n" + encoding + b"\r\n"
    with server(flood(head, gzip.compress(bytes(1 << 24)))) as url:
        assert "redirect" in fault_of(url, timeout=5).reason
