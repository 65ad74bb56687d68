"""The bridge RPM, built by rpmbuild and installed by rpm beside a package that requires what it provides."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ppcdeps.model.python_plan import Provision
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.bridge import BridgedCapability, bridge_provides, spec_of_bridge
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.lock import LockedDistribution, PythonLock

pytestmark = pytest.mark.skipif(
    shutil.which("rpmbuild") is None or shutil.which("rpm") is None, reason="needs rpmbuild and rpm"
)

SERVICE = """\
Name: openstack-app
Version: 25.3.0
Release: 1
Summary: A service
License: Apache-2.0
BuildArch: noarch
Requires: python3-cfg >= 2:8.1
Requires: python3-cfg < 2:9
Requires: (python3.9dist(cfg) >= 8.1 with python3.9dist(cfg) < 9)
Requires: python3dist(young) >= 3~rc1
%description
A service.
%files
"""
WANTED = (
    BridgedCapability("python3-cfg", "cfg", ">=", "2:8.1", "openstack-app"),
    BridgedCapability("python3-cfg", "cfg", "<", "2:9", "openstack-app"),
    BridgedCapability("python3.9dist(cfg)", "cfg", ">=", "8.1", "openstack-app"),
    BridgedCapability("python3dist(young)", "young", ">=", "3~rc1", "openstack-app"),
)
LOCK = PythonLock(
    TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34))),
    (
        LockedDistribution("cfg", "8.8.1", Provision.WHEEL),
        LockedDistribution("young", "3.0rc1", Provision.SDIST),
    ),
)


def build(folder: Path, name: str, text: str) -> Path:
    spec = folder / f"{name}.spec"
    spec.write_text(text)
    command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder / 'top'}", str(spec)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (found,) = (folder / "top/RPMS/noarch").glob(f"{name}-*.rpm")
    return found


def rpm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["rpm", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_rpm_installs_what_the_bridge_satisfies_and_refuses_without_it(tmp_path: Path) -> None:
    service = build(tmp_path, "openstack-app", SERVICE)
    bridge = build(tmp_path, "ppcdeps-bridge-demo", spec_of_bridge("demo", bridge_provides("demo", WANTED, LOCK)))
    root = tmp_path / "root"
    common = ("--root", root, "--dbpath", "/var/lib/rpm", "--nosignature")
    root.mkdir()
    alone = rpm("-i", *common, "--test", service)
    assert alone.returncode != 0
    assert "python3-cfg >= 2:8.1 is needed by openstack-app" in alone.stderr
    together = rpm("-i", *common, "--noscripts", bridge, service)
    assert together.returncode == 0, together.stderr
    verified = rpm("-V", *common, "openstack-app", "ppcdeps-bridge-demo")
    assert (verified.returncode, verified.stdout) == (0, "")
    removed = rpm("-e", *common, "--test", "ppcdeps-bridge-demo")
    assert "is needed by (installed) openstack-app" in removed.stderr


def test_rpm_refuses_the_bridge_without_what_pip_does_not_bring(tmp_path: Path) -> None:
    spec = spec_of_bridge("demo", bridge_provides("demo", WANTED, LOCK), ["lvm2", "(tool if openstack-app)"])
    service, bridge = build(tmp_path, "openstack-app", SERVICE), build(tmp_path, "ppcdeps-bridge-demo", spec)
    root = tmp_path / "root"
    root.mkdir()
    refused = rpm("-i", "--root", root, "--dbpath", "/var/lib/rpm", "--nosignature", "--test", bridge, service)
    assert refused.returncode != 0
    assert "lvm2 is needed by ppcdeps-bridge-demo-1-1.noarch" in refused.stderr
    assert "(tool if openstack-app) is needed by ppcdeps-bridge-demo-1-1.noarch" in refused.stderr


def test_the_bridge_holds_no_files_and_provides_nothing_else(tmp_path: Path) -> None:
    bridge = build(tmp_path, "ppcdeps-bridge-demo", spec_of_bridge("demo", bridge_provides("demo", WANTED, LOCK)))
    assert rpm("-qlp", "--nosignature", bridge).stdout.strip() in ("", "(contains no files)")
    provides = rpm("-qp", "--provides", "--nosignature", bridge).stdout.splitlines()
    assert sorted(provides) == [
        "ppcdeps-bridge-demo = 1-1",
        "python3-cfg = 2:8.8.1",
        "python3.9dist(cfg) = 8.8.1",
        "python3dist(young) = 3.0~rc1",
    ]
    requires = rpm("-qp", "--requires", "--nosignature", bridge).stdout.splitlines()
    assert all(each.startswith("rpmlib(") for each in requires)
