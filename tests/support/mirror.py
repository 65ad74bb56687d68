"""A mirror on loopback that serves a folder, and misbehaves where a test says so."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PATIENCE = 120
"""Seconds after which something is surely stuck. Nothing waits for it that works."""

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Mirror:
    """A web server on loopback that serves a folder, save where ``answers`` says otherwise by the end of a path."""

    folder: Path
    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def hang(self, _request: BaseHTTPRequestHandler) -> None:
        """An answer that never comes."""
        self.asked.set()
        self.released.wait(PATIENCE)

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.seen]


@contextmanager
def serving(folder: Path) -> Iterator[Mirror]:
    """A server of the folder, for as long as the context lasts."""
    mirror = Mirror(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].lstrip("/")
            mirror.seen.append((path, dict(self.headers)))
            for end, answer in mirror.answers.items():
                if path.endswith(end):
                    answer(self)
                    return
            target = mirror.folder / path
            if not target.is_file():
                self.send_error(404)
                return
            send(target.read_bytes())(self)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that breaks off is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield mirror
    finally:
        mirror.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def send(body: bytes, status: int = 200, *, announced: int | None = None, **headers: str) -> Answer:
    """An answer with this body, and 304 to those who have it. ``announced`` is the length that it claims."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if status == 200 and handler.headers.get("If-None-Match") == etag:
            handler.send_response(304)
            handler.end_headers()
            return
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if announced is None else announced))
        handler.send_header("ETag", etag)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer
