"""The Python API as docs/api.md shows it: docs/example.py, run as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from buildworld import BuildWorld, Thing
from debianroots import beside, lacks
from indexes import serving, wheel
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import Buildroot


def example(program: Program, root: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(root / "docs" / "example.py"), *arguments],
        cwd=program.folder,
        env=program.environment(**variables),
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_it_plans_on_the_embedded_snapshot_and_writes_the_files_for_pip(ppcdeps: Program, project_root: Path) -> None:
    with serving() as shop:
        shop.add("yappi", wheel("yappi", "1.3.3"))
        index = {"PIP_INDEX_URL": shop.url, "PIP_CONFIG_FILE": os.devnull}
        done = example(ppcdeps, project_root, "python3-yappi", **index)
    assert done.returncode == 1, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("python3-yappi on centos-stream-9: ")
    assert "  python-yappi: absent, closed by pip-wheel" in rest
    assert "yappi==1.3.3" in (ppcdeps.folder / "pip" / "requirements-python3-yappi.txt").read_text()


def test_an_error_is_a_value_of_its_own_kind(ppcdeps: Program, project_root: Path) -> None:
    done = example(ppcdeps, project_root, "no-such-package-at-all")
    assert done.returncode == 2
    assert "no repository of centos-stream-9 knows no-such-package-at-all" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")
def test_it_builds_what_the_plan_takes_and_closes_the_gap(
    tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot, project_root: Path
) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    program = Program(folder, {"PPCDEPS_CACHE": str(beside(debian_cache, tmp_path / "cache"))})
    world = BuildWorld(program, debian_cross_root.path.parent / "repository")
    world.make(Thing("one"))
    done = example(program, project_root, "one", *world.place, "--sources", "sources", "--build")
    assert done.returncode == 0, done.stderr
    assert "  one: absent, closed by recipe" in done.stdout
    assert "  one: built" in done.stdout
    assert list((folder / "repository").rglob("one-1.0-*.ppc64le.rpm"))
