"""The distribution that the benchmark generates is one: repeatable, and dnf can install from it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.repository import Side


def generate(folder: Path, project_root: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks.generate", str(folder), "--packages", "4000", "--seed", "7"],
        cwd=project_root,
        check=True,
        capture_output=True,
    )


def digests(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, project_root: Path) -> None:
    for name in ("one", "two"):
        generate(tmp_path / name, project_root)
    one = digests(tmp_path / "one")
    assert one == digests(tmp_path / "two")
    assert {name.split("/")[0] for name in one} == {"target", "reference", "source", "target.toml"}


@pytest.mark.skipif(shutil.which("dnf") is None, reason="dnf is not installed")
def test_dnf_installs_the_root_from_the_reference_and_not_from_the_target(tmp_path: Path, project_root: Path) -> None:
    generate(tmp_path, project_root)
    target = load_target(str(tmp_path / "target.toml"))
    urls = {repository.side: repository.baseurl[0] for repository in target.repositories}

    def install(arch: str, side: Side) -> str:
        root = tmp_path / f"root-{arch}"
        root.mkdir()
        return subprocess.run(
            [
                "dnf", "install", "--assumeno", "--nogpgcheck", "--disableplugin=*", f"--forcearch={arch}",
                "--releasever=9", f"--installroot={root}", f"--setopt=cachedir={tmp_path / 'cache'}-{arch}",
                "--setopt=reposdir=/dev/null", f"--repofrompath=made,{urls[side]}", "bench-root",
            ],
            capture_output=True, text=True, check=False,
        ).stderr  # fmt: skip

    assert "Operation aborted" in install("x86_64", Side.REFERENCE)
    assert "nothing provides" in install("ppc64le", Side.TARGET)
