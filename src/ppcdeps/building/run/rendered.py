"""The builds of a plan, rendered beforehand to a folder that travels: a step of a pipeline builds from it.

A folder for each task, as `recipebook.rendering` makes it, and ``rendered.json`` with what else a build has to know.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ppcdeps.base.atomic import new_folder, write_file
from ppcdeps.base.copying import copy_tree
from ppcdeps.base.jsonvalues import value_from
from ppcdeps.base.named_files import read_named
from ppcdeps.building.publishing.records import SourceFile
from ppcdeps.building.run.setup import plain
from ppcdeps.building.run.sources import RenderedBuild, TaskSources, rendered_build
from ppcdeps.building.run.tasks import Task
from ppcdeps.model.documents import parse_json
from ppcdeps.model.errors import ConfigError
from ppcdeps.recipebook.srpm import SPEC_NAME

MANIFEST = "rendered.json"
ANOTHER_PLACE = "name another place with --output"
_SCHEMA = 1
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class RenderedTask:
    """One task of the plan as it was rendered. ``requires`` are its BuildRequires as its sources say them."""

    task: str
    folder: str
    spec: str
    name: str
    version: str
    digest: str
    sources: tuple[SourceFile, ...]
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Manifest:
    plan: str
    """The SHA-256 of the plan's file."""
    tasks: tuple[RenderedTask, ...]


@dataclass(frozen=True, slots=True)
class RenderedSources:
    """The sources of tasks, as `write_rendered` left them in a folder."""

    folder: Path
    tasks: tuple[RenderedTask, ...]

    @classmethod
    def read(cls, folder: Path, plan_digest: str) -> "RenderedSources":
        """What is in the folder. Raises ConfigError where it was not rendered, or of another plan."""
        again = "make it with `ppcdeps export PLAN make`"
        path = folder / MANIFEST
        if not path.is_file():
            raise ConfigError(f"nothing was rendered in {folder}: there is no {MANIFEST}", hint=again)
        try:
            document = parse_json(read_named(path, "document_size"))
            if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
                raise ValueError("it is of another version of ppcdeps")
            manifest = value_from(_Manifest, document)
            for one in manifest.tasks:
                if not _FOLDER.fullmatch(one.folder) or not SPEC_NAME.fullmatch(one.spec):
                    raise ValueError(f"it names the folder {one.folder!r} with the spec {one.spec!r}")
        except ValueError as fault:
            raise ConfigError(f"{path} cannot be read: {fault}", hint=again) from fault
        if manifest.plan != plan_digest:
            raise ConfigError(f"{folder} was rendered for another plan, or the plan was changed since", hint=again)
        return cls(folder, manifest.tasks)

    def prepare(self, task: Task, folder: Path) -> RenderedBuild:
        """A copy of the task's folder. Raises ConfigError where it is not there, or not as it was rendered."""
        found = self._found(task)
        place = self.folder / found.folder
        if not (place / "SPECS" / found.spec).is_file() or any(one.is_symlink() for one in place.rglob("*")):
            raise ConfigError(f"{place} is not what was rendered for {task.name}", hint="export the plan again")
        copy_tree(place, folder, exist_ok=True)
        # Git keeps no empty folder.
        (folder / "SOURCES").mkdir(exist_ok=True)
        copied = rendered_build(folder, found.spec, found.name, found.version, found.sources)
        if copied.digest != found.digest:
            raise ConfigError(f"{place} was changed since it was rendered", hint="export the plan again")
        return copied

    def build_requires(self, task: Task) -> tuple[str, ...]:
        """What the task's sources said when it was rendered."""
        return self._found(task).requires

    def _found(self, task: Task) -> RenderedTask:
        found = next((one for one in self.tasks if one.task == task.name), None)
        if found is None:
            raise ConfigError(f"{task.name} was not rendered in {self.folder}", hint="export the plan again")
        return found


def check_rendered(folder: Path) -> None:
    """Raise ConfigError where the folder holds what `write_rendered` did not leave there."""
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise ConfigError(f"{folder} holds what was not rendered by ppcdeps", hint=ANOTHER_PLACE)


def write_rendered(tasks: Sequence[Task], sources: TaskSources, plan_digest: str, folder: Path) -> None:
    """Render tasks to a folder, which is not there yet.

    ``sources`` renders each. Raises what that raises.
    """
    with new_folder(folder.parent) as scratch:
        made = []
        for number, task in enumerate(tasks):
            place = scratch / "work" / str(number)
            place.parent.mkdir(exist_ok=True)
            rendered = sources.prepare(task, place)
            name = plain(task.name) or "build"
            if (scratch / "rendered" / name).exists():
                name = f"{name}-{number}"
            to = scratch / "rendered" / name
            to.parent.mkdir(exist_ok=True)
            place.rename(to)
            described = (rendered.spec, rendered.name, rendered.version, rendered.digest, rendered.sources)
            made.append(RenderedTask(task.name, name, *described, sources.build_requires(task)))
        document = {"schema": _SCHEMA, **asdict(_Manifest(plan_digest, tuple(made)))}
        result = scratch / "rendered"
        result.mkdir(exist_ok=True)
        write_file(result / MANIFEST, json.dumps(document, indent=1, sort_keys=True) + "\n")
        result.rename(folder)
