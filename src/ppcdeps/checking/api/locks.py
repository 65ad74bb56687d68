"""Lock files of Python distributions, read from what several tools write: a plan, a pylock.toml, a file for pip."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockValidationError

from ppcdeps.base.named_files import read_named
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import DocumentError, parse_toml
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import logical_lines
from ppcdeps.python.environment import MarkerError, TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.requirements import RequirementError, usable_requirement

_SHOWN = 200
"""Characters of a line in an error."""
_NEWEST_MICRO = 99
"""Where a lock names 3.9 only, its newest release is meant: conditions in code ask for a least one, if for any."""
_HASH = re.compile(r"hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class LockedRelease:
    """A pin. ``digests`` are the SHA-256 of the files it may come from, none where the lock says nothing; ``rpm`` is
    the package that provides it; ``place`` is a file of it beside the lock.
    """

    name: str
    version: str
    digests: frozenset[str] = frozenset()
    rpm: str = ""
    place: Path | None = None


@dataclass(frozen=True, slots=True)
class LockInput:
    """What is to be installed together. ``left_out`` are entries without a version, with the reason."""

    subject: str
    environment: TargetEnvironment
    releases: tuple[LockedRelease, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def python(self) -> str:
        """The target's Python as far as it is known: 3.9.25, or 3.9."""
        environment = self.environment
        return environment.python_tag if environment.python.endswith(f".{_NEWEST_MICRO}") else environment.python


@dataclass(slots=True)
class _Reading:
    path: Path
    python: str
    machine: str
    glibc: str
    releases: list[LockedRelease] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def read_lock(path: Path, *, python: str | None = None, machine: str | None = None) -> LockInput:
    """The lock in a file: ``plan.json``, ``pylock.toml``, or requirements or constraints with exact versions.

    ``python`` and ``machine`` win over what the file says; where neither says it, they are those of EL9 on POWER.
    Raises ConfigError where the file cannot be read, is none of these, or pins nothing.
    """
    try:
        content = read_named(path, "document_size", what="the lock")
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read the lock {path}: it is not UTF-8 text") from None
    reading = _Reading(path, "", "", "")
    if path.suffix == ".json" or text.lstrip().startswith("{"):
        _read_plan(reading)
    elif path.suffix == ".toml":
        _read_pylock(reading, text)
    else:
        _read_head(reading, text)
        reading.python = python or reading.python
        _read_requirements(reading, text, _environment(reading, python, machine))
    if not reading.releases:
        raise ConfigError(
            f"{path} has no distribution with one exact version",
            hint="give a plan, a pylock.toml, or a file for pip with lines like name==1.2",
        )
    return LockInput(
        str(path), _environment(reading, python, machine), tuple(reading.releases), tuple(reading.left_out)
    )


def _environment(reading: _Reading, python: str | None, machine: str | None) -> TargetEnvironment:
    version = python or reading.python or "3.9.25"
    if re.fullmatch(r"\d+\.\d+", version):
        version = f"{version}.{_NEWEST_MICRO}"
    glibc = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", reading.glibc)
    numbers = (int(glibc[1]), int(glibc[2])) if glibc else (2, 34)
    return TargetEnvironment.of(PythonEnvironment(version, numbers), machine or reading.machine or "ppc64le")


# plan.json -----------------------------------------------------------------------------------------


def _read_plan(reading: _Reading) -> None:
    python = load_plan(reading.path).python
    if python is None:
        raise ConfigError(
            f"{reading.path} has no Python part",
            hint="make the plan of a workload that needs Python, with an index within reach",
        )
    reading.python, reading.machine, reading.glibc = python.python, python.machine, python.glibc
    for each in python.distributions:
        digests = frozenset(file.sha256 for file in each.files if file.sha256)
        reading.releases.append(LockedRelease(normalize(each.name), each.version, digests, rpm=each.rpm))


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


# pylock.toml ---------------------------------------------------------------------------------------


def _read_pylock(reading: _Reading, text: str) -> None:
    path = reading.path
    try:
        lock = Pylock.from_dict(parse_toml(text))
    except DocumentError as fault:
        raise ConfigError(f"{path} {fault}") from None
    except (PylockValidationError, TypeError, ValueError, AttributeError, KeyError, RecursionError) as fault:
        # packaging raises others than its own for values of types that it does not expect.
        raise ConfigError(f"{path} is not a lock of PEP 751: {fault}") from None
    marker = " ".join(map(str, lock.environments or ()))
    for attribute, name in (("python", "python_version"), ("machine", "platform_machine")):
        found = re.search(rf"{name}\s*==\s*['\"]([^'\"]+)['\"]", marker)
        setattr(reading, attribute, found[1] if found else "")
    exact = re.fullmatch(r"==\s*(\d+\.\d+)(?:\.\*)?", str(lock.requires_python or ""))
    reading.python = reading.python or (exact[1] if exact else "")
    environment = _environment(reading, None, None)
    for package in lock.packages:
        try:
            holds = environment.holds(package.marker)
        except MarkerError as fault:
            message = f"{path} cannot be used: the marker of {package.name} cannot be evaluated ({fault})"
            raise ConfigError(message) from None
        if holds:
            _read_package(reading, package)


def _read_package(reading: _Reading, package: Package) -> None:
    if package.version is None:
        reading.left_out.append((package.name, "the lock names no version of it"))
        return
    files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    if package.sdist is not None:
        files.append(package.sdist)
    digests = frozenset(file.hashes["sha256"] for file in files if "sha256" in file.hashes)
    places = (reading.path.parent / file.path for file in files if file.path)
    place = next((place for place in places if place.is_file()), None)
    reading.releases.append(LockedRelease(package.name, str(package.version), digests, place=place))


# Requirements and constraints ----------------------------------------------------------------------


def _read_head(reading: _Reading, text: str) -> None:
    """What the files of ``ppcdeps constraints`` say of their target."""
    found = re.search(r"(?m)^# .* on (\w+), Python ([\d.]+), glibc ([\d.]+)$", text)
    if found:
        reading.machine, reading.python, reading.glibc = found[1], found[2], found[3]


def _read_requirements(reading: _Reading, text: str, environment: TargetEnvironment) -> None:
    faults: list[str] = []
    rpms = dict(re.findall(r"(?m)^([^\s#=]+)==.*\n(?:    #.*\n)*?    # from the RPM (\S+)", text))
    for count, (number, line, options) in enumerate(logical_lines(text), 1):
        if count > CEILINGS.pip_requirements:
            raise ConfigError(f"{reading.path} has {beyond('pip_requirements', 'more than')}")
        digests = frozenset(_HASH.findall(options))
        try:
            requirement, holds = usable_requirement(line, environment)
        except RequirementError as fault:
            faults.append(f"{reading.path}:{number}: {line[:_SHOWN]!r} is not a requirement ({fault})")
            continue
        if not holds:
            continue
        pins = [
            each.version
            for each in requirement.specifier
            if each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*"))
        ]
        name = normalize(requirement.name)
        if pins:
            reading.releases.append(LockedRelease(name, pins[0], digests, rpm=rpms.get(requirement.name, "")))
        else:
            reading.left_out.append((name, f"{reading.path.name}:{number} gives it no exact version"))
    if faults:
        raise ConfigError(f"{reading.path} cannot be used", faults=tuple(faults))
