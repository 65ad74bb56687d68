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
    "a compatible release of a release candidate": ("(python3dist(later) >= 0.1~rc2 with python3dist(later) < 0.2)",),
    "a name with a dot": ("python3dist(name.space) >= 5", "python3.9dist(name.space)"),
    "a package's name with an epoch": ("python3-cache >= 2:0.14",),
    "an extra of the interpreter's version": ("python3.9dist(db[mysql]) = 11.2",),
    "a zero less than pip has": ("(python3dist(db) >= 11.2 with python3dist(db) < 12)", "python3dist(db) <= 11.2"),
    "a zero more than pip has": (
        "python3dist(sql) >= 1.0.0",
        "(python3dist(sql[x]) >= 1.0.0 with python3dist(sql[x]) < 2)",
    ),
    "ranges that meet": ("python3dist(many) >= 1", "python3dist(many) < 2", "python3dist(many) < 3"),
    "ranges of two kinds": ("(python3dist(many) >= 1 with python3dist(many) < 3)", "python3dist(many) < 2"),
    "one thing or the other": ("(python3dist(cache) if python3 else other-thing)",),
    "where something is not there": ("(python3dist(cache) if other-thing else python3dist(db))",),
}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    if shutil.which("dnf") is None or not SYSTEM_PYTHON.exists():
        pytest.skip("needs dnf (packages dnf and python3-dnf)")
    (tmp_path / "target.toml").write_text(TARGET)
    with serving() as shop:
        shop.add("cache", wheel("cache", "0.14.3"))
        shop.add("db", wheel("db", "11.2.0", ("sql; extra == 'mysql'",), extras=("mysql",)))
        for version in ("1.5", "2.5", "3.5"):
            shop.add("many", wheel("many", version))
        shop.add("sql", wheel("sql", "1.0", extras=("x",)))
        shop.add("later", wheel("later", "0.1rc2"))
        shop.add("name-space", wheel("name.space", "5.1"))
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
