"""Dynamic BuildRequires, as far as they can be read off the sources without running anything.

`%generate_buildrequires` runs during a build; pyproject-rpm-macros print there what pyproject.toml asks for and
what the build backend adds. The first can be read, the second cannot: the result says where it may be too little.
Versions are converted as rpm's pythondistdeps generator does it, so that they compare with what it provides.
"""

import re
import shlex
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.rpm.specs import SpecEvaluation

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import Specifier
    from packaging.version import Version

_PYPROJECT = re.compile(r"%\{?pyproject_buildrequires\b(?P<options>[^}]*)\}?")
_SHELL = re.compile(r"[$`|&;<>*?\\]|\$\(")
_LIMIT = 4 << 20
_LEGACY_BUILD = ("setuptools >= 40.8", "wheel")
"""What stands for a missing [build-system] table (PEP 517)."""
_OF_MACRO = ("pip >= 19", "packaging")
_STATIC_BACKENDS = ("flit_core.buildapi", "hatchling.build", "poetry.core.masonry.api", "pdm.backend")
"""Backends that ask for nothing beyond the table when wheels are built."""


@dataclass(frozen=True, slots=True)
class DynamicRequires:
    """The requirements found, sorted, and in ``open`` what may add to them, a phrase each; none if they are all."""

    requires: tuple[str, ...]
    open: tuple[str, ...]


def static_requires(evaluation: SpecEvaluation, sources: Path, python: PythonEnvironment) -> DynamicRequires:
    """What the dynamic part of an evaluated spec asks for, read off the sources in a folder.

    Raises ConfigError where the sources' pyproject.toml cannot be read or asks for what is no requirement.
    """
    requires: set[str] = set()
    unknown: dict[str, None] = {}
    for line in evaluation.generators:
        if found := _PYPROJECT.fullmatch(line):
            more, doubts = _pyproject(evaluation, sources, python, found["options"].split())
            requires.update(more)
            unknown.update(dict.fromkeys(doubts))
        elif (said := _echoed(line)) is not None:
            requires.update([said] if said else [])
        else:
            unknown[f"the line `{line}` is known only when it has run"] = None
    return DynamicRequires(tuple(sorted(requires)), tuple(unknown))


def _echoed(line: str) -> str | None:
    """What an echo of plain words prints; None where the line is something else."""
    if not line.startswith(("echo ", "echo\t")):
        return None
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    quoted = re.sub(r"'[^']*'", "", line)
    quoted = re.sub(r'"[^"$`\\]*"', "", quoted)
    return None if _SHELL.search(quoted) or words[1:2] in (["-e"], ["-n"]) else " ".join(words[1:])


def _pyproject(
    evaluation: SpecEvaluation, sources: Path, python: PythonEnvironment, options: list[str]
) -> tuple[list[str], list[str]]:
    document = _document(evaluation, sources)
    doubts = []
    if document is None:
        return [], ["the sources that have pyproject.toml are not there"]
    build, project = (_table(document, key, evaluation) for key in ("build-system", "project"))
    texts = [*_OF_MACRO]
    if "-N" not in options:
        texts += build.get("requires", _LEGACY_BUILD)
        backend = build.get("build-backend", "setuptools.build_meta")
        if backend not in _STATIC_BACKENDS:
            doubts.append(f"the build backend {backend} may ask for more")
    if "-R" not in options and "-N" not in options:
        texts += project.get("dependencies", ())
        if "dependencies" in project.get("dynamic", ()) or not project:
            doubts.append("the run-time dependencies are made by the build backend")
    for extra in _extras(options):
        texts += project.get("optional-dependencies", {}).get(extra, ())
    if any(option.startswith(("-t", "-e")) for option in options):
        doubts.append("tox says what the tests ask for")
    try:
        return list(_converted(texts, _markers(python, evaluation.arch), _extras(options))), doubts
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{evaluation.source.name}: its pyproject.toml is faulty: {error}") from error


def _table(document: Mapping[str, Any], key: str, evaluation: SpecEvaluation) -> Mapping[str, Any]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{evaluation.source.name}: its pyproject.toml is faulty: {key} is no table")
    return table


def _extras(options: Iterable[str]) -> list[str]:
    words = iter(options)
    given = [word[2:] or next(words, "") for word in words if word.startswith("-x")]
    return [name for text in given for name in text.split(",") if name]


def _document(evaluation: SpecEvaluation, sources: Path) -> Mapping[str, Any] | None:
    """The pyproject.toml of the first source that is an archive; an empty one where it has none."""
    for file in evaluation.files:
        path = sources / file.name
        if file.is_patch or not path.is_file():
            continue
        try:
            text = _from_archive(path)
        except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError):
            continue
        try:
            return tomllib.loads(text.decode()) if text else {}
        except ValueError as error:
            raise ConfigError(f"{file.name}: its pyproject.toml is no TOML: {error}") from error
    return None


def _from_archive(path: Path) -> bytes:
    """The content of the pyproject.toml nearest to the archive's top; nothing where there is none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            sizes = {one.filename: one.file_size for one in archive.infolist()}
            name = _nearest(sizes)
            return archive.read(name) if name and sizes[name] <= _LIMIT else b""
    with tarfile.open(path) as tar:
        members = {one.name: one for one in tar if one.isreg() and one.size <= _LIMIT}
        name = _nearest(members)
        stream = tar.extractfile(members[name]) if name else None
        return stream.read() if stream else b""


def _nearest(names: Iterable[str]) -> str:
    found = [name for name in names if name.rpartition("/")[2] == "pyproject.toml" and name.count("/") <= 1]
    return min(found, key=lambda name: (name.count("/"), name), default="")


def _markers(python: PythonEnvironment, arch: str) -> dict[str, str]:
    return {
        "implementation_name": python.implementation,
        "implementation_version": python.version,
        "os_name": "posix",
        "platform_machine": arch,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python.version,
        "python_version": ".".join(python.version.split(".")[:2]),
        "sys_platform": "linux",
    }


def _converted(texts: Iterable[str], markers: dict[str, str], extras: list[str]) -> Iterator[str]:
    from packaging.requirements import Requirement

    for text in texts:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras)):
            yield from _as_rpm(requirement)


def _as_rpm(requirement: "Requirement") -> Iterator[str]:
    from packaging.utils import canonicalize_name

    name = canonicalize_name(requirement.name)
    extras = [f"[{canonicalize_name(extra)}]" for extra in sorted(requirement.extras)]
    for suffix in ("", *extras):
        capability = f"python3dist({name}{suffix})"
        parts = [part for each in requirement.specifier for part in _ranges(capability, each)]
        parts.sort(key=lambda part: (">" not in part, part))
        match parts:
            case []:
                yield capability
            case [one]:
                yield one
            case _:
                yield f"({' with '.join(parts)})"


def _ranges(capability: str, specifier: "Specifier") -> Iterator[str]:
    from packaging.version import Version

    operator, text = specifier.operator, specifier.version
    prefix = text.endswith(".*")
    version = Version(text.removesuffix(".*"))
    if operator == "~=" or (prefix and operator == "=="):
        release = version.release[:-1] if operator == "~=" else version.release
        yield f"{capability} >= {_number(version)}"
        yield f"{capability} < {_number(Version('.'.join(map(str, (*release[:-1], release[-1] + 1)))))}"
    elif operator == "!=":
        after = Version(".".join(map(str, (*version.release[:-1], version.release[-1] + 1))))
        upper = f">= {_number(after)}" if prefix else f"> {_number(version)}"
        yield f"({capability} < {_number(version)} or {capability} {upper})"
    else:
        yield f"{capability} {operator.replace('===', '=').replace('==', '=')} {_number(version)}"


def _number(version: "Version") -> str:
    """A version as rpm orders it: no trailing zeros, ``~`` before a pre-release, ``^`` before a post-release."""
    release = list(version.release)
    while len(release) > 1 and not release[-1]:
        release.pop()
    text = f"{version.epoch}!" if version.epoch else ""
    text += ".".join(map(str, release))
    if version.pre:
        text += f"~{version.pre[0]}{version.pre[1]}"
    if version.dev is not None:
        text += f"~~dev{version.dev}"
    if version.post is not None:
        text += f"^post{version.post}"
    return text
