"""`check env` on whole installations: Debian's nova for ppc64le, and nova with a release's constraints by pip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pythonroots import check_env
from srpms import run

from ppcdeps.building.buildroots.debian import sources_for
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions

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


def set_alternatives(root: Path, *, there: bool) -> None:
    """Give BLAS and LAPACK their names, which update-alternatives does in a script that has not run."""
    for name in ("blas", "lapack"):
        link = root / LIBRARIES / f"lib{name}.so.3"
        alternative = root / f"etc/alternatives/lib{name}.so.3"
        for path in (link, alternative):
            path.unlink(missing_ok=True)
        if there:
            link.symlink_to(f"/etc/alternatives/lib{name}.so.3")
            alternative.symlink_to(f"/{LIBRARIES}/{name}/lib{name}.so.3")


def test_nova_of_debian_on_ppc64le(power_root: Path) -> None:
    set_alternatives(power_root, there=False)
    found = check_env(power_root)
    assert found.subject.startswith("Python 3.11.2 for ppc64le, ")
    assert {one.rule for one in found.findings} == {"env-missing-library"}
    assert all("numpy" in one.where and "libblas.so.3" in one.message for one in found.findings)
    set_alternatives(power_root, there=True)
    assert check_env(power_root).findings == ()


@pytest.mark.parametrize("there", [False, True], ids=["without BLAS", "with BLAS"])
def test_the_root_s_own_interpreter_meets_what_is_found(power_root: Path, there: bool) -> None:
    """numpy is imported under QEMU's user emulation."""
    qemu = shutil.which("qemu-ppc64le-static")
    if qemu is None or shutil.which("bwrap") is None:
        pytest.skip("qemu-ppc64le-static or bwrap is not installed: programs of ppc64le cannot be run")
    set_alternatives(power_root, there=there)
    inside = ["--bind", str(power_root), "/", "--dev", "/dev", "--proc", "/proc", "--ro-bind", qemu, "/qemu"]
    command = ["bwrap", *inside, "/qemu", "/usr/bin/python3", "-c", "import numpy.linalg"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is there, done.stderr
    assert ("libblas.so.3: cannot open shared object file" in done.stderr) is not there


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
    found = check_env(venv, constraints=constraints)
    assert found.findings == ()
    assert next(one.count for one in found.examined if one.what == "distributions") > 130
    run(str(venv / "bin/python"), "-m", "pip", "check")
