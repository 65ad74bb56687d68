"""Files that a command leaves for the user: whole, or not there."""

import contextlib
import os
import tempfile
from pathlib import Path

from ppcdeps.model.errors import ConfigError


def write_text(path: Path, text: str) -> None:
    """Put a text file in place at once: what was there stays until the new one is whole.

    Raises ConfigError where the folder cannot be written to; a full disk is raised as it is.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", hint="name another place with --output"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
