"""What RPMs require, no repository has, and pip brings: dnf installs it with the bridge of the plan alone."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from againstdnf import SYSTEM_PYTHON, ask_dnf
from indexes import serving, wheel
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra

TARGET = """\
name = "test-9"
title = "A target for tests"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el9"
cpu_baseline = "POWER9"

[python]
version = "3.9.25"
glibc = "2.34"
package = "python3"

[[repositories]]
id = "base"
side = "target"
baseurl = "base/"

[[repositories]]
id = "reference"
side = "reference"
baseurl = "reference/"
"""
REQUIRES = {
    "plain": ("python3dist(cache)",),
    "an extra": ("python3dist(db)", "python3dist(db[mysql])"),
    "an extra alone": ("python3dist(db[mysql]) >= 11",),
    "a package's name": ("python3-cache >= 0.14",),
    "the interpreter's version": ("python3.9dist(cache) >= 0.14",),
    "one of two": ("(python3dist(db[mysql]) < 11 or python3dist(db[mysql]) > 11.1)",),
    "either side": ("(python3dist(db) < 13 or python3dist(db) > 13.1)",),
    "two bounds": ("(python3dist(db[mysql]) >= 11 with python3dist(db[mysql]) < 12)",),
    "where something is there": ("(python3dist(cache) if python3)",),
    "both": ("(python3dist(cache) and python3dist(db))",),
    "or a package that is not there": ("(python3dist(cache) or other-thing)",),
}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    if shutil.which("dnf") is None or not SYSTEM_PYTHON.exists():
        pytest.skip("needs dnf (packages dnf and python3-dnf)")
    (tmp_path / "target.toml").write_text(TARGET)
    with serving() as shop:
        shop.add("cache", wheel("cache", "0.14.3"))
        shop.add("db", wheel("db", "11.2.0", ("sql; extra == 'mysql'",), extras=("mysql",)))
        shop.add("sql", wheel("sql", "1.0"))
        yield Program(tmp_path, {"PIP_INDEX_URL": shop.url, "PIP_CONFIG_FILE": os.devnull})


@pytest.mark.parametrize("name", REQUIRES)
def test_dnf_installs_with_the_bridge_and_not_without(name: str, program: Program) -> None:
    folder = program.folder
    python = Package(Nevra.parse("python3-3.9.25-1.el9.ppc64le"), relations={"provides": ("python(abi) = 3.9",)})
    base = write_repository(folder / "base", [python])
    service = Package(Nevra.parse("service-1-1.el9.noarch"), relations={"requires": ("python3", *REQUIRES[name])})
    reference = write_repository(folder / "reference", [service])
    program("plan", "service", "--target", "target.toml", "-o", "plan.json", code=1)
    plan = json.loads((folder / "plan.json").read_text())
    assert [gap["name"] for gap in plan["gaps"] if gap["route"]["kind"] == "blocked"] == []
    bridged = Package(Nevra.parse("bridge-1-1.noarch"), relations={"provides": tuple(plan["python"]["bridge"])})
    bridge = write_repository(folder / "bridge", [bridged])
    urls = {"base": base.as_uri(), "reference": reference.as_uri(), "bridge": bridge.as_uri()}
    said = ask_dnf(folder / "dnf", urls, ["service"], without={"with": [], "without": ["bridge"]})
    assert said["with"]["installable"], said["with"]["problems"]
    assert "bridge-1-1.noarch" in said["with"]["packages"]
    assert not said["without"]["installable"]
