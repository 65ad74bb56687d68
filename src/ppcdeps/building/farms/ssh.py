"""Builds on other machines over ssh, each with its own podman: as many at a time as the machines take together."""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ppcdeps.building.buildroots.definitions import load_definitions
from ppcdeps.building.farms.ssh_host import (
    LEAST_FREE,
    HostFacts,
    SshHost,
    Tunnel,
    by_name,
    faults_of,
    hosts_in,
    look_at,
    tunnel_to,
)
from ppcdeps.building.run.build_run import FinishedBuilds, PlannedBuilds, setup_of
from ppcdeps.building.run.events import BuildListener
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.building.run.schedule import run_tasks
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.engine import KILLED, Engine, EngineFailedError, Output, engines_home
from ppcdeps.engines.job import BuildMode, Buildroot, Ended, Ending, Job
from ppcdeps.engines.podman import Podman
from ppcdeps.engines.probe import choose_engine, probe_engine
from ppcdeps.model.errors import EnvironmentLacksError, PpcdepsError, UsageError
from ppcdeps.model.reporter import Reporter

_POLL = 0.5
"""Seconds in which it is noticed that a run is to stop, while its job waits for a machine."""


def build_over_ssh(builds: PlannedBuilds, watch: BuildListener) -> FinishedBuilds:
    """Run the builds on the machines that ``--on`` names.

    Raises UsageError for options that do not go together, EnvironmentLacksError with all that is wrong with the
    machines before anything is built, and where none is left.
    """
    options = builds.options
    hosts = machines_in(options)
    facts = _looked_at(hosts)
    options = replace(options, mode=options.mode or _mode_there(builds, facts))
    home = engines_home(builds.basis.cache.directory)
    with contextlib.ExitStack() as stack:
        machines = _Machines(builds, facts, stack)
        parallel = max(1, min(each.cores // host.jobs for host, each in facts.items()))
        setup = setup_of(replace(builds, options=options), home, parallel=parallel, elsewhere=machines)
        jobs = options.jobs or sum(host.jobs for host in hosts)
        results = run_tasks(builds.tasks, setup, watch, jobs=jobs, fail_fast=options.fail_fast)
        root = setup.build_root.root
        return FinishedBuilds(results, root.mode, root.name, f"podman on {by_name(facts)}")


def machines_in(options: BuildOptions) -> tuple[SshHost, ...]:
    """The machines that the options name. Raises UsageError for an address that is none, and another engine."""
    assert options.on is not None
    hosts = hosts_in(options.on)
    if options.connection is not None or options.engine not in (None, "podman"):
        raise UsageError("--on ssh:// runs builds by the podman of those machines", hint="leave the other option out")
    return hosts


def _looked_at(hosts: Sequence[SshHost]) -> dict[SshHost, HostFacts]:
    """What the machines say of themselves. Raises EnvironmentLacksError with those that are not reached."""

    def look(host: SshHost) -> HostFacts | PpcdepsError:
        try:
            return look_at(host)
        except PpcdepsError as fault:
            return fault

    with ThreadPoolExecutor(len(hosts)) as pool:
        found = dict(zip(hosts, pool.map(look, hosts), strict=True))
    faults = [each for each in found.values() if isinstance(each, PpcdepsError)]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise EnvironmentLacksError("machines are not reached:", faults=tuple(each.line for each in faults))
    return {host: each for host, each in found.items() if isinstance(each, HostFacts)}


def _mode_there(builds: PlannedBuilds, facts: Mapping[SshHost, HostFacts]) -> BuildMode | None:
    """The mode in which a root of the machines' own architecture is made here; None for the best of this machine."""
    target, options = builds.basis.target, builds.options
    name = options.buildroot or target.buildroot
    if name is None or machine_arch() == target.arch or any(each.machine != target.arch for each in facts.values()):
        return None
    is_there = BuildMode.EMULATED in load_definitions(options.buildroot_folders).named(name).modes
    return BuildMode.EMULATED if is_there else None


@dataclass(slots=True)
class _Place:
    """A machine that takes jobs: ``running`` of them now."""

    tunnel: Tunnel
    podman: Podman
    running: int = 0


@dataclass(slots=True)
class _Machines:
    """All machines as one engine. A machine that is lost is left out, and its jobs begin again on another."""

    builds: PlannedBuilds
    facts: Mapping[SshHost, HostFacts]
    stack: contextlib.ExitStack
    name: str = "podman over ssh"
    places: list[_Place] = field(default_factory=list)
    here: dict[str, Engine] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def reporter(self) -> Reporter:
        return self.builds.reporter

    def seen_there(self, root: Buildroot) -> Buildroot:
        """The root as it is on these machines: native where its programs are theirs."""
        native = root.arch == root.target and all(each.machine == root.arch for each in self.facts.values())
        return replace(root, mode=BuildMode.NATIVE) if native else root

    def engine(self, root: Buildroot) -> Engine:
        """Check the machines for this root, and get ready to run jobs there.

        Raises EnvironmentLacksError with all that is wrong with them.
        """
        limits = self.builds.options.limits
        baseline = self.builds.basis.target.cpu_baseline
        faults = [
            fault
            for host, each in self.facts.items()
            for fault in faults_of(host, each, root.arch, baseline, max(LEAST_FREE, host.jobs * (limits.disk or 0)))
        ]
        if len(faults) == 1:
            raise EnvironmentLacksError(faults[0])
        if faults:
            raise EnvironmentLacksError("these machines cannot build for the target:", faults=tuple(faults))
        home = engines_home(self.builds.basis.cache.directory)
        for host, each in self.facts.items():
            if each.machine == "ppc64le" and each.level is None:
                self.reporter.warn(f"{host.destination} does not say which POWER it is; the target needs {baseline}")
            if each.free is None:
                self.reporter.warn(
                    f"{host.destination} does not say how much is free in {each.place or 'its storage'}"
                )
            tunnel = self.stack.enter_context(tunnel_to(host, each, home))
            probe = probe_engine("podman", root, home=home, connection=tunnel.url)
            if not probe.works:
                raise EnvironmentLacksError(f"{host.destination}: {probe.reason}", hint=probe.fix)
            self.places.append(_Place(tunnel, Podman(home, tunnel.url, probe.fixes, label=tunnel.label)))
        return self

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        """See ``Engine``."""
        if any(each.machine != root.arch for each in self.facts.values()):
            # The test of a cross-compiled package takes programs of the target, which run here.
            return self._engine_here(root).run(root, job, output, stop)
        while True:
            place = self._taken(stop)
            if place is None:
                return Ended(Ending.STOPPED, KILLED, 0.0)
            try:
                return place.podman.run(root, job, output, stop)
            except EngineFailedError:
                if place.tunnel.is_up():
                    raise
                self._lose(place)
                output(f"{place.tunnel.host.destination} was lost: begun again on another machine\n".encode())
            finally:
                with self.changed:
                    place.running -= 1
                    self.changed.notify_all()

    def _taken(self, stop: threading.Event | None) -> _Place | None:
        """The machine with most room for one more job, waited for where there is none; None where the run stops."""
        with self.changed:
            while stop is None or not stop.is_set():
                if not self.places:
                    raise EngineFailedError(
                        "none of the machines is left", hint="go on with `ppcdeps build --resume`"
                    )
                free = [each for each in self.places if each.running < each.tunnel.host.jobs]
                if free:
                    place = max(free, key=lambda each: each.tunnel.host.jobs - each.running)
                    place.running += 1
                    return place
                self.changed.wait(_POLL)
        return None

    def _lose(self, place: _Place) -> None:
        with self.changed:
            if place in self.places:
                self.places.remove(place)
                name = place.tunnel.host.destination
                self.reporter.warn(f"{name} is lost, and gets no more builds: its podman does not answer")

    def _engine_here(self, root: Buildroot) -> Engine:
        with self.changed:
            if root.arch not in self.here:
                home = engines_home(self.builds.basis.cache.directory)
                self.here[root.arch] = choose_engine(root, home=home, reporter=self.reporter)
            return self.here[root.arch]
