"""Files and links put in place at once, so that whoever reads, and whatever is killed, nothing is seen half-done."""

import contextlib
import os
import shutil
from pathlib import Path

from ppcdeps.model.errors import EnvironmentLacksError

NEW = ".new-"
"""How names begin of what is not in place yet."""


def put_file(path: Path, content: bytes) -> None:
    """Have a file with this content there: whole, or as it was."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return
    new = path.with_name(f"{NEW}{path.name}")
    new.write_bytes(content)
    flush(new)
    new.replace(path)


def link(path: Path, target: str) -> None:
    """Have a symbolic link there, replacing what link is there at once."""
    if path.is_symlink() and str(path.readlink()) == target:
        return
    new = path.with_name(f"{NEW}{path.name}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def same_file(old: Path, new: Path) -> None:
    """Have a file in a second place, by a hard link where that can be."""
    try:
        new.hardlink_to(old)
    except OSError:
        # Some file systems have no hard links.
        shutil.copy2(old, new)


def flush(path: Path) -> None:
    """Have it on the disk, before something that is seen speaks of it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some file systems refuse to sync a folder.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def is_full(folder: Path) -> bool:
    """Whether less than a megabyte is left where the folder lies, or no file can be made there."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize < 1 << 20 or (state.f_files > 0 and state.f_favail == 0)


def no_space(folder: Path) -> EnvironmentLacksError:
    """The one line for a disk that is full while something is published."""
    return EnvironmentLacksError(
        f"no space left while publishing to {folder}; what was published before is intact",
        hint="free some space, and publish again",
    )
