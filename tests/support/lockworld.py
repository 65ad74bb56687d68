"""A small world to lock: repositories, an index, and the program in a folder of its own."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from indexes import wheel
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra


def rpm(nevra: str, *requires: str, arch: str = "ppc64le") -> Package:
    identity = Nevra.parse(f"{nevra}.{arch}")
    return Package(identity, relations={"requires": requires}, content=f"the file of {nevra}".encode())


FIRST = (rpm("app-1-1", "lib", "tool"), rpm("lib-1-1"), rpm("tool-1-1"))
SECOND = (*FIRST, rpm("app-2-1", "lib >= 2", "tool"), rpm("lib-2-1"), rpm("tool-2-1"))


class LockWorld:
    """Repositories, an index, a workload, and the program in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "repository"
        self.index = folder / "index"
        self.program = Program(
            folder / "user", {"PIP_INDEX_URL": self.index.as_uri(), "PIP_CONFIG_FILE": "/dev/null"}
        )
        self.program.folder.mkdir()
        self.has(FIRST)
        self.offers("1.0")
        self.options = ("--repofrompath", f"base,{self.repository.as_uri()}/")

    def has(self, packages: Iterable[Package]) -> None:
        """Let the repository be one of these packages."""
        if self.repository.exists():
            shutil.rmtree(self.repository)
        write_repository(self.repository, packages)

    def offers(self, *versions: str) -> None:
        """Let the index have these versions of a distribution, and no others."""
        shutil.rmtree(self.index / "pure", ignore_errors=True)
        for version in versions:
            self.put("pure", *wheel("pure", version))

    def put(self, project: str, name: str, content: bytes) -> None:
        """Put a file into the index."""
        page = self.index / project / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        (page.parent / name).write_bytes(content)
        links = page.read_text() if page.exists() else f"<title>Links for {project}</title>"
        page.write_text(f'{links}<a href="{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>')

    def plan(self, *more: str) -> Path:
        self.program("plan", "app", "pypi:pure", *self.options, "-o", "plan.json", *more, code=1)
        return self.program.folder / "plan.json"

    def lock(self) -> Path:
        self.plan()
        self.program("lock", "plan.json")
        return self.program.folder / "ppcdeps.lock"

    def fetched(self) -> Path:
        self.lock()
        self.program("fetch", "ppcdeps.lock", "--to", "files")
        return self.program.folder / "files"

    def nevras(self) -> list[str]:
        document = json.loads((self.program.folder / "ppcdeps.lock").read_text())
        return [one["nevra"] for one in document["packages"]]
