"""The acceptance test of one compute node: its parts in their order, and whatever happens, the cleanup."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ppcdeps.checking.node import host as hosts
from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.belongings import Belonging, find_belongings, name_of, remove
from ppcdeps.checking.node.console import GuestConsole
from ppcdeps.checking.node.consoles import STEPS as CONSOLE_STEPS
from ppcdeps.checking.node.consoles import test_consoles
from ppcdeps.checking.node.guestimage import GuestImage
from ppcdeps.checking.node.heartbeat import ServiceCommands, test_heartbeat
from ppcdeps.checking.node.images import BootImage, find_image, upload_guest
from ppcdeps.checking.node.lifecycle import ACTIONS, LivingGuest, test_actions, test_resize, test_shelving
from ppcdeps.checking.node.mixed import STEPS as MIXED_STEPS
from ppcdeps.checking.node.mixed import Placing, test_mixed_cloud
from ppcdeps.checking.node.network import STEPS as NETWORK_STEPS
from ppcdeps.checking.node.network import find_network, test_network
from ppcdeps.checking.node.probes import PROBES, test_probes
from ppcdeps.checking.node.recorder import Recorder, StepFailed
from ppcdeps.checking.node.results import NodeReport, TestedPart
from ppcdeps.checking.node.servers import Server, ServerOrder
from ppcdeps.checking.node.statistics import Usage, test_statistics, usage_of, wait_for_usage
from ppcdeps.checking.node.volumes import STEPS as VOLUME_STEPS
from ppcdeps.checking.node.volumes import VolumeTest
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import CloudError, UsageError
from ppcdeps.model.reporter import Reporter

MEMORY_MB, DISK_GB, VCPUS = 512, 1, 1
"""What the test guest has."""
_NO_VOLUMES = "the catalog has no volume service (cinder), or none of this region"
_LAST_STEPS = ("shelve", "unshelve", "resize", "revert resize", "delete")


@dataclass(frozen=True, slots=True)
class NodeTest:
    """What to test, and with what.

    ``image`` names an image of the cloud; ``guest`` is the test guest, where it is None. ``properties`` are for
    images that the test makes. ``up`` is the text on the console that shows that a guest is up which is not the
    test guest. ``flavor`` is the id or name of one; by default the test makes its own. ``patience`` is in seconds:
    how long a guest may take to boot, and nova to do something.
    """

    host: str
    run: str
    image: str | None = None
    guest: GuestImage | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    up: re.Pattern[str] = field(default_factory=lambda: re.compile(r"login: *$", re.MULTILINE))
    flavor: str | None = None
    network: str | None = None
    commands: ServiceCommands = field(default_factory=ServiceCommands)
    parts: frozenset[TestedPart] = frozenset(TestedPart)
    patience: float = 600.0
    keep: bool = False
    log_lines: Callable[[], tuple[str, ...]] | None = None


def test_node(cloud: Cloud, test: NodeTest, reporter: Reporter) -> NodeReport:
    """Test a node, and remove what that made. What is wrong with the request shows before anything is made.

    Raises UsageError for a host, image, flavor or network that the cloud does not have, and for an image of another
    architecture; CloudError where the project's quota has no room or the cloud does not answer at the beginning.
    """
    service = hosts.service_of(cloud, test.host)
    image = find_image(cloud, test.image) if test.image is not None else None
    if image is not None:
        _require_architecture(cloud, image, test.host)
    flavor = _find_flavor(cloud, test.flavor) if test.flavor is not None else None
    network = find_network(cloud, test.network) if test.network is not None else ""
    hosts.require_quota(cloud, hosts.Room(VCPUS, MEMORY_MB))
    recorder = Recorder(reporter, test.parts, test.log_lines)
    trial = _Trial(cloud, test, recorder, service, network)
    try:
        trial.run(image, flavor)
    except CloudError as error:
        # What was found until then is not lost.
        recorder.break_off(error)
    finally:
        # Also after Ctrl-C: what follows is not skipped.
        if not test.keep:
            trial.clean_up()
    if test.keep:
        kept = f"kept as you wished; remove it with: {_cleanup_command(cloud, test.run)}"
        recorder.skip(TestedPart.CLEANUP, ("nothing left behind",), kept)
    shown = trial.image.name if trial.image is not None else test.image or "the test guest"
    return NodeReport(cloud.name, test.host, test.run, shown, tuple(recorder.steps))


class _Trial:
    """One run of the test."""

    def __init__(
        self, cloud: Cloud, test: NodeTest, recorder: Recorder, service: hosts.ComputeService, network: str
    ) -> None:
        self._cloud = cloud
        self._test = test
        self._recorder = recorder
        self._zone = f"{service.zone}:{test.host}"
        self._is_up = (service.state, service.status) == ("up", "enabled")
        self._network = network
        self._servers: list[str] = []
        self.image: BootImage | None = None

    def run(self, image: BootImage | None, flavor: str | None) -> None:
        """Every part that is wanted."""
        recorder, cloud, test = self._recorder, self._cloud, self._test
        is_up = self._is_up
        if recorder.wants(TestedPart.HEARTBEAT):
            is_up = test_heartbeat(recorder, cloud, test.host, test.commands)
        hypervisor = None
        if recorder.wants(TestedPart.STATISTICS):
            hypervisor = test_statistics(recorder, cloud, test.host)
        hypervisor = hypervisor or hosts.hypervisor_of(cloud, test.host)
        if not is_up or hypervisor is None:
            self._skip_guests("the service is not up and enabled" if not is_up else "there is no hypervisor")
            return
        if not any(recorder.wants(part) for part in _GUEST_PARTS):
            return
        made = recorder.step(TestedPart.LIFE_CYCLE, "image and flavor", lambda: self._make_ready(image, flavor))
        if not made or self.image is None:
            self._skip_guests("there is no image or flavor")
            return
        self._guest(hypervisor)
        placing = Placing(test.run, self._flavor, self.image, test.patience)
        if recorder.wants(TestedPart.MIXED_CLOUD):
            others = [one for one in hosts.hypervisors(cloud) if one.host != test.host]
            test_mixed_cloud(recorder, cloud, hypervisor, others, placing)
        if recorder.wants(TestedPart.PROBES):
            test_probes(recorder, cloud, self._zone, hosts.traits_of(cloud, hypervisor), placing)

    def _make_ready(self, image: BootImage | None, flavor: str | None) -> str:
        test = self._test
        if image is None:
            if test.guest is None:
                raise StepFailed("there is no image")
            image = upload_guest(self._cloud, test.run, test.guest, test.properties)
        self.image = image
        self._flavor = flavor or self._make_flavor("small", MEMORY_MB)
        return image.name

    def _make_flavor(self, what: str, memory: int) -> str:
        body = {
            "flavor": {
                "name": name_of(self._test.run, what),
                "ram": memory,
                "vcpus": VCPUS,
                "disk": DISK_GB,
                "os-flavor-access:is_public": False,
            }
        }
        made = self._cloud.compute.post("/flavors", body).document.inner("flavor").identifier("id")
        self._cloud.compute.post(f"/flavors/{made}/action", {"addTenantAccess": {"tenant": self._cloud.project}})
        return made

    def _guest(self, hypervisor: hosts.Hypervisor) -> None:
        """One guest from its creation to its end, and the parts that are done with it."""
        recorder, cloud, test, image = self._recorder, self._cloud, self._test, self.image
        if image is None:
            return
        before = usage_of(cloud, hypervisor)
        servers: list[Server] = []

        def create() -> str:
            order = ServerOrder("guest", image.id, self._flavor, self._zone)
            server = Server.create(cloud, test.run, order, test.patience)
            servers.append(server)
            self._servers.append(server.id)
            server.wait_for("ACTIVE")
            if server.host != test.host:
                raise StepFailed(f"nova took it to {server.host}")
            return f"on {test.host}"

        if not recorder.step(TestedPart.LIFE_CYCLE, "create", create):
            self._skip_after_create("there is no guest")
            return
        server = servers[0]
        console = GuestConsole(cloud.compute, server.id, test.up, test.patience)
        if not recorder.step(TestedPart.LIFE_CYCLE, "boot", console.boot):
            self._skip_after_create("the guest does not boot")
            if not test.keep:
                self._delete(server, hypervisor, before)
            return
        guest = LivingGuest(server, console, image.id)
        more = self._flavor_resources()
        if recorder.wants(TestedPart.STATISTICS):
            recorder.step(
                TestedPart.STATISTICS,
                "used figures rise",
                lambda: wait_for_usage(cloud, hypervisor, before, more, server.id),
            )
        usable = True
        if recorder.wants(TestedPart.LIFE_CYCLE):
            usable = test_actions(recorder, guest)
        if usable and recorder.wants(TestedPart.CONSOLE):
            test_consoles(recorder, cloud, guest)
        if usable and recorder.wants(TestedPart.NETWORK):
            test_network(recorder, cloud, test.host, self._network, guest)
        if recorder.wants(TestedPart.VOLUMES):
            self._volumes(guest if usable else None)
        if recorder.wants(TestedPart.LIFE_CYCLE):
            self._leaving_steps(guest, hypervisor, usable)
        if not test.keep:
            self._delete(server, hypervisor, before)

    def _leaving_steps(self, guest: LivingGuest, hypervisor: hosts.Hypervisor, usable: bool) -> None:
        """What may take the guest to another host."""
        recorder, cloud, test = self._recorder, self._cloud, self._test
        if not usable:
            recorder.skip(TestedPart.LIFE_CYCLE, _LAST_STEPS[:-1], "the guest could not be brought back")
            return
        up = {one.host for one in hosts.compute_services(cloud) if one.state == "up" and one.status == "enabled"}
        others = tuple(
            one.host
            for one in hosts.hypervisors(cloud)
            if one.host in up and one.host != test.host and one.arch == hypervisor.arch
        )
        larger = self._make_flavor("larger", MEMORY_MB * 2) if others else ""
        test_resize(recorder, guest, larger, others)
        test_shelving(recorder, guest, test.host)

    def _volumes(self, guest: LivingGuest | None) -> None:
        recorder, cloud, test = self._recorder, self._cloud, self._test
        if cloud.volume is None:
            recorder.skip(TestedPart.VOLUMES, VOLUME_STEPS, _NO_VOLUMES)
        elif guest is None or self.image is None:
            recorder.skip(TestedPart.VOLUMES, VOLUME_STEPS, "the guest could not be brought back")
        else:
            order = ServerOrder("from-volume", self.image.id, self._flavor, self._zone)
            VolumeTest(recorder, cloud, cloud.volume, test.run, test.patience).all(guest, order, test.up)

    def _delete(self, server: Server, hypervisor: hosts.Hypervisor, before: Usage) -> None:
        recorder, cloud = self._recorder, self._cloud

        def delete() -> str:
            server.delete()
            return "it is gone"

        if recorder.step(TestedPart.LIFE_CYCLE, "delete", delete) and recorder.wants(TestedPart.STATISTICS):
            nothing = dict.fromkeys(self._flavor_resources(), 0)
            recorder.step(
                TestedPart.STATISTICS,
                "used figures return",
                lambda: wait_for_usage(cloud, hypervisor, before, nothing, server.id),
            )

    def _flavor_resources(self) -> Mapping[str, int]:
        found = self._cloud.compute.get(f"/flavors/{self._flavor}").inner("flavor")
        counts = {"VCPU": found.amount("vcpus"), "MEMORY_MB": found.amount("ram"), "DISK_GB": found.amount("disk")}
        return {name: count for name, count in counts.items() if count}

    def _skip_guests(self, reason: str) -> None:
        """Record that nothing can be done which needs a guest."""
        recorder = self._recorder
        if recorder.wants(TestedPart.LIFE_CYCLE):
            recorder.skip(TestedPart.LIFE_CYCLE, ("create", "boot"), reason)
        self._skip_after_create(reason)
        if recorder.wants(TestedPart.MIXED_CLOUD):
            recorder.skip(TestedPart.MIXED_CLOUD, MIXED_STEPS, reason)
        if recorder.wants(TestedPart.PROBES):
            recorder.skip(TestedPart.PROBES, (one.name for one in PROBES), reason)

    def _skip_after_create(self, reason: str) -> None:
        recorder = self._recorder
        for part, names in (
            (TestedPart.LIFE_CYCLE, (*ACTIONS, *_LAST_STEPS[:-1])),
            (TestedPart.CONSOLE, CONSOLE_STEPS),
            (TestedPart.NETWORK, NETWORK_STEPS),
            (TestedPart.VOLUMES, VOLUME_STEPS),
        ):
            if recorder.wants(part):
                recorder.skip(part, names, reason)

    def clean_up(self) -> None:
        """Remove everything that this run made, and see that nothing of it is left."""
        cloud, test = self._cloud, self._test

        def nothing_left() -> str:
            found = find_belongings(cloud, test.run)
            things = dict.fromkeys(found.things)
            if found.unseen:
                # What is known to be there can be removed all the same.
                things.update(
                    (Belonging("server", one, name_of(test.run, "guest"), test.run), None) for one in self._servers
                )
            left = remove(cloud, things)
            lines = [f"left behind: {one}: {reason}" for one, reason in left.items()]
            lines += [f"cannot be seen: {reason}" for reason in found.unseen]
            try:
                lines += self._traces()
            except CloudError as error:
                lines.append(f"cannot be seen: ports and allocations of guests: {error.line}")
            if lines:
                hint = f"remove it with: {_cleanup_command(cloud, test.run)}"
                raise StepFailed(f"something is, or may be, left behind; {hint}", lines)
            return "neither servers nor images, volumes, ports or allocations"

        self._recorder.step(TestedPart.CLEANUP, "nothing left behind", nothing_left)

    def _traces(self) -> list[str]:
        """What a deleted guest may leave where it is not named after it: ports and allocations."""
        cloud, lines = self._cloud, []
        for server in self._servers:
            if cloud.placement.get(f"/allocations/{server}").inner("allocations").names:
                lines.append(f"left behind: allocations of the guest {server} in placement")
            if cloud.network is not None:
                ports = list(cloud.network.pages("/ports", "ports", device_id=server))
                lines += [f"left behind: port {one.identifier('id')} of the guest {server}" for one in ports]
        return lines


_GUEST_PARTS = (
    TestedPart.LIFE_CYCLE,
    TestedPart.CONSOLE,
    TestedPart.NETWORK,
    TestedPart.VOLUMES,
    TestedPart.MIXED_CLOUD,
    TestedPart.PROBES,
)


def _cleanup_command(cloud: Cloud, run: str) -> str:
    """What removes all of a run, in the cloud that was named."""
    chosen = ("--cloud", cloud.chosen) if cloud.chosen is not None else ()
    return command_line("check", "node", "--cleanup", *chosen, "--run", run)


def _require_architecture(cloud: Cloud, image: BootImage, host: str) -> None:
    """See that an image which says its architecture is not of another than a POWER host's."""
    hypervisor = hosts.hypervisor_of(cloud, host)
    arch = image.properties.get("hw_architecture") or image.properties.get("architecture") or ""
    if hypervisor is not None and hypervisor.arch in hosts.POWER and arch not in ("", *hosts.POWER):
        raise UsageError(
            f"the image {image.name} is of {arch}, and {host} is {hypervisor.arch}",
            hint="name an image of ppc64le with --image, or make the test guest with --guest-root",
        )


def _find_flavor(cloud: Cloud, name: str) -> str:
    found = list(cloud.compute.pages("/flavors/detail", "flavors"))
    for one in found:
        if name in (one.label("id"), one.label("name")):
            return one.identifier("id")
    names = ", ".join(sorted(filter(None, (one.label("name") for one in found)))[:10])
    raise UsageError(f"the cloud {cloud.name} has no flavor {name}", hint=f"it has {names}" if names else None)
