"""`check env --requirements` on a real virtual environment and on the incident's tree: the commands are run, and the
check then finds nothing. pip's and pip-sync's verdicts are the oracle.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from incident import CALLER, HIDDEN, make_incident
from pythonroots import has_program, make_dist
from wheelfiles import make_wheel

from ppcdeps.base.cache import Cache
from ppcdeps.checking.findings import Finding
from ppcdeps.model.reporter import Silence
from ppcdeps.workflows.checks import ApiCheck, Installation
from ppcdeps.workflows.repair_env import RepairedEnvironment, WantedPython, repair_env

REQUIREMENTS = "alpha==2.0\nbeta==1.0\nnewname==2.0\n"


def wheel(folder: Path, name: str, version: str, requires: str = "", module: str = "") -> None:
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {f"{module or name}/__init__.py": f"NAME = {name!r}\n".encode(), f"{name}.py": b""}
    make_wheel(folder, name, version, "py3-none-any", files, {"METADATA": metadata.encode()})


@pytest.fixture
def disordered(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An environment with what pip brought, and the variables with which pip finds the wheels."""
    wheels = tmp_path / "wheels"
    for name, version, requires, module in (
        ("alpha", "1.0", "", ""),
        ("alpha", "2.0", "", ""),
        ("beta", "1.0", "alpha>=2", ""),
        ("gamma", "1.0", "", ""),
        ("oldname", "1.0", "", "shared"),
        ("newname", "2.0", "", "shared"),
    ):
        wheel(wheels, name, version, requires, module)
    place = tmp_path / "venv"
    venv.create(place, with_pip=True, symlinks=True)
    variables = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    pip(place, variables, "install", "--no-deps", "alpha==1.0", "gamma", "oldname")
    return place, variables


def pip(place: Path, variables: dict[str, str], *words: str) -> str:
    command = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def order(root: Path, requirements: Path, cache: Path, *, follow: bool = False) -> RepairedEnvironment:
    api = ApiCheck(Cache.open(cache), offline=True)
    return repair_env(Installation(root), WantedPython(requirements), Silence(), api=api, follow=follow)


def test_after_the_script_nothing_is_found(disordered: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    place, variables = disordered
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text(REQUIREMENTS)
    # pip-sync names the same: what goes, and what comes.
    command = [sys.executable, "-m", "piptools", "sync", "--dry-run", "--python-executable"]
    command += [str(place / "bin/python"), str(requirements)]
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=False).stdout.split()
    found = order(place, requirements, tmp_path / "cache")
    assert set(said) >= {one.copy.key for one in found.repair.removals} == {"gamma", "oldname"}
    assert set(said) >= {one.text for one in found.repair.additions} == {"alpha==2.0", "beta==1.0", "newname==2.0"}
    found.write_script(script)
    done = subprocess.run([str(script)], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Installed first and removed then, oldname would have taken newname's module along.
    shown = subprocess.run(
        [str(place / "bin/python"), "-c", "import shared; print(shared.NAME)"], capture_output=True
    )
    assert shown.stdout == b"newname\n"
    assert "No broken requirements" in pip(place, variables, "check")
    after = order(place, requirements, tmp_path / "cache", follow=True)
    assert after.report.is_clean
    assert after.repair.is_in_order


def test_a_failing_download_changes_nothing(disordered: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    place, variables = disordered
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text("alpha==2.0\nabsent==1.0\n")
    before = pip(place, variables, "freeze")
    order(place, requirements, tmp_path / "cache").write_script(script)
    assert subprocess.run([str(script)], env=variables, capture_output=True, check=False).returncode != 0
    assert pip(place, variables, "freeze") == before


def test_pip_removes_the_copy_in_the_folder_of_pythonpath(
    disordered: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    place, variables = disordered
    site = next((place / "lib").glob("python*/site-packages"))
    behind = place / "behind"
    behind.mkdir()
    make_dist(behind, "alpha", "0.5")
    (site / "behind.pth").write_text(f"{behind}\n")
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text("alpha==1.0\ngamma\noldname\n")
    order(place, requirements, tmp_path / "cache").write_script(script)
    done = subprocess.run([str(script)], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(behind.glob("alpha*"))
    assert "alpha==1.0" in pip(place, variables, "freeze")


def test_the_incident_is_put_in_order(tmp_path: Path) -> None:
    """With the base interpreter in the place of the node's Python 2.7, whose folders it is shown."""
    if not (has_program("rpmbuild") and has_program("rpm")):
        pytest.skip("rpm and rpmbuild are not installed")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    root = make_incident(tmp_path / "node", wheels)
    native, plain = (root / f"usr/{lib}/python2.7/site-packages" for lib in ("lib64", "lib"))
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text(f"{HIDDEN[0]}=={HIDDEN[1]}\noslo.utils==3.4.0\n")
    before = order(root, requirements, tmp_path / "cache", follow=True)
    assert any(one.rule == "api-missing-name" and "to_utf8" in one.message for one in before.report.findings)
    assert [(one.copy.name, one.copy.version) for one in before.repair.removals] == [CALLER]
    assert before.repair.additions == ()
    before.write_script(script)
    import pip as own_pip

    programs, base = tmp_path / "bin", Path(getattr(sys, "_base_executable", sys.executable))
    programs.mkdir()
    path = f"{native}:{plain}:{Path(own_pip.__file__).parents[1]}"
    (programs / "python2.7").write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {base} "$@"\n')
    (programs / "python2.7").chmod(0o755)
    variables = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    # pip is none of the tree's: the step that brings it is for the node.
    text = script.read_text().replace("dnf install -y python2.7-pip\n", "")
    done = subprocess.run(["sh", "-c", text], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = order(root, requirements, tmp_path / "cache", follow=True)
    # What stays is the RPMs' own disagreement: they were installed by force, without what they require.
    assert {one.rule for one in after.report.findings} <= {"env-missing-requirement", "env-wrong-version"}
    assert all("oslo.utils 3.4.0, of RPM" in one.message for one in _wrong(after))
    assert (after.repair.removals, list(after.repair.additions)) == ((), [])


def _wrong(found: RepairedEnvironment) -> list[Finding]:
    return [one for one in found.report.findings if one.rule == "env-wrong-version"]
