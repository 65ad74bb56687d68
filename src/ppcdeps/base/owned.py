"""Folders of this user alone: what another user of the machine could have written in them is not trusted."""

import os
import stat
from pathlib import Path

from ppcdeps.base.named_files import followed
from ppcdeps.model.errors import EnvironmentLacksError

_PRIVATE = 0o700
_LEVELS = 3
"""Levels of folders that are looked at: below, nobody can go whom the upper ones keep out."""


def make_private(folder: Path) -> None:
    """Have a folder there, for this user only where it is made now. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=_PRIVATE, exist_ok=True)


def require_own(place: Path, what: str, hint: str) -> None:
    """Raise EnvironmentLacksError where another user could have written in a folder, or can put another in its place.

    The folder and those in it are this user's and not writable by others. So is the folder that it lies in, if that
    is not root's, or sticky as /tmp is, where others can rename nothing. The group may write into that one: the umask
    002 makes it so.
    """
    for path in dict.fromkeys((place.absolute(), followed(place))):
        reason = _reason_within(path) or _reason_above(path.parent)
        if reason:
            raise EnvironmentLacksError(f"{what} {place} is not used: {reason}", hint=hint)


def _reason_within(place: Path) -> str:
    folders = [place]
    for level in range(_LEVELS):
        below: list[Path] = []
        for folder in folders:
            try:
                reason = _reason_of(folder, stat.S_IWOTH if level else stat.S_IWGRP | stat.S_IWOTH)
                if reason:
                    return reason
                with os.scandir(folder) as entries:
                    below += [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as fault:
                return f"{folder}: {fault.strerror}"
        folders = below
    return ""


def _reason_of(folder: Path, forbidden: int) -> str:
    state = folder.lstat()
    if state.st_uid != os.geteuid():
        return f"{folder} belongs to another user (number {state.st_uid})"
    if stat.S_ISDIR(state.st_mode) and state.st_mode & forbidden:
        return f"others can write in {folder} (mode {stat.S_IMODE(state.st_mode):04o})"
    return ""


def _reason_above(folder: Path) -> str:
    """The same of the nearest folder that is there: who may write in it can exchange what it has."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    state = folder.stat()
    if state.st_mode & stat.S_ISVTX:
        return ""
    if state.st_uid not in (0, os.geteuid()):
        return f"{folder} belongs to another user (number {state.st_uid})"
    return f"others can write in {folder}" if state.st_mode & stat.S_IWOTH else ""
