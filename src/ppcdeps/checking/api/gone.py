"""Modules that their distribution, or Python, gave up: facts that no file of a set tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, raise_faults, read_toml


@dataclass(frozen=True, slots=True)
class Gone:
    """``name`` was in ``distribution`` (``python``: the standard library) until ``gone_in``, a version.

    ``unless`` is a distribution that brings it back.
    """

    name: str
    distribution: str
    gone_in: str
    reason: str
    sources: tuple[str, ...]
    unless: str = ""


PYTHON = "python"
"""What stands for the distribution where the standard library is meant."""


def load_gone(file: TomlFile | None = None) -> tuple[Gone, ...]:
    """The facts of the shipped file, or of another of that form. Raises ConfigError with all its faults."""
    file = file or shipped_file("rules", "gone-modules")
    what = "the file of gone modules"
    top = read_toml(file, what)
    found: list[Gone] = []
    for table in top.tables("module"):
        found.append(_gone(table, table.text("name"), table.text("distribution")))
        table.finish()
    for table in top.tables("standard"):
        unless = table.optional_text("unless") or ""
        found.extend(_gone(table, name, PYTHON, unless) for name in table.texts("names"))
        table.finish()
    top.finish()
    raise_faults(top, file, what)
    return tuple(found)


def _gone(table: Table, name: str, distribution: str, unless: str = "") -> Gone:
    return Gone(name, distribution, table.text("gone_in"), table.text("reason"), table.texts("source"), unless)


@cache
def gone_modules() -> Mapping[str, Gone]:
    """The shipped facts by dotted name."""
    return {each.name: each for each in load_gone()}
