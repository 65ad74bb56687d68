"""What ran contained leaves only what it may leave, and the host follows none of it."""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from buildworld import MAKEFILE, BuildWorld, Thing
from debianroots import beside, emulates, lacks
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.engines.job import Buildroot
from ppcdeps.model.nevra import Nevra

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")
SECRET = "Hosts0wnSecret"
CODES = {0, 10}


@pytest.fixture
def world(tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot) -> BuildWorld:
    """A world whose cache has the buildroots, beside a file of the host that no build may reach."""
    cache = beside(debian_cache, tmp_path / "cache")
    folder = tmp_path / "world"
    folder.mkdir()
    (tmp_path / "secret").write_text(SECRET)
    program = Program(folder, {"PPCDEPS_CACHE": str(cache)}, patience=240)
    return BuildWorld(program, debian_cross_root.path.parent / "repository")


def thing(name: str, *commands: str) -> Thing:
    """Something that runs these commands when it is installed, and then is as any other."""
    extra = "\n".join(f"\t{command}" for command in commands)
    return Thing(name, makefile=f"{MAKEFILE.format(name=name)}\n{extra}\n")


def build(world: BuildWorld, one: Thing, *options: str) -> str:
    """All that a build of the thing says and logs, which ends well or with a failed build."""
    world.make(one)
    world.plan(one.name)
    command = world.build_command("--repository", "repository", "--work", "run", *options)
    done = subprocess.run(
        world.program.command(*command),
        cwd=world.folder,
        env=world.program.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=world.program.patience,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in CODES, done.stderr
    logs = "".join(path.read_text(errors="replace") for path in (world.folder / "run/logs").glob("*"))
    return done.stdout + done.stderr + logs


LEFT = {
    "smoke test, a link": "ln -sf @SECRET@ /build/smoke.sh",
    "smoke test, a FIFO": "rm -f /build/smoke.sh; mkfifo /build/smoke.sh",
    "smoke test, endless": "ln -sf /dev/zero /build/smoke.sh",
    "a source package, a link": "mkdir -p /build/SRPMS; ln -s @SECRET@ /build/SRPMS/x.src.rpm",
    "all source packages, a link": "rm -rf /build/SRPMS; ln -s @FOLDER@ /build/SRPMS",
    "a package, a link": "mkdir -p /build/RPMS/ppc64le; ln -s @SECRET@ /build/RPMS/ppc64le/x-1-1.ppc64le.rpm",
    "a package, a FIFO": "mkdir -p /build/RPMS/ppc64le; mkfifo /build/RPMS/ppc64le/x-1-1.ppc64le.rpm",
    "a package, a device": "mkdir -p /build/RPMS/ppc64le; ln -s /dev/zero /build/RPMS/ppc64le/x-1-1.ppc64le.rpm",
    "all packages, a link": "rm -rf /build/RPMS; ln -s @FOLDER@ /build/RPMS",
    "a wheel, a link": "mkdir -p /build/BUILD/dist; ln -s @SECRET@ /build/BUILD/dist/x-1-py3-none-any.whl",
    "a wheel, a FIFO": "mkdir -p /build/BUILD/dist; mkfifo /build/BUILD/dist/x-1-py3-none-any.whl",
    "the build folder, a link": "cd /; ln -sfn @FOLDER@ /build/BUILD/out",
    "the spec, a link": "ln -sf @SECRET@ /build/SPECS/*.spec",
    "a name with a newline": "touch \"/build/RPMS/$$(printf 'a\\nb').rpm\"",
    "very many files": "mkdir /build/RPMS/many; cd /build/RPMS/many; seq 1 20000 | xargs touch",
    "no permissions": "mkdir -p /build/BUILD/x; touch /build/BUILD/x/y; chmod 0 /build/BUILD/x",
}


@pytest.mark.parametrize("what", LEFT)
def test_what_a_build_leaves_is_not_followed(what: str, world: BuildWorld) -> None:
    secret = world.folder.parent / "secret"
    command = LEFT[what].replace("@SECRET@", str(secret)).replace("@FOLDER@", str(secret.parent))
    said = build(world, thing("left", f"-{command}"))
    assert SECRET not in said
    assert secret.read_text() == SECRET
    for path in world.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path


ASKS = """\
Name: asks
Version: {{ version }}
Release: 1
Summary: A package that asks for others while it is built
License: MIT
Source0: {{ sources[0].url }}
BuildArch: noarch
%description
A package that asks for others.
%generate_buildrequires
echo 'what-nobody-has'
rm -f /build/.requires
@COMMAND@
%build
%install
%files
"""


@pytest.mark.parametrize("command", ["ln -s @SECRET@", "mkfifo", "ln -s /dev/zero"])
def test_the_list_that_a_build_writes_of_its_requirements_is_not_followed(command: str, world: BuildWorld) -> None:
    secret = world.folder.parent / "secret"
    spec = ASKS.replace("@COMMAND@", f"{command} /build/.requires".replace("@SECRET@", str(secret)))
    said = build(world, Thing("asks", spec=spec))
    assert SECRET not in said


def test_nothing_that_a_build_made_can_be_run_by_other_users(world: BuildWorld) -> None:
    watcher = _Watcher(world.folder, Path(world.program.environment()["PPCDEPS_CACHE"]))
    with watcher:
        # It ends once the file was seen, however long a look takes.
        wait = "for try in `seq 600`; do [ ! -e /build/BUILD/seen ] || break; sleep 0.1; done"
        build(world, thing("suid", f"cp /bin/sh /build/BUILD/own; chmod 4755 /build/BUILD/own; {wait}"))
    assert watcher.seen, "no set-uid file of the build was seen: the test sees nothing"
    assert watcher.open == set()


class _Watcher:
    """Looks for set-uid files below folders while a build runs, and which of them every user can reach."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.seen: set[Path] = set()
        self.open: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "_Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for folder in self.folders:
                # What a build works in comes and goes meanwhile: os.walk passes over it.
                for place, _, files in os.walk(folder):
                    if "own" in files:
                        with contextlib.suppress(OSError):
                            self._look_at(Path(place, "own"))

    def _look_at(self, path: Path) -> None:
        told = path.lstat()
        if stat.S_ISREG(told.st_mode) and told.st_mode & stat.S_ISUID:
            self.seen.add(path)
            if all(one.stat().st_mode & stat.S_IXOTH for one in path.parents):
                self.open.add(path)
            path.with_name("seen").touch()


def test_layers_of_a_build_are_mounted_without_set_uid_and_devices(world: BuildWorld) -> None:
    said = build(world, thing("mounts", "grep -E '^([^ ]+ ){4}(/|/build) ' /proc/self/mountinfo | sed 's/^/MOUNT /'"))
    mounts = [line for line in said.splitlines() if line.startswith("MOUNT ")]
    assert mounts
    for line in mounts:
        assert "nosuid" in line.split()[6], line
        assert "nodev" in line.split()[6], line


# verify -----------------------------------------------------------------------------------------------------

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
[[repositories]]
id = "reference"
side = "reference"
baseurl = "reference/"
"""
SPEC = """\
Name: tool
Version: 1.0
Release: 1
Summary: A tool
License: MIT
%description
A tool.
%install
mkdir -p %{{buildroot}}/usr/bin
printf '#!/bin/sh\\necho hello\\n' >%{{buildroot}}/usr/bin/tool
chmod 755 %{{buildroot}}/usr/bin/tool
%{scriptlet}
{body}
%files
/usr/bin/tool
"""
ESCAPES = {
    "proc root": "for p in 1 $PPID; do touch /proc/$p/root@MARK@ || :; done",
    "proc cwd": "touch /proc/1/cwd/@MARK@ /proc/$PPID/cwd/@MARK@ || :",
    "chroot": """python3 -c 'import os
os.mkdir("/x")
os.chroot("/x")
for i in range(99):
    os.chdir("..")
os.chroot(".")
open("@MARK@", "w")' || :""",
    "mount": "mkdir /m; mount -t proc none /m && touch /m/1/root@MARK@ || :",
    "device": "mknod /d b 254 0 && cat /d >/dev/null && touch @MARK@ || :",
    "kill": "kill -0 1 && for p in $(ls /proc | grep -E '^[0-9]+$'); do touch /proc/$p/root@MARK@; done || :",
}


@pytest.fixture
def trial(tmp_path: Path, debian_root: Buildroot) -> Iterator[Program]:
    if missing := [name for name in ("dnf", "rpmbuild", "createrepo_c") if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    if os.geteuid() != 0 or not emulates():
        pytest.skip("needs root, and the emulation of ppc64le")
    program = Program(tmp_path, {"PPCDEPS_CACHE": str(debian_root.path.parents[3])}, patience=300)
    (tmp_path / "target.toml").write_text(TARGET.format(base=debian_root.path.parent / "repository"))
    write_repository(tmp_path / "reference", [Package(Nevra.parse("tool-1.0-1.x86_64"), "tool")])
    (tmp_path / "marks").mkdir()
    yield program


def package(folder: Path, scriptlet: str, body: str) -> Path:
    top = folder / "top"
    top.mkdir()
    (top / "tool.spec").write_text(SPEC.format(scriptlet=scriptlet, body=body))
    command = ["rpmbuild", "-bb", "--quiet", "--target", "ppc64le", "--define", f"_topdir {top}"]
    subprocess.run([*command, top / "tool.spec"], check=True, capture_output=True)
    (made,) = top.glob("RPMS/ppc64le/*.rpm")
    return made


@pytest.mark.parametrize("scriptlet", ["post", "pretrans -p <lua>"])
@pytest.mark.parametrize("how", ESCAPES)
def test_a_scriptlet_does_not_leave_the_trial(how: str, scriptlet: str, trial: Program) -> None:
    mark = trial.folder / "marks" / "escaped"
    body = ESCAPES[how].replace("@MARK@", str(mark))
    if "lua" in scriptlet:
        body = f"posix.chroot('.'); for i = 1, 99 do posix.chdir('..') end; io.open('{mark}', 'w')"
        body += f"\nos.execute([[touch /proc/1/root{mark}]])"
    trial("plan", "tool", "--target", "target.toml", "-o", "plan.json", code=1)
    publish(trial.folder / "local", [package(trial.folder, scriptlet, body)], sign=None)
    done = subprocess.run(
        trial.command("verify", "plan.json", "--repository", "local", "--target", "target.toml", "--json"),
        cwd=trial.folder,
        env=trial.environment(),
        capture_output=True,
        text=True,
        timeout=trial.patience,
    )
    assert done.returncode in (0, 1), done.stderr
    assert not list((trial.folder / "marks").iterdir())


def test_a_scriptlet_sees_no_network_and_no_other_process(trial: Program) -> None:
    body = """ls /proc | grep -cE '^[0-9]+$' >/usr/bin/tool.out
grep -v lo: /proc/net/dev | grep -c : >>/usr/bin/tool.out
printf '#!/bin/sh\\ncat /usr/bin/tool.out\\n' >/usr/bin/tool
[ $(ls /proc | grep -cE '^[0-9]+$') -lt 40 ] || exit 1
[ $(grep -v lo: /proc/net/dev | grep -c :) = 0 ] || exit 1"""
    trial("plan", "tool", "--target", "target.toml", "-o", "plan.json", code=1)
    publish(trial.folder / "local", [package(trial.folder, "post", body)], sign=None)
    done = trial("verify", "plan.json", "--repository", "local", "--target", "target.toml", "--json")
    assert json.loads(done.out)


def test_no_plugin_of_dnf_is_loaded_on_this_machine(trial: Program) -> None:
    """What is configured on this machine, too: a plugin that a user has is code that runs as root."""
    plugins, mark = trial.folder / "plugins", trial.folder / "marks" / "plugin"
    plugins.mkdir()
    (plugins / "own.py").write_text(
        f"open({str(mark)!r}, 'w')\nimport dnf\nclass Own(dnf.Plugin):\n    name = 'own'\n"
    )
    (trial.folder / "dnf.conf").write_text(f"[main]\nplugins=1\npluginpath={plugins}\n")
    trial("plan", "tool", "--target", "target.toml", "-o", "plan.json", code=1)
    publish(trial.folder / "local", [package(trial.folder, "post", ":")], sign=None)
    trial(
        "verify", "plan.json", "--repository", "local", "--target", "target.toml", DNF0=str(trial.folder / "dnf.conf")
    )
    assert not mark.exists()
