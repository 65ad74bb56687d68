"""`ppcdeps check guest`: whether a hypervisor can start a guest."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import json_option, narrative_options
from ppcdeps.model.errors import EnvironmentLacksError, UsageError
from ppcdeps.model.reporter import Reporter

if TYPE_CHECKING:
    from ppcdeps.checking.findings import Finding
    from ppcdeps.checking.guest.offers import HypervisorOffer
    from ppcdeps.checking.guest.properties import NovaConf, Property
    from ppcdeps.checking.guest.requests import Guest

FOUND = 1
UNKNOWN = "centos-stream-9"
"""Whose hypervisor is meant where none is named and libvirt is not here: that of the default target."""

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("guest")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="An image property. Repeatable.")
@click.option("--image", type=_FILE, metavar="FILE", help="An image: the output of `openstack image show -f json`.")
@click.option("--flavor", type=_FILE, metavar="FILE", help="A flavor: the output of `openstack flavor show -f json`.")
@click.option(
    "--domain", type=_FILE, metavar="FILE", help="A libvirt domain: the output of `virsh dumpxml --inactive`."
)
@click.option("--nova-conf", type=_FILE, metavar="FILE", help="What nova.conf says of guests counts, too.")
@click.option("--nova", metavar="VERSION|RELEASE", help="The nova that starts the guest, such as 25.3.0 or yoga.")
@click.option(
    "--capabilities", type=_FILE, metavar="FILE", help="The hypervisor: the output of `virsh domcapabilities`."
)
@click.option("--connect", metavar="URI", help="The hypervisor: what libvirt at this URI says.")
@click.option("--hypervisor", metavar="NAME", help="The hypervisor: what is known of a distribution's QEMU build.")
@click.option(
    "--virttype", type=click.Choice(["kvm", "qemu"]), help="Ask libvirt for this (default: kvm, then qemu)."
)
@click.option("--write-domain", type=_FILE, metavar="FILE", help="Write the domain, fixed, here.")
@json_option
@narrative_options
def guest(
    properties: tuple[str, ...],
    image: Path | None,
    flavor: Path | None,
    domain: Path | None,
    nova_conf: Path | None,
    nova: str | None,
    capabilities: Path | None,
    connect: str | None,
    hypervisor: str | None,
    virttype: str | None,
    write_domain: Path | None,
    as_json: bool,
    reporter: Reporter,
) -> int:
    """Can the hypervisor start this guest? An image with its flavor, or a libvirt domain.

    The hypervisor is what --capabilities, --connect or --hypervisor names; without these, libvirt on this machine,
    and where it has no pseries guests, what is known of CentOS Stream 9 with ppcdeps' recipes.

    Exit code 0: it can, as far as can be seen; 1: it cannot, or may not.
    """
    from ppcdeps.checking.guest.check import check_guest
    from ppcdeps.report.findings import dump_report, render_report

    if sum(one is not None for one in (capabilities, connect, hypervisor)) > 1:
        raise UsageError("--capabilities, --connect and --hypervisor exclude each other")
    if write_domain is not None and domain is None:
        raise UsageError("--write-domain fixes a domain", hint="give it with --domain FILE")
    by_nova = bool(properties or image or flavor or nova_conf or nova)
    if not by_nova and domain is None:
        raise UsageError(
            "there is no guest to check",
            hint="give --property, --image, --flavor or --nova, or a domain with --domain",
        )
    guests: list[Guest] = []
    faults: list[Finding] = []
    if by_nova:
        read, faults = _by_nova(properties, image, flavor, nova_conf, nova)
        guests.append(read)
    document = None
    if domain is not None:
        from ppcdeps.checking.guest.domain import guest_of, read_domain

        document = read_domain(domain)
        guests.append(guest_of(document, str(domain)))
    offer, live = _offer(capabilities, connect, hypervisor, virttype, reporter)
    for machine in sorted({guest.machine for guest in guests if guest.machine.startswith("pseries-")}):
        if live and offer.has_machine(machine):
            from ppcdeps.checking.guest.domcapabilities import without_machine

            offer = without_machine(offer, machine, connect)
    report = check_guest(guests, offer, faults)
    click.echo(dump_report(report) if as_json else render_report(report), nl=False)
    if document is not None and write_domain is not None:
        from ppcdeps.base.atomic import write_output
        from ppcdeps.checking.guest.convert import convert_domain

        converted = convert_domain(document, offer)
        write_output(write_domain, converted.content.decode())
        for change in converted.changes or ("nothing had to change",):
            reporter.note(f"{write_domain}: {change}")
    return 0 if report.is_clean else FOUND


def _by_nova(
    texts: tuple[str, ...], image: Path | None, flavor: Path | None, conf: Path | None, nova: str | None
) -> "tuple[Guest, list[Finding]]":
    from ppcdeps.checking.guest.properties import (
        faults_of,
        guest_by_nova,
        property_of,
        read_description,
        read_nova_conf,
    )
    from ppcdeps.planning.nova import nova_facts

    facts = nova_facts()
    version = facts.version(nova) if nova else ""
    found: list[Property] = []
    names = []
    for file, owner in ((image, "image"), (flavor, "flavor")):
        if file is not None:
            described = read_description(file, owner)
            names.append(f"{owner} {described.name}")
            found += described.properties
    # What is given on the command line is what the image would have.
    given = [property_of(text) for text in texts]
    set_anew = {one.name for one in given}
    found = [one for one in found if one.owner != "image" or one.name not in set_anew] + given
    config: NovaConf | None = read_nova_conf(conf) if conf is not None else None
    subject = ", ".join(names) or "an image"
    return guest_by_nova(subject, found, facts, version, config), list(faults_of(found, facts, version))


def _offer(
    capabilities: Path | None, connect: str | None, hypervisor: str | None, virttype: str | None, reporter: Reporter
) -> "tuple[HypervisorOffer, bool]":
    """What the hypervisor offers, and whether it can be asked for more."""
    from ppcdeps.checking.guest.domcapabilities import ask_libvirt, read_domcapabilities
    from ppcdeps.checking.guest.offers import offer_of_build

    if capabilities is not None:
        return read_domcapabilities(capabilities), False
    if hypervisor is not None:
        return offer_of_build(hypervisor, virttype), False
    if connect is not None:
        return ask_libvirt(connect, virttype), True
    try:
        return ask_libvirt(None, virttype), True
    except EnvironmentLacksError as fault:
        reporter.note(f"{fault.message}: the answer rests on what is known of {UNKNOWN}")
        return offer_of_build(UNKNOWN, virttype), False
