"""Ownership of a repository's folder: whether it is one of ppcdeps, and the lock of the process that writes to it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ppcdeps.building.publishing.repository import CURRENT, MARKER, SCHEMA, SEEN, dumped
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError
from ppcdeps.model.reporter import Reporter

_LOCK_POLL = 0.1


@contextlib.contextmanager
def locked(folder: Path, wait: float, reporter: Reporter) -> Iterator[int]:
    """The repository's marker, locked.

    createrepo_c inherits its descriptor: where this process is killed, the next one waits for that program, too.
    """
    _claim(folder)
    lock = os.open(folder / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for(lock, folder, wait, reporter)
        _check_marker(lock, folder / MARKER)
        yield lock
    finally:
        os.close(lock)


def _claim(folder: Path) -> None:
    """Make the folder if it is not there. Raises ConfigError where it belongs to something else."""
    with contextlib.suppress(FileExistsError, NotADirectoryError):
        folder.mkdir(parents=True, exist_ok=True)
    check_place(folder)


def check_place(folder: Path) -> None:
    """Raise ConfigError where the folder, if it is there, belongs to something else than a repository of ppcdeps."""
    try:
        names = {one.name for one in folder.iterdir()}
    except FileNotFoundError:
        return
    except NotADirectoryError as fault:
        raise ConfigError(f"{folder} is not a folder", hint="name another place for the repository") from fault
    except OSError as fault:
        raise ConfigError(
            f"cannot publish to {folder}: {fault.strerror}", hint="name another place for the repository"
        ) from fault
    if names and MARKER not in names:
        raise ConfigError(
            f"{folder} holds other files and is no repository of ppcdeps", hint="name a new or an empty folder"
        )
    for name in (*SEEN, CURRENT):
        place = folder / name
        if place.exists() and not place.is_symlink():
            raise ConfigError(
                f"{place} was put there by another program",
                hint="remove it, or name another folder for the repository",
            )


def _check_marker(lock: int, path: Path) -> None:
    """Write the marker if it is new. Raises ConfigError where it says another version."""
    content = os.pread(lock, 4096, 0)
    if not content:
        os.write(lock, dumped({"schema": SCHEMA, "is": "a repository of ppcdeps; see docs/repository.md"}))
        return
    try:
        is_known = json.loads(content)["schema"] == SCHEMA
    except (ValueError, TypeError, KeyError):
        is_known = False
    if not is_known:
        raise ConfigError(f"{path} is damaged or of another version of ppcdeps", hint="publish into a new folder")


def _wait_for(lock: int, folder: Path, wait: float, reporter: Reporter) -> None:
    end = time.monotonic() + wait
    is_reported = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise EnvironmentLacksError(
                    f"{folder} is being published to by another process, for more than {wait:.0f} s",
                    hint="wait for it, or end it",
                ) from None
            if not is_reported:
                reporter.note(f"waiting for another publication to {folder}")
                is_reported = True
            time.sleep(_LOCK_POLL)
        else:
            return
