"""An index on this machine, and the wheels and sdists that it serves."""

import contextlib
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, parse_constraints
from ppcdeps.python.index import Index
from ppcdeps.python.lock import LockPolicy, LockRequest, PythonLock, PythonRoot
from ppcdeps.python.pipconfig import read_pip_config
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.resolution import resolve

OpenIndex = Callable[..., Index]
"""What the fixture open_index is: shops or URLs in, an index out."""

EL9_PYTHON = PythonEnvironment("3.9.25", (2, 34))


@contextlib.contextmanager
def index_of_pip(cache: Cache) -> Iterator[Index]:
    """The index of pip's configuration. The test is skipped where it is out of reach."""
    with Index(read_pip_config(), cache) as index:
        try:
            index.project("six")
        except RepositoryError as fault:
            pytest.skip(f"no Python index within reach: {fault}")
        yield index


def wheel(
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    *,
    tags: str = "py3-none-any",
    metadata_name: str | None = None,
    requires_python: str = "",
    padding: int = 0,
    extras: tuple[str, ...] = (),
) -> tuple[str, bytes]:
    """File name and content of a wheel."""
    stem = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {metadata_name or name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    lines += [f"Provides-Extra: {each}" for each in extras]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"{name.replace('-', '_')}.py", "x = 1\n" + "#" * padding)
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tags}\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return f"{stem}-{tags}.whl", stream.getvalue()


def sdist(name: str, version: str, files: dict[str, str], *, top: str | None = None) -> tuple[str, bytes]:
    """File name and content of a source distribution; ``files`` are below its top folder."""
    stem = f"{name}-{version}"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{stem if top is None else top}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{stem}.tar.gz", stream.getvalue()


def pkg_info(name: str, version: str, *lines: str, metadata: str = "2.1") -> str:
    """A PKG-INFO."""
    return "\n".join([f"Metadata-Version: {metadata}", f"Name: {name}", f"Version: {version}", *lines]) + "\n"


@dataclass
class Shop:
    """What the server offers. ``pages`` overrides a project's page: a function from the handler to
    nothing.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    projects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    html: bool = False
    ranges: bool = True
    etag: bool = False
    password: str = ""
    """What is asked of everybody, as `user:password` in base64."""
    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, file: tuple[str, bytes], **details: Any) -> None:
        """Offer a file of a project; details go into its entry on the page."""
        filename, content = file
        self.files[filename] = content
        digest = hashlib.sha256(content).hexdigest()
        entry = {
            "filename": filename,
            "url": f"/files/{filename}",
            "hashes": {"sha256": digest},
            "size": len(content),
        }
        self.projects.setdefault(name, {})[filename] = entry | details

    def asked(self, part: str) -> int:
        """How often a path with this part was asked for."""
        return sum(part in path for path, _ in self.log)


def _anchor(entry: dict[str, Any]) -> str:
    python = entry.get("requires-python", "").replace(">", "&gt;")
    attributes = f' data-requires-python="{python}"' if python else ""
    attributes += f' data-yanked="{entry["yanked"]}"' if entry.get("yanked") else ""
    return f'<a href="{entry["url"]}#sha256={entry["hashes"]["sha256"]}"{attributes}>{entry["filename"]}</a>\n'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def do_GET(self) -> None:
        shop: Shop = self.server.shop  # type: ignore[attr-defined]
        shop.log.append((self.path, self.headers.get("Range", "")))
        if shop.password and self.headers.get("Authorization") != f"Basic {shop.password}":
            self.answer(401, b"")
            return
        if self.path.startswith("/files/"):
            self._file(shop, self.path.removeprefix("/files/"))
            return
        name = self.path.strip("/").rpartition("/")[2]
        if name in shop.pages:
            shop.pages[name](self)
        elif name not in shop.projects:
            self.answer(404, b"no")
        elif shop.html:
            anchors = "".join(_anchor(each) for each in shop.projects[name].values())
            self.answer(200, f"<!DOCTYPE html><h1>Links for {name}</h1>{anchors}".encode(), Content_Type="text/html")
        else:
            body = json.dumps(
                {"meta": {"api-version": "1.1"}, "name": name, "files": list(shop.projects[name].values())}
            ).encode()
            tag = hashlib.md5(body).hexdigest()
            if shop.etag and self.headers.get("If-None-Match") == tag:
                self.answer(304, b"", ETag=tag, Cache_Control="max-age=0")
                return
            headers = {"ETag": tag, "Cache_Control": "max-age=0"} if shop.etag else {}
            self.answer(200, body, Content_Type="application/vnd.pypi.simple.v1+json", **headers)

    def _file(self, shop: Shop, name: str) -> None:
        content = shop.files.get(name)
        span = self.headers.get("Range", "")
        if content is None:
            self.answer(404, b"")
        elif span and shop.ranges:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(0, len(content) - int(last))
            end = int(last) if first and last else len(content) - 1
            end = min(end, len(content) - 1)
            part = content[start : end + 1]
            self.answer(206, part, Content_Range=f"bytes {start}-{end}/{len(content)}")
        else:
            self.answer(200, content)


@contextlib.contextmanager
def serving() -> Iterator[Shop]:
    """A shop that is open as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    shop = Shop(url=f"http://127.0.0.1:{server.server_address[1]}/simple")
    server.shop = shop  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def lock_of(
    index: Index,
    *roots: str,
    constraints: str = "",
    fixed: dict[str, str] | None = None,
    reference: dict[str, str] | None = None,
    hints: dict[str, str] | None = None,
    policy: LockPolicy | None = None,
    python: PythonEnvironment = EL9_PYTHON,
) -> PythonLock:
    """Resolve for EL9."""
    request = LockRequest(
        python=python,
        roots=tuple(PythonRoot(each, "workload test") for each in roots),
        fixed=tuple(
            FixedDistribution(name, version, f"python3-{name}-{version}-1.el9.noarch")
            for name, version in (fixed or {}).items()
        ),
        reference=reference or {},
        hints=hints or {},
        policy=policy or LockPolicy(),
    )
    held = parse_constraints(constraints, request.environment, origin="c.txt") if constraints else NO_CONSTRAINTS
    return resolve(replace(request, constraints=held), index)


def pins(lock: PythonLock) -> dict[str, str]:
    """Name and version of every pin."""
    return {each.name: each.version for each in lock.distributions}
