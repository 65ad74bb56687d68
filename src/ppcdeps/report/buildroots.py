"""Buildroots, defined and created, as text and as JSON."""

import re
import time
from collections.abc import Sequence
from typing import Any

from ppcdeps.building.buildroots.buildroots import Created
from ppcdeps.building.buildroots.definitions import Definition
from ppcdeps.engines.job import Buildroot
from ppcdeps.report.text import as_json, columns, text_of

_SHORT = 12


def dump_list(definitions: Sequence[Definition], created: Sequence[Created]) -> str:
    """All buildroots as JSON, ending in a newline."""
    document = {
        "schema": 1,
        "definitions": [_definition(one) for one in definitions],
        "created": [_created(one) for one in created],
    }
    return as_json(document)


def render_list(definitions: Sequence[Definition], created: Sequence[Created]) -> str:
    """All buildroots as text: what can be created, then what is there."""
    rows = [("NAME", "MODES", "WHAT IT IS")]
    rows += [(one.name, ", ".join(one.modes), one.title) for one in definitions]
    lines = ["What can be created", *columns(rows), ""]
    if not created:
        return text_of([*lines, "None is created."])
    table = [("NAME", "KEY", "SIZE", "AGE", "PACKAGES BESIDE ITS OWN")]
    table += [
        (one.name, one.key[:_SHORT], f"{one.size / 1e6:.0f} MB", _age(one.made), " ".join(one.extra) or "-")
        for one in created
    ]
    return text_of([*lines, "What is created", *columns(table)])


def dump_created(buildroot: Buildroot, created: Created) -> str:
    """A buildroot that is there now, and the build mode in which it is used, as JSON."""
    document = {
        "schema": 1,
        **_created(created),
        "mode": buildroot.mode.value,
        "key": buildroot.key,
        "tools": {place: str(folder) for place, folder in buildroot.tools.items()},
        "environment": dict(buildroot.environment),
        "packages": dict(created.packages),
    }
    return as_json(document)


def render_created(buildroot: Buildroot, created: Created) -> str:
    """The same as text."""
    rows = [
        ("buildroot", f"{buildroot.name} ({buildroot.mode})"),
        ("key", buildroot.key[:_SHORT]),
        ("root", str(buildroot.path)),
        ("packages", str(len(created.packages))),
        *(("from", _without_options(source)) for source in created.sources),
    ]
    if created.repository is not None:
        rows.append(("repository", str(created.repository)))
    return text_of(columns(rows))


def dump_removed(removed: Sequence[Created]) -> str:
    """What was removed, as JSON."""
    return as_json({"schema": 1, "removed": [_created(one) for one in removed]})


def render_removed(removed: Sequence[Created]) -> str:
    """What was removed, as text."""
    if not removed:
        return "Nothing was there to be removed.\n"
    return text_of(f"removed {one.name} {one.key[:_SHORT]} ({one.size / 1e6:.0f} MB)" for one in removed)


def _definition(one: Definition) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "arch": one.arch,
        "target": one.target,
        "modes": [mode.value for mode in one.modes],
        "folder": str(one.folder),
    }


def _created(one: Created) -> dict[str, Any]:
    return {
        "name": one.name,
        "key": one.key,
        "arch": one.arch,
        "target": one.target,
        "modes": [mode.value for mode in one.modes],
        "root": str(one.root),
        "repository": str(one.repository) if one.repository is not None else None,
        "extra": list(one.extra),
        "sources": list(one.sources),
        "made": int(one.made),
        "size": one.size,
    }


def _without_options(source: str) -> str:
    # deb [signed-by=...] URL SUITE: who signed it is in the definition.
    return re.sub(r"^deb (\[[^]]*\] )?", "", source)


def _age(made: float) -> str:
    seconds = max(0.0, time.time() - made)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
