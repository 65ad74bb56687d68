"""Builds on machines over ssh: sshd on the loopback, with a podman storage of its own behind it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from buildworld import MAKEFILE, BuildWorld, Thing
from debianroots import beside, lacks
from loopback import Loopback, sshd_at
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import Buildroot

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")

SLOW = MAKEFILE.replace("lib{name}.so: {name}.c", "lib{name}.so: {name}.c\n\tsleep {seconds}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ssh")


@pytest.fixture(scope="module")
def storage(home: Path) -> dict[str, str]:
    """What podman on the other machine is configured by."""
    runtime = "runc" if Path("/usr/sbin/runc").exists() else "crun"
    (home / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]\n'
        f'[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    (home / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{home}/there"\nrunroot = "{home}/r"\n'
    )
    return {
        "CONTAINERS_CONF": str(home / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
        "XDG_RUNTIME_DIR": str(home),
    }


@pytest.fixture(scope="module")
def machine(home: Path, storage: dict[str, str]) -> Iterator[Loopback]:
    with sshd_at(home / "sshd", storage) as there:
        yield there
    subprocess.run(["umount", "-q", f"{home}/there/overlay"], check=False)


def containers(storage: dict[str, str]) -> list[str]:
    done = subprocess.run(["podman", "ps", "-aq"], env={**os.environ, **storage}, capture_output=True, text=True)
    return done.stdout.split()


@pytest.fixture
def world(
    tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot, machine: Loopback
) -> BuildWorld:
    (tmp_path / "user").mkdir()
    variables = {"PPCDEPS_CACHE": str(beside(debian_cache, tmp_path / "cache")), "PPCDEPS_SSH": machine.ssh}
    base = debian_cross_root.path.parent / "repository"
    return BuildWorld(Program(tmp_path / "user", variables, patience=600), base)


def test_builds_run_there_and_come_back(world: BuildWorld, machine: Loopback, storage: dict[str, str]) -> None:
    world.make(Thing("one"), Thing("two"))
    world.plan("one", "two")
    run = world.program(*world.build_command("--on", f"{machine.address}?jobs=2", "--work", "run", "--json"))
    document = json.loads(run.out)
    assert {result["outcome"] for result in document["results"]} == {"built"}
    assert document["engine"] == "podman on root@127.0.0.1 (2)"
    assert "Accepted publickey" in machine.log.read_text()
    assert containers(storage) == []
    again = json.loads(world.program(*world.build_command("--work", "run", "--json")).out)
    assert {result["outcome"] for result in again["results"]} == {"unchanged"}, "the same build, wherever it ran"


def test_machines_build_from_a_lock(world: BuildWorld, machine: Loopback) -> None:
    world.make(Thing("one"))
    world.plan("one")
    world.program(*world.build_command("--repository", "repository"))
    world.program("lock", "plan.json", *world.place, "--sources", "sources", "--repository", "repository")
    # The roots are those that all tests share.
    fetched = ("fetch", "ppcdeps.lock", "--to", "files", "--sources", "sources", "--no-buildroots")
    world.program(*fetched, "--target", "target.toml")
    there = ("--on", machine.address, "--locked", "files/ppcdeps.lock", "--store", "store", "--repository", "other")
    document = json.loads(world.program(*world.build_command(*there, "--json")).out)
    assert [result["outcome"] for result in document["results"]] == ["built"]
    assert [one["is_same"] for one in document["reproduced"]] == [True]


@pytest.mark.long
def test_a_machine_that_is_lost_gets_no_more_builds_and_another_builds_them(
    world: BuildWorld, machine: Loopback, storage: dict[str, str], home: Path
) -> None:
    world.make(Thing("slow", makefile=SLOW.format(name="slow", seconds=8)))
    world.plan("slow")
    with sshd_at(home / "second", storage) as second:
        config = home / "both"
        addresses = f"{second.address}?jobs=2,ssh://root@localhost-two"
        named = f"Host localhost-two\nHostName 127.0.0.1\nPort {machine.port}\n{_client(machine)}"
        config.write_text(f"{named}Host *\n{_client(second)}")
        command = world.program.command(*world.build_command("--on", addresses, "--work", "run", "--json"))
        environment = world.program.environment(PPCDEPS_SSH=f"ssh -F {config}")
        process = subprocess.Popen(
            command, cwd=world.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        log = world.folder / "run" / "logs" / "slow.log"
        _wait(lambda: log.exists() and "sleep 8" in log.read_text(), process)
        _end_sessions(second)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "root@127.0.0.1 is lost, and gets no more builds" in err
    assert [result["outcome"] for result in json.loads(out)["results"]] == ["built"]
    assert "begun again on another machine" in log.read_text()
    _wait(lambda: containers(storage) == [], None)


def test_after_kill_9_nothing_is_left_there(world: BuildWorld, machine: Loopback, storage: dict[str, str]) -> None:
    world.make(Thing("slow", makefile=SLOW.format(name="slow", seconds=120)))
    world.plan("slow")
    command = world.program.command(*world.build_command("--on", machine.address, "--work", "run"))
    process = subprocess.Popen(command, cwd=world.folder, env=world.program.environment(), stderr=subprocess.DEVNULL)
    log = world.folder / "run" / "logs" / "slow.log"
    _wait(lambda: log.exists() and "sleep 120" in log.read_text(), process)
    assert len(containers(storage)) == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait(lambda: containers(storage) == [], None)
    world.make(Thing("slow"))
    world.plan("slow")
    run = world.program(*world.build_command("--work", "run"))
    assert "could not remove" not in run.err


def test_machines_that_cannot_build_are_named_before_anything_is_built(world: BuildWorld, machine: Loopback) -> None:
    world.make(Thing("one"))
    world.plan("one")

    def fault(address: str, code: int = 20, *options: str, **variables: str) -> str:
        return world.program(
            *world.build_command("--on", address, "--work", "run", *options), code=code, **variables
        ).fault

    assert "root@127.0.0.1 is not reached: " in fault(
        f"{machine.address}", PPCDEPS_SSH=f"{machine.ssh} -o HostKeyAlias=x"
    )
    assert "Connection refused" in fault("ssh://root@127.0.0.1:1")
    assert "no-ssh is not installed, and machines are reached with it" in fault(machine.address, PPCDEPS_SSH="no-ssh")
    assert "is x86_64, and the buildroot's programs are of ppc64le" in fault(
        machine.address, 20, "--buildroot", "debian-12", "--mode", "emulated"
    )
    assert "--on ssh://h/x: not the address of a machine" in fault("ssh://h/x", 2)
    assert "leave the other option out" in fault(machine.address, 2, "--engine", "bwrap")
    assert not (world.folder / "repository-one").exists()


def _client(there: Loopback) -> str:
    return Path(there.ssh.split()[-1]).read_text()


def _end_sessions(there: Loopback) -> None:
    """End what the server runs for connections, and the server: the machine is gone."""
    there.process.terminate()
    there.process.wait()
    done = subprocess.run(["ss", "-tnpH", f"sport = :{there.port}"], capture_output=True, text=True)
    for part in done.stdout.split("pid=")[1:]:
        os.kill(int(part.partition(",")[0]), signal.SIGKILL)


def _wait(
    until: Callable[[], bool], process: "subprocess.Popen[str] | subprocess.Popen[bytes] | None", seconds: float = 240
) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        assert process is None or process.poll() is None, process.communicate() if process else ""
        time.sleep(0.2)
