"""Engines as the tests run them: in this process, or in one of another user's, which this file is the program of.

``python enginebench.py JOB.json`` runs one job and prints what came of it as JSON.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppcdeps.engines.bwrap import Bwrap
from ppcdeps.engines.docker import Docker
from ppcdeps.engines.engine import Engine, EngineFailedError
from ppcdeps.engines.job import BuildMode, Buildroot, Job, Limits
from ppcdeps.engines.podman import Podman

SOURCES = Path(__file__).parents[2] / "src"
USER = 54321
"""A user of no account."""


@dataclass(frozen=True)
class Outcome:
    """What a run ended with, and all that it said."""

    ending: str
    code: int
    seconds: float
    output: bytes
    fault: str = ""

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")


@dataclass
class Bench:
    """An engine with a home and a workspace of its own, over one root. ``user``: run as USER, in another process."""

    engine: str
    root: Path
    home: Path
    workspace: Path
    user: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 0

    def run(self, command: str | Sequence[str], *, stop_after: float | None = None, **job: Any) -> Outcome:
        """Run a shell script or a command to its end. ``limits`` is a mapping."""
        document = self.document(command, stop_after=stop_after, **job)
        if not self.user:
            return outcome_of(document)
        done = subprocess.run(
            self.argv(document), capture_output=True, text=True, env=self.environment(), timeout=120, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return Outcome(**{**found, "output": base64.b64decode(found["output"])})

    @contextlib.contextmanager
    def started(self, command: str | Sequence[str], **job: Any) -> "Iterator[subprocess.Popen[bytes]]":
        """A run begun in a process of its own, to be killed."""
        argv = self.argv(self.document(command, **job))
        with subprocess.Popen(argv, env=self.environment(), stdout=subprocess.DEVNULL, cwd="/") as process:
            try:
                yield process
            finally:
                process.kill()

    def document(self, command: str | Sequence[str], **job: Any) -> dict[str, Any]:
        self.runs += 1
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        return {
            "engine": self.engine,
            "options": dict(self.options),
            "home": str(self.home),
            "root": str(self.root),
            "name": f"test-{os.getpid()}-{self.home.parent.name}-{self.runs}",
            "command": words,
            "workspace": str(self.workspace),
            **job,
        }

    def argv(self, document: Mapping[str, Any]) -> list[str]:
        file = self.workspace.parent / f"job-{self.runs}.json"
        file.write_text(json.dumps(document))
        file.chmod(0o644)
        own = [sys.executable, str(Path(__file__)), str(file)]
        # The environment of the tests may be closed to others; the distribution's Python is not.
        other = ["/usr/bin/python3", str(Path(__file__)), str(file)]
        drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
        return [*drop, *other] if self.user else own

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {**kept, "PYTHONPATH": str(SOURCES), "HOME": str(self.home), "PPCDEPS_SECRET": "token"}


def engine_of(document: Mapping[str, Any]) -> Engine:
    kinds: dict[str, Any] = {"podman": Podman, "docker": Docker, "bwrap": Bwrap}
    options = {name: tuple(one) if isinstance(one, list) else one for name, one in document["options"].items()}
    engine: Engine = kinds[document["engine"]](Path(document["home"]), **options)
    return engine


def outcome_of(document: Mapping[str, Any]) -> Outcome:
    """Run the job of a document in this process."""
    root = Buildroot(
        "test",
        BuildMode.EMULATED,
        Path(document["root"]),
        "ppc64le",
        "ppc64le",
        "test-1",
        tools={place: Path(path) for place, path in document.get("tools", {}).items()},
        environment={"FROM_ROOT": "root"},
    )
    job = Job(
        document["name"],
        tuple(document["command"]),
        Path(document["workspace"]),
        inputs={place: Path(path) for place, path in document.get("inputs", {}).items()},
        environment={"FROM_JOB": "job"},
        folder=document.get("folder", "/build"),
        network=document.get("network", False),
        limits=Limits(**{"seconds": 60, **document.get("limits", {})}),
    )
    stop = threading.Event()
    timer = threading.Timer(document.get("stop_after") or 0, stop.set)
    said = bytearray()

    def hear(chunk: bytes) -> None:
        # Counted from the first output on: a loaded machine takes a while to start a container.
        if not said and document.get("stop_after") is not None:
            timer.start()
        said.extend(chunk)

    try:
        ended = engine_of(document).run(root, job, hear, stop)
    except EngineFailedError as fault:
        return Outcome("fault", -1, 0.0, bytes(said), str(fault))
    finally:
        timer.cancel()
    return Outcome(ended.ending.value, ended.code, ended.seconds, bytes(said))


def main() -> None:
    outcome = outcome_of(json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.write(json.dumps({**vars(outcome), "output": base64.b64encode(outcome.output).decode()}))


if __name__ == "__main__":
    main()
