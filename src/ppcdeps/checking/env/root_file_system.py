"""A folder as the root file system of a system: paths as a process in chroot(2) there would see them.

Paths within are texts that begin with a slash. Links are followed inside the root and never out of it: an
absolute one begins at the root, and `..` at the root stays there. Only folders and regular files are read; a FIFO
or a device never.
"""

import errno
import os
import posixpath
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.untrusted import open_beneath
from ppcdeps.model.ceilings import CEILINGS, beyond

_MOST_LINKS = 40
"""As many as Linux follows."""


class EntryKind(StrEnum):
    """What an entry of a folder is, links followed."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    """A FIFO, a socket or a device: never opened."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. ``kind`` is None where a link leads nowhere."""

    name: str
    kind: EntryKind | None
    is_link: bool


class RootFileSystem:
    """The system below a folder of this machine. Listings are remembered: the root must not change meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._top = os.path.realpath(folder)
        self._prefix = "" if self._top == "/" else self._top
        self._folders: dict[str, str] = {}
        self._names: dict[str, frozenset[str]] = {}
        self.unseen: dict[str, str] = {}
        """What could not be read, and why."""

    @property
    def is_machine(self) -> bool:
        """Whether it is the root of this machine itself."""
        return not self._prefix

    def resolve(self, path: str) -> str:
        """The path without links, `.` and `..`. Raises OSError where it does not exist or links go in a circle."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts or len(parts) < 2:
            return self._walk("/", parts)
        folder = "/".join(parts[:-1])
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = self._walk("/", parts[:-1])
        return self._walk(real, parts[-1:])

    def _walk(self, start: str, parts: list[str]) -> str:
        here, left, links = start, list(reversed(parts)), 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                here = posixpath.dirname(here)
                continue
            path = posixpath.join(here, part)
            try:
                mode = os.lstat(self._prefix + path).st_mode
            except ValueError as fault:
                raise FileNotFoundError(errno.ENOENT, "no such file", path) from fault
            if not stat.S_ISLNK(mode):
                if any(one not in ("", ".") for one in left) and not stat.S_ISDIR(mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
                here = path
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            aim = os.readlink(self._prefix + path)  # noqa: PTH115 - bytes that are no text stay as they are
            if aim.startswith("/"):
                here = "/"
            left += reversed(aim.split("/"))
        return here

    def host(self, path: str) -> str:
        """Where the path is on this machine, links resolved. Raises OSError like ``resolve``."""
        return (self._prefix + self.resolve(path)) or "/"

    def within(self, host: Path) -> str | None:
        """The path inside of a path of this machine, its links as they are; None where it is not below the root."""
        path = os.path.normpath(host.absolute())
        for top in (self._top, os.path.normpath(self.folder.absolute())):
            if path == top:
                return "/"
            if path.startswith(top.rstrip("/") + "/"):
                return path[len(top.rstrip("/")) :]
        return None

    def kind(self, path: str) -> EntryKind | None:
        """What is there, links followed; None where nothing is, or where it cannot be seen."""
        try:
            mode = os.lstat(self.host(path)).st_mode
        except OSError as fault:
            self._note(path, fault)
            return None
        return _kind(mode)

    def is_file(self, path: str) -> bool:
        """Whether a regular file is there, links followed."""
        return self.kind(path) is EntryKind.FILE

    def is_folder(self, path: str) -> bool:
        """Whether a folder is there, links followed."""
        return self.kind(path) is EntryKind.FOLDER

    def entries(self, path: str) -> list[Entry]:
        """What the folder holds, by name; nothing where it is no folder or cannot be read (noted in ``unseen``)."""
        found = []
        try:
            host = self.host(path)
            with os.scandir(host) as scan:
                listed = list(scan)
        except OSError as fault:
            self._note(path, fault)
            return []
        for one in listed:
            if one.is_symlink():
                found.append(Entry(one.name, self.kind(posixpath.join(path, one.name)), True))
            elif one.is_dir(follow_symlinks=False):
                found.append(Entry(one.name, EntryKind.FOLDER, False))
            else:
                is_file = one.is_file(follow_symlinks=False)
                found.append(Entry(one.name, EntryKind.FILE if is_file else EntryKind.OTHER, False))
        return sorted(found, key=lambda one: one.name)

    def names(self, path: str) -> frozenset[str]:
        """The names in the folder, links that lead nowhere left out; remembered."""
        known = self._names.get(path)
        if known is None:
            known = self._names[path] = frozenset(one.name for one in self.entries(path) if one.kind is not None)
        return known

    def has(self, path: str) -> bool:
        """Whether something is there: quick where much of one folder is asked for."""
        folder, name = posixpath.split(path)
        return name in self.names(folder)

    def is_gone(self, path: str) -> bool:
        """Whether nothing is there for certain: where the folder cannot be read, it is not."""
        return not self.has(path) and posixpath.dirname(path) not in self.unseen

    def open(self, path: str, ceiling: int | None = None) -> BinaryIO:
        """The regular file, to read. Raises OSError where it is not one, is larger, or cannot be read."""
        # The links were followed by ``resolve``: what is one now became one meanwhile.
        return open_beneath(self._top, self.resolve(path), ceiling)

    def read(self, path: str, ceiling: str, *, whole: bool = True) -> bytes | None:
        """The file, up to the ceiling of that name; None where there is none or it cannot be read.

        What is left unread is noted in ``unseen``, unless the beginning is enough (``whole`` is False).
        """
        most: int = getattr(CEILINGS, ceiling)
        try:
            with self.open(path) as stream:
                content = stream.read(most + 1)
        except OSError as fault:
            self._note(path, fault)
            return None
        if whole and len(content) > most:
            self.unseen[path] = f"it {beyond(ceiling)}; the rest was not read"
        return content[:most]

    def _note(self, path: str, fault: OSError) -> None:
        if fault.errno not in (errno.ENOENT, errno.ENOTDIR):
            self.unseen[path] = fault.strerror or type(fault).__name__


def _kind(mode: int) -> EntryKind:
    if stat.S_ISREG(mode):
        return EntryKind.FILE
    return EntryKind.FOLDER if stat.S_ISDIR(mode) else EntryKind.OTHER
