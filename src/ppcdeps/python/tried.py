"""What an index has of a release, and why each of its files serves the target or does not."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ppcdeps.model.wording import counted, first_of
from ppcdeps.python.distfiles import IndexFile, Project
from ppcdeps.python.environment import TargetEnvironment

_MOST = 6
_LINUX = re.compile(r"(?:(many|musl)linux(?:_\d+_\d+|\d+)|linux)_(.+)")
_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_")


def tried_files(files: Iterable[IndexFile], where: str, environment: TargetEnvironment) -> tuple[str, ...]:
    """A line for each kind of file of one release. ``where`` is the option of pip's configuration for its index."""
    files = tuple(files)
    wheels = [file for file in files if file.is_wheel]
    sdists = [file.filename for file in files if not file.is_wheel]
    there = counted(len(wheels), "wheel") if wheels else "no wheel"
    return (
        f"{where}: {there} of this version, and {first_of(sorted(sdists), _MOST) or 'no source distribution'}",
        *_wheels(wheels, environment),
    )


def other_versions(project: Project, environment: TargetEnvironment) -> str:
    """Which versions, pre-releases apart, have a wheel that fits the target, in a line."""
    having = [
        texts[0]
        for version, texts in project.versions().items()
        if not version.is_prerelease
        and any(environment.rank(file.tags) is not None for text in texts for file in project.files[text])
    ]
    if having:
        return f"versions with a wheel that fits: {first_of(having, _MOST)}"
    return f"no version has a wheel for Python {environment.python_tag} on {environment.machine}"


def _wheels(wheels: Sequence[IndexFile], environment: TargetEnvironment) -> Iterator[str]:
    reasons: dict[str, list[IndexFile]] = {}
    for wheel in wheels:
        reasons.setdefault(_reason(wheel, environment), []).append(wheel)
    for wheel in reasons.pop("", ()):
        machine = "every machine" if wheel.tags.endswith("-any") else environment.machine
        yield f"{wheel.filename} fits: it is for {machine}"
    for reason, group in reasons.items():
        names = [wheel.filename for wheel in group]
        if reason == _MACHINES:
            platforms = sorted({_platform(tag) for wheel in group for tag in _platforms(wheel)})
            reason = f"for {first_of(platforms, _MOST)}, and not for {environment.machine}"
        elif reason == _PYTHONS:
            pythons = {tag for wheel in group for tag in wheel.tags.partition("-")[0].split(".")}
            reason = f"for {first_of(sorted(pythons, key=_by_number), _MOST)}, and not for cp{_digits(environment)}"
        yield f"{names[0]}: {reason}" if len(group) == 1 else f"{len(group)} wheels: {reason}"


_PYTHONS, _MACHINES = "other Pythons", "other machines"


def _reason(wheel: IndexFile, environment: TargetEnvironment) -> str:
    """Why a wheel does not install on the target; empty where it does."""
    if wheel.yanked:
        return "yanked" if wheel.yanked == "*" else f"yanked: {wheel.yanked}"
    if environment.rank(wheel.tags) is not None:
        return ""
    python, _, platforms = wheel.tags.rpartition("-")
    if all(environment.rank(f"{python}-{each}") is None for each in (f"linux_{environment.machine}", "any")):
        return _PYTHONS
    newer = [
        found
        for each in platforms.split(".")
        if each.endswith(f"_{environment.machine}") and (found := _GLIBC.match(each))
    ]
    if newer:
        least = min((int(each[1]), int(each[2])) for each in newer)
        return f"for glibc {least[0]}.{least[1]}, and the target has {'.'.join(map(str, environment.glibc))}"
    return _MACHINES


def _platforms(wheel: IndexFile) -> list[str]:
    return wheel.tags.rpartition("-")[2].split(".")


def _platform(tag: str) -> str:
    """A platform tag in words: Linux x86_64, musl aarch64, macOS, Windows."""
    if found := _LINUX.fullmatch(tag):
        return f"{'musl' if found[1] == 'musl' else 'Linux'} {found[2]}"
    return {"win": "Windows", "mac": "macOS"}.get(tag[:3], tag)


def _by_number(tag: str) -> tuple[str, int]:
    digits = tag.lstrip("abcdefghijklmnopqrstuvwxyz")
    return tag.removesuffix(digits), int(digits) if digits.isascii() and digits.isdigit() else 0


def _digits(environment: TargetEnvironment) -> str:
    return environment.python_tag.replace(".", "")
