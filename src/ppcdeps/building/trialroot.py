"""A root file system to try packages in: made for one trial, and gone with it, however that ends."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ppcdeps.building.rooms import Buildroot
from ppcdeps.model.errors import EnvironmentLacksError

_PREFIX = "trial-"


@contextlib.contextmanager
def trial_folder(scratch: Path) -> Iterator[Path]:
    """A new folder below ``scratch`` that is removed in the end, together with those of trials that were killed.

    Raises EnvironmentLacksError where it cannot be made.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(scratch)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=scratch))
        handle = os.open(_lock_of(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise EnvironmentLacksError(
            f"no trial root can be made in {scratch}: {fault.strerror or fault}",
            hint="name a place with room and the right to write with --cache-dir",
        ) from fault
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        _remove(folder)
        os.close(handle)


def fill_root(root: Path, base: Buildroot | None) -> None:
    """Make the root file system: a copy of the base, or empty where there is none and the packages bring everything.

    Raises EnvironmentLacksError where the disk is full.
    """
    if base is None:
        root.mkdir(mode=0o755)
        return
    done = subprocess.run(
        # Where the file system can, the copy shares the blocks of the base until one of them is written to.
        ["cp", "--archive", "--reflink=auto", "--one-file-system", str(base.path), str(root)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["cp failed"])[-1]
        raise EnvironmentLacksError(f"the buildroot {base.name} cannot be copied: {said}", hint="free some space")


def _lock_of(folder: Path) -> Path:
    """Beside the folder, so that it is there as long as anything of the folder is."""
    return folder.with_name(f"{folder.name}.lock")


def _remove_abandoned(scratch: Path) -> None:
    """Remove the folders whose process is gone: the lock of a killed process is free."""
    for folder in scratch.glob(f"{_PREFIX}*"):
        lock = _lock_of(folder)
        if not folder.is_dir() or not lock.exists():
            continue
        with contextlib.suppress(OSError):
            handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(handle)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        # Folders that packages made without the right to write to them, where this is not root.
        for place, _, _ in os.walk(folder):
            with contextlib.suppress(OSError):
                Path(place).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        _lock_of(folder).unlink(missing_ok=True)
