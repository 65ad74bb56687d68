"""Modules that a distribution, or Python itself, removed: facts that no file of a set shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, raise_faults, read_toml


@dataclass(frozen=True, slots=True)
class RemovedModule:
    """``name`` was in ``distribution`` (``python``: the standard library) until ``removed_in``, a version.

    ``unless`` is a distribution that brings it back.
    """

    name: str
    distribution: str
    removed_in: str
    reason: str
    sources: tuple[str, ...]
    unless: str = ""


PYTHON = "python"
"""What stands for the distribution where the standard library is meant."""


def load_removed_modules(file: TomlFile | None = None) -> tuple[RemovedModule, ...]:
    """The facts of the shipped file, or of another of that form. Raises ConfigError with all its faults."""
    file = file or shipped_file("rules", "removed-modules")
    what = "the file of removed modules"
    top = read_toml(file, what)
    found: list[RemovedModule] = []
    for table in top.tables("module"):
        found.append(_removed(table, table.text("name"), table.text("distribution")))
        table.finish()
    for table in top.tables("standard"):
        unless = table.optional_text("unless") or ""
        found.extend(_removed(table, name, PYTHON, unless) for name in table.texts("names"))
        table.finish()
    top.finish()
    raise_faults(top, file, what)
    return tuple(found)


def _removed(table: Table, name: str, distribution: str, unless: str = "") -> RemovedModule:
    return RemovedModule(
        name, distribution, table.text("removed_in"), table.text("reason"), table.texts("source"), unless
    )


@cache
def removed_modules() -> Mapping[str, RemovedModule]:
    """The shipped facts by dotted name."""
    return {each.name: each for each in load_removed_modules()}
