"""A registry of container images on loopback that serves a folder in the layout of OCI, as podman pulls from it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Registry:
    """A registry with one image. ``address`` is host and port; ``asked`` the paths that were asked for."""

    layout: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The digest of the image's manifest."""
        (manifest,) = json.loads((self.layout / "index.json").read_bytes())["manifests"]
        return str(manifest["digest"])

    def configuration(self, file: Path) -> dict[str, str]:
        """What podman has to be told to speak HTTP with it, as variables; the file is written."""
        file.write_text(f'[[registry]]\nlocation = "{self.address}"\ninsecure = true\n')
        return {"CONTAINERS_REGISTRIES_CONF": str(file)}


@contextmanager
def registry_of(layout: Path) -> Iterator[Registry]:
    """A registry whose image is that of the folder, under every name and tag, for as long as the context lasts."""
    registry = Registry(layout)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            *_, kind, name = self.path.split("/")
            if self.path == "/v2/":
                self._send(b"{}", "application/json")
                return
            is_manifest = kind == "manifests"
            digest = name if name.startswith("sha256:") else registry.digest
            file = registry.layout / "blobs" / digest.replace(":", "/")
            if kind not in ("manifests", "blobs") or not file.is_file():
                self.send_error(404)
                return
            form = "application/vnd.oci.image.manifest.v1+json" if is_manifest else "application/octet-stream"
            self._send(file.read_bytes(), form)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, body: bytes, form: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", form)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
