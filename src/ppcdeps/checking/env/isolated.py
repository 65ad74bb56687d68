"""Programs that run as `python3 -s`, and import what is in /usr/local only, which they do not see.

On Fedora and EL, pip as root installs to /usr/local, and programs of RPMs begin with `#!/usr/bin/python3 -s`: their
site.py leaves /usr/local out then.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.interpreters import Style
from ppcdeps.checking.env.searchpath import search_path
from ppcdeps.checking.findings import Finding, Severity
from ppcdeps.checking.rules import finding

_FOLDERS = ("/usr/bin", "/usr/sbin")
_LOCAL = "/usr/local/"
_BEGINNING = 4096
"""Bytes of a program in which its imports are looked for: those that tools write have some 300."""
_UNITS = ("/usr/lib/systemd/system", "/etc/systemd/system")
"""The second one's units replace those of the first."""
_EXEC_START = re.compile(r"^ExecStart[ \t]*+=(.*+)$", re.MULTILINE)
_MOST_PROGRAMS = 20_000
_FIRST_LINE = re.compile(
    rb"#! ?/usr/(?:bin/python3(?:\.\d+)?|libexec/platform-python)[ \t]+-[A-Za-z]{0,9}[sI][A-Za-z]{0,9}[ \t]*+\n"
)
_IMPORT = re.compile(rb"^(?:from|import)[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


def isolated_program_findings(environment: Environment) -> Iterator[Finding]:
    """A finding for each module that such programs import and do not find, with all of these programs."""
    python = environment.python
    has_local = any(entry.real.startswith(_LOCAL) for entry in environment.path.sites)
    if python.style is not Style.FEDORA or not has_local or python.is_virtual:
        return
    alone = replace(environment, path=search_path(environment.root, python, isolated=True))
    lost: dict[str, list[str]] = {}
    found: dict[str, bool] = {}
    for program, modules in _programs(environment):
        for module in modules:
            if module not in found:
                place = environment.module_place(module)
                there = place is not None and place[0].startswith(_LOCAL)
                found[module] = there and alone.module_place(module) is None
            if found[module]:
                lost.setdefault(module, []).append(program)
    for module, programs in sorted(lost.items()):
        place = environment.module_place(module)
        assert place is not None
        others = [name for name in programs if environment.root.is_file(_by_pip(name))]
        services = [name for name in programs if _is_service(environment, name)]
        more = f" and {len(programs) - 1} more programs begin" if len(programs) > 1 else " begins"
        yield finding(
            "env-isolated-program",
            f"{programs[0]}{more} with python3 -s, and cannot import {module}: it is in {place[0]} only",
            programs[0],
            severity=None if services else Severity.WARNING,
            detail=[
                *programs[1:5],
                *(f"pip's own program is {_by_pip(name)}" for name in others[:1]),
            ],
            fix=[line for name in services if name in others for line in _drop_in(name)],
        )


def _programs(environment: Environment) -> Iterator[tuple[str, list[str]]]:
    """Programs that begin so, each with the top-level modules that its beginning imports."""
    root = environment.root
    real = {root.resolve(folder) for folder in _FOLDERS if root.is_folder(folder)}
    for folder in sorted(real):
        for name in sorted(root.names(folder))[:_MOST_PROGRAMS]:
            path = f"{folder}/{name}"
            try:
                with root.open(path) as stream:
                    content = stream.read(_BEGINNING)
            except OSError:
                continue
            if _FIRST_LINE.match(content):
                yield path, sorted({one.decode() for one in _IMPORT.findall(content)})


def _by_pip(program: str) -> str:
    return f"/usr/local/bin/{program.rpartition('/')[2]}"


def _drop_in(program: str) -> list[str]:
    """Lines of a drop-in for the unit, as `systemctl edit` opens one: an empty ExecStart takes the first one away."""
    return ["[Service]", "ExecStart=", f"ExecStart={_by_pip(program)}"]


def _is_service(environment: Environment, program: str) -> bool:
    """Whether a unit called after the program starts it, drop-ins counted (systemd.unit(5))."""
    root, name = environment.root, program.rpartition("/")[2]
    units = {unit: folder for folder in _UNITS for unit in root.names(folder) if unit.endswith(f"{name}.service")}
    for unit, folder in sorted(units.items()):
        files = [f"{folder}/{unit}"]
        for each in _UNITS:
            files += sorted(
                f"{each}/{unit}.d/{one}" for one in root.names(f"{each}/{unit}.d") if one.endswith(".conf")
            )
        started: list[str] = []
        for file in files:
            text = (root.read(file, "root_text") or b"").decode("utf-8", "replace")
            for value in _EXEC_START.findall(text):
                # An empty value takes away what was there before.
                started = [*started, value.split()[0].lstrip("@-:+!")] if value.split() else []
        if program in started:
            return True
    return False
