"""Folders that are roots of their own, removed: with files of other owners, without permissions, never through a
mount.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from ppcdeps.model.errors import EnvironmentLacksError


def remove_tree(folder: Path) -> None:
    """Remove the folder and all below it; a folder that is not there is fine.

    Raises EnvironmentLacksError where something is mounted below it, as removing would reach what is mounted, and
    where files belong to users that this one may not act for.
    """
    if not folder.is_dir() or folder.is_symlink():
        folder.unlink(missing_ok=True)
        return
    mounted = mounts_below(folder)
    if mounted:
        raise EnvironmentLacksError(
            f"{mounted[0]} is mounted inside of {folder}", hint=f"nothing was removed: umount {mounted[0]} first"
        )
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _make_writable(folder)
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and os.geteuid() != 0:
        # Files of users that only exist in this user's namespace (newuidmap).
        for command in (["unshare", "--map-auto", "--map-root-user"], ["podman", "unshare"]):
            if shutil.which(command[0]) and folder.exists():
                subprocess.run([*command, "rm", "-rf", str(folder)], capture_output=True, check=False)
    if folder.exists():
        raise EnvironmentLacksError(
            f"{folder} has files that belong to another user",
            hint=f"remove it as that user or as root: rm -rf {folder}",
        )


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
    """How many bytes of the disk the folder takes; links are not followed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_blocks * 512
    return total


def _make_writable(folder: Path) -> None:
    for place, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(place) / name
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
