"""What the distributions of an installed environment use of each other: of each module the copy that is imported."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.checking.api.check import check_api
from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.distribution_scan import Tree
from ppcdeps.checking.api.explain import examined_of, findings_of, unread_of
from ppcdeps.checking.api.releases import histories_of
from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.fixes import pip_install
from ppcdeps.checking.env.installed import Installed
from ppcdeps.checking.env.root_file_system import EntryKind, RootFileSystem
from ppcdeps.checking.findings import Report, Skipped
from ppcdeps.model.reporter import Reporter
from ppcdeps.python.importable import COMPILED, entry_point_modules

if TYPE_CHECKING:
    from ppcdeps.base.cache import Cache
    from ppcdeps.python.index import Index

_MOST_FILES = 400_000
_DEEPEST = 40
_SHARING = (b"declare_namespace", b"extend_path")


def with_api(
    report: Report,
    environment: Environment,
    cache: "Cache",
    reporter: Reporter,
    *,
    tests: bool = False,
    index: "Index | None" = None,
) -> Report:
    """The report of ``check env`` and, with it, the names that distributions use of each other and do not have.

    ``tests``: also in the tests that they ship. ``index``: where other releases are looked at for what is missing.
    """
    trees, folders, skipped = trees_of(environment)
    target = environment.target
    platform = PythonPlatform.of(target.python, target.machine)
    result = check_api(trees, platform, cache, reporter, tests=tests)
    histories = histories_of(result, index, target, reporter) if index is not None else None

    def fix(requirement: str) -> str:
        return pip_install(environment, requirement)

    return Report.of(
        report.check,
        report.subject,
        [*report.findings, *findings_of(result, environment.python.version, histories, folders, fix)],
        [*report.examined, *examined_of(result)[1:]],
        [*report.skipped, *skipped, *unread_of(result)],
    )


@dataclass(slots=True)
class _Draft:
    """A distribution's files, as they are found. ``folder`` is where the first of them lies."""

    version: str
    folder: str
    paths: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    seal: list[str] = field(default_factory=list)
    entry_points: tuple[str, ...] = ()


def trees_of(environment: Environment) -> tuple[list[Tree], dict[str, Path], list[Skipped]]:
    """The distributions with the files that are importable, the folders in the root that they are in, and what
    could not be seen.

    Files that no distribution lists count as a distribution named after their top-level module. A distribution
    whose copy is hidden counts on its own, with what is left of it.
    """
    collector = _Collector(environment)
    collector.collect()
    trees = [
        Tree(
            name=name,
            version=draft.version,
            folder=Path(environment.root.host(draft.folder)),
            paths=tuple(draft.paths),
            digest=hashlib.sha256("\n".join(draft.seal).encode("utf-8", "surrogateescape")).hexdigest(),
            entry_points=draft.entry_points,
            places=draft.places,
        )
        for name, draft in sorted(collector.drafts.items())
    ]
    return trees, {name: Path(draft.folder) for name, draft in collector.drafts.items()}, collector.skipped


class _Collector:
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.root: RootFileSystem = environment.root
        self.drafts: dict[str, _Draft] = {}
        self.skipped: list[Skipped] = []
        self.owners: dict[str, Installed] = {}
        self.modules: dict[tuple[str, str], Installed] = {}
        self.claimed: set[str] = set()
        self.count = 0
        for copy in reversed(environment.copies):
            for file in copy.files or ():
                self.owners[file.path] = copy
            for module in copy.modules:
                self.modules[copy.entry.real, module] = copy

    def collect(self) -> None:
        """Go through the folders of the path in their order."""
        for entry in self.environment.path.sites:
            if self.root.is_file(entry.path):
                self.skipped.append(Skipped(entry.path, "the names in an archive are not read"))
                continue
            fresh = self._tops(entry.real)
            for top, names in fresh.items():
                for name in names:
                    self._take(entry.real, top, name)
            self.claimed.update(top for top in fresh if not self._is_shared(entry.real, top))
        for top, place in self.environment.path.mapped:
            if top not in self.claimed:
                folder, _, name = place.rpartition("/")
                self._take(folder or "/", top, name)
                self.claimed.add(top)
        if self.count > _MOST_FILES:
            self.skipped.append(Skipped(f"{self.count - _MOST_FILES} files", f"more than {_MOST_FILES} are not read"))

    def _tops(self, folder: str) -> dict[str, list[str]]:
        """The top-level modules of a folder that no folder before it has, with the names that make them."""
        found: dict[str, list[str]] = {}
        for one in self.root.entries(folder):
            top = one.name.partition(".")[0]
            if not top.isidentifier() or top in self.claimed or top == "__pycache__":
                continue
            if (one.kind is EntryKind.FOLDER and one.name == top) or (
                one.kind is EntryKind.FILE and _is_module(one.name)
            ):
                found.setdefault(top, []).append(one.name)
        return found

    def _is_shared(self, folder: str, top: str) -> bool:
        """Whether folders further back may add to a package: a namespace."""
        inside = self.root.names(f"{folder}/{top}")
        if not inside or f"{top}.py" in self.root.names(folder):
            return False
        if "__init__.py" not in inside:
            return not any(name.startswith("__init__.") for name in inside)
        text = self.root.read(f"{folder}/{top}/__init__.py", "root_text", whole=False) or b""
        return any(word in text for word in _SHARING)

    def _take(self, folder: str, top: str, name: str) -> None:
        """All importable files of one name in a folder of the path."""
        place = f"{folder}/{name}"
        if self.root.is_folder(place):
            for path in self._below(place, name, set(), 0):
                self._add(folder, top, path)
        else:
            self._add(folder, top, name)

    def _below(self, place: str, relative: str, above: set[str], depth: int) -> Iterator[str]:
        try:
            real = self.root.resolve(place)
        except OSError:
            return
        if real in above or depth > _DEEPEST:
            # A link back to a folder around it.
            return
        for one in self.root.entries(place):
            path = f"{relative}/{one.name}"
            if one.kind is EntryKind.FOLDER and one.name.isidentifier() and one.name != "__pycache__":
                yield from self._below(f"{place}/{one.name}", path, above | {real}, depth + 1)
            elif one.kind is EntryKind.FILE and _is_module(one.name):
                yield path

    def _add(self, folder: str, top: str, path: str) -> None:
        self.count += 1
        if self.count > _MOST_FILES:
            return
        inside = f"{folder}/{path}"
        try:
            host = self.root.host(inside)
            state = os.lstat(host)
        except OSError:
            return
        owner = self.owners.get(inside) or self.modules.get((folder, top))
        draft = self._draft(owner, top, folder)
        draft.paths.append(path)
        draft.seal.append(f"{path} {state.st_size} {state.st_mtime_ns} {state.st_ino}")
        if folder != draft.folder or host != f"{self.root.host(folder)}/{path}":
            draft.places[path] = host

    def _draft(self, owner: Installed | None, top: str, folder: str) -> _Draft:
        if owner is None:
            name, version = top, "(of no distribution)"
        elif self.environment.imported.get(owner.key) is owner:
            name, version = owner.key, owner.version
        else:
            name, version = f"{owner.key}@{owner.entry.path}", owner.version
        draft = self.drafts.get(name)
        if draft is None:
            draft = self.drafts[name] = _Draft(version, folder)
            if owner is not None:
                text = self.root.read(f"{owner.metadata}/entry_points.txt", "root_text") or b""
                draft.entry_points = entry_point_modules(text.decode("utf-8", "replace"))
        return draft


def _is_module(name: str) -> bool:
    return name.endswith((".py", *COMPILED)) and name.partition(".")[0].isidentifier()
