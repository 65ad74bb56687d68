"""Files that a user gives a check to read: whole, up to a size, or one clear error."""

from pathlib import Path

from ppcdeps.model.errors import ConfigError


def read_input(file: Path, ceiling: int, hint: str = "") -> bytes:
    """The content of a file of at most ``ceiling`` bytes. Raises ConfigError where it is larger or cannot be read."""
    try:
        with file.open("rb") as opened:
            content = opened.read(ceiling + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    if len(content) > ceiling:
        raise ConfigError(f"{file} is larger than {ceiling // 2**20} MiB", hint=hint)
    return content
