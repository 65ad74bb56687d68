"""The demo: from a plan to a verified repository for ppc64le, as a person without POWER has it shown."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from debianroots import emulates, lacks
from printed import commands_in, fault_of, is_whole
from program import Program, Run

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
    assert [step["exit_code"] for step in document["steps"]] == [1, 0, 0, 0, 0, 0]
    page = (tmp_path / "play" / "plan-power-demo.html").read_text("utf-8")
    assert "power-demo on debian-12" in page
    assert "Closed: with what was built, nothing that power-demo needs is missing." in page
    assert "4 built" in page
    repository = Path(document["repository"])
    packages = {path.name.rsplit("-", 2)[0]: path for path in repository.glob("packages/**/*.rpm")}
    assert set(packages) >= {"yajl", "numactl", "numactl-libs", "python3-msgpack", "python3-wrapt"}
    for package in packages.values():
        assert query(package, "--queryformat %{ARCH}") == ["ppc64le"]
    # What a person without emulation would have got of the same sources: the reference, but for what is x86's own.
    reference = next((tmp_path / "play" / "repositories" / "reference").glob("yajl-*.rpm"))
    assert sonames(query(packages["yajl"], "--provides")) == sonames(query(reference, "--provides"))
    assert "1970" not in run.err
    done = follow_all(Program(tmp_path / "play", program.variables, patience=300), run, document["steps"])
    assert done.keys() == {"verify", "why msgpack", "why yajl", "recipes show", "buildroot shell", "buildroot remove"}
    found = json.loads(done["verify"])
    assert found["closed"] is True
    assert found["imports"]["detail"].endswith("2 of them compiled")
    assert found["rests_on"]["programs_ran"] == "emulated"
    assert "Gap: yajl, absent" in done["why yajl"]
    assert "debian-12-cross" in done["buildroot remove"]


def follow_all(program: Program, run: Run, steps: list[dict[str, object]]) -> dict[str, str]:
    """Run all commands that the demo printed and did not run itself. Returns what each wrote, by its first words."""
    mine = [commands_in(str(step["command"]))[0] for step in steps]
    done: dict[str, str] = {}
    for words in commands_in(run.err):
        assert is_whole(words), words
        assert fault_of(words) == "", words
        # The real thing takes another test, and a repository for the x86 packages is for another target.
        if words in mine or words in (["plan", "nova-compute"], ["targets", "centos-stream-9"]):
            continue
        if words[:2] == ["buildroot", "remove"]:
            cache = names_of_roots(Path(program.variables["PPCDEPS_CACHE"]), program.folder / "roots")
            done["buildroot remove"] = program(*words, PPCDEPS_CACHE=str(cache)).out
            assert program("buildroot", "list", "--json", PPCDEPS_CACHE=str(cache)).out.count('"key"') == 0
            continue
        # A shell needs a terminal, or a command.
        more = {"verify": ("--json",), "buildroot": ("--", "true")}.get(words[0], ())
        known = " ".join(words[:2]) if words[0] != "verify" else words[0]
        done[known] = program(*words, *more).out
    return done


def names_of_roots(made: Path, cache: Path) -> Path:
    """A cache with the names of the buildroots and nothing of their contents: other tests have need of these."""
    for marker in made.glob("v*/buildroots/*/buildroot.json"):
        folder = cache / marker.parent.relative_to(made)
        (folder / "root").mkdir(parents=True)
        shutil.copy(marker, folder)
    return cache


def sonames(provides: list[str]) -> list[str]:
    return [each for each in provides if ".so." in each]


def test_a_folder_of_somebody_else_is_left_alone(program: Program, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    assert "is not an empty folder" in program("demo", "--to", "theirs", code=3).fault
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["file"]
