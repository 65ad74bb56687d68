"""Locks of Python distributions in, whoever wrote them: a plan, a pylock.toml, a file for pip."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import logical_lines
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalise

_LARGEST = 64 * 1024**2
_NEWEST_MICRO = 99
_HASH = re.compile(r"hash=sha256:([0-9a-f]{64})")
"""Where a lock names 3.9 only, its newest release is meant: code asks for a least one, if for any."""


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

    ``python`` and ``machine`` win over what the file says; where nobody says it, they are those of EL9 on POWER.
    Raises ConfigError where the file cannot be read, is none of these, or pins nothing.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST // 1024**2} MB: it is no lock")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the lock {path}: {reason}") from None
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
            f"{path} holds no distribution to one version",
            hint="give a plan, a pylock.toml, or a file for pip with lines like name==1.2",
        )
    return LockInput(
        str(path), _environment(reading, python, machine), tuple(reading.releases), tuple(reading.left_out)
    )


def _environment(reading: _Reading, python: str | None, machine: str | None) -> TargetEnvironment:
    version = python or reading.python or "3.9.25"
    if re.fullmatch(r"\d+\.\d+", version):
        version = f"{version}.{_NEWEST_MICRO}"
    glibc = re.fullmatch(r"(\d+)\.(\d+)", reading.glibc)
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
        reading.releases.append(LockedRelease(normalise(each.name), each.version, digests, rpm=each.rpm))


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


# pylock.toml ---------------------------------------------------------------------------------------


def _read_pylock(reading: _Reading, text: str) -> None:
    import tomllib

    path = reading.path
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(f"{path} is not TOML: {fault}") from None
    packages = document.get("packages")
    if not str(document.get("lock-version", "")).startswith("1.") or not isinstance(packages, list):
        raise ConfigError(f"{path} is no lock of PEP 751", hint="its lock-version is to be 1.0")
    marker = " ".join(str(each) for each in document.get("environments") or ())
    for attribute, name in (("python", "python_version"), ("machine", "platform_machine")):
        found = re.search(rf"{name}\s*==\s*['\"]([^'\"]+)['\"]", marker)
        setattr(reading, attribute, found[1] if found else "")
    exact = re.fullmatch(r"==\s*(\d+\.\d+)(?:\.\*)?", str(document.get("requires-python", "")))
    reading.python = reading.python or (exact[1] if exact else "")
    environment = _environment(reading, None, None)
    for package in packages:
        if not isinstance(package, dict) or not _text(package, "name"):
            raise ConfigError(f"{path}: a package without a name")
        if package.get("marker") and not _holds(str(package["marker"]), environment):
            continue
        _read_package(reading, package)


def _read_package(reading: _Reading, package: Mapping[str, Any]) -> None:
    name = _text(package, "name")
    version = _text(package, "version")
    files = [file for file in (*(package.get("wheels") or ()), package.get("sdist")) if isinstance(file, dict)]
    if not version:
        reading.left_out.append((name, "the lock names no version of it"))
        return
    digests = {_text(file["hashes"], "sha256") for file in files if isinstance(file.get("hashes"), dict)}
    places = [reading.path.parent / file["path"] for file in files if isinstance(file.get("path"), str)]
    place = next((place for place in places if place.is_file()), None)
    reading.releases.append(LockedRelease(normalise(name), version, frozenset(digests - {""}), place=place))


def _holds(text: str, environment: TargetEnvironment) -> bool:
    from packaging.markers import InvalidMarker, Marker

    try:
        return environment.holds(Marker(text))
    except InvalidMarker:
        return True


# Requirements and constraints ----------------------------------------------------------------------


def _read_head(reading: _Reading, text: str) -> None:
    """What the files of ``ppcdeps constraints`` say of their target."""
    found = re.search(r"(?m)^# .* on (\w+), Python ([\d.]+), glibc ([\d.]+)$", text)
    if found:
        reading.machine, reading.python, reading.glibc = found[1], found[2], found[3]


def _read_requirements(reading: _Reading, text: str, environment: TargetEnvironment) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    faults: list[str] = []
    rpms = dict(re.findall(r"(?m)^([^\s#=]+)==.*\n(?:    #.*\n)*?    # from the RPM (\S+)", text))
    for number, line, options in logical_lines(text):
        digests = frozenset(_HASH.findall(options))
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            faults.append(f"{reading.path}:{number}: {line!r} is no requirement")
            continue
        if not environment.holds(requirement.marker):
            continue
        pins = [
            each.version
            for each in requirement.specifier
            if each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*"))
        ]
        name = normalise(requirement.name)
        if pins:
            reading.releases.append(LockedRelease(name, pins[0], digests, rpm=rpms.get(requirement.name, "")))
        else:
            reading.left_out.append((name, f"{reading.path.name}:{number} does not hold it to one version"))
    if faults:
        raise ConfigError(f"{reading.path} cannot be used", faults=tuple(faults))
