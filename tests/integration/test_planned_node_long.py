"""nova from the index on Debian 12 for ppc64le: planned, built, published, installed and imported by the program.

The node's Debian packages stand in for what a distribution has: libvirt's module, and the distributions whose Rust
or Fortran is out of reach here. Run by hand, with `pytest -m long` and this file; the result is in
docs/evidence/node.md. Everything for ppc64le runs under qemu-user.
"""

import json
import os
import re
import shutil
from pathlib import Path

import debianroots
import pytest
from program import Program

from ppcdeps.base.cache import Cache

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="installing into a root takes root"),
]

PROJECT = Path(__file__).parents[2]
NOVA = "26.3.0"
PYTHON = "3.11.2"
OF_DEBIAN = ("bcrypt", "cryptography", "libvirt", "lxml", "nacl", "numpy", "six")
"""Distributions of Debian's python3-NAME: their pins of OpenStack's are dropped."""
PINNED_ELSEWHERE = {"yappi": "1.7.6"}
"""The pins of Zed are for Python 3.8 to 3.10: yappi 1.3.6 does not compile with 3.11."""
TARGET = """\
name = "debian-node"
title = "Debian 12 as a compute node"
releasever = "12"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:debian12"
cpu_baseline = "POWER8"
buildroot = "debian-12-node"

[python]
version = "{python}"
glibc = "2.36"

[[repositories]]
id = "base"
side = "target"
baseurl = "{base}"
"""
WORKLOAD = """\
name = "debian-node"
title = "nova-compute on Debian 12, nova from the index"
roots = ["debian-12-base", "pypi:nova=={nova}"]
constraints = "pins.txt"
"""


def write_buildroot(folder: Path) -> None:
    """The shipped Debian root, macros included, with the node's packages."""
    definition = folder / "debian-12-node/buildroot.toml"
    shutil.copytree(PROJECT / "containers/debian-12", definition.parent)
    more = "".join(f'"python3-{name}", ' for name in OF_DEBIAN)
    shipped = definition.read_text()
    definition.write_text(shipped.replace("packages = [\n", f"packages = [\n    {more}\n", 1))
    assert definition.read_text() != shipped


def pins() -> str:
    """OpenStack's constraints of the release, but for what the node has and what its Python does not take."""
    dropped = {*OF_DEBIAN, "libvirt-python", "nova", "pynacl", *PINNED_ELSEWHERE}
    text = (PROJECT / "constraints/upper-constraints-zed.txt").read_text()
    kept = [line for line in text.splitlines() if re.split("[=;]", line)[0].strip().lower() not in dropped]
    return "\n".join([*kept, *(f"{name}==={version}" for name, version in PINNED_ELSEWHERE.items()), ""])


def test_nova_from_the_index_is_built_installed_and_imported(debian_cache: Cache, tmp_path: Path) -> None:
    if not debianroots.emulates():
        pytest.skip("programs of ppc64le do not run here")
    index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    program = Program(tmp_path, {"PPCDEPS_CACHE": str(debian_cache.directory), **index}, patience=4 * 3600)
    write_buildroot(tmp_path / "roots")
    (tmp_path / "pins.txt").write_text(pins())
    (tmp_path / "node.toml").write_text(WORKLOAD.format(nova=NOVA))
    root = ("--buildroots", "roots")
    program("buildroot", "create", "debian-12-node", *root)
    made = json.loads(program("buildroot", "list", "--json", *root).out)
    newest = max((one for one in made["created"] if one["name"] == "debian-12-node"), key=lambda one: one["made"])
    base = Path(newest["repository"]).as_uri()
    (tmp_path / "target.toml").write_text(TARGET.format(python=PYTHON, base=base))

    program("plan", "node.toml", "--target", "target.toml", "-o", "plan.json", code=1)
    python = json.loads((tmp_path / "plan.json").read_text())["python"]["distributions"]
    by = {each["name"]: each["provision"] for each in python}
    assert by["nova"] == "wheel"
    assert {by[name] for name in ("cryptography", "libvirt-python", "lxml", "numpy")} <= {"rpm"}
    built = {name for name, provision in by.items() if provision == "build"}
    assert {"markupsafe", "msgpack", "psutil", "pyyaml", "sqlalchemy", "wrapt"} <= built

    program("build", "plan.json", "--target", "target.toml", "--repository", "out", *root)
    proof = program("verify", "plan.json", "--target", "target.toml", "--repository", "out", *root, "--json")
    verdict = json.loads(proof.out)
    assert [verdict[each]["outcome"] for each in ("installation", "python", "imports")] == ["ok", "ok", "ok"]
