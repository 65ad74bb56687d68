"""`check env` on whole installations: Debian's nova for ppc64le, and nova with a release's constraints by pip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from srpms import run

from ppcdeps.building.buildroots.debian import sources_for
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.checking.env.check import check_env
from ppcdeps.model.reporter import Silence

pytestmark = pytest.mark.long

LIBRARIES = "usr/lib/powerpc64le-linux-gnu"


@pytest.fixture(scope="module")
def power_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian 12's nova and numpy for ppc64le, unpacked: no maintainer script has run."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    making = load_definitions().named("debian-12").making
    assert isinstance(making, DebianMaking)
    root = tmp_path_factory.mktemp("power") / "root"
    packages = "--include=python3,python3-nova,python3-numpy,python3-libvirt"
    source = sources_for(making)[0]
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        "--architectures=ppc64el",
        packages,
        making.suite,
        str(root),
        source,
    )
    return root


def test_nova_of_debian_on_ppc64le(power_root: Path) -> None:
    found = check_env(power_root, Silence())
    assert found.subject.startswith("Python 3.11.2 for ppc64le, ")
    # Debian gives BLAS and LAPACK their names by update-alternatives, in a script that has not run.
    assert {one.rule for one in found.findings} == {"env-missing-library"}
    assert all("numpy" in one.where and "libblas.so.3" in one.message for one in found.findings)
    emulated(power_root, loads=False)
    for name in ("blas", "lapack"):
        (power_root / LIBRARIES / f"lib{name}.so.3").symlink_to(f"/etc/alternatives/lib{name}.so.3")
        alternative = power_root / f"etc/alternatives/lib{name}.so.3"
        alternative.symlink_to(f"/{LIBRARIES}/{name}/lib{name}.so.3")
    assert check_env(power_root, Silence()).findings == ()
    emulated(power_root, loads=True)


def emulated(root: Path, *, loads: bool) -> None:
    """Whether the root's own interpreter loads numpy, under QEMU's user emulation."""
    qemu = shutil.which("qemu-ppc64le-static")
    if qemu is None or shutil.which("bwrap") is None:
        pytest.skip("needs qemu-ppc64le-static and bwrap")
    command = [
        "bwrap",
        "--bind",
        str(root),
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--ro-bind",
        qemu,
        "/qemu",
        "/qemu",
    ]
    code = "import numpy.linalg"
    done = subprocess.run([*command, "/usr/bin/python3", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is loads, done.stderr
    assert loads or "libblas.so.3: cannot open shared object file" in done.stderr


def test_nova_with_the_constraints_of_yoga(tmp_path: Path, project_root: Path) -> None:
    """143 distributions by pip on Python 3.9: nothing is found, as pip check finds nothing."""
    versions = Path(sys.executable).resolve().parents[2]
    known = [*map(str, versions.glob("3.9*/bin/python3.9")), shutil.which("python3.9")]
    python = next((one for one in known if one), None)
    if python is None:
        pytest.skip("there is no Python 3.9 here")
    constraints = project_root / "constraints/upper-constraints-yoga.txt"
    venv = tmp_path / "venv"
    run(python, "-m", "venv", str(venv))
    installing = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "nova==25.3.0", "setuptools<58"]
    subprocess.run([*installing, "-c", str(constraints)], check=True, capture_output=True, env=dict(os.environ))
    found = check_env(venv, Silence(), constraints=constraints)
    assert found.findings == ()
    assert next(one.count for one in found.examined if one.what == "distributions") > 130
    run(str(venv / "bin/python"), "-m", "pip", "check")
