"""The data files that ppcdeps ships, by folder and name, and the user's own beside them."""

from pathlib import Path

from ppcdeps.base.named_files import expanded
from ppcdeps.base.toml import TomlFile, closest
from ppcdeps.model.errors import ConfigError, UsageError

PACKAGE = Path(__file__).parents[1]
"""The folder of the Python package; its data files are in `data`."""


def shipped_folder(name: str, *, option: str = "") -> Path:
    """A folder that people edit (`recipes`, `constraints`, `containers`), as ppcdeps brings it.

    The wheel carries it within the package, a checkout has it at its top. ``option`` is the command-line option that
    names another folder, for the hint. Raises ConfigError where there is neither.
    """
    for place in (PACKAGE / name, PACKAGE.parents[1] / name):
        if place.is_dir():
            return place
    raise ConfigError(
        f"this ppcdeps came without its {name}", hint=f"name a folder with {option} DIR" if option else ""
    )


def shipped_names(folder: str) -> tuple[str, ...]:
    """The names, without suffix and in order, of the TOML files in a folder of package data."""
    entries = (PACKAGE / "data" / folder).iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")))


def shipped_file(folder: str, name: str) -> TomlFile:
    """The TOML file of that name in a folder of package data."""
    return PACKAGE / "data" / folder / f"{name}.toml"


def find_file(folder: str, name_or_path: str, what: str) -> TomlFile:
    """A file of the user's where the text is a path to one, else the shipped one of that name.

    What ends in `.toml` or has a slash is a path. Raises UsageError where there is neither, with the closest
    names.
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        path = expanded(name_or_path)
        # A pipe can be read, and what else is none is said where it is read.
        if not path.exists() or path.is_dir():
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
    return file.name if is_shipped(file) else str(file)


def is_shipped(file: TomlFile) -> bool:
    """Whether it is one of ppcdeps' own."""
    return str(file).startswith(str(PACKAGE / "data"))
