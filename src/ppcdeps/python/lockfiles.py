"""The lock as files: constraints and hashed requirements in pip-tools' format, and pylock.toml (PEP 751).

The same lock gives the same bytes. No file names an index: where pip looks is pip's configuration.
"""

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from ppcdeps.base.atomic import write_files
from ppcdeps.base.named_files import read_named_text
from ppcdeps.base.urls import without_credentials
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.values import dataclass
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.lock import LockedDistribution, LockedFile, PythonLock

WHEELHOUSE = "wheels"
"""The folder beside a pylock.toml where its files lie, when it names them by path."""


_BUILT = "# Native, and no wheel fits: built from source first, and not for pip to install:"


class FilePlaces(StrEnum):
    """How pylock.toml says where a file is: PEP 751 wants a path or a URL of each."""

    PATH = "path"
    """``wheels/NAME`` beside the lock file: no host is named, and ``pip download`` fills the folder."""
    URL = "url"
    """The URL that the index gave: installs as it is, and ties the file to that index."""


@dataclass(frozen=True, slots=True)
class LockFiles:
    """The texts by file name."""

    texts: tuple[tuple[str, str], ...]

    def write(self, directory: Path) -> tuple[Path, ...]:
        """Write every file, or none: all are written aside first. Returns their paths.

        Raises EnvironmentLacksError where the directory cannot be written.
        """
        contents = {directory / name: text for name, text in self.texts}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            write_files(contents)
        except OSError as fault:
            raise EnvironmentLacksError(
                f"the lock files cannot be written to {directory}: {fault.strerror or fault}",
                hint="name another directory with --output",
            ) from None
        return tuple(contents)


def render_files(lock: PythonLock, workload: str, *, command: str, places: FilePlaces = FilePlaces.PATH) -> LockFiles:
    """The three files of a workload. ``command`` is what the reader should run to make them again."""
    head = _head(lock.environment, workload, command)
    # PEP 751 allows one name without dots between "pylock." and ".toml".
    stem = workload.replace(".", "-")
    return LockFiles(
        (
            (f"constraints-{stem}.txt", head + _constraints(lock)),
            (f"requirements-{stem}.txt", head + _requirements(lock)),
            (f"pylock.{stem}.toml", head + _pylock(lock, places)),
        )
    )


def former_pins(directory: Path, workload: str, environment: TargetEnvironment) -> dict[str, str]:
    """The pins of the constraints file that an earlier run wrote; none where there is no such file.

    Raises ConfigError where the file is damaged.
    """
    from ppcdeps.python.constraintsfile import read_constraints

    path = directory / f"constraints-{workload.replace('.', '-')}.txt"
    if not path.is_file():
        return {}
    pins = read_constraints(path, environment).pins()
    # What an RPM provided had its version from there, and has it from there again.
    of_rpm = rpm_provided(read_named_text(path, "pip_size"))
    return {name: version for name, version in pins.items() if name not in of_rpm}


def rpm_provided(text: str) -> dict[str, str]:
    """The names in a constraints file that an RPM provides, and that RPM, as ``render_files`` wrote them."""
    return dict(re.findall(r"(?m)^([^\s#=]+)==.*\n(?:    #.*\n)*?    # from the RPM (\S+)", text))


def built_first(text: str) -> dict[str, str]:
    """The pins in a requirements file that are built from source, and not for pip to fetch."""
    found = re.search(rf"(?m)^{re.escape(_BUILT)}\n((?:#    .*\n)*)", text)
    return dict(re.findall(r"(?m)^#    ([^\s#=]+)==(\S+)", found[1])) if found else {}


def stated_target(text: str) -> tuple[str, str, str] | None:
    """Machine, Python and glibc that the head of a file names; None where it was not written by ``render_files``."""
    found = re.search(r"(?m)^# .* on (\w+), Python ([\d.]+), glibc ([\d.]+)$", text)
    return (found[1], found[2], found[3]) if found else None


# Texts -----------------------------------------------------------------------------------------------


def _head(environment: TargetEnvironment, workload: str, command: str) -> str:
    glibc = ".".join(map(str, environment.glibc))
    return (
        "#\n"
        f"# {workload} on {environment.machine}, Python {environment.python}, glibc {glibc}\n"
        "# This file is written by ppcdeps. To bring it up to date, run:\n"
        "#\n"
        f"#    {command}\n"
        "#\n"
    )


def _constraints(lock: PythonLock) -> str:
    lines: list[str] = []
    for each in lock.distributions:
        lines.append(_pin(each))
        lines.extend(f"    {line}" for line in _via(each))
        lines.append(f"    # {_origin(each)}")
    return "".join(f"{line}\n" for line in lines)


def _requirements(lock: PythonLock) -> str:
    lines: list[str] = []
    built = lock.having(Provision.BUILD)
    if built:
        lines.append(_BUILT)
        lines.extend(f"#    {each.name}=={each.version}{_in_brackets(each)}" for each in built)
        lines.append("#")
    for each in lock.having(Provision.WHEEL, Provision.SDIST):
        # As pip-tools orders them: by digest, not by file name.
        digests = sorted(f"--hash=sha256:{file.sha256}" for file in each.files)
        lines.append(" \\\n    ".join([_pin(each, extras=True), *digests]))
        lines.extend(f"    {line}" for line in _via(each))
    return "".join(f"{line}\n" for line in lines)


def _pin(each: LockedDistribution, *, extras: bool = False) -> str:
    # pip refuses extras in a constraints file: only the requirements have them.
    name = f"{each.name}[{','.join(each.extras)}]" if extras and each.extras else each.name
    return f"{name} @ {each.url}" if each.url else f"{name}=={each.version}"


def _via(each: LockedDistribution) -> list[str]:
    requirers = sorted({by for by, _ in each.required_by}, key=str.lower)
    if len(requirers) == 1:
        return [f"# via {requirers[0]}"]
    return ["# via", *(f"#   {one}" for one in requirers)] if requirers else []


def _origin(each: LockedDistribution) -> str:
    match each.provision:
        case Provision.RPM:
            return f"from the RPM {each.rpm}"
        case Provision.WHEEL:
            return "by pip, as a wheel" + (" for the target's machine" if each.native else "")
        case Provision.SDIST:
            return "by pip, from source" + (", without its optional compiled part" if each.optional else "")
        case Provision.BUILD:
            return f"built from source{_in_brackets(each)}" + (", optional" if each.optional else "")


def _in_brackets(each: LockedDistribution) -> str:
    return f" ({', '.join(each.builds_from)})" if each.builds_from else ""


# pylock.toml -----------------------------------------------------------------------------------------


def _pylock(lock: PythonLock, places: FilePlaces) -> str:
    # Written by hand: packaging.pylock makes a dictionary, for which the standard library has no TOML writer. The
    # tests read what is written here with packaging.pylock.
    environment = lock.environment
    marker = (
        f"platform_machine == '{environment.machine}' and sys_platform == 'linux' "
        f"and python_version == '{environment.python_tag}'"
    )
    lines = [
        'lock-version = "1.0"',
        f"environments = [{_text(marker)}]",
        f'requires-python = "=={environment.python_tag}.*"',
        'created-by = "ppcdeps"',
    ]
    installed = lock.having(Provision.WHEEL, Provision.SDIST)
    names = {each.name for each in installed}
    for each in installed:
        lines += ["", "[[packages]]", f"name = {_text(each.name)}", f"version = {_text(each.version)}"]
        if each.requires_python:
            lines.append(f"requires-python = {_text(_specifier(each.requires_python))}")
        inside = [name for name in each.requires if name in names]
        if inside:
            lines.append(f"dependencies = [{', '.join(f'{{name = {_text(name)}}}' for name in inside)}]")
        if each.url:
            lines.append(f"archive = {{{_where(each.files[0], FilePlaces.URL)}}}")
        elif each.provision is Provision.SDIST:
            lines.append(f"sdist = {{{_file(each.files[0], places)}}}")
        else:
            lines.append("wheels = [")
            lines.extend(f"    {{{_file(file, places)}}}," for file in each.files)
            lines.append("]")
    return "".join(f"{line}\n" for line in lines)


def _file(file: LockedFile, places: FilePlaces) -> str:
    return f"name = {_text(file.filename)}, {_where(file, places)}"


def _where(file: LockedFile, places: FilePlaces) -> str:
    # Without credentials: a lock file is committed.
    where = (
        f"url = {_text(without_credentials(file.url))}"
        if places is FilePlaces.URL
        else f"path = {_text(f'{WHEELHOUSE}/{file.filename}')}"
    )
    size = f", size = {file.size}" if file.size is not None else ""
    return f"{where}{size}, hashes = {{sha256 = {_text(file.sha256)}}}"


def _specifier(text: str) -> str:
    from packaging.specifiers import SpecifierSet

    try:
        return str(SpecifierSet(text))
    except ValueError:
        return ""


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, as long as nothing beyond the basic plane is escaped.
    return json.dumps(value, ensure_ascii=False)


def spelled_out(lock: PythonLock) -> Sequence[str]:
    """One line for each native distribution without a wheel that fits: what it builds from, and the
    evidence.
    """
    lines = []
    for each in lock.having(Provision.BUILD):
        what = ", ".join(each.builds_from) or "native code"
        optional = "; it can do without" if each.optional else ""
        lines.append(f"{each.name} {each.version}: {what}{optional} ({'; '.join(each.evidence[:3])})")
    return lines
