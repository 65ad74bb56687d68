"""Whether a hypervisor can start a guest: one that nova makes of an image and a flavor, or a libvirt domain."""

from dataclasses import replace
from pathlib import Path

from ppcdeps.base.atomic import write_output
from ppcdeps.checking.findings import Finding, Report, Skipped
from ppcdeps.checking.guest.check import check_guest as check_guests
from ppcdeps.checking.guest.convert import convert_domain
from ppcdeps.checking.guest.domain import guest_of, read_domain
from ppcdeps.checking.guest.domcapabilities import ask_libvirt, read_domcapabilities, without_machine
from ppcdeps.checking.guest.emulatedhost import emulating, faults_on_x86, guest_on_x86
from ppcdeps.checking.guest.image_root import NOT_LOOKED_INTO, image_findings
from ppcdeps.checking.guest.offers import HypervisorOffer, offer_of_build
from ppcdeps.checking.guest.properties import (
    Property,
    faults_of,
    guest_by_nova,
    property_of,
    read_description,
    read_nova_conf,
)
from ppcdeps.checking.guest.requests import Guest
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.planning.nova import nova_facts
from ppcdeps.workflows.choice import DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class GuestByNova:
    """A guest that nova starts: texts NAME=VALUE for properties of the image, files that `openstack image show` and
    `openstack flavor show` wrote as JSON, nova.conf and what nova reads after it, nova's version or release.
    ``host_arch`` is ppc64le, x86_64 where the host's QEMU emulates POWER guests, or empty where nothing says it.
    """

    properties: tuple[str, ...] = ()
    image: Path | None = None
    flavor: Path | None = None
    nova_conf: tuple[Path, ...] = ()
    nova: str | None = None
    host_arch: str = ""

    @property
    def is_named(self) -> bool:
        """Whether anything says that there is such a guest."""
        return bool(self.properties or self.image or self.flavor or self.nova_conf or self.nova)


@dataclass(frozen=True, slots=True)
class HypervisorChoice:
    """The hypervisor: a file of `virsh domcapabilities`, a libvirt URI, or a distribution's QEMU build; at most one.

    Without any it is libvirt on this machine, and where that cannot start pseries guests, what is known of the
    default target. ``virttype`` is kvm or qemu, None for the first of them that there is.
    """

    capabilities: Path | None = None
    connect: str | None = None
    build: str | None = None
    virttype: str | None = None


@dataclass(frozen=True, slots=True)
class GuestCheck:
    """What was found, and what was changed in the domain that was written, a line each."""

    report: Report
    changes: tuple[str, ...] = ()


def check_guest(
    by_nova: GuestByNova,
    hypervisor: HypervisorChoice,
    reporter: Reporter,
    *,
    domain: Path | None = None,
    write_domain: Path | None = None,
    root: Path | None = None,
) -> GuestCheck:
    """What keeps the hypervisor from starting the guest.

    ``domain`` is a file of `virsh dumpxml`; ``write_domain`` is where it is written as the hypervisor can start it;
    ``root`` is the folder with the image's files. Raises UsageError where a nova, a property, a build or the image's
    root is not known, ConfigError for files that cannot be read,
    EnvironmentLacksError where libvirt does not answer.
    """
    guests: list[Guest] = []
    faults: list[Finding] = []
    if by_nova.is_named:
        guest, faults = _read_guest(by_nova)
        guests.append(guest)
    document = read_domain(domain) if domain is not None else None
    if document is not None:
        guests.append(guest_of(document, str(domain)))
    offer = _offer(hypervisor, guests, reporter)
    inside, unseen = image_findings(root) if root is not None else ([], list(NOT_LOOKED_INTO))
    if by_nova.host_arch == "x86_64":
        offer = emulating(offer)
    report = check_guests(guests, offer, [*faults, *inside], unseen)
    if document is None or write_domain is None:
        return GuestCheck(report)
    fixed = convert_domain(document, offer)
    write_output(write_domain, fixed.content.decode(), "--write-domain")
    return GuestCheck(report, fixed.changes or ("nothing had to change",))


def _read_guest(by_nova: GuestByNova) -> tuple[Guest, list[Finding]]:
    facts = nova_facts()
    version = facts.version(by_nova.nova) if by_nova.nova else ""
    found: list[Property] = []
    names = []
    for file, owner in ((by_nova.image, "image"), (by_nova.flavor, "flavor")):
        if file is not None:
            described = read_description(file, owner)
            names.append(f"{owner} {described.name}")
            found += described.properties
    # What is given as text is what the image would have.
    given = [property_of(text) for text in by_nova.properties]
    replaced = {one.name for one in given}
    found = [one for one in found if one.owner != "image" or one.name not in replaced] + given
    config = read_nova_conf(*by_nova.nova_conf) if by_nova.nova_conf else None
    subject = ", ".join(names) or "an image"
    guest = guest_by_nova(subject, found, facts, version, config)
    faults = list(faults_of(found, facts, version))
    chosen = {one.name: one.value for one in sorted(found, key=lambda one: one.owner == "flavor")}
    if by_nova.host_arch == "x86_64":
        guest = guest_on_x86(guest, chosen, config.machine_of_x86 if config else "")
        faults = [one for one in faults if one.rule != "guest-trait"]
        faults += faults_on_x86(chosen, prefilter=config is not None and config.prefilter)
    elif "hw_emulation_architecture" in chosen and not by_nova.host_arch:
        why = "nova does otherwise on an x86_64 host that emulates: say so with --host-arch x86_64"
        guest = replace(guest, unseen=(*guest.unseen, Skipped("the host's architecture", why)))
    return guest, faults


def _offer(hypervisor: HypervisorChoice, guests: list[Guest], reporter: Reporter) -> HypervisorOffer:
    if hypervisor.capabilities is not None:
        return read_domcapabilities(hypervisor.capabilities)
    if hypervisor.build is not None:
        return offer_of_build(hypervisor.build, hypervisor.virttype)
    try:
        offer = ask_libvirt(hypervisor.connect, hypervisor.virttype)
    except EnvironmentLacksError as fault:
        if hypervisor.connect is not None:
            raise
        reporter.note(f"{fault.message}: the answer rests on what is known of {DEFAULT_TARGET}")
        return offer_of_build(DEFAULT_TARGET, hypervisor.virttype)
    # domcapabilities describes one machine type and lists no others: whether there is one shows when it is asked for.
    for machine in sorted({guest.machine for guest in guests if guest.machine.startswith("pseries-")}):
        if offer.has_machine(machine):
            offer = without_machine(offer, machine, hypervisor.connect)
    return offer
