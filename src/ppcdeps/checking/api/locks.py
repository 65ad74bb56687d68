"""Lock files of Python distributions, read from what several tools write: a plan, a pylock.toml, a project's lock, a
file for pip.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockValidationError
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ppcdeps.base.named_files import read_named
from ppcdeps.checking.api.projectlocks import OTHER_LOCKS, ProjectLockError, is_project_lock, read_project_lock
from ppcdeps.model.documents import DocumentError, parse_toml
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.environment import MarkerError, TargetEnvironment
from ppcdeps.python.lockfiles import rpm_provided, stated_target
from ppcdeps.python.names import normalize
from ppcdeps.python.requirementfiles import read_requirement_file
from ppcdeps.python.requirementset import requirement_set

_SHOWN = 200
"""Characters of a line in an error."""
_NEWEST_MICRO = 99
"""Where a lock names 3.9 only, its newest release is meant: conditions in code ask for a least one, if for any."""
_HEAD = 1000
"""Characters in which a file of `ppcdeps constraints` says its target."""


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
    """The lock in a file: ``plan.json``, ``pylock.toml``, ``uv.lock``, ``poetry.lock``, ``Pipfile.lock``, or
    requirements or constraints with exact versions.

    ``python`` and ``machine`` win over what the file says; where neither says it, they are those of EL9 on POWER.
    Raises ConfigError where the file cannot be read, is none of these, or pins nothing.
    """
    try:
        content = read_named(path, "document_size", what="the lock")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read the lock {path}: it is not UTF-8 text") from None
    reading = _Reading(path, "", "", "")
    if path.name in OTHER_LOCKS:
        command = OTHER_LOCKS[path.name]
        raise ConfigError(
            f"{path} is not a lock that is read here",
            hint=f"make one that is: {command}"
            if command
            else "give a pylock.toml or a requirements file with exact versions",
        )
    if is_project_lock(path.name, text):
        _read_project(reading, text, python, machine)
    elif path.suffix == ".json" or text.lstrip().startswith("{"):
        _read_plan(reading)
    elif path.suffix == ".toml":
        _read_pylock(reading, text, python, machine)
    else:
        _read_head(reading, text[:_HEAD])
        reading.python = python or reading.python
        _read_requirements(reading, _environment(reading, python, machine))
    if not reading.releases:
        raise ConfigError(
            f"{path} has no distribution with one exact version",
            hint="give a plan, a lock file, or a file for pip with lines like name==1.2",
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


def _check_python(path: Path, requires: str, environment: TargetEnvironment) -> None:
    try:
        fits = SpecifierSet(requires).contains(environment.python)
    except InvalidSpecifier:
        return
    if not fits:
        raise ConfigError(
            f"{path} is for Python {requires}, and not for {environment.python_tag}",
            hint="say the target's with --python, in full",
        )


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


# pylock.toml ---------------------------------------------------------------------------------------


def _read_pylock(reading: _Reading, text: str, python: str | None, machine: str | None) -> None:
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
    environment = _environment(reading, python, machine)
    _check_python(path, str(lock.requires_python or ""), environment)
    # Without further options, installers take no extras, and the default groups (PEP 751).
    groups = frozenset(lock.default_groups or ())
    for extra in lock.extras or ():
        reading.left_out.append((f"extra {extra}", "only what the lock installs by default is looked at"))
    for group in lock.dependency_groups or ():
        if group not in groups:
            reading.left_out.append((f"group {group}", "only what the lock installs by default is looked at"))
    for package in lock.packages:
        try:
            holds = environment.holds_in_lock(package.marker, frozenset(), groups)
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


# Locks of projects ---------------------------------------------------------------------------------


def _read_project(reading: _Reading, text: str, python: str | None, machine: str | None) -> None:
    try:
        lock = read_project_lock(reading.path.name, text, _environment(reading, python, machine))
        if lock.python and not python:
            # Its markers are for that Python.
            reading.python = lock.python
            lock = read_project_lock(reading.path.name, text, _environment(reading, None, machine))
    except ProjectLockError as fault:
        raise ConfigError(f"{reading.path} {fault}") from None
    _check_python(reading.path, lock.requires_python, _environment(reading, python, machine))
    reading.releases += [LockedRelease(each.name, each.version, each.digests) for each in lock.releases]
    reading.left_out += lock.left_out


# Requirements and constraints ----------------------------------------------------------------------


def _read_head(reading: _Reading, text: str) -> None:
    """What the files of ``ppcdeps constraints`` say of their target."""
    reading.machine, reading.python, reading.glibc = stated_target(text) or ("", "", "")


def _read_requirements(reading: _Reading, environment: TargetEnvironment) -> None:
    what = "the lock"
    file = read_requirement_file(reading.path, what=what)
    rpms: dict[str, str] = {}
    for text in file.texts:
        rpms |= rpm_provided(text)
    # One version of each, as pip has it: constraints pin what requirements leave open, and install nothing.
    found = requirement_set(file, environment, what=what, origin=str(reading.path))
    for line in found.projects:
        reading.left_out.append((line.text[:_SHOWN], f"{line.where} gives it neither name nor exact version"))
    for each in found.distributions.values():
        if each.pin is None:
            where = each.where.removeprefix(f"{reading.path.parent}/")
            reading.left_out.append((each.name, f"{where} gives it no exact version"))
            continue
        rpm = rpms.get(each.pin.requirement.name, "")
        reading.releases.append(LockedRelease(each.name, each.version, each.digests, rpm=rpm))
    reading.left_out += [
        (f"{option} in {where}", "indexes and links are those of pip's configuration")
        for option, where in file.unfollowed
    ]
