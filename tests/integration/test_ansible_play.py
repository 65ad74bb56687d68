"""The Ansible play of a plan, run by ansible-core in a root that has this machine's dnf and nothing of its state."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from indexes import wheel
from program import Program
from repositories import lacks
from rpms import Rpm, indexed, sides

from ppcdeps.building.publishing.publishing import publish

ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
NEEDED = ("bwrap", "dnf-3", "/usr/bin/pip3")
pytestmark = pytest.mark.skipif(
    bool(lacks()) or not ANSIBLE.exists() or any(shutil.which(one) is None for one in NEEDED),
    reason=f"needs ansible-core, {', '.join(NEEDED)}, rpmbuild, createrepo_c",
)
RELEASE = 'NAME="CentOS Stream"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
"""Ansible takes dnf on such a machine; Debian's it would give to apt."""


class Machine:
    """A root with this machine's programs, read-only, and folders of its own for all that changes."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = settings
        for name in ("etc/yum.repos.d", "var/lib", "var/log", "usr-share", "usr-local", "opt", "root", "tmp"):
            (folder / name).mkdir(parents=True)
        for name in ("passwd", "group", "ld.so.cache"):
            shutil.copy(Path("/etc") / name, folder / "etc")
        # Plugins of dnf refuse to work without their configuration.
        shutil.copytree("/etc/dnf", folder / "etc/dnf")
        (folder / "etc/os-release").write_text(RELEASE)
        (folder / "etc/redhat-release").write_text("CentOS Stream release 9\n")
        self.python = folder / "python"
        self.python.write_text(f'#!/bin/sh\nexec {shlex.join(self._bwrap())} /usr/bin/python3 "$@"\n')
        self.python.chmod(0o755)

    def _bwrap(self) -> list[str]:
        words = ["bwrap", "--die-with-parent", "--proc", "/proc", "--dev", "/dev", "--clearenv"]
        for name in ("bin", "sbin", "lib", "lib64", "libexec"):
            if Path("/usr", name).exists():
                words += ["--ro-bind", f"/usr/{name}", f"/usr/{name}"]
        for name in ("bin", "sbin", "lib", "lib64"):
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        for name in ("etc", "var", "opt", "root", "tmp"):
            words += ["--bind", str(self.folder / name), f"/{name}"]
        for name in ("share", "local"):
            words += ["--bind", str(self.folder / f"usr-{name}"), f"/usr/{name}"]
        # The packages, and what Ansible copies.
        words += ["--bind", str(self.folder.parent), str(self.folder.parent)]
        # Debian's pip keeps out of what apt installs; that of the target's distributions does not.
        settings = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin", "PIP_BREAK_SYSTEM_PACKAGES": "1", **self.settings}
        return [*words, *(word for each in settings.items() for word in ("--setenv", *each))]

    def run(self, *command: str) -> str:
        """What a program says there."""
        done = subprocess.run([*self._bwrap(), *command], check=True, capture_output=True, text=True)
        return done.stdout

    def play(self, file: Path) -> dict[str, int]:
        """The counts of a play's recap."""
        hosts = self.folder / "hosts"
        hosts.write_text(
            f"[ppc64le]\nmachine ansible_connection=local ansible_python_interpreter={self.python} "
            f"ansible_remote_tmp={self.folder}/ansible ansible_become=false\n"
        )
        place = {"ANSIBLE_HOME": f"{self.folder}/ansible", "ANSIBLE_LOCAL_TEMP": f"{self.folder}/ansible"}
        done = subprocess.run(
            [ANSIBLE, "--inventory", hosts, file],
            capture_output=True, text=True, env={**os.environ, **place, "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("RECAP")[2])}


def test_a_play_brings_repositories_packages_and_pins_and_changes_nothing_twice(tmp_path: Path) -> None:
    target, reference = tmp_path / "target", tmp_path / "reference"
    base = Rpm("base", arch="noarch", files={"/opt/base": b"x"}).build(tmp_path / "b")
    app = Rpm("app", arch="noarch", files={"/opt/app": b"x"}, tags=["Requires: base"]).build(tmp_path / "a")
    pip = Rpm("python3-pip", arch="noarch", files={"/opt/pip": b"x"}).build(tmp_path / "p")
    indexed(target, base, pip)
    indexed(reference, app)
    (tmp_path / "user").mkdir()
    file, content = wheel("alpha", "1")
    index = tmp_path / "simple/alpha"
    index.mkdir(parents=True)
    (index / file).write_bytes(content)
    link = f'<a href="{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>'
    (index / "index.html").write_text(f"<!DOCTYPE html>\n{link}")
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.parent.as_uri()}
    ppcdeps = Program(tmp_path / "user", settings)
    ppcdeps("plan", "app", "pypi:alpha", "--python", "pip", "-o", "plan-app.json", *sides(target, reference), code=1)
    publish(ppcdeps.folder / "repository-app", [app])
    ppcdeps("export", "plan-app.json", "ansible", "--repository", "repository-app", "-o", "app.yml")
    machine = Machine(tmp_path / "machine", settings)
    first = machine.play(ppcdeps.folder / "app.yml")
    # Two repositories, the packages, a folder, the pins, and what they pin.
    assert first["changed"] == 6 and first["failed"] == 0
    installed = machine.run("rpm", "-qa", "--qf", "%{name}-%{version}-%{release}.%{arch}\\n").split()
    assert {"app-1.0-1.noarch", "base-1.0-1.noarch"} <= set(installed)
    assert machine.run("/usr/bin/python3", "-c", "import alpha; print(alpha.x)") == "1\n"
    assert machine.play(ppcdeps.folder / "app.yml")["changed"] == 0
