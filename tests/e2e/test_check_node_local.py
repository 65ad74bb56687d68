"""`ppcdeps check node --local` as a user runs it, on a system's folder in place of a node."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from program import Program
from pythonroots import el_root, has_program, make_dist, own_rpm

pytestmark = pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")


@pytest.fixture
def node(ppcdeps: Program, warm_cache: Path) -> Program:
    """The program, beside it the plan of nova-compute and a system with some of its packages."""
    shutil.copytree(warm_cache, ppcdeps.cache)
    ppcdeps("plan", "nova-compute", "--python", "rpm", "-o", "plan.json", code=1)
    root = ppcdeps.folder / "root"
    plain, _ = el_root(root)
    (root / "nova.conf").write_text("[libvirt]\nvirt_type = kvm\n")
    for name, version in (("openstack-nova-compute", "25.3.0"), ("libvirt-libs", "8.0.0"), ("supermin", "99")):
        file = plain / f"{name}.txt"
        file.write_text(name)
        own_rpm(root, name, version, [file])
    make_dist(plain, "six", "1.16.0")
    return ppcdeps


def local(node: Program, *more: str) -> dict[str, Any]:
    done = node(
        "check", "node", "--local", "--root", "root", "--nova-conf", "root/nova.conf", "--json", *more, code=1
    )
    return {one["check"]: one for one in json.loads(done.out)["reports"]}


def test_the_packages_of_a_plan_are_looked_for_on_the_node(node: Program) -> None:
    report = local(node, "--plan", "plan.json")["plan"]
    assert report["subject"] == "this machine, for nova-compute on centos-stream-9"
    found = {(one["rule"], one["where"]): one for one in report["findings"]}
    older = found["plan-package-older", "the RPM database"]
    assert any(line.startswith("libvirt-libs-8.0.0-1.el9.noarch, and the plan has ") for line in older["detail"])
    assert older["fix"][0].startswith("dnf upgrade ")
    missing = found["plan-package-missing", "libvirt"]
    assert "libvirt-daemon-driver-qemu" in missing["message"]
    assert "libvirt-libs" not in missing["message"]
    # supermin itself is there, and newer.
    assert "supermin" not in {where for _, where in found}
    assert not any("supermin" in line for line in older["detail"])
    assert any(one["what"].endswith("packages of the plan that are not there") for one in report["skipped"])


def test_without_a_plan_no_packages_are_looked_for(node: Program) -> None:
    assert set(local(node)) == {"host", "env", "guest"}
    words = ("check", "node", "--local", "--root", "root", "--nova-conf", "root/nova.conf")
    errors = node(*words, code=1).err
    assert "warning: the packages are compared with no plan" in errors
    assert "warning: Python's distributions are compared with no pins" in errors
    errors = node(*words, "--plan", "plan.json", code=1).err
    assert "compared with no plan" not in errors
    # This plan has no Python.
    assert "compared with no pins" in errors


def test_a_missing_configuration_is_said_before_anything_is_looked_at(node: Program) -> None:
    done = node("check", "node", "--local", "--root", "root", "--nova-conf", "gone.conf", code=3)
    assert done.err == "ppcdeps: error: cannot read gone.conf: No such file or directory\n"


def test_the_pins_of_a_plan_hold_on_the_node(node: Program) -> None:
    plan = json.loads((node.folder / "plan.json").read_text())
    assert plan["python"] is None or not plan["python"]
    plan["python"] = {
        "python": "3.9.25",
        "machine": "ppc64le",
        "glibc": "2.34",
        "distributions": [
            {
                "name": "six",
                "version": "1.17.0",
                "provision": "wheel",
                "rpm": "",
                "pinned_by": "",
                "files": [],
                "required_by": [],
            }
        ],
        "added_rpms": [],
        "notes": [],
        "bridge": [],
        "bridge_requires": [],
    }
    (node.folder / "pip.json").write_text(json.dumps(plan))
    findings = local(node, "--plan", "pip.json")["env"]["findings"]
    assert any("six" in one["message"] and "1.17.0" in one["message"] for one in findings)


def test_a_plan_belongs_to_local(ppcdeps: Program) -> None:
    (ppcdeps.folder / "plan.json").write_text("{}")
    assert "are options of --local" in ppcdeps("check", "node", "power1", "--plan", "plan.json", code=2).fault
    assert "names no schema" in ppcdeps("check", "node", "--local", "--plan", "plan.json", code=3).fault


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("--local", "--junit", "x.xml"), "--local looks at this machine: it does not take --junit"),
        (("--local", "--only", "console", "--image", "x", "--keep"), "it does not take --image, --only, --keep"),
        (("power1", "--local", "--cloud", "x", "--timeout", "9"), "it does not take HOST, --cloud, --timeout"),
        (("--local", "--cleanup"), "--local looks at this machine: it does not take --cleanup"),
        (("--local", "--run", "1a2b3c4d"), "it does not take --run"),
        (("--cleanup", "power1"), "--cleanup removes what runs left in the project: it does not take HOST"),
        (("--cleanup", "--junit", "x.xml", "--keep"), "it does not take --keep, --junit"),
        (("--cleanup", "--image", "x", "--skip", "volumes"), "it does not take --image, --skip"),
        (("power1", "--only", "console", "--skip", "console"), "there is nothing to test: --skip takes away all"),
        (("power1", "--image", "x", "--property", "a=b"), "--property is for the image of the test guest"),
        (("power1", "--boot-text", "up"), "--boot-text is what --image shows"),
    ],
)
def test_options_that_mean_nothing_are_refused(ppcdeps: Program, words: tuple[str, ...], refused: str) -> None:
    assert refused in ppcdeps("check", "node", *words, code=2).fault
