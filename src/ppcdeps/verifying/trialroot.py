"""A root file system to test packages in: made for one trial, and removed when that ends, in whichever way."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ppcdeps.base.programs import run_program
from ppcdeps.base.removal import remove_tree, unmount_below
from ppcdeps.engines.job import Buildroot
from ppcdeps.model.errors import EnvironmentLacksError

_PREFIX = "trial-"
_COPY_SECONDS = 3600.0


@contextlib.contextmanager
def trial_folder(scratch: Path) -> Iterator[Path]:
    """A new folder below ``scratch`` that is removed in the end, together with those of trials that were killed.

    Raises EnvironmentLacksError where it cannot be made.
    """
    try:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_abandoned(scratch)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=scratch))
        handle = os.open(_lock_of(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise EnvironmentLacksError(
            f"no trial root can be made in {scratch}: {fault.strerror or fault}",
            hint="name a folder with free space that you may write to with --cache-dir",
        ) from fault
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        _remove(folder)
        os.close(handle)


@contextlib.contextmanager
def trial_root(folder: Path, base: Buildroot | None) -> Iterator[Path]:
    """A root file system in the trial's folder: the base, which it does not change, or empty where there is none.

    An overlay where this machine can mount one, which is quick, else a copy. Raises EnvironmentLacksError where the
    disk is full.
    """
    root = folder / "root"
    root.mkdir(mode=0o755)
    if base is None:
        yield root
    elif _overlaid(root, base.path, folder / "changes"):
        try:
            yield root
        finally:
            unmount_below(folder)
    else:
        _copy(base, root)
        yield root


def _overlaid(root: Path, lower: Path, changes: Path) -> bool:
    """Lay the root over the base. Returns whether that was possible."""
    lower = lower.resolve()
    # The engine lays another overlay over this one, and the kernel stacks no more than two. Commas and colons mean
    # something in the options.
    if _file_system(changes.parent) == "overlayfs" or any(sign in f"{lower}{changes}" for sign in ",:\\"):
        return False
    for name in ("upper", "work"):
        (changes / name).mkdir(parents=True)
    options = f"nosuid,nodev,lowerdir={lower},upperdir={changes / 'upper'},workdir={changes / 'work'}"
    return run_program(["mount", "-t", "overlay", "-o", options], operands=["ppcdeps", str(root)]).is_well


def _copy(base: Buildroot, root: Path) -> None:
    # Where the file system can, the copy shares the blocks of the base until one of them is written to.
    command = ["cp", "--archive", "--reflink=auto", "--one-file-system"]
    done = run_program(command, operands=[f"{base.path}/.", str(root)], seconds=_COPY_SECONDS)
    if not done.is_well:
        raise EnvironmentLacksError(
            f"the buildroot {base.name} cannot be copied: {done.reason}", hint="free some space"
        )


def _file_system(place: Path) -> str:
    return run_program(["stat", "--file-system", "--format", "%T"], operands=[str(place)]).text.strip()


def _lock_of(folder: Path) -> Path:
    """Beside the folder, so that it is there as long as anything of the folder is."""
    return folder.with_name(f"{folder.name}.lock")


def _remove_abandoned(scratch: Path) -> None:
    """Remove the folders whose process has ended: the lock of a killed process is free."""
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
    remove_tree(folder, unmount=True, strict=False)
    if not folder.exists():
        _lock_of(folder).unlink(missing_ok=True)
