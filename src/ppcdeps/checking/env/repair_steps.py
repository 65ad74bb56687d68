"""The commands of a repair, in the order in which the environment works for as long as it can.

First everything is fetched and built but what comes from a URL, which pip fetches when it installs: a command that
fails there has changed nothing. Then packages of the system come, because what they bring takes nothing away. Then
copies go: those that hide something uncover it at once, and of the others nothing that stays requires them.
Packages whose files lay under a copy that went are put back. pip installs last: what it replaces it takes away
itself, and puts back if it fails. The other order, to install before removing, ends with less than was installed: a
distribution that was renamed (msgpack-python, msgpack) takes the modules of its successor along when it goes.
"""

import re
import shlex
from dataclasses import dataclass

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.fixes import insisting
from ppcdeps.checking.env.interpreters import Style
from ppcdeps.checking.env.piptools_sync import requirement_lines
from ppcdeps.checking.env.repair import Addition, Repair, wanted_package
from ppcdeps.python.requirementset import RequiredDistribution

_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^:-]*")
"""What may stand in a command as a package: an RPM database of others may have any name."""
_WHEELS = '"$wheels"'
_END = "END_OF_REQUIREMENTS"


@dataclass(frozen=True, slots=True)
class RepairStep:
    """Commands with one purpose, for a shell inside the root; lines that begin with `#` are to be done by hand."""

    purpose: str
    commands: tuple[str, ...]


def steps_of(environment: Environment, repair: Repair) -> tuple[RepairStep, ...]:
    """The steps, in order; none where nothing is to be done. Raises EnvironmentLacksError without pip-tools."""
    steps = _Steps(environment, repair)
    found = (
        RepairStep("pip itself, which is not there", steps.pip()),
        RepairStep(f"fetch and build {steps.fetched} first: if this fails, nothing has changed", steps.fetch()),
        RepairStep(f"packages that the system brings{steps.brought_from}", steps.packages(after=False)),
        RepairStep("uninstall copies, so that what they hide is found", steps.uninstall()),
        RepairStep("packages whose files pip had changed", (*steps.put_back(), *steps.packages(after=True))),
        RepairStep("install what was fetched", steps.install()),
        RepairStep("clean up", steps.clean_up()),
    )
    return tuple(one for one in found if one.commands)


class _Steps:
    def __init__(self, environment: Environment, repair: Repair) -> None:
        self.environment = environment
        self.repair = repair
        self.pip_command = f"{shlex.quote(environment.python.command)} -m pip"
        fetched = [one for one in repair.additions if not one.required.url]
        self.fetched = "everything" if len(fetched) == len(repair.additions) else "all that has no URL"
        planned = any(one.planned for one in repair.owned)
        self.brought_from = ", from its repositories and the one that `ppcdeps build PLAN` makes" if planned else ""
        # pip checks hashes of all that it is given, or of nothing.
        self.hashed = [one.required for one in fetched if one.required.digests and one.required.version]
        self.plain = [one.required for one in fetched if one.required not in self.hashed]

    def pip(self) -> tuple[str, ...]:
        if "pip" in self.environment.by_key or not (self.repair.removals or self.repair.additions):
            return ()
        python = self.environment.python
        if python.is_virtual or self.environment.rpm is None:
            debian = python.style is Style.DEBIAN and not python.is_virtual
            return ("apt-get install -y python3-pip",) if debian else (f"{shlex.quote(python.command)} -m ensurepip",)
        own = "python3" if python.command.endswith("/python3") else f"python{python.short}"
        return (f"dnf install -y {'python2' if python.short.startswith('2') else own}-pip",)

    def fetch(self) -> tuple[str, ...]:
        lines: list[str] = []
        if self.hashed or self.plain:
            lines.append("wheels=$(mktemp -d /var/tmp/ppcdeps-wheels.XXXXXX)")
            fetch = f"{self.pip_command} {self._fetching()} {_WHEELS} --no-deps"
            if self.plain:
                lines.append(f"{fetch} {_quoted(self.plain)}")
            if self.hashed:
                body = "\n".join(requirement_lines(self.hashed, hashes=True))
                lines.append(f"{fetch} --require-hashes -r /dev/stdin <<'{_END}'\n{body}\n{_END}")
        if packages := self._package_names(after=True):
            lines.append(f"dnf install -y --downloadonly {packages}")
        if packages := _packages(self.repair.put_back):
            lines.append(f"dnf reinstall -y --downloadonly {packages}")
        return tuple(lines)

    def _fetching(self) -> str:
        """The command of pip that fetches, and builds source distributions, with the option for the folder.

        Before 23.1 pip makes a wheel of what has a setup.py alone only where the distribution wheel is installed,
        unless it is told to build apart from the environment, which it can from 19 on. Older ones are let fetch
        only: they build when they install.
        """
        pip = self.environment.imported.get("pip")
        release = _release(pip.version) if pip is not None else ()
        if (release and release < (19,)) or (not release and self.environment.python.short.startswith("2")):
            return "download --dest"
        if release >= (23, 1) or "wheel" in self.environment.imported:
            return "wheel --wheel-dir"
        return "wheel --use-pep517 --wheel-dir"

    def packages(self, *, after: bool) -> tuple[str, ...]:
        by_hand = [
            f"# {one.name} {one.version} belongs to {one.owner}, which pip must leave alone; wanted: {one.wanted}"
            for one in self.repair.owned
            if one.wanted and not wanted_package(one) and not after
        ]
        names = self._package_names(after=after)
        return (*by_hand, f"dnf install -y {names}") if names else tuple(by_hand)

    def _package_names(self, *, after: bool) -> str:
        return _packages([wanted_package(one) for one in self.repair.owned if one.wanted and one.after is after])

    def uninstall(self) -> tuple[str, ...]:
        lines: list[str] = []
        together: list[str] = []
        options = " ".join(["uninstall -y", *insisting(self.environment)])
        for one in self.repair.removals:
            copy = one.copy
            if one.by_hand:
                lines.append(f"# by hand: {copy.shown} in {copy.entry.path}: {one.by_hand}".replace("\n", " "))
                lines.append(f"#   rm -r {shlex.quote(copy.metadata)}  # and its modules".replace("\n", " "))
            elif one.is_first and copy.name not in together:
                together.append(copy.name)
            else:
                # pip removes the copy that it finds first: PYTHONPATH has it look into this folder before the others.
                place = shlex.quote(copy.entry.path)
                lines.append(f"PYTHONPATH={place} {self.pip_command} {options} {shlex.quote(copy.name)}")
        if together:
            lines.append(" ".join([self.pip_command, options, *map(shlex.quote, together)]))
        return tuple(lines)

    def put_back(self) -> tuple[str, ...]:
        packages = _packages(self.repair.put_back)
        return (f"dnf reinstall -y {packages}",) if packages else ()

    def install(self) -> tuple[str, ...]:
        additions = self.repair.additions
        over = [one.required for one in additions if one.over and not one.required.url]
        fetched = [one for one in (*self.plain, *self.hashed) if one not in over]
        options = " ".join([*insisting(self.environment), "--no-deps"])
        offline = f"{self.pip_command} install {options} --no-index --find-links {_WHEELS}"
        lines = [f"{offline} {_quoted(fetched)}"] if fetched else []
        if over:
            lines.append(f"{offline} --ignore-installed {_quoted(over)}")
        urls = [one.required for one in additions if one.required.url]
        if urls:
            lines.append(f"{self.pip_command} install {options} --force-reinstall {_quoted(urls)}")
        return tuple(lines)

    def clean_up(self) -> tuple[str, ...]:
        stale = [place for one in self.repair.additions if (place := _left_by(one))]
        lines = [f"rm -r {shlex.quote(place)}" for place in (*self.repair.remains, *stale)]
        return (*lines, f"rm -r {_WHEELS}") if self.hashed or self.plain else tuple(lines)


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version; none where it cannot be compared."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).release
    except InvalidVersion:
        return ()


def _left_by(addition: Addition) -> str:
    """The metadata of another version that pip, which wrote over its files, left; empty where none is certain."""
    old = addition.replaced
    known = old is not None and addition.over and addition.required.version
    return old.metadata if old is not None and known and old.version != addition.required.version else ""


def _quoted(required: list[RequiredDistribution]) -> str:
    return " ".join(shlex.quote(line) for line in requirement_lines(required, hashes=False))


def _packages(names: list[str] | tuple[str, ...]) -> str:
    return " ".join(shlex.quote(name) for name in sorted(set(names)) if _PACKAGE.fullmatch(name))


def script_of(environment: Environment, repair: Repair, steps: tuple[RepairStep, ...]) -> str:
    """The steps as a script for `sh`, which stops at the first command that fails."""
    python = environment.python
    root = environment.root
    if root.is_machine:
        where = "on this machine"
    else:
        where = "inside the root that was looked at: on the node itself, or with chroot"
    lines = [
        "#!/bin/sh",
        f"# Puts the Python {python.version} of {python.command} in order, as {repair.origin} says.",
        f"# Written by ppcdeps. To be run {where}, by the user who owns the folders.",
        "# Nothing is asked. It stops at the first command that fails.",
    ]
    lines = [line.replace("\n", " ").replace("\r", " ") for line in lines]
    lines.append("set -eu")
    for step in steps:
        lines += ["", f"# {step.purpose}", *step.commands]
    return "\n".join([*lines, ""])
