"""Files that a user names on the command line or in a configuration: whole under a ceiling, or one clear error."""

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from ppcdeps.base.untrusted import open_regular, read_beneath
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import DocumentError, read_document
from ppcdeps.model.errors import ConfigError


def expanded(path: str | Path) -> Path:
    """The path with ``~`` and ``~user`` as a shell reads them: as they are where there is no such user or home."""
    # Path.expanduser raises there.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def followed(path: str | Path) -> Path:
    """The absolute path, with its links followed. One that leads to itself stays as it is."""
    # Path.resolve raises RuntimeError for that one, before Python 3.13.
    return Path(os.path.realpath(path))


def read_named(file: Path, ceiling: str, *, what: str = "", hint: str | None = None) -> bytes:
    """The content of a file. ``ceiling`` is the name of the one that holds, ``what`` it is is for the message.

    Raises ConfigError where it cannot be read, is a device or a pipe that gives nothing, or is too large.
    """
    shown = f"{what} {file}" if what else str(file)
    try:
        return read_document(file, ceiling)
    except OSError as error:
        raise ConfigError(f"cannot read {shown}: {error.strerror or error}", hint=hint) from error
    except DocumentError as error:
        # It says itself what to do.
        raise ConfigError(f"{shown} {error}") from error
    except ValueError as error:
        # A name with a null byte.
        raise ConfigError(f"cannot read {shown}: {error}", hint=hint) from error


def read_named_text(file: Path, ceiling: str, *, what: str = "", hint: str | None = None) -> str:
    """As ``read_named``, for text in UTF-8, which may begin with a byte order mark."""
    try:
        return read_named(file, ceiling, what=what, hint=hint).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        shown = f"{what} {file}" if what else str(file)
        raise ConfigError(f"{shown} is not UTF-8 text (byte {error.start})", hint=hint) from error


def open_named(file: Path, ceiling: str, *, what: str = "") -> BufferedReader:
    """A file that is too large for the memory, to read. Links are followed.

    Raises ConfigError where it cannot be read, is no regular file, or is larger than the ceiling of that name.
    """
    shown = f"{what} {file}" if what else str(file)
    try:
        return open_regular(followed(file), getattr(CEILINGS, ceiling))
    except (OSError, ValueError) as error:
        # ValueError: a name with a null byte.
        if getattr(error, "errno", None) == errno.EFBIG:
            raise ConfigError(f"{shown} {beyond(ceiling)}") from error
        if isinstance(error, FileNotFoundError):
            raise ConfigError(f"no such file: {shown}") from error
        raise ConfigError(f"cannot read {shown}: {getattr(error, 'strerror', None) or error}") from error


def read_folder(folder: Path, what: str) -> Iterator[tuple[str, bytes]]:
    """The files beneath a folder such as a recipe's, sorted: the path of each, and its content.

    That of a link is where it leads to, as bytes: nothing reads what lies there. Other kinds of files are left out:
    what reads one by its name refuses it. Raises ConfigError where the folder meets a ceiling or cannot be read.
    """
    left: int = CEILINGS.folder_size
    names = []
    try:
        for here, folders, files in os.walk(folder, onerror=_raise):
            for name in (*files, *(each for each in folders if Path(here, each).is_symlink())):
                names.append(Path(here, name).relative_to(folder).as_posix())
                if len(names) > CEILINGS.folder_files:
                    raise ConfigError(f"{what} {folder} {beyond('folder_files', 'has more than')}")
        for name in sorted(names):
            mode = (folder / name).lstat().st_mode
            if stat.S_ISLNK(mode):
                yield name, os.fsencode((folder / name).readlink())
            elif stat.S_ISREG(mode):
                content = read_beneath(folder, name, left)
                left -= len(content)
                yield name, content
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError(f"{what} {folder} {beyond('folder_size')}") from error
        raise ConfigError(f"cannot read {what} {folder}: {error.strerror} ({error.filename})") from error


def _raise(fault: OSError) -> None:
    raise fault
