"""Distributions of a few files, and what the check of their names says."""

from collections.abc import Mapping
from pathlib import Path

from ppcdeps.checking.api.check import ApiResult, check_api
from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.distribution_scan import Tree

EL9 = PythonPlatform((3, 9, 25), "ppc64le")
Files = Mapping[str, str | bytes]


def tree(folder: Path, name: str, files: Files, version: str = "1.0") -> Tree:
    """A distribution whose files are written below a folder of its own."""
    home = folder / name
    for path, text in files.items():
        place = home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Tree(name, version, home, tuple(files))


def checked(
    folder: Path, platform: PythonPlatform = EL9, *, tests: bool = False, **distributions: Files
) -> ApiResult:
    """The result for distributions by name."""
    trees = [tree(folder, name, files) for name, files in distributions.items()]
    return check_api(trees, platform, tests=tests, workers=1)


def wrong(folder: Path, platform: PythonPlatform = EL9, **distributions: Files) -> list[str]:
    """What is missing, as ``user:line name``."""
    result = checked(folder, platform, tests=False, **distributions)
    return [f"{fault.user}:{fault.lines[0]} {fault.missing.dotted}" for fault in result.faults]
