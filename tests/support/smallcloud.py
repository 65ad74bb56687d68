"""A small cloud of one POWER host: the parts of keystone, nova, placement and glance that `check node` reads.

It answers what it is told in place of what it would: something before an API, or an API that sends nonsense.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = b"<html><body>Maintenance</body></html>"
HOST = "power1"


@dataclass
class SmallCloud:
    """What is in the cloud, and how it is to behave.

    ``faults`` are the bodies that requests (a pattern of method and path) get, as JSON where they are not bytes.
    ``endless`` are requests that are redirected, after ``pause`` seconds, to ``location`` (default: themselves;
    empty: nowhere), ``dripping`` those that get a byte from time to time for ever.
    """

    url: str
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: str = "ACTIVE"
    faults: dict[str, Any] = field(default_factory=dict)
    endless: str = ""
    location: str | None = None
    pause: float = 0
    dripping: str = ""
    token: str = "a-token"
    requests: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def configure(self, folder: Path, **more: Any) -> Path:
        """Write clouds.yaml with the cloud small; ``auth_url`` is keystone's by default."""
        auth = {
            "auth_url": more.pop("auth_url", f"{self.url}/v3"),
            "username": "someone",
            "password": "secret",
            "project_name": "mine",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        file = folder / "clouds.yaml"
        file.write_text(json.dumps({"clouds": {"small": {"auth": auth, "region_name": "R", **more}}}))
        return file

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The status and document of a request."""
        match path.strip("/").split("/"):
            case ["v3"]:
                return 200, {"version": self._version("v3.14", "/v3/")}
            case ["v3", "auth", "tokens"]:
                return 201, {"token": self._token()}
            case ["nova", "v2.1"]:
                return 200, {"version": self._version("v2.1", "/nova/v2.1/", version="2.90", min_version="2.1")}
            case ["placement"]:
                return 200, {"versions": [self._version("v1.0", "", max_version="1.39", min_version="1.0")]}
            case ["glance"]:
                return 300, {"versions": [self._version("v2.15", "/glance/v2/")]}
            case ["nova", "v2.1", *rest]:
                return self._nova(method, rest, body)
            case ["placement", *_, "traits"]:
                return 200, {"traits": ["COMPUTE_STORAGE_BUS_VIRTIO"]}
            case ["placement", *_, "inventories"]:
                totals = {"VCPU": 8, "MEMORY_MB": 8192, "DISK_GB": 100}
                return 200, {"inventories": {name: {"total": total} for name, total in totals.items()}}
            case ["placement", *_, "usages"]:
                return 200, {"usages": {"VCPU": 0}}
            case ["placement", *_]:
                return 200, {"allocations": {}}
            case ["glance", "v2", "images", "an-image"]:
                return 200, {"id": "an-image", "name": "an-image", "status": "active"}
            case ["glance", "v2", "images"]:
                return 200, {"images": []}
        return 404, {"itemNotFound": {"message": f"no {path}"}}

    def _nova(self, method: str, rest: list[str], body: Any) -> tuple[int, Any]:
        match method, rest:
            case "GET", ["os-services"]:
                service = {"host": HOST, "state": "up", "status": "enabled", "updated_at": "2026-11-30T01:00:00.0"}
                return 200, {"services": [service]}
            case "GET", ["os-hypervisors", "detail"]:
                cpu = {"arch": "ppc64le", "model": "POWER9"}
                figures = {"vcpus": 8, "memory_mb": 8192, "local_gb": 100, "hypervisor_version": 7002000}
                host = {"id": "a-provider", "service": {"host": HOST}, "cpu_info": cpu, **figures}
                return 200, {"hypervisors": [host]}
            case "GET", ["limits"]:
                return 200, {"limits": {"absolute": {}}}
            case "GET", ["flavors", "detail"]:
                return 200, {"flavors": [{"id": "1", "name": "small"}]}
            case "GET", ["flavors", "1"]:
                return 200, {"flavor": {"id": "1", "vcpus": 1, "ram": 512, "disk": 1}}
            case "POST", ["servers"]:
                self.servers["a-server"] = body["server"]
                return 202, {"server": {"id": "a-server"}}
            case "GET", ["servers", "detail"]:
                return 200, {"servers": [self._server(one) for one in self.servers]}
            case "GET", ["servers", id_] if id_ in self.servers:
                return 200, {"server": self._server(id_)}
            case "DELETE", ["servers", id_] if self.servers.pop(id_, None):
                return 204, b""
            case "POST", ["servers", id_, "action"] if id_ in self.servers:
                return 202, b""
            case "GET", ["servers", _, "os-instance-actions"]:
                return 200, {"instanceActions": []}
        return 404, {"itemNotFound": {"message": f"no {'/'.join(rest)}"}}

    def _server(self, id_: str) -> dict[str, Any]:
        made = self.servers[id_]
        return {"id": id_, "name": made["name"], "metadata": made["metadata"], "status": self.state}

    def _version(self, id_: str, path: str, **more: str) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self.url}{path}" if path else ""}]
        return {"id": id_, "status": "CURRENT", "links": links, **more}

    def _token(self) -> dict[str, Any]:
        kinds = {"identity": "/v3", "compute": "/nova/v2.1", "placement": "/placement", "image": "/glance"}
        catalog = [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [{"id": kind, "interface": "public", "region": "R", "url": f"{self.url}{path}"}],
            }
            for kind, path in kinds.items()
        ]
        domain = {"id": "default", "name": "Default"}
        return {
            "methods": ["password"],
            "user": {"id": "u", "name": "someone", "domain": domain},
            "project": {"id": "p", "name": "mine", "domain": domain},
            "roles": [{"id": "r", "name": "admin"}],
            "catalog": catalog,
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2096-01-01T00:00:00.000000Z",
        }


def _handler(cloud: SmallCloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _go(self) -> None:
            path = self.path.partition("?")[0]
            request = f"{self.command} {path}"
            cloud.requests.append(request)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if cloud.dripping and re.fullmatch(cloud.dripping, request):
                self._drip()
                return
            fault = next((one for one in cloud.faults if re.fullmatch(one, request)), None)
            if cloud.endless and re.fullmatch(cloud.endless, request):
                cloud.stopping.wait(cloud.pause)
                status, document = 302, b""
            elif fault is not None:
                status, document = 200, cloud.faults[fault]
            else:
                kind = self.headers.get("Content-Type") or ""
                status, document = cloud.answer(self.command, path, json.loads(sent) if "json" in kind else None)
            content = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if document == PAGE else "application/json")
            self.send_header("Content-Length", str(len(content)))
            location = f"{cloud.url}{self.path}" if cloud.location is None else cloud.location
            if status == 302 and location:
                self.send_header("Location", location)
            if path.endswith("/tokens") and cloud.token:
                self.send_header("X-Subject-Token", cloud.token)
            self.end_headers()
            self.wfile.write(content)

        def _drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not cloud.stopping.wait(0.2):
                    self.wfile.write(b" ")

        do_GET = do_POST = do_PUT = do_DELETE = _go  # noqa: N815  # so the class is called

    return Handler


@contextlib.contextmanager
def small_cloud() -> Iterator[SmallCloud]:
    """Have a small cloud run."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as http:
        cloud = SmallCloud(f"http://127.0.0.1:{http.server_address[1]}")
        http.RequestHandlerClass = _handler(cloud)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield cloud
        finally:
            cloud.stopping.set()
            http.shutdown()
