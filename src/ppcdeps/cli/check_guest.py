"""`ppcdeps check guest`: whether a hypervisor can start a guest."""

from pathlib import Path

import click

from ppcdeps.cli.check import show_report
from ppcdeps.cli.options import json_option, output_options
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Reporter

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("guest")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="An image property. Repeatable.")
@click.option("--image", type=_FILE, metavar="FILE", help="An image: the output of `openstack image show -f json`.")
@click.option("--flavor", type=_FILE, metavar="FILE", help="A flavor: the output of `openstack flavor show -f json`.")
@click.option(
    "--domain", type=_FILE, metavar="FILE", help="A libvirt domain: the output of `virsh dumpxml --inactive`."
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The image's root folder: look at what is in it, too.",
)
@click.option("--nova-conf", type=_FILE, metavar="FILE", help="What nova.conf says of guests counts, too.")
@click.option("--nova", metavar="VERSION|RELEASE", help="The nova that starts the guest, such as 25.3.0 or yoga.")
@click.option(
    "--capabilities", type=_FILE, metavar="FILE", help="The hypervisor: the output of `virsh domcapabilities`."
)
@click.option("--connect", metavar="URI", help="The hypervisor: what libvirt at this URI says.")
@click.option("--hypervisor", metavar="NAME", help="The hypervisor: what is known of a distribution's QEMU build.")
@click.option(
    "--host-arch",
    type=click.Choice(["ppc64le", "x86_64"]),
    help="The host's architecture (default: ppc64le). An x86_64 host emulates POWER guests.",
)
@click.option("--virttype", type=click.Choice(["kvm", "qemu"]), help="The kind of guest (default: kvm, then qemu).")
@click.option("--write-domain", type=_FILE, metavar="FILE", help="Write the domain here, changed so that it starts.")
@json_option
@output_options
def guest(
    properties: tuple[str, ...],
    image: Path | None,
    flavor: Path | None,
    domain: Path | None,
    root: Path | None,
    nova_conf: Path | None,
    nova: str | None,
    capabilities: Path | None,
    connect: str | None,
    hypervisor: str | None,
    host_arch: str | None,
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
    from ppcdeps.workflows.check_guest import GuestByNova, HypervisorChoice, check_guest

    if sum(one is not None for one in (capabilities, connect, hypervisor)) > 1:
        raise UsageError("--capabilities, --connect and --hypervisor exclude each other")
    if write_domain is not None and domain is None:
        raise UsageError("--write-domain fixes a domain", hint="give it with --domain FILE")
    by_nova = GuestByNova(properties, image, flavor, (nova_conf,) if nova_conf else (), nova, host_arch or "")
    if not by_nova.is_named and domain is None:
        raise UsageError(
            "there is no guest to check",
            hint="give --property, --image, --flavor or --nova, or a domain with --domain",
        )
    found = check_guest(
        by_nova,
        HypervisorChoice(capabilities, connect, hypervisor, virttype),
        reporter,
        domain=domain,
        write_domain=write_domain,
        root=root,
    )
    code = show_report(found.report, as_json)
    for change in found.changes:
        reporter.note(f"{write_domain}: {change}")
    return code
