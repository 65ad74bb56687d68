"""The faults of the first POWER node as probes: guests of odd images, beside what `check guest` predicts of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ppcdeps.checking.findings import Severity
from ppcdeps.checking.guest.check import check_guest
from ppcdeps.checking.guest.offers import ARCH, VIRTTYPES, HypervisorOffer, in_pseries, with_pseries
from ppcdeps.checking.guest.properties import guest_by_nova, property_of
from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.explanations import explain
from ppcdeps.checking.node.images import variant
from ppcdeps.checking.node.mixed import Placing
from ppcdeps.checking.node.recorder import Recorder, StepFailed
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.checking.node.servers import Server, ServerOrder
from ppcdeps.planning.nova import nova_facts

_FALLS_BACK = "guest-cirrus"
"""The rule whose guests start all the same where libvirt has the recipe's patch, which no API shows."""
_NO_HOST = "node-no-valid-host"
_KINDS = {"COMPUTE_GRAPHICS_MODEL_": "video.modelType", "COMPUTE_STORAGE_BUS_": "disk.bus"}


@dataclass(frozen=True, slots=True)
class GuestProbe:
    """An image with something odd: properties, of which an empty value takes one away."""

    name: str
    properties: Mapping[str, str] = field(default_factory=dict)


PROBES = (
    GuestProbe("hw_disk_bus=ide", MappingProxyType({"hw_disk_bus": "ide"})),
    GuestProbe("hw_video_model=cirrus", MappingProxyType({"hw_video_model": "cirrus"})),
    GuestProbe("no machine type", MappingProxyType({"hw_machine_type": ""})),
)


def test_probes(recorder: Recorder, cloud: Cloud, zone: str, traits: frozenset[str], placing: Placing) -> None:
    """Start a guest for each probe on the node (``zone`` names it), and see whether it does what was predicted."""
    offer = offer_of_traits(traits)
    for number, probe in enumerate(PROBES):
        what = f"probe-{number}"
        recorder.step(
            TestedPart.PROBES,
            probe.name,
            lambda probe=probe, what=what: _probe(cloud, zone, offer, placing, probe, what),  # type: ignore[misc]
        )


def offer_of_traits(traits: frozenset[str]) -> HypervisorOffer:
    """What nova's traits say that libvirt on the host offers; all else is what pseries machines have.

    nova makes one set of traits of all machine types and architectures that the host's QEMU has: what no pseries
    machine has (IDE disks) is not taken from them.
    """
    offers = {}
    for prefix, kind in _KINDS.items():
        values = (one.removeprefix(prefix).lower() for one in traits if one.startswith(prefix))
        offers[kind] = in_pseries(kind, frozenset(values))
    known = {kind: values for kind, values in offers.items() if values}
    machines = ("pseries", "pseries-*")
    return with_pseries(HypervisorOffer("the node's traits", ARCH, machines, VIRTTYPES, MappingProxyType(known)))


def is_another_fault(failure: StepFailed, predicted: Collection[str]) -> bool:
    """Whether a guest failed for what other rules than the predicted ones know.

    That no host is valid is none of these: nova's prefilter says so of what a host does not have.
    """
    known = {one.rule for one in explain("create", (failure.reason, *failure.evidence))} - {_NO_HOST}
    return bool(known) and known.isdisjoint(predicted)


def _probe(cloud: Cloud, zone: str, offer: HypervisorOffer, placing: Placing, probe: GuestProbe, what: str) -> str:
    properties = {**placing.image.properties, **probe.properties}
    described = [property_of(f"{name}={value}") for name, value in sorted(properties.items()) if value]
    report = check_guest([guest_by_nova("an image", described, nova_facts(), "")], offer)
    errors = sorted({one.rule for one in report.findings if one.severity is Severity.ERROR})
    predicted = f"check guest predicts {', '.join(errors)}" if errors else "check guest predicts that it starts"
    image = variant(cloud, placing.run, placing.image, what, probe.properties)
    server = Server.create(cloud, placing.run, ServerOrder(what, image, placing.flavor, zone), placing.patience)
    try:
        try:
            server.wait_for("ACTIVE")
        except StepFailed as failure:
            if not errors:
                raise StepFailed(
                    f"it does not start, and {predicted}: {failure.reason}", failure.evidence
                ) from failure
            if is_another_fault(failure, errors):
                raise StepFailed(
                    f"it does not start, and not for what {predicted}: {failure.reason}", failure.evidence
                ) from failure
            return f"it does not start, as {predicted}: {failure.reason}"
        if errors == [_FALLS_BACK]:
            return f"it starts, though {predicted}: its libvirt gives it VGA, as that of the recipe libvirt does"
        if errors:
            raise StepFailed(f"it starts, and {predicted}")
        return f"it starts, as {predicted}"
    finally:
        server.delete()
        cloud.image.delete(f"/images/{image}")
