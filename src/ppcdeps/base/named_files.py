"""Files that a user names on the command line or in a configuration: whole under a ceiling, or one clear error."""

from pathlib import Path

from ppcdeps.model.documents import DocumentError, read_document
from ppcdeps.model.errors import ConfigError


def read_named(file: Path, ceiling: str, *, what: str = "", hint: str | None = None) -> bytes:
    """The content of a file. ``ceiling`` is the name of the one that holds, ``what`` it is is for the message.

    Raises ConfigError where it cannot be read, is a device or a pipe that nobody writes to, or is too large.
    """
    shown = f"{what} {file}" if what else str(file)
    try:
        return read_document(file, ceiling)
    except OSError as error:
        raise ConfigError(f"cannot read {shown}: {error.strerror or error}", hint=hint) from error
    except DocumentError as error:
        # It says itself what to do.
        raise ConfigError(f"{shown} {error}") from error


def read_named_text(file: Path, ceiling: str, *, what: str = "", hint: str | None = None) -> str:
    """As ``read_named``, for text in UTF-8, which may begin with a byte order mark."""
    try:
        return read_named(file, ceiling, what=what, hint=hint).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        shown = f"{what} {file}" if what else str(file)
        raise ConfigError(f"{shown} is not UTF-8 text (byte {error.start})", hint=hint) from error
