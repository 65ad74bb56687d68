"""The demo: from a plan to a verified repository for ppc64le, as a person without POWER has it shown."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from debianroots import emulates, lacks
from program import Program

from ppcdeps.engines.job import Buildroot

pytestmark = [
    pytest.mark.skipif(bool(lacks()), reason=lacks() or "-"),
    pytest.mark.skipif(shutil.which("dnf") is None, reason="needs dnf"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: scriptlets run in a chroot"),
    pytest.mark.skipif(not emulates(), reason="needs the emulation of ppc64le"),
]
PIP = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


@pytest.fixture
def program(tmp_path: Path, debian_root: Buildroot, debian_cross_root: Buildroot) -> Program:
    return Program(tmp_path, {"PPCDEPS_CACHE": str(debian_root.path.parents[3]), **PIP}, patience=900)


def query(package: Path, what: str) -> list[str]:
    done = subprocess.run(["rpm", "-qp", "--nosignature", *what.split(), package], capture_output=True, check=True)
    return sorted(set(done.stdout.decode().splitlines()))


def test_the_demo_ends_with_a_repository_that_closes_the_gap(program: Program, tmp_path: Path) -> None:
    run = program("demo", "--to", "play", "--json")
    document = json.loads(run.out)
    assert [step["exit_code"] for step in document["steps"]] == [1, 0, 0, 0]
    repository = Path(document["repository"])
    packages = {path.name.rsplit("-", 2)[0]: path for path in repository.glob("packages/**/*.rpm")}
    assert set(packages) >= {"yajl", "numactl", "numactl-libs", "python3-msgpack", "python3-wrapt"}
    for package in packages.values():
        assert query(package, "--queryformat %{ARCH}") == ["ppc64le"]
    # What a person without emulation would have got of the same sources: the reference, but for what is x86's own.
    reference = next((tmp_path / "play" / "repositories" / "reference").glob("yajl-*.rpm"))
    assert sonames(query(packages["yajl"], "--provides")) == sonames(query(reference, "--provides"))
    # The commands that it showed are the ones to go on with.
    program_there = Program(tmp_path / "play", program.variables, patience=300)
    said = program_there(
        "verify", "plan-power-demo.json", "--target", "target.toml", "--recipes", "recipes", "--json"
    ).out  # fmt: skip
    found = json.loads(said)
    assert found["closed"] is True
    assert found["imports"]["detail"].endswith("2 of them compiled")
    assert found["rests_on"]["programs_ran"] == "emulated"


def sonames(provides: list[str]) -> list[str]:
    return [each for each in provides if ".so." in each]


def test_a_folder_of_somebody_else_is_left_alone(program: Program, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    assert "is not an empty folder" in program("demo", "--to", "theirs", code=3).fault
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["file"]
