"""Machines over ssh as one engine: what a buildroot is there, which mode it is made in, and who takes a job."""

import contextlib
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from reporters import Recorder

from ppcdeps.base.cache import Cache
from ppcdeps.building.farms.ssh import _Machines, _mode_there, _Place
from ppcdeps.building.farms.ssh_host import HostFacts, SshHost
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.engines.engine import EngineFailedError, Output
from ppcdeps.engines.job import BuildMode, Buildroot, Ended, Ending, Job
from ppcdeps.engines.probe import Probe
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.reporter import Reporter, Silence

POWER = HostFacts("ppc64le", 160, "power9", "", True)
X86 = replace(POWER, machine="x86_64", platform="x86_64")
ROOT = Buildroot("el9", BuildMode.EMULATED, Path("/nowhere"), "ppc64le", "ppc64le", "key")
CROSS = replace(ROOT, mode=BuildMode.CROSS, arch="x86_64")


@dataclass
class Builds:
    """As much of the planned builds as the machines look at."""

    options: BuildOptions = field(default_factory=lambda: BuildOptions(Path("repository")))
    basis: Any = None
    reporter: Reporter = field(default_factory=Silence)


@dataclass
class Way:
    """A tunnel to a machine that is up or not."""

    host: SshHost
    up: bool = True
    url: str = "unix:///nowhere"
    label: str = ""

    def is_up(self) -> bool:
        return self.up


@dataclass
class Runs:
    """A machine's podman: it runs jobs, or is gone."""

    way: Way
    running: int = 0
    most: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        if not self.way.up:
            raise EngineFailedError("connection refused")
        with self.guard:
            self.running += 1
            self.most = max(self.most, self.running)
        threading.Event().wait(0.02)
        with self.guard:
            self.running -= 1
        return Ended(Ending.EXITED, 0, 0.02)


def machines(facts: HostFacts, *hosts: SshHost) -> tuple[_Machines, list[Runs]]:
    builds: Any = Builds()
    found = _Machines(builds, dict.fromkeys(hosts, facts), contextlib.ExitStack())
    runs = [Runs(Way(host)) for host in hosts]
    for one in runs:
        tunnel: Any = one.way
        podman: Any = one
        found.places.append(_Place(tunnel, podman))
    return found, runs


def job(name: str) -> Job:
    return Job(name, ("true",), Path("/nowhere"))


def run_all(engine: _Machines, count: int) -> list[Ended]:
    ended: list[Ended] = []
    threads = [
        threading.Thread(target=lambda n=number: ended.append(engine.run(ROOT, job(f"j{n}"), lambda _: None)))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def test_a_root_is_native_where_its_programs_are_the_machines_own() -> None:
    there, _ = machines(POWER, SshHost("a"))
    assert there.seen_there(ROOT).mode is BuildMode.NATIVE
    assert there.seen_there(CROSS).mode is BuildMode.CROSS
    elsewhere, _ = machines(X86, SshHost("a"))
    assert elsewhere.seen_there(ROOT).mode is BuildMode.EMULATED


@pytest.mark.parametrize(("facts", "mode"), [(POWER, BuildMode.EMULATED), (X86, None)])
def test_a_root_for_power_machines_is_made_without_this_machine_s_compiler(
    facts: HostFacts, mode: BuildMode | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ppcdeps.building.farms.ssh.machine_arch", lambda: "x86_64")
    builds: Any = Builds()
    builds.basis = type("Basis", (), {"target": load_target("centos-stream-9")})
    assert _mode_there(builds, {SshHost("a"): facts}) is mode


def test_a_machine_that_does_not_say_how_much_is_free_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPCDEPS_ENGINES", str(tmp_path))
    monkeypatch.setattr(
        "ppcdeps.building.farms.ssh.tunnel_to", lambda host, facts, home: contextlib.nullcontext(Way(host))
    )
    monkeypatch.setattr(
        "ppcdeps.building.farms.ssh.probe_engine", lambda *_, **__: Probe("podman", True, "uname", said="ppc64le")
    )
    builds: Any = Builds(reporter=Recorder())
    builds.basis = type(
        "Basis", (), {"target": load_target("centos-stream-9"), "cache": Cache.open(tmp_path / "cache")}
    )
    known = replace(POWER, place="/known", free=1 << 40)
    facts = {SshHost("a"): known, SshHost("b"): replace(POWER, place="/unknown")}
    _Machines(builds, facts, contextlib.ExitStack()).engine(ROOT)
    assert builds.reporter.warnings == ["b does not say how much is free in /unknown"]


def test_each_machine_takes_as_many_as_it_is_said_to() -> None:
    engine, (small, large) = machines(POWER, SshHost("small", jobs=1), SshHost("large", jobs=3))
    assert len(run_all(engine, 12)) == 12
    assert small.most == 1
    assert 1 < large.most <= 3


def test_a_machine_that_is_lost_gets_no_more_and_its_jobs_begin_again() -> None:
    engine, (lost, other) = machines(POWER, SshHost("lost", jobs=9), SshHost("other", jobs=1))
    lost.way.up = False
    said: list[bytes] = []
    assert engine.run(ROOT, job("j"), said.append).is_well
    assert b"".join(said) == b"lost was lost: begun again on another machine\n"
    assert [place.tunnel.host.name for place in engine.places] == ["other"]
    other.way.up = False
    with pytest.raises(EngineFailedError, match="none of the machines is left"):
        engine.run(ROOT, job("j"), said.append)


def test_a_job_that_waits_for_a_machine_ends_with_the_run() -> None:
    engine, _ = machines(POWER, SshHost("a", jobs=1))
    engine.places[0].running = 1
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    assert engine.run(ROOT, job("j"), lambda _: None, stop).ending is Ending.STOPPED
