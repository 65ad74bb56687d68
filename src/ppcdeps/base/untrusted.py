"""Opening files that something untrusted made: beneath one folder, no links, regular files only, up to a size.

For what a contained build, an unpacked archive or a foreign root file system leaves behind. A name in there may be a
link to a file of this machine, a FIFO that nobody writes to, a device, or a file of any size, and may turn into one
between a look and the opening. Each function refuses all of these with an OSError, whose ``strerror`` says which.
"""

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

# O_NONBLOCK: opening a FIFO without a writer would wait for ever. On a regular file it changes nothing.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
# O_PATH: a folder that may be searched and not listed is one to go through all the same.
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def open_regular(path: str | Path, ceiling: int | None = None, *, dir_fd: int | None = None) -> BufferedReader:
    """The regular file at the path, to read. The folders of the path are trusted: links among them are followed.

    Raises OSError where the file itself is a link (ELOOP), is not a regular file (EINVAL) or has more than
    ``ceiling`` bytes (EFBIG), and as open(2) does.
    """
    # Looked at before as well: opening some devices is an act, such as rewinding a tape.
    if _is_special(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode):
        raise _not_regular(path)
    handle = os.open(path, _FILE, dir_fd=dir_fd)
    state = os.fstat(handle)
    if stat.S_ISREG(state.st_mode) and (ceiling is None or state.st_size <= ceiling):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise _too_large(path, ceiling) if ceiling is not None and stat.S_ISREG(state.st_mode) else _not_regular(path)


def open_beneath(folder: str | Path, path: str, ceiling: int | None = None) -> BufferedReader:
    """The regular file at a relative path beneath a trusted folder, to read. No part of the path may be a link.

    Each part is opened from the folder before it, so that one which becomes a link meanwhile is refused, too. Raises
    OSError like ``open_regular``, and EINVAL for a path with ``..`` or without a name.
    """
    *parts, name = [part for part in path.split("/") if part not in ("", ".")] or [".."]
    if ".." in parts or name == "..":
        raise OSError(errno.EINVAL, "not a path beneath the folder", path)
    here = os.open(folder, _FOLDER)
    try:
        for part in parts:
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        return open_regular(name, ceiling, dir_fd=here)
    finally:
        os.close(here)


def read_beneath(folder: str | Path, path: str, ceiling: int) -> bytes:
    """The whole content of a regular file beneath a trusted folder. Raises OSError like ``open_beneath``."""
    with open_beneath(folder, path, ceiling) as stream:
        content = stream.read(ceiling + 1)
    if len(content) > ceiling:  # it has grown since it was opened
        raise _too_large(path, ceiling)
    return content


def files_beneath(folder: Path, top: str, pattern: str, ceiling: int) -> Iterator[Path]:
    """The regular files beneath the folder ``top`` of a trusted folder whose names fit a pattern such as ``*.rpm``.

    Sorted; no folder is entered through a link. A folder of such a name is none of them, and ``top`` may be missing.
    Raises OSError for a link, a FIFO or a device of such a name, for a file that is larger than ``ceiling``, for a
    name with control characters, and where ``top`` itself is no folder.
    """
    place = folder / top
    try:
        if not stat.S_ISDIR(place.lstat().st_mode):
            raise OSError(errno.ENOTDIR, "not a folder", top)
    except FileNotFoundError:
        return
    found = []
    # Nothing that runs can change the folders while they are read: os.walk enters no link that is one already.
    for here, _, names in os.walk(place):
        found += [Path(here, name) for name in names if fnmatch.fnmatchcase(name, pattern)]
    for path in sorted(found):
        if not path.name.isprintable():
            raise OSError(errno.EINVAL, "a name with control characters", ascii(path.name))
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode):
            raise _not_regular(path.relative_to(folder))
        if state.st_size > ceiling:
            raise _too_large(path.relative_to(folder), ceiling)
        yield path


def _is_special(mode: int) -> bool:
    return not stat.S_ISREG(mode) and not stat.S_ISLNK(mode)


def _not_regular(path: str | Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))


def _too_large(path: str | Path, ceiling: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {ceiling} bytes", str(path))
