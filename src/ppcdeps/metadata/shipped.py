"""The data files that ppcdeps ships, by folder and name, and the user's own beside them."""

from importlib.resources import files
from pathlib import Path

from ppcdeps.metadata.tables import TomlFile, closest
from ppcdeps.model.errors import UsageError


def shipped_names(folder: str) -> tuple[str, ...]:
    """The names, without suffix and in order, of the TOML files in a folder of package data."""
    entries = files("ppcdeps").joinpath("data", folder).iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")))


def shipped_file(folder: str, name: str) -> TomlFile:
    """The TOML file of that name in a folder of package data."""
    return files("ppcdeps").joinpath("data", folder, f"{name}.toml")


def find_file(folder: str, name_or_path: str, what: str) -> TomlFile:
    """A file of the user's where the text is a path to one, else the shipped one of that name.

    What ends in `.toml` or has a slash is a path. Raises UsageError where there is neither, with the closest
    names.
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            known = ", ".join(shipped_names(folder))
            raise UsageError(f"no such {what} file: {name_or_path}", hint=f"give a path to one, or a name: {known}")
        return path
    names = shipped_names(folder)
    if name_or_path not in names:
        raise UsageError(
            f'unknown {what} "{name_or_path}"',
            hint=closest(name_or_path, names) or f"known: {', '.join(names)}",
        )
    return shipped_file(folder, name_or_path)


def origin_of(file: TomlFile) -> str:
    """Where a value came from, for messages: the path of a user's file, the bare name of a shipped one."""
    shipped = str(files("ppcdeps").joinpath("data"))
    return file.name if str(file).startswith(shipped) else str(file)
