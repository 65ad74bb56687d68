"""The folder of a build run: its lock, and its state, from which it can be resumed."""

import contextlib
import fcntl
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ppcdeps.base.atomic import write_file
from ppcdeps.base.jsonvalues import value_from
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.untrusted import read_beneath
from ppcdeps.building.run.events import TaskResult
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.documents import parse_json
from ppcdeps.model.errors import ConfigError, UsageError

STATE = "run.json"
SCHEMA = 1
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class RunState:
    """What run.json says: the plan's file and digest, the command's arguments, and the results so far.

    ``results`` maps tasks to their outcome. ``finished`` is None as long as the run is not over, which is
    also so where ppcdeps was killed.
    """

    plan: str
    digest: str
    arguments: tuple[str, ...]
    results: Mapping[str, str]
    started: float
    finished: float | None = None


@dataclass(slots=True)
class RunFolder:
    """The folder of a run, locked by this process. ``state`` is None until the run has begun."""

    folder: Path
    state: RunState | None = None

    def begin(self, plan: Path, digest: str, arguments: Sequence[str]) -> None:
        """Note that a run has begun. What an earlier one left half-done is removed."""
        remove_tree(self.folder / "scratch", strict=False)
        # What is built may be set-uid before it is packed, and no other user is to reach it.
        (self.folder / "scratch").mkdir(mode=0o700)
        self._write(RunState(str(plan.absolute()), digest, tuple(arguments), {}, time.time()))

    def note(self, result: TaskResult) -> None:
        """Note how a build went."""
        assert self.state is not None
        results = {**self.state.results, result.task.name: str(result.outcome)}
        self._write(replace(self.state, results=results))

    def finish(self) -> None:
        """Note that the run is over."""
        assert self.state is not None
        self._write(replace(self.state, finished=time.time()))
        remove_tree(self.folder / "scratch", strict=False)

    def _write(self, state: RunState) -> None:
        document = {"schema": SCHEMA, **asdict(state)}
        write_file(self.folder / STATE, json.dumps(document, indent=1, sort_keys=True))
        self.state = state


@contextlib.contextmanager
def open_run_folder(folder: Path) -> Iterator[RunFolder]:
    """Lock a run's folder, which is created where needed.

    Raises UsageError where another ppcdeps builds in it, ConfigError where the folder belongs to something else.
    """
    _check_ours(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(
            f"cannot work in {folder}: {error.strerror}", hint="name another with --work DIR"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another ppcdeps builds in {folder}", hint="wait for it, or name another folder with --work DIR"
            ) from error
        yield RunFolder(folder, read_state(folder))
    finally:
        os.close(handle)


def read_state(folder: Path) -> RunState | None:
    """What run.json in a folder says; None where there is none.

    Raises ConfigError where it cannot be read.
    """
    path = folder / STATE
    try:
        document = parse_json(read_beneath(folder, STATE, CEILINGS.document_size))
        schema = document.get("schema") if isinstance(document, dict) else None
        if type(schema) is not int or schema != SCHEMA:
            raise ValueError(f"it is of schema {str(schema)[:20]}")
        state = value_from(RunState, document)
        if state.started < 0 or not math.isfinite(state.started) or "\0" in f"{state.plan}{''.join(state.arguments)}":
            raise ValueError("it has a value that ppcdeps never writes")
        return state
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="remove it, and build without --resume") from error


def _check_ours(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", hint="name another with --work DIR")
    ours: Sequence[str] = (STATE, _LOCK)
    if any(folder.iterdir()) and not any((folder / name).exists() for name in ours):
        raise ConfigError(
            f"{folder} holds files, and none of a build run of ppcdeps", hint="name another folder with --work DIR"
        )
