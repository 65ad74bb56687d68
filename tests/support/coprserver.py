"""A small COPR: the parts of API v3 that the client library calls, made after the library's code.

Builds are real: rpmbuild makes packages of the source RPM, for ppc64le, with the packages of earlier builds of the
project as its BuildRequires. Batches begin when the one before is over, and dependents of a failure are built all the
same, as COPR does. Faults are made on request.
"""

import contextlib
import email.parser
import gzip
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "geheimes-token"
CHROOT = "epel-9-ppc64le"


@dataclass
class CoprServer:
    """The server's state, and how it is to behave.

    ``faults`` are answers to give in place of the next ones to a path (a pattern): status, headers, body; where
    ``after`` is set with one, the request is carried out all the same. ``slow`` are seconds that each build takes.
    """

    folder: Path
    url: str = ""
    owner: str = "me"
    project: str = "power"
    chroots: tuple[str, ...] = (CHROOT, "fedora-41-x86_64")
    valid: str = TOKEN
    may_build: bool = True
    slow: float = 0.0
    late: float = 0.0
    """Seconds after a build's end until its packages are in the repository."""
    damaged: bool = False
    """Whether packages are changed after the repository's metadata was made."""
    faults: list[tuple[str, int, dict[str, str], str, bool]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    builds: dict[int, dict[str, Any]] = field(default_factory=dict)
    chroot: dict[str, Any] = field(default_factory=lambda: {"additional_repos": [], "bootstrap": "default"})
    guard: threading.RLock = field(default_factory=threading.RLock)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.owner / self.project / CHROOT

    def configuration(self, home: Path, token: str | None = None) -> None:
        """Write ~/.config/copr."""
        (home / ".config").mkdir(parents=True, exist_ok=True)
        (home / ".config" / "copr").write_text(
            f"[copr-cli]\nlogin = someone\nusername = me\ntoken = {token or self.valid}\ncopr_url = {self.url}\n"
            "encrypted = False\n"
        )

    # -- what it does -----------------------------------------------------------------------------------------

    def submit(self, options: dict[str, Any], name: str, content: bytes) -> dict[str, Any]:
        with self.guard:
            number = 1000 + len(self.builds)
            batch = number
            if (beside := options.get("with_build_id")) is not None:
                batch = self.builds[beside]["batch"]
            after = options.get("after_build_id")
            place = self.folder / "uploads" / str(number)
            place.mkdir(parents=True)
            (place / name).write_bytes(content)
            self.builds[number] = {
                "id": number,
                "state": "waiting" if after is not None else "pending",
                "batch": batch,
                "after": None if after is None else self.builds[after]["batch"],
                "options": options,
                "srpm": place / name,
                "submitted_on": int(time.time()),
                "started_on": None,
                "ended_on": None,
                "source_package": {"name": None, "url": f"{self.url}/uploads/{number}/{name}", "version": None},
                "packages": [],
            }
            if beside is not None and self.builds[beside]["after"] is not None:
                self.builds[number]["after"] = self.builds[beside]["after"]
            return self.builds[number]

    def work(self) -> None:
        """Build what may begin, one after the other, until the server ends."""
        while not self.stopping.wait(0.02):
            with self.guard:
                ready = [
                    one
                    for one in self.builds.values()
                    if one["state"] in ("waiting", "pending")
                    and all(
                        other["ended_on"] is not None
                        for other in self.builds.values()
                        if other["batch"] == one["after"]
                    )
                ]
                if not ready:
                    continue
                build = ready[0]
                # In this order: who reads that it runs finds since when.
                build["started_on"], build["state"] = time.time(), "running"
            end = time.monotonic() + self.slow
            while time.monotonic() < end and build["state"] == "running" and not self.stopping.wait(0.02):
                pass
            if build["state"] == "running":
                self._build(build)

    def _build(self, build: dict[str, Any]) -> None:
        top = self.folder / "work" / str(build["id"])
        place = self.results / f"{build['id']:08d}-build"
        place.mkdir(parents=True)
        command = ["rpmbuild", "--rebuild", "--target", "ppc64le", "--define", f"_topdir {top}", "--nodeps"]
        done = subprocess.run([*command, str(build["srpm"])], capture_output=True, text=True)
        log = done.stdout + done.stderr
        with gzip.open(place / "builder-live.log.gz", "wt") as stream:
            stream.write(log)
        packages = sorted((top / "RPMS").rglob("*.rpm")) if done.returncode == 0 else []
        for path in packages:
            query = [
                "rpm",
                "-qp",
                "--nosignature",
                "--qf",
                "%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}",
                str(path),
            ]
            said = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("|")
            entry = dict(zip(("name", "epoch", "version", "release", "arch"), said, strict=True))
            build["packages"].append({**entry, "epoch": int(said[1])})
            (place / path.name).write_bytes(path.read_bytes())

        def index() -> None:
            time.sleep(self.late)
            subprocess.run(["createrepo_c", "-q", str(self.results)], check=True)

        if self.late:
            threading.Thread(target=index, daemon=True).start()
        else:
            index()
        for path in place.glob("*.rpm") if self.damaged else ():
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        with self.guard:
            build["ended_on"] = time.time()
            build["result_url"] = f"{self.url}/results/{self.owner}/{self.project}/{CHROOT}/{place.name}/"
            build["state"] = "succeeded" if done.returncode == 0 else "failed"

    def shown(self, build: dict[str, Any]) -> dict[str, Any]:
        names = ("id", "state", "submitted_on", "started_on", "ended_on", "source_package")
        return {**{name: build[name] for name in names}, "ownername": self.owner, "projectname": self.project}

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any, user: str | None) -> tuple[int, Any]:
        """The answer of API v3: status and document."""
        known = user == f"someone:{self.valid}"
        build_id = path.rpartition("/")[2]
        match method, path:
            case "GET", "/auth-check":
                return (200, {"name": "me"}) if known else self.unknown()
            case "GET", "/project":
                if (query["ownername"], query["projectname"]) != (self.owner, self.project):
                    return 404, {"error": f"Project {query['ownername']}/{query['projectname']} does not exist."}
                repos = {name: f"{self.url}/results/{self.owner}/{self.project}/{name}/" for name in self.chroots}
                return 200, {"name": self.project, "ownername": self.owner, "chroot_repos": repos}
            case "GET", "/project-chroot":
                return 200, {"mock_chroot": query["chrootname"], **self.chroot}
            case "PUT", _ if path.startswith("/project-chroot/edit/"):
                if not known or not self.may_build:
                    return (
                        (403, {"error": "Only owners and admins may update their projects."})
                        if known
                        else self.unknown()
                    )
                self.chroot |= {name: value for name, value in sent[0].items() if value is not None}
                return 200, {"mock_chroot": CHROOT, **self.chroot}
            case "POST", "/build/create/upload":
                if not known:
                    return self.unknown()
                if not self.may_build:
                    return 403, {"error": "You don't have permissions to build in this copr."}
                beside = sent[0].get("with_build_id")
                if beside is not None and self.builds[beside]["ended_on"] is not None:
                    return 400, {"error": f"Batch {self.builds[beside]['batch']} is already finished."}
                return 200, self.shown(self.submit(*sent))
            case "GET", "/build/list":
                found = sorted(self.builds.values(), key=lambda one: -int(one["id"]))
                return 200, {"items": [self.shown(one) for one in found], "meta": {}}
            case "PUT", _ if path.startswith("/build/cancel/"):
                if not known:
                    return self.unknown()
                with self.guard:
                    build = self.builds[int(build_id)]
                    if build["ended_on"] is None:
                        build["state"], build["ended_on"] = "canceled", time.time()
                return 200, self.shown(build)
            case "GET", "/build-chroot":
                build = self.builds[int(query["build_id"])]
                return 200, {"name": CHROOT, "state": build["state"], "result_url": build.get("result_url")}
            case "GET", "/build-chroot/built-packages":
                return 200, {"packages": self.builds[int(query["build_id"])]["packages"]}
            case "GET", _ if re.fullmatch(r"/build/\d+", path):
                if int(build_id) not in self.builds:
                    return 404, {"error": f"Build {build_id} does not exist."}
                return 200, self.shown(self.builds[int(build_id)])
        return 404, {"error": f"no {method} {path}"}

    def unknown(self) -> tuple[int, Any]:
        text = f"Login invalid/expired. Please visit {self.url}/api to get or renew your API token."
        return 401, {"error": text}


def _handler(server: CoprServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if not parts.path.startswith("/api_3"):
                self._file(parts.path)
                return
            self._api("GET")

        def do_POST(self) -> None:
            self._api("POST")

        def do_PUT(self) -> None:
            self._api("PUT")

        def _file(self, path: str) -> None:
            place = (server.folder / path.lstrip("/")).resolve()
            if not place.is_relative_to(server.folder.resolve()) or not place.is_file():
                self._send(404, b"no such file")
                return
            self._send(200, place.read_bytes(), {"Content-Type": "application/octet-stream"})

        def _api(self, method: str) -> None:
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/api_3").rstrip("/")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with server.guard:
                server.requests.append((method, path))
                fault = next((one for one in server.faults if re.fullmatch(one[0], f"{method} {path}")), None)
                if fault is not None:
                    server.faults.remove(fault)
            if fault is not None and not fault[4]:
                self._faulty(fault)
                return
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            user = None
            if authorization := self.headers.get("Authorization"):
                import base64

                user = base64.b64decode(authorization.partition(" ")[2]).decode()
            sent = _parts(self.headers.get("Content-Type", ""), body)
            status, document = server.answer(method, path, query, sent, user)
            if fault is not None:
                self._faulty(fault)
                return
            self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

        def _faulty(self, fault: tuple[str, int, dict[str, str], str, bool]) -> None:
            if fault[1] == 0:
                self.close_connection = True
                self.connection.close()
                return
            self._send(fault[1], fault[3].encode(), fault[2])

        def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _parts(kind: str, body: bytes) -> Any:
    """What was sent: options, file name and content of a form of several parts, else the JSON."""
    if not kind.startswith("multipart/"):
        return (json.loads(body or b"{}"), "", b"")
    message = email.parser.BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    options: dict[str, Any] = {}
    name, content = "", b""
    for part in message.get_payload():
        payload = part.get_payload(decode=True)  # type: ignore[union-attr]
        assert isinstance(payload, bytes)
        if part.get_content_type() == "application/json":  # type: ignore[union-attr]
            options = json.loads(payload)
        else:
            name, content = part.get_filename() or "", payload  # type: ignore[union-attr]
    return options, name, content


@contextlib.contextmanager
def copr_at(folder: Path) -> Iterator[CoprServer]:
    """Have a COPR run whose files are in a folder."""
    server = CoprServer(folder)
    server.results.mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        threads = [threading.Thread(target=one, daemon=True) for one in (http.serve_forever, server.work)]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            http.shutdown()
