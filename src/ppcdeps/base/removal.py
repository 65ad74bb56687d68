"""Removing a tree of files: never through a link or a mount, whatever the permissions and owners in it."""

import contextlib
import os
import re
import shutil
import time
from pathlib import Path

from ppcdeps.model.errors import EnvironmentLacksError

_PAUSES = (0.1, 0.5, 2.0)
"""Seconds between attempts: a program that was just killed may hold or write its files for a moment longer."""


def remove_tree(path: Path, *, unmount: bool = False, strict: bool = True) -> bool:
    """Remove a folder and all below it, a file or a link. Returns whether it was there.

    Where something is mounted below, nothing is removed, as that would reach what is mounted. With ``unmount``, for
    folders in which only ppcdeps mounts, it is unmounted first.

    Raises EnvironmentLacksError for a mount, and where files belong to users that this one may not act for. Without
    ``strict``, what cannot be removed stays and nothing is raised.
    """
    try:
        return _remove(path, unmount=unmount)
    except (OSError, EnvironmentLacksError):
        if strict:
            raise
        return True


def _remove(path: Path, *, unmount: bool) -> bool:
    # A link to a folder is removed as a link: what it points to stays.
    if not path.is_dir() or path.is_symlink():
        there = os.path.lexists(path)
        path.unlink(missing_ok=True)
        return there
    if unmount:
        unmount_below(path)
    mounted = mounts_below(path)
    if mounted:
        raise EnvironmentLacksError(
            f"{mounted[0]} is mounted inside of {path}", hint=f"nothing was removed: umount {mounted[0]} first"
        )
    if _is_removed(path):
        return True
    _make_writable(path)
    if not _is_removed(path) and os.geteuid() != 0:
        _remove_mapped(path)
    for pause in _PAUSES:
        if _is_removed(path):
            return True
        time.sleep(pause)
    if not _is_removed(path):
        raise EnvironmentLacksError(
            f"{path} has files that belong to another user or are in use",
            hint=f"remove it as that user or as root: rm -rf {path}",
        )
    return True


def _is_removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _make_writable(folder: Path) -> None:
    """Open the folders to this user, the upper ones first: else those below are not seen."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    for place, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(place) / name
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)


def _remove_mapped(path: Path) -> None:
    """Remove what belongs to users that exist in this user's namespace only (newuidmap): podman leaves such."""
    for command in (["unshare", "--map-auto", "--map-root-user"], ["podman", "unshare"]):
        if shutil.which(command[0]) and path.exists():
            _runs([*command, "rm", "-rf", "--one-file-system"], path)


def _runs(command: list[str], path: Path) -> bool:
    # Imported when it is needed: it would take a tenth of the time of a short command.
    from ppcdeps.base.programs import run_program

    return run_program(command, operands=[str(path)]).is_well


def unmount_below(folder: Path) -> None:
    """Unmount what is mounted in the folder or at it, where this user may."""
    for point in mounts_below(folder):
        if not _runs(["umount"], point):
            # Something still runs in it, and may not keep it.
            _runs(["umount", "--lazy"], point)


def mounts_below(folder: Path) -> list[Path]:
    """The mount points in the folder or at it, inner ones first."""
    top = os.fsencode(folder.resolve())
    points: list[Path] = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            # Spaces and the like are octal numbers there (proc(5)).
            point = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), line.split(b" ")[4])
            if point == top or point.startswith(top + b"/"):
                points.append(Path(os.fsdecode(point)))
    return points[::-1]


def size_of(folder: Path) -> int:
    """How many bytes of the disk the folder takes. Links are not followed, and mounts in it not entered."""
    total = 0
    pending = [os.fspath(folder)]
    try:
        device = folder.stat().st_dev
    except OSError:
        return 0
    while pending:
        # What is removed meanwhile, or closed to this user, does not count.
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev != device:
                        continue
                    # st_blocks counts units of 512 bytes, independent of the block size of the file system (stat(2)).
                    total += status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return total
