"""`ppcdeps verify` with real packages, a real dnf and a real root for ppc64le: what is closed, and what is not."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from debianroots import emulates
from indexes import pkg_info, sdist, serving, wheel
from program import Program, Run
from rpmmd import Package, write_repository

from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.signing import SigningKey
from ppcdeps.building.publishing.wheels import read_wheel
from ppcdeps.engines.job import Buildroot
from ppcdeps.model.nevra import Nevra


def _lacks() -> str:
    """Why nothing can be installed into a root here, or nothing."""
    missing = [name for name in ("dnf", "rpmbuild", "createrepo_c") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0:
        return "needs root: scriptlets run in a chroot"
    return "" if emulates() else "needs the emulation of ppc64le (qemu-user-static, binfmt_misc)"


LACKS = _lacks()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS or "-")

TARGET = """\
name = "test-12"
title = "A target for tests"
releasever = "12"
arch = "ppc64le"
reference_arch = "x86_64"
cpu_baseline = "POWER8"
buildroot = "debian-12"

[python]
version = "3.11.2"
glibc = "2.36"

[[repositories]]
id = "base"
side = "target"
baseurl = "{base}/"
metadata_expire = 0

[[repositories]]
id = "reference"
side = "reference"
baseurl = "reference/"
"""
RECIPE = """\
source = "tool"
kind = "compile"
summary = "a tool"
reason = "a test has it built"
packages = ["tool"]
smoke_test = '''
test "$(tool)" = "it works"
uname -m | grep ppc64le
test -e /var/lib/tool-was-installed
'''

[[sources]]
version = "1.0"
url = "https://example.org/tool-1.0.tar.gz"
sha256 = "{digest}"

[upstream]
name = "tool"
summary = "A tool"
license = "MIT"
url = "https://example.org/"
description = "A tool."
system = "make"
"""
SPEC = """\
Name: {name}
Version: 1.0
Release: 1
Summary: A tool
License: MIT
{more}
%description
A tool.
%install
mkdir -p %{{buildroot}}/usr/bin
printf '#!/bin/sh\\necho {says}\\n' >%{{buildroot}}/usr/bin/tool
chmod 755 %{{buildroot}}/usr/bin/tool
%post
{post}
%files
/usr/bin/tool
"""


@dataclass
class World:
    """A folder with a target that lacks the package `tool`, and the program."""

    program: Program
    folder: Path
    options: tuple[str, ...] = ("--target", "target.toml", "--recipes", "recipes")

    def plan(self, *roots: str) -> None:
        self.program("plan", *roots, *self.options, "-o", "plan.json", code=1)

    def tool(
        self,
        *,
        name: str = "tool",
        says: str = "it works",
        more: str = "",
        post: str = "touch /var/lib/tool-was-installed",
    ) -> Path:
        """A package for ppc64le, built now."""
        top = self.folder / "top"
        top.mkdir(exist_ok=True)
        (top / "tool.spec").write_text(SPEC.format(name=name, says=says, more=more, post=post))
        command = ["rpmbuild", "-bb", "--quiet", "--target", "ppc64le", "--define", f"_topdir {top}"]
        subprocess.run([*command, top / "tool.spec"], check=True, capture_output=True)
        (package,) = top.glob("RPMS/ppc64le/*.rpm")
        return package

    def publish(self, *packages: Path, sign: SigningKey | None = None) -> None:
        publish(self.folder / "local", packages, sign=sign)

    def verify(self, *more: str, code: int = 0) -> dict[str, Any]:
        words = ("verify", "plan.json", "--repository", "local", *self.options, *more, "--json")
        document: dict[str, Any] = json.loads(self.program(*words, code=code).out)
        return document

    def refused(self, *words: str, code: int, **variables: str) -> Run:
        return self.program("verify", "plan.json", *words, code=code, **variables)


@pytest.fixture
def world(tmp_path: Path, debian_root: Buildroot) -> World:
    cache = debian_root.path.parents[3]
    program = Program(tmp_path, {"PPCDEPS_CACHE": str(cache)})
    base = debian_root.path.parent / "repository"
    (tmp_path / "target.toml").write_text(TARGET.format(base=base))
    (tmp_path / "recipes" / "tool").mkdir(parents=True)
    (tmp_path / "recipes" / "tool" / "recipe.toml").write_text(RECIPE.format(digest="0" * 64))
    write_repository(tmp_path / "reference", [Package(Nevra.parse("tool-1.0-1.x86_64"), "tool")])
    return World(program, tmp_path)


@pytest.fixture(autouse=True)
def nothing_left(debian_root: Buildroot) -> Iterator[None]:
    """After each test: no trial, no mount. Those of tests that run at the same time end by themselves."""
    yield
    trials = debian_root.path.parents[2] / "trials"

    def there() -> set[str]:
        return {str(one) for one in trials.iterdir()} if trials.is_dir() else set()

    left = there()
    until = time.monotonic() + 120
    while left and time.monotonic() < until:
        time.sleep(0.2)
        left &= there()
    assert left == set()
    before = there()
    mounted = re.findall(rf" ({re.escape(str(trials))}/[^/ ]+)", Path("/proc/self/mounts").read_text())
    assert set(mounted) <= before | there()


def test_a_package_that_installs_and_runs_closes_the_gap(world: World) -> None:
    world.plan("tool")
    world.publish(world.tool())
    found = world.verify()
    assert found["closed"] is True
    assert [each["gap"]["name"] for each in found["gaps"]["closed"]] == ["tool"]
    assert found["gaps"]["closed"][0]["by"] == ["tool-1.0-1.ppc64le"]
    assert found["installation"]["outcome"] == found["repoclosure"]["outcome"] == "ok"
    assert [(one["subject"], one["outcome"]) for one in found["smoke_tests"]] == [("tool", "ok")]
    assert found["rests_on"]["programs_ran"] == ("native" if os.uname().machine == "ppc64le" else "emulated")


def test_a_repository_without_the_package_leaves_the_gap(world: World) -> None:
    world.plan("tool")
    world.publish(world.tool(name="another"))
    found = world.verify(code=1)
    assert [gap["name"] for gap in found["gaps"]["remaining"]] == ["tool"]
    assert found["installation"]["outcome"] == "failed"
    assert "No match for argument: tool" in "\n".join(found["installation"]["log"])


def test_a_package_that_does_not_do_what_its_smoke_test_asks_leaves_it_open(world: World) -> None:
    world.plan("tool")
    world.publish(world.tool(says="nothing of use"))
    found = world.verify(code=1)
    assert found["closed"] is False
    assert found["installation"]["outcome"] == "ok"
    assert [(one["outcome"], one["detail"]) for one in found["smoke_tests"]] == [("failed", "ended with 1")]


def test_a_package_that_requires_what_nobody_provides_leaves_it_open(world: World) -> None:
    world.plan("tool")
    world.publish(world.tool(more="Requires: libnowhere.so.9()(64bit)"))
    found = world.verify(code=1)
    assert [gap["name"] for gap in found["gaps"]["remaining"]] == ["tool"]
    for part in ("repoclosure", "installation"):
        assert found[part]["outcome"] == "failed"
        assert "libnowhere.so.9()(64bit)" in "\n".join(found[part]["log"])
    assert found["python"]["detail"] == "not tried: the installation failed"


def test_a_package_whose_scriptlet_refuses_leaves_it_open(world: World) -> None:
    world.plan("tool")
    world.publish(world.tool(post="true\n%pre\necho not on this machine\nexit 7"))
    found = world.verify(code=1)
    assert found["gaps"]["remaining"] == found["gaps"]["new"] == []
    assert found["closed"] is False
    assert found["installation"]["outcome"] == "failed"
    assert "not on this machine" in "\n".join(found["installation"]["log"])


def test_wheels_of_the_plan_are_installed_by_pip_and_imported(world: World) -> None:
    with serving() as shop:
        shop.add("thing", wheel("thing", "1.0", ("other",)))
        shop.add("other", wheel("other", "2.0"))
        index = {"PIP_INDEX_URL": f"{shop.url}/simple", "PIP_CONFIG_FILE": os.devnull}
        world.program = Program(world.folder, {**world.program.variables, **index})
        world.plan("tool", "pypi:thing")
        world.publish(world.tool())
        found = world.verify()
    assert found["closed"] is True
    assert found["python"]["outcome"] == "ok"
    assert "2 distributions by pip, hashes checked" in found["python"]["detail"]
    assert found["imports"]["detail"] == "2 modules, 0 of them compiled"
    closed = {each["gap"]["name"]: each["by"] for each in found["gaps"]["closed"]}
    assert closed["other"] == ["other==2.0 (pip)"]


def test_a_wheel_that_was_built_closes_what_no_rpm_does(world: World, tmp_path: Path) -> None:
    setup = "from setuptools import setup, Extension\nsetup(name='thing', ext_modules=[Extension('x', ['x.c'])])\n"
    with serving() as shop:
        info = pkg_info("thing", "1.0", metadata="2.2")
        shop.add("thing", sdist("thing", "1.0", {"PKG-INFO": info, "setup.py": setup, "x.c": ""}))
        index = {"PIP_INDEX_URL": f"{shop.url}/simple", "PIP_CONFIG_FILE": os.devnull}
        world.program = Program(world.folder, {**world.program.variables, **index})
        world.plan("tool", "pypi:thing")
        world.publish(world.tool())
        found = world.verify("--no-install", code=1)
        assert [gap["route"]["kind"] for gap in found["gaps"]["remaining"]] == ["build-sdist"]
        publish(tmp_path / "local", [], wheels=[read_wheel(_whole_wheel(tmp_path), "ppc64le")])
        found = world.verify()
    assert found["closed"] is True
    assert {each["gap"]["name"]: each["by"] for each in found["gaps"]["closed"]}["thing"] == ["thing==1.0 (pip)"]
    assert found["python"]["outcome"] == "ok"


def _whole_wheel(folder: Path) -> Path:
    """A wheel for ppc64le whose RECORD lists its files."""
    info = "thing-1.0.dist-info"
    inside = {
        "thing.py": "x = 1\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_ppc64le\n",
    }
    lines = []
    for name, text in inside.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}")
    path = folder / "thing-1.0-cp311-cp311-linux_ppc64le.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in inside.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,", ""]))
    return path


def test_a_distribution_that_brings_everything_is_installed_into_an_empty_root(
    world: World, debian_root: Buildroot, tmp_path: Path
) -> None:
    """As with EL and Fedora: the root is what dnf makes of the packages, shell and C library included."""
    (tmp_path / "base").mkdir()
    shutil.copy(_small_distribution(debian_root.path, tmp_path / "mini"), tmp_path / "base")
    subprocess.run(["createrepo_c", "--quiet", tmp_path / "base"], check=True)
    text = TARGET.format(base=tmp_path / "base").replace(
        'buildroot = "debian-12"\n', 'platform_id = "platform:t12"\n'
    )
    (tmp_path / "target.toml").write_text(text)
    recipe = tmp_path / "recipes" / "tool" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("uname -m | grep ppc64le", 'test "$(uname -m)" = ppc64le'))
    world.plan("tool")
    world.publish(world.tool(more="Requires: mini"))
    found = world.verify()
    assert found["closed"] is True
    assert found["installation"]["detail"] == "2 packages installed"
    assert [one["outcome"] for one in found["smoke_tests"]] == ["ok"]


def _small_distribution(root: Path, top: Path) -> Path:
    """One package with a shell, a C library and some programs, all for ppc64le."""
    places = {
        "usr/bin/sh": "usr/bin/dash",
        "usr/bin/touch": "usr/bin/touch",
        "usr/bin/uname": "usr/bin/uname",
        "usr/bin/date": "usr/bin/date",
        "lib/powerpc64le-linux-gnu/libc.so.6": "lib/powerpc64le-linux-gnu/libc.so.6",
        "lib64/ld64.so.2": "lib/powerpc64le-linux-gnu/ld64.so.2",
    }
    top.mkdir()
    commands, listed = [], []
    for place, source in places.items():
        real = (root / source).resolve()
        commands.append(f"install -D -m 755 {real} %{{buildroot}}/{place}")
        listed.append(f"/{place}")
    links = "mkdir -p %{buildroot}/tmp %{buildroot}/var/lib\nln -s usr/bin %{buildroot}/bin"
    spec = "\n".join(
        [
            "Name: mini\nVersion: 1\nRelease: 1\nSummary: -\nLicense: -\nAutoReqProv: no\nProvides: /bin/sh",
            "%global __os_install_post %{nil}\n%description\n-\n%install",
            *commands, links, "%files", *listed, "/tmp", "/var/lib", "/bin",
        ]
    )  # fmt: skip
    (top / "mini.spec").write_text(f"{spec}\n")
    command = ["rpmbuild", "-bb", "--quiet", "--target", "ppc64le", "--define", f"_topdir {top}"]
    subprocess.run([*command, str(top / "mini.spec")], check=True, capture_output=True)
    return next(top.glob("RPMS/ppc64le/*.rpm"))


def test_over_a_snapshot_nothing_can_be_installed_and_the_verdict_says_so(world: World) -> None:
    world.program("plan", "libvirt-kvm", "-o", "plan.json", code=1)
    world.publish(world.tool())
    words = ("verify", "plan.json", "--repository", "local", "--json")
    found = json.loads(world.program(*words, code=1).out)
    assert found["gaps"]["remaining"]
    (why,) = found["rests_on"]["undone"]
    assert why.startswith("centos-stream-9-yoga is a snapshot of metadata")


def test_a_signed_repository_is_checked_with_its_key(world: World, tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    generate = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--quick-generate-key", "t@example.org"]
    subprocess.run([*generate, "rsa2048", "sign", "never"], check=True, capture_output=True)
    try:
        world.plan("tool")
        world.publish(world.tool(), sign=SigningKey.find("t@example.org", home))
        assert world.verify()["closed"] is True
        # Somebody changes the metadata: the signature is no longer of it.
        repomd = world.folder / "local" / "repodata" / "repomd.xml"
        repomd.write_text(repomd.read_text().replace("<repomd", "<!-- x --><repomd", 1))
        found = world.verify(code=1)
        assert found["installation"]["outcome"] == "failed"
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def test_without_installation_the_verdict_rests_on_the_plan_and_says_so(world: World) -> None:
    world.plan("tool")
    world.publish(world.tool(says="nothing of use"))
    found = world.verify("--no-install")
    assert found["closed"] is True
    assert found["rests_on"] == {"programs_ran": "", "undone": ["--no-install was given"]}
    assert found["installation"]["outcome"] == "skipped"


def test_metadata_that_changed_since_the_plan_is_warned_of(world: World) -> None:
    world.plan("tool")
    shutil.rmtree(world.folder / "reference")
    packages = [Package(Nevra.parse(f"{name}-1.0-1.x86_64"), name) for name in ("tool", "more")]
    write_repository(world.folder / "reference", packages)
    world.publish(world.tool())
    found = world.verify("--no-install", "--refresh")
    assert found["warnings"] == ["the plan was made from other metadata of reference: gaps may have moved since"]


def test_bad_input_is_one_line_and_the_documented_exit_code(world: World, tmp_path: Path) -> None:
    world.plan("tool")
    options = world.options
    assert "there is no folder nowhere" in world.refused("--repository", "nowhere", *options, code=3).fault
    (tmp_path / "theirs").mkdir()
    assert "there is no repository theirs" in world.refused("--repository", "theirs", *options, code=3).fault
    world.publish(world.tool())
    local = ("--repository", "local")
    whole = (tmp_path / "plan.json").read_text()
    document = json.loads(whole)
    del document["request"]
    (tmp_path / "plan.json").write_text(json.dumps(document))
    assert "not a target that ppcdeps ships" in world.refused(*local, code=2).fault
    (tmp_path / "plan.json").write_text(whole)
    other = (tmp_path / "target.toml").read_text().replace("test-12", "another")
    (tmp_path / "other.toml").write_text(other)
    told = world.refused(*local, "--target", "other.toml", code=2).fault
    assert "the plan is for test-12 (ppc64le), not for another (ppc64le)" in told
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "mount").symlink_to(shutil.which("mount") or "mount")
    assert "install the package dnf" in world.refused(*local, *options, code=20, PATH=str(bare)).fault
    (tmp_path / "plan.json").write_text('{"schema": 99}')
    assert "is a plan of schema 99, and schema 3 is read here" in world.refused(*local, *options, code=3).fault
    (tmp_path / "plan.json").unlink()
    assert "cannot read the plan" in world.refused(*local, *options, code=3).fault


def test_interrupted_it_leaves_nothing_and_ends_with_130(
    world: World, wait_until: Callable[[Callable[[], bool]], None], debian_root: Buildroot
) -> None:
    world.plan("tool")
    world.publish(world.tool(post="touch /started; sleep 6060"))
    trials = debian_root.path.parents[2] / "trials"
    command = world.program.command("verify", "plan.json", "--repository", "local", *world.options)
    with subprocess.Popen(
        command, cwd=world.folder, env=world.program.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: any(trials.glob("trial-*/root/started")))
        process.send_signal(2)
        assert process.wait(60) == 130
    assert "sleep 6060" not in subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout


def test_killed_it_leaves_only_what_the_next_run_removes(
    world: World, wait_until: Callable[[Callable[[], bool]], None], debian_root: Buildroot
) -> None:
    world.plan("tool")
    world.publish(world.tool(post="touch /started /var/lib/tool-was-installed; sleep 3"))
    trials = debian_root.path.parents[2] / "trials"
    command = world.program.command("verify", "plan.json", "--repository", "local", *world.options)
    with subprocess.Popen(
        command, cwd=world.folder, env=world.program.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: any(trials.glob("trial-*/root/started")))
        process.kill()
    assert any(trials.iterdir())
    assert world.verify()["closed"] is True


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def wait(true: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not true():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.1)

    return wait
