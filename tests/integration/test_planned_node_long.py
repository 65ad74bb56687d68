"""A compute node's software on Debian 12 for ppc64le: planned, built, published, installed and imported.

Run by hand, with `pytest -m long` and this file; the result is in docs/evidence/node.md. Everything for ppc64le runs
under qemu-user here; test_power_node_long.py has the same on an emulated machine.
"""

import json
import os
from pathlib import Path

import debianroots
import pytest
from ppclab.planned import BUILDROOT, Planned
from program import Program

from ppcdeps.base.cache import Cache

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="installing into a root takes root"),
]


def test_what_is_planned_for_a_node_is_built_installed_and_imported(
    debian_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not debianroots.emulates():
        pytest.skip("programs of ppc64le do not run here")
    monkeypatch.setenv("PPCDEPS_CACHE", str(debian_cache.directory))
    index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    program = Program(tmp_path, {"PPCDEPS_CACHE": str(debian_cache.directory), **index}, patience=4 * 3600)
    node = Planned(tmp_path)
    node.describe()
    program("buildroot", "create", BUILDROOT, "--buildroots", "roots")
    made = json.loads(program("buildroot", "list", "--json", "--buildroots", "roots").out)
    newest = max((one for one in made["created"] if one["name"] == BUILDROOT), key=lambda one: one["made"])
    node.plan(Path(newest["repository"]))

    python = json.loads((tmp_path / "plan.json").read_text())["python"]["distributions"]
    by = {each["name"]: each["provision"] for each in python}
    assert by["nova"] == "wheel"
    assert {by[name] for name in ("cryptography", "libvirt-python", "lxml", "numpy")} <= {"rpm"}
    built = {name for name, provision in by.items() if provision == "build"}
    assert {"markupsafe", "msgpack", "psutil", "pyyaml", "sqlalchemy", "wrapt"} <= built

    node.build()
    place = ("--target", "target.toml", "--repository", "repository", "--buildroots", "roots")
    verdict = json.loads(program("verify", "plan.json", *place, "--json").out)
    assert [verdict[each]["outcome"] for each in ("installation", "python", "imports")] == ["ok", "ok", "ok"]
