"""What nova does on an x86_64 host whose QEMU emulates POWER guests (hw_emulation_architecture).

As of nova 32: the buses of CD-ROMs and the machine type follow hw_architecture or the host, not the emulated
architecture (blockinfo.get_disk_bus_for_device_type, utils.get_machine_type), and the CPU of a foreign architecture
is POWER8 (driver._get_guest_cpu_config).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ppcdeps.checking.findings import Finding
from ppcdeps.checking.guest.offers import ARCH, HypervisorOffer
from ppcdeps.checking.guest.requests import Guest, GuestRequest, RequestedBy
from ppcdeps.checking.rules import finding

HOST_ARCHES = (ARCH, "x86_64")
_POWER = ("ppc", "ppc64", "ppcle", ARCH)
_FOLLOWS = "nova takes hw_architecture, or else the host's, and does not look at hw_emulation_architecture"


def emulating(offer: HypervisorOffer) -> HypervisorOffer:
    """The offer of the same QEMU on an x86_64 host: without KVM for POWER guests."""
    return replace(
        offer,
        virttypes=("qemu",),
        lacking=("kvm",),
        offers=MappingProxyType({**offer.offers, "cpu.mode": frozenset({"custom"})}),
        reason="KVM of an x86_64 host runs x86 guests only: those of POWER are emulated (TCG)",
    )


def guest_on_x86(guest: Guest, properties: Mapping[str, str], machines: str) -> Guest:
    """The guest that nova makes on an x86_64 host. ``properties`` are the image's, by name; ``machines`` is what
    nova.conf says of hw_machine_type for x86_64.
    """
    if properties.get("hw_architecture", "").lower() in _POWER:
        return guest
    requests = [one for one in guest.requests if (one.property, one.by) != ("hw_cdrom_bus", RequestedBy.DEFAULT)]
    machine, where = guest.machine, guest.machine_where
    if "hw_machine_type" not in properties:
        machine, where = machines or "pc", "hw_machine_type (not set)"
    if "hw_cdrom_bus" not in properties:
        bus = "sata" if "q35" in machine else "ide"
        requests.append(
            GuestRequest(
                "disk.bus",
                bus,
                RequestedBy.DEFAULT,
                "hw_cdrom_bus (not set)",
                "cdrom",
                "hw_cdrom_bus",
                f"{_FOLLOWS}, when it chooses the bus of CD-ROMs and config drives",
            )
        )
    return replace(guest, requests=tuple(requests), machine=machine, machine_where=where)


def faults_on_x86(properties: Mapping[str, str], *, prefilter: bool) -> Iterable[Finding]:
    """What no setting of the image changes there: the CPU, and the scheduler. ``prefilter``: nova.conf switches
    [scheduler] image_metadata_prefilter on.
    """
    emulated = properties.get("hw_emulation_architecture", "").lower()
    if emulated != ARCH and properties.get("hw_architecture", "").lower() != ARCH:
        return
    yield finding(
        "guest-emulated-cpu",
        "nova gives emulated ppc64le guests a POWER8",
        "the CPU",
        detail=["EL9 and EL10 are built for POWER9, and do not start in it; EL8, Debian 12 and Ubuntu do"],
    )
    if not prefilter:
        yield finding(
            "guest-not-scheduled",
            "nothing keeps nova's scheduler from starting the guest on a host without an emulator for ppc64le",
            "nova.conf [scheduler] image_metadata_prefilter",
            fix=["[scheduler]", "image_metadata_prefilter = true"],
        )
