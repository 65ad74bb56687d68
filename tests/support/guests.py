"""Guests to check: libvirt domains and images, and the hypervisors they are checked against."""

from pathlib import Path
from types import MappingProxyType

from ppcdeps.checking.findings import Report
from ppcdeps.checking.guest.check import check_guest
from ppcdeps.checking.guest.domain import domain_of, guest_of
from ppcdeps.checking.guest.domcapabilities import read_domcapabilities
from ppcdeps.checking.guest.offers import HypervisorOffer, offer_of_build, with_pseries
from ppcdeps.checking.guest.properties import faults_of, guest_by_nova, property_of, read_nova_conf
from ppcdeps.planning.nova import nova_facts

DEBIAN_12 = Path(__file__).parents[1] / "data" / "libvirt" / "domcapabilities-ppc64le-pseries-debian12.xml"
"""Real: `virsh domcapabilities --arch ppc64le --machine pseries --virttype qemu` of libvirt 9.0 and QEMU 7.2."""


def domain(
    devices: str = "",
    *,
    arch: str = "ppc64le",
    machine: str = "pseries",
    kind: str = "qemu",
    system: str = "",
    firmware: str = "",
    more: str = "",
) -> str:
    """A small domain with these devices; ``system`` goes into <os>, ``more`` before <devices>."""
    return f"""<domain type='{kind}'>
  <name>guest</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os{firmware}>
    <type arch='{arch}' machine='{machine}'>hvm</type>{system}
  </os>
  {more}
  <devices>
    {devices}
    <memballoon model='none'/>
  </devices>
</domain>
"""


def debian() -> HypervisorOffer:
    """Debian 12's hypervisor under TCG, as libvirt tells of it."""
    return read_domcapabilities(DEBIAN_12)


def check_domain(text: str, offer: HypervisorOffer | None = None) -> Report:
    """What is found in a domain; against Debian 12 where no hypervisor is given."""
    return check_guest([guest_of(domain_of(text.encode(), "guest.xml"), "guest.xml")], offer or debian())


def check_image(
    *properties: str, nova: str = "", offer: HypervisorOffer | None = None, conf: Path | None = None
) -> Report:
    """What is found in an image with these properties; against AlmaLinux 9 where no hypervisor is given."""
    facts = nova_facts()
    read = [property_of(text) for text in properties]
    config = read_nova_conf(conf) if conf else None
    guest = guest_by_nova("an image", read, facts, nova, config)
    return check_guest([guest], offer or offer_of_build("almalinux-9"), faults_of(read, facts, nova))


def offering(**kinds: set[str]) -> HypervisorOffer:
    """A hypervisor that offers this of each kind: input_bus={"virtio"}."""
    offers = {name.replace("_", ".", 1): frozenset(values) for name, values in kinds.items()}
    return with_pseries(
        HypervisorOffer("a hypervisor", "ppc64le", ("pseries", "pseries-*"), ("qemu",), MappingProxyType(offers))
    )
