"""A laboratory's cloud for tests of `ppcdeps check node`, and the command run in its network."""

import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ppclab.laboratory import CLOUD, Laboratory

PROJECT = Path(__file__).resolve().parents[2]
POWER, SECOND, X86 = "power1", "power2", "x86"
"""The compute hosts: two of the laboratory's own driver, and one of nova's fake one as it is."""


_RESIDENT = """
import contextlib, io, json, sys, openstack
cloud = openstack.connect(cloud=sys.argv[1])
for line in sys.stdin:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(json.loads(line), {"cloud": cloud, "json": json})
    print(json.dumps(printed.getvalue()), flush=True)
"""


def write_guest_root(folder: Path) -> Path:
    """A root folder with a kernel and a busybox as a ppc64le system has them: the fake guests run neither."""
    (folder / "boot").mkdir(parents=True)
    (folder / "boot" / "vmlinux-6.1.0-40-powerpc64le").write_bytes(b"an old kernel")
    (folder / "boot" / "vmlinux-6.1.0-50-powerpc64le").write_bytes(b"a kernel")
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "usr" / "bin" / "busybox").write_bytes(elf_of(21))
    return folder


def elf_of(machine: int) -> bytes:
    """A program without segments: 21 is the number of ppc64, 62 that of x86_64."""
    numbers = (2, machine, 1, 0, 0, 0, 2 if machine == 21 else 0, 64, 56, 0, 64, 0, 0)
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *numbers)


@dataclass(frozen=True)
class Answer:
    """How a run of the command ended."""

    code: int
    output: str
    errors: str

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each step of a run with --json."""
        return {one["name"]: one["outcome"] for one in self.steps}

    @property
    def steps(self) -> list[dict[str, Any]]:
        return list(json.loads(self.output)["steps"])

    def step(self, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.steps if one["name"] == name]
        return found

    @property
    def failed(self) -> list[str]:
        return [one["name"] for one in self.steps if one["outcome"] == "failed"]

    @property
    def error_line(self) -> str:
        """The one line that says what is wrong: no other line of standard error begins so."""
        (line,) = [one for one in self.errors.splitlines() if one.startswith("ppcdeps: error: ")]
        return line


@dataclass(frozen=True)
class CloudWorld:
    """A cloud with its hosts up, and what the command needs."""

    laboratory: Laboratory
    folder: Path
    _one_program: threading.Lock = field(default_factory=threading.Lock)

    @property
    def guest_root(self) -> Path:
        return self.folder / "guest-root"

    def command(self, *words: str | Path) -> list[str]:
        """The command line, in the cloud's network."""
        return self.laboratory.namespaces.beside([sys.executable, "-m", "ppcdeps", "check", "node", *map(str, words)])

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        values = {"HOME": str(self.folder), "OS_CLIENT_CONFIG_FILE": str(self.laboratory.clouds_yaml)}
        return {**kept, **values, "PPCDEPS_CACHE": str(self.folder / "cache"), **more}

    def start(self, *words: str | Path, **more: str) -> subprocess.Popen[str]:
        """Start the command, and leave it running."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str | Path, **more: str) -> Answer:
        """Run the command to its end."""
        process = self.start(*words, **more)
        return ended(process)

    def test(self, *words: str | Path, host: str = POWER, **more: str) -> Answer:
        """Test a host with the test guest, as JSON."""
        guest = () if "--image" in words else ("--guest-root", self.guest_root)
        return self(host, "--cloud", CLOUD, *guest, "--timeout", "180", "--json", *words, **more)

    @contextmanager
    def faults(self, *lines: str, host: str = POWER) -> Iterator[None]:
        """Have things go wrong on a host."""
        self.laboratory.set_faults(host, *lines)
        try:
            yield
        finally:
            self.laboratory.set_faults(host)

    def inside(self, program: str) -> Any:
        """What a program prints as JSON that has `cloud`, the SDK's connection, and runs beside the cloud."""
        stream_in, stream_out = self._resident.stdin, self._resident.stdout
        assert stream_in is not None
        assert stream_out is not None
        with self._one_program:
            stream_in.write(f"{json.dumps(program)}\n")
            stream_in.flush()
            answer = stream_out.readline()
        assert answer, "the program failed"
        return json.loads(json.loads(answer) or "null")

    @cached_property
    def _resident(self) -> subprocess.Popen[str]:
        """Runs programs one after the other: the SDK takes two seconds to import."""
        return subprocess.Popen(
            self.laboratory.namespaces.beside([sys.executable, "-W", "ignore", "-c", _RESIDENT, CLOUD]),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End what runs beside the cloud."""
        self._resident.communicate()

    def things(self) -> Mapping[str, list[str]]:
        """The names of all that is in the cloud, seen by the SDK's own classes."""
        found: dict[str, list[str]] = self.inside(
            "print(json.dumps({"
            "'servers': [s.name for s in cloud.compute.servers()],"
            "'images': [i.name for i in cloud.image.images()],"
            "'volumes': [v.name for v in cloud.block_storage.volumes()],"
            "'snapshots': [s.name for s in cloud.block_storage.snapshots()],"
            "'flavors': [f.name for f in cloud.compute.flavors(is_public=None)],"
            "'ports': [p.name for p in cloud.network.ports()]}))"
        )
        return {kind: names for kind, names in found.items() if names}

    def state_of(self, host: str) -> str:
        """Whether nova takes the service of a host as up or down."""
        (state,) = self.inside(
            "print(json.dumps([s.state for s in cloud.compute.services()"
            f" if (s.binary, s.host) == ('nova-compute', '{host}')]))"
        )
        return str(state)

    @contextmanager
    def disabled(self, host: str) -> Iterator[None]:
        """A host whose service the cloud's operator has disabled."""
        change = (
            "(one,) = [one for one in cloud.compute.services()"
            f" if (one.binary, one.host) == ('nova-compute', '{host}')]\n"
            "cloud.compute.{verb}_service(one)"
        )
        self.inside(change.format(verb="disable"))
        try:
            yield
        finally:
            self.inside(change.format(verb="enable"))

    @contextmanager
    def unmapped(self, host: str) -> Iterator[None]:
        """A host that `nova-manage cell_v2 discover_hosts` has not found yet."""
        manage = ("nova-manage", "cell_v2")
        table = self.laboratory.run(*manage, "list_hosts")
        (row,) = [line for line in table.splitlines() if host in line.replace("|", " ").split()]
        self.laboratory.run(*manage, "delete_host", "--cell_uuid", row.replace("|", " ").split()[1], "--host", host)
        try:
            yield
        finally:
            self.laboratory.run(*manage, "discover_hosts")

    @contextmanager
    def network(self, name: str, *, dhcp: bool) -> Iterator[None]:
        """A network without a router, with or without DHCP, whose port of DHCP is up."""
        made = self.inside(
            f"made = cloud.network.create_network(name='{name}', port_security_enabled=False)\n"
            "cloud.network.create_subnet(network_id=made.id, ip_version=4, cidr='192.168.7.0/24', gateway_ip=None,"
            f" enable_dhcp={dhcp})\n"
            "print(json.dumps(made.id))"
        )
        states = "print(json.dumps([one.status for one in cloud.network.ports(device_owner='network:dhcp')]))"
        try:
            if dhcp:
                wait_until(lambda: self.inside(states) == ["ACTIVE"])
            yield
        finally:
            self.inside(
                f"[cloud.network.delete_port(one) for one in cloud.network.ports(network_id='{made}')]\n"
                f"cloud.network.delete_network('{made}')"
            )

    def arch_of(self, host: str) -> str:
        """The architecture of a host's hypervisor, as nova's API has it."""
        found = self.inside(
            "found = cloud.compute.get('/os-hypervisors/detail', microversion='2.87').json()['hypervisors']\n"
            f"print(json.dumps([one['cpu_info'] for one in found if one['service']['host'] == '{host}'][0]['arch']))"
        )
        return str(found)

    @contextmanager
    def trait(self, name: str, host: str) -> Iterator[None]:
        """A trait more on a host, in placement."""
        self.inside(_SET_TRAITS.format(host=host, change=f"traits | {{'{name}'}}", name=name))
        try:
            yield
        finally:
            self.inside(_SET_TRAITS.format(host=host, change=f"traits - {{'{name}'}}", name=name))

    @contextmanager
    def isolated_by(self, trait: str, host: str) -> Iterator[None]:
        """An aggregate called isolated with one host, for guests whose flavor has the trait."""
        made = self.inside(
            "made = cloud.compute.create_aggregate(name='isolated')\n"
            f"cloud.compute.set_aggregate_metadata(made, {{'trait:{trait}': 'required'}})\n"
            f"cloud.compute.add_host_to_aggregate(made, '{host}')\n"
            "print(json.dumps(made.id))"
        )
        try:
            yield
        finally:
            self.inside(
                f"cloud.compute.remove_host_from_aggregate({made}, '{host}')\ncloud.compute.delete_aggregate({made})"
            )

    @contextmanager
    def flavor_of(self, trait: str) -> Iterator[str]:
        """A small flavor that requires a trait."""
        self.inside(
            "made = cloud.compute.create_flavor(name='traited', ram=512, vcpus=1, disk=1)\n"
            f"cloud.compute.create_flavor_extra_specs(made, {{'trait:{trait}': 'required'}})"
        )
        try:
            yield "traited"
        finally:
            self.inside("cloud.compute.delete_flavor(cloud.compute.find_flavor('traited'))")

    def reported(self, host: str) -> str:
        """What a host has reported last that no API shows at once: guests that it can run, and its traits."""
        return self.laboratory.run("mysql", "--execute", _REPORTED.format(host=host))


_SET_TRAITS = """
api = cloud.placement
(host,) = api.get('/resource_providers', params={{'name': '{host}'}}).json()['resource_providers']
path = '/resource_providers/' + host['uuid'] + '/traits'
if '{name}'.startswith('CUSTOM_'):
    api.put('/traits/{name}', microversion='1.17')
# The host's own service may report something between the two requests: then once more.
for _ in range(10):
    found = api.get(path, microversion='1.17').json()
    traits = set(found['traits'])
    generation = found['resource_provider_generation']
    body = {{'resource_provider_generation': generation, 'traits': sorted({change})}}
    answer = api.put(path, json=body, microversion='1.17')
    if answer.status_code != 409:
        break
answer.raise_for_status()
"""
_REPORTED = """
SELECT supported_instances FROM nova.compute_nodes WHERE host = '{host}';
SELECT traits.name FROM placement.traits
JOIN placement.resource_provider_traits ON trait_id = traits.id
JOIN placement.resource_providers AS provider ON provider.id = resource_provider_id WHERE provider.name = '{host}';
"""


def ended(process: subprocess.Popen[str], seconds: float = 900) -> Answer:
    """How the command ended, once it has."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"after {seconds:.0f} s it still ran: {output}\n{errors}") from None
    assert "Traceback" not in errors, errors
    return Answer(process.returncode, output, errors)


def beside_each_other(*lanes: Callable[[], Mapping[str, Answer]]) -> dict[str, Answer]:
    """Runs that wait more than they do, those of a lane one after the other. Returns all of them."""
    with ThreadPoolExecutor(len(lanes)) as workers:
        running = [workers.submit(lane) for lane in lanes]
        return {name: answer for one in running for name, answer in one.result().items()}


def wait_until(test: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < deadline, "it has not come to be so"
        time.sleep(1)
