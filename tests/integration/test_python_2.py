"""EL7's Python 2.7: what its packages do not say, and what pip is left."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from indexes import Shop, serving, wheel
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra

TARGET = """\
name = "test-7"
title = "A target for tests"
releasever = "7"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el7"
cpu_baseline = "POWER8"

[python]
version = "2.7.5"
glibc = "2.17"
package = "python"

[[repositories]]
id = "base"
side = "target"
baseurl = "base/"

[[repositories]]
id = "reference"
side = "reference"
baseurl = "reference/"
"""


def package(nevra: str, *requires: str) -> Package:
    return Package(Nevra.parse(nevra), relations={"requires": requires})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Program, Shop]]:
    (tmp_path / "target.toml").write_text(TARGET)
    here = [package("python-2.7.5-90.el7.ppc64le"), package("python-six-1.9.0-2.el7.noarch", "python")]
    write_repository(tmp_path / "base", here)
    # As RDO for EL7 has them: two ways to name packages, and no distribution stated.
    there = [
        package("service-1-1.el7.noarch", "python2-cfg >= 2", "python-six", "python-lost >= 1.2"),
        package("python2-cfg-2.0-1.el7.noarch", "python"),
    ]
    write_repository(tmp_path / "reference", there)
    with serving() as shop:
        shop.add("thing", wheel("thing", "1.0", ("six", "backport; python_version<'3'"), tags="py2.py3-none-any"))
        shop.add("thing", wheel("thing", "2.0", tags="py3-none-any"))
        shop.add("backport", wheel("backport", "0.1", tags="py2-none-any"))
        shop.add("six", wheel("six", "1.17.0", tags="py2.py3-none-any"))
        shop.add("cfg", wheel("cfg", "2.0", tags="py2.py3-none-any"))
        shop.add("lost", wheel("lost", "1.3", tags="py2-none-any"))
        shop.add("new", wheel("new", "1.0", tags="py3-none-any"))
        index = {"PIP_INDEX_URL": f"{shop.url}/simple", "PIP_CONFIG_FILE": os.devnull}
        yield Program(tmp_path, index), shop


def test_rpms_that_state_no_distribution_stay_and_pip_has_the_rest(world: tuple[Program, Shop]) -> None:
    program, _ = world
    program("plan", "service", "pypi:thing", "--target", "target.toml", "-o", "plan.json", code=1)
    plan = json.loads((program.folder / "plan.json").read_text())
    routes = {gap["name"]: gap["route"]["kind"] for gap in plan["gaps"]}
    assert routes == {
        "service": "reuse",
        "python2-cfg": "reuse",
        "thing": "pip-wheel",
        "backport": "pip-wheel",
        "lost": "pip-wheel",
    }
    # The version for Python 2, with its marker; six is the RPM's, though it says so by its name alone.
    found = {each["name"]: (each["version"], each["provision"]) for each in plan["python"]["distributions"]}
    assert found == {
        "thing": ("1.0", "wheel"),
        "backport": ("0.1", "wheel"),
        "lost": ("1.3", "wheel"),
        "six": ("1.9.0", "rpm"),
        "cfg": ("2.0", "rpm"),
    }
    assert plan["python"]["bridge"] == ["python-lost = 1.3"]
    assert plan["python"]["package"] == "python"


def test_what_the_index_has_for_python_3_alone_is_said_in_one_line(world: tuple[Program, Shop]) -> None:
    program, _ = world
    done = program("plan", "pypi:new", "--target", "target.toml", "--no-output", code=3)
    assert "new" in done.err and "Python 2.7.5" in done.err
