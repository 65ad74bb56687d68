"""What goes wrong while building: nothing is half-published, nothing is left behind, and it can go on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from buildworld import MAKEFILE, BuildWorld, Thing, bad
from debianroots import beside, lacks
from mirror import PATIENCE
from printed import commands_in
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.engines.engine import engines_home
from ppcdeps.engines.job import Buildroot
from ppcdeps.engines.podman import Podman

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")

GOOD = MAKEFILE.format(name="good")


@pytest.fixture
def world(tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot) -> BuildWorld:
    """A world whose cache has the buildroots: it is built in the first and tried in the second."""
    cache = beside(debian_cache, tmp_path / "cache")
    folder = tmp_path / "world"
    folder.mkdir()
    program = Program(folder, {"PPCDEPS_CACHE": str(cache)}, patience=600)
    return BuildWorld(program, debian_cross_root.path.parent / "repository")


@pytest.fixture(autouse=True)
def nothing_left(world: BuildWorld) -> Iterator[None]:
    """After each test: no container, no mount, no process of a build."""
    yield
    assert left_of(world) == []


def left_of(world: BuildWorld) -> list[str]:
    home = engines_home(Path(world.program.environment()["PPCDEPS_CACHE"]))
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if str(home) in line]
    if shutil.which("podman"):
        cli = Podman(home).cli
        listed = subprocess.run(
            [*cli.command, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=False
        )
        found += [name for name in listed.stdout.split() if name.startswith("ppcdeps-")]
    here = Path("/proc/self/ns/mnt").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mounts = (process / "mountinfo").read_text()
            inside = (process / "ns/mnt").readlink() != here and str(world.folder) in mounts
        except OSError:
            continue
        if inside or str(world.folder) in command or str(home) in command:
            found.append(command)
    return found


def published(world: BuildWorld) -> list[str]:
    """The names of the packages in the repository; every file that its metadata names is there."""
    folder = world.folder / "repository"
    manifest = read_manifest(folder) if folder.exists() else None
    if manifest is None:
        return []
    for package in manifest.packages:
        assert (folder / package.path).stat().st_size == package.size
    return [package.nevra.rsplit("-", 2)[0] for package in manifest.packages]


def start(world: BuildWorld, *options: str, **variables: str) -> "subprocess.Popen[bytes]":
    command = world.build_command("--repository", "repository", "--work", "run", *options)
    with (world.folder / "output").open("wb") as output:
        return subprocess.Popen(
            world.program.command(*command),
            cwd=world.folder,
            env=world.program.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def wait_for(what: Callable[[], bool], process: "subprocess.Popen[bytes]", world: BuildWorld) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, (world.folder / "output").read_text()
        assert time.monotonic() < end, (world.folder / "output").read_text()
        time.sleep(0.002)


def log_says(world: BuildWorld, name: str, words: str) -> bool:
    log = world.folder / "run" / "logs" / f"{name}.log"
    return log.exists() and words in log.read_text(errors="replace")


def results(world: BuildWorld) -> dict[str, str]:
    state = world.folder / "run" / "run.json"
    found: dict[str, str] = json.loads(state.read_text())["results"] if state.exists() else {}
    return found


def build(world: BuildWorld, *options: str, code: int = 0) -> str:
    command = world.build_command("--repository", "repository", "--work", "run", *options)
    run = world.program(*command, code=code)
    return run.out + run.err


@pytest.mark.parametrize("engine", ["podman", "bwrap"])
def test_a_run_that_is_killed_during_a_build_goes_on_with_resume(world: BuildWorld, engine: str) -> None:
    world.make(Thing("first"), bad("second", "echo now; sleep 8"))
    world.plan("first", "second")
    process = start(world, "--engine", engine)
    wait_for(lambda: log_says(world, "second", "\nnow"), process, world)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert published(world) == []
    assert results(world) == {"first": "built"}
    run = world.program("build", "--resume", "--work", "run")
    assert "first: unchanged" in run.err
    assert "second: built" in run.err
    assert published(world) == ["first", "second"]


def test_a_run_that_is_killed_before_it_publishes_goes_on_with_resume(world: BuildWorld) -> None:
    world.make(Thing("one"))
    world.plan("one")
    process = start(world)
    wait_for(lambda: results(world) == {"one": "built"}, process, world)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    world.program("build", "--resume", "--work", "run")
    assert published(world) == ["one"]


def test_a_run_that_is_killed_during_createrepo_leaves_the_old_repository(world: BuildWorld, tmp_path: Path) -> None:
    world.make(Thing("old"))
    world.plan("old")
    build(world)
    wrapper = tmp_path / "bin" / "createrepo_c"
    wrapper.parent.mkdir()
    real, reached = shutil.which("createrepo_c"), tmp_path / "reached"
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *--pkglist=*) touch {reached}; sleep 2 ;; esac\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    world.make(Thing("old"), Thing("new"))
    world.plan("old", "new")
    process = start(world, PATH=f"{wrapper.parent}:{os.environ['PATH']}")
    wait_for(reached.exists, process, world)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert published(world) == ["old"]
    run = world.program("build", "--resume", "--work", "run")
    assert "new: unchanged" in run.err
    assert published(world) == ["new", "old"]


def test_ctrl_c_ends_the_builds_and_says_how_to_go_on(world: BuildWorld) -> None:
    world.make(bad("slow", "echo now; sleep 8"))
    world.plan("slow")
    process = start(world)
    wait_for(lambda: log_says(world, "slow", "\nnow"), process, world)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    said = (world.folder / "output").read_text()
    (words,) = (each for each in commands_in(said) if "--resume" in each)
    assert words == ["build", "--resume", "--work", "run"]
    assert "Traceback" not in said
    assert left_of(world) == []
    world.program(*words)
    assert published(world) == ["slow"]


def test_a_full_disk_fails_the_build_and_not_the_repository(world: BuildWorld) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    world.make(bad("big", "dd if=/dev/zero of=filler bs=1M count=60"), Thing("small"))
    world.plan("big", "small")
    (world.folder / "run").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", world.folder / "run"], check=True)
    try:
        said = build(world, code=10)
        assert "big: failed" in said
        assert "no space left in run" in said or "the disk is full" in said
        assert published(world) == ["small"]
        subprocess.run(["mount", "-o", "remount,size=400m", world.folder / "run"], check=True)
        world.program("build", "--resume", "--work", "run")
        assert published(world) == ["big", "small"]
    finally:
        subprocess.run(["umount", world.folder / "run"], check=True)


FAULTS = {
    "hang": (("trap '' TERM; while :; do sleep 1; done",), ("--timeout", "0.1"), "not done after 0.1 minutes"),
    "fork": (
        ("sh -c 'bomb() { bomb | bomb & }; bomb; sleep 4; echo still here; exit 1'",),
        ("--timeout", "0.15"),
        "",
    ),
    "memory": (
        ("perl -e '$$x = \"x\" x (1 << 26); push @y, $$x . $$_ for 1 .. 100; print 1'",),
        ("--memory", "400M"),
        "out of memory",
    ),
    "network": (
        ("python3 -c 'import socket; socket.getaddrinfo(\"example.org\", 80)' 2>&1 | tail -n 1; false",),
        (),
        "it wants the network",
    ),
    "disk": (("dd if=/dev/zero of=/var/tmp/filler bs=1M count=400",), ("--disk", "100M"), "disk"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_build_that_misbehaves_fails_alone(world: BuildWorld, fault: str, request: pytest.FixtureRequest) -> None:
    if fault == "fork":
        request.getfixturevalue("only_fork_bomb")
    commands, options, cause = FAULTS[fault]
    world.make(bad("bad", *commands), Thing("good"))
    world.plan("bad", "good")
    said = build(world, *options, code=10)
    assert "bad: failed" in said
    assert cause in said
    assert published(world) == ["good"]
    assert left_of(world) == []
    world.make(Thing("bad"), Thing("good"))
    world.plan("bad", "good")
    build(world, *options)
    assert published(world) == ["bad", "good"]


def test_a_build_reaches_nothing_of_this_machine(world: BuildWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = f'import socket; socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 5)'
        world.make(bad("caller", f"python3 -c '{call}' 2>&1 | tail -n 1; false"))
        world.plan("caller")
        said = build(world, code=10)
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "Connection refused" in said


def test_what_a_build_writes_outside_of_its_folder_is_gone(world: BuildWorld, debian_cross_root: Buildroot) -> None:
    victim = world.folder / "victim"
    victim.write_text("untouched")
    before = sorted((debian_cross_root.path / "usr/bin").iterdir())
    world.make(bad("vandal", "touch /usr/bin/vandal /etc/vandal", "rm -f /usr/bin/perl", f"-rm -f {victim}"))
    world.plan("vandal")
    build(world)
    assert victim.read_text() == "untouched"
    assert sorted((debian_cross_root.path / "usr/bin").iterdir()) == before
    assert not (debian_cross_root.path / "etc/vandal").exists()
