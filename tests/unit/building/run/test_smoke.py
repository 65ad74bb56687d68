"""The smoke test of built packages: each extension module is imported by the interpreter that it is built for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rpms import Rpm

from ppcdeps.building.run.smoke import extension_modules, smoke_script

pytestmark = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild")


def package(folder: Path, *places: str) -> Path:
    return Rpm(arch="noarch", files=dict.fromkeys(places, b"x")).build(folder)


def test_modules_are_listed_with_the_interpreter_of_their_folder(tmp_path: Path) -> None:
    built = package(
        tmp_path,
        "/usr/share/python3.11/site-packages/a/_b.cpython-311-powerpc64le-linux-gnu.so",
        "/usr/share/python2.7/site-packages/old.so",
        "/usr/share/python3/dist-packages/c.abi3.so",
        "/usr/share/lib/libplain.so",
    )
    assert extension_modules(built) == (("python2.7", "old"), ("python3", "c"), ("python3.11", "a._b"))


def test_each_interpreter_imports_its_own(tmp_path: Path) -> None:
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    built = package(
        tmp_path / "rpm",
        f"/usr/share/{own}/site-packages/mine.so",
        "/usr/share/python3.999/site-packages/json.so",
    )
    script = smoke_script("echo own script\n", [built])
    # Programs of these names, in front of all others: the one that is not there falls back to python3.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (own, "python3"):
        text = f'#!/bin/sh\necho "{name} $*"\nexec {sys.executable} "$@"\n'
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "mine.py").write_text("")
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": f"{programs}:/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if not line.startswith("imported")] == [
        f"{own} - mine",
        "python3 - json",
        "own script",
    ]
    assert [line for line in done.stdout.splitlines() if line.startswith("imported")] == [
        "imported mine",
        "imported json",
    ]


def test_a_module_that_cannot_be_loaded_fails_and_one_that_waits_for_pip_does_not(tmp_path: Path) -> None:
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    script = smoke_script("", [package(tmp_path / "rpm", f"/usr/share/{own}/site-packages/mine.so")])
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / own).symlink_to(sys.executable)

    def ended(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "mine.py").write_text(text)
        return subprocess.run(
            ["/bin/sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"PATH": f"{programs}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    waiting = ended("import not_there_yet")
    assert waiting.returncode == 0 and "for want of not_there_yet" in waiting.stdout
    assert ended("raise ImportError('undefined symbol: x')").returncode != 0
    assert ended("import mine.deeper").returncode != 0
