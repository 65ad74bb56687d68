"""The program as a user runs it: a process, its output, its exit code; and a mirror that misbehaves."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PATIENCE = 120
"""Seconds after which a run is surely stuck. Nothing waits for it that works."""


@dataclass(frozen=True)
class Program:
    """ppcdeps with a cache and a home of its own, in an empty folder."""

    folder: Path
    variables: Mapping[str, str]

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def environment(self, **more: str) -> dict[str, str]:
        # Without the proxies and the settings of whoever runs the tests.
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "PPCDEPS_CACHE": str(self.cache),
            "NO_COLOR": "1",
            **self.variables,
            **more,
        }

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "ppcdeps", *map(str, arguments)]

    def __call__(self, *arguments: str | Path, code: int = 0, **variables: str) -> "Run":
        """Run to the end. The exit code must be ``code``, and no run may show a traceback."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, f"ended with {done.returncode}: {done.stderr}"
        return Run(done.stdout, done.stderr)


@dataclass(frozen=True)
class Run:
    """What a run wrote."""

    out: str
    err: str

    @property
    def fault(self) -> str:
        """The one line that tells the fault."""
        lines = [line for line in self.err.splitlines() if line.startswith("ppcdeps: ")]
        assert len(lines) == 1, self.err
        return lines[0]


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Mirror:
    """A web server on loopback. It serves a folder, save where ``answers`` says otherwise by the end of a path."""

    folder: Path
    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def hang(self, _request: BaseHTTPRequestHandler) -> None:
        """An answer that never comes."""
        self.asked.set()
        self.released.wait(PATIENCE)


@contextmanager
def serving(folder: Path) -> Iterator[Mirror]:
    """A server of the folder on loopback."""
    mirror = Mirror(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            for end, answer in mirror.answers.items():
                if self.path.endswith(end):
                    answer(self)
                    return
            target = mirror.folder / self.path.lstrip("/")
            if target.is_file():
                send(self, target.read_bytes())
            else:
                self.send_error(404)

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


def send(request: BaseHTTPRequestHandler, body: bytes) -> None:
    """Answer with 200 and the body."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
