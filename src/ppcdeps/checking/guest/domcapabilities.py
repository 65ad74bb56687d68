"""What `virsh domcapabilities` says: from a file, or from libvirt itself."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ppcdeps.base.named_files import read_named
from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.checking.guest.offers import ARCH, VIRTTYPES, HypervisorOffer, with_pseries
from ppcdeps.checking.guest.xmltext import Element, XMLTextError, parse
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError

ARCHES = ("ppc64le", "ppc64")
"""Those of pseries machines; libvirt describes the requested one."""
TIMEOUT = 60
"""Seconds in which libvirt has answered, probing QEMU included."""

_ROOT = "domainCapabilities"
_HINT = "make one with `virsh domcapabilities --arch ppc64le --machine pseries`"


def read_domcapabilities(file: Path) -> HypervisorOffer:
    """What a file with the output of `virsh domcapabilities` says.

    Raises ConfigError where it cannot be read, or is something else.
    """
    return offer_of(read_named(file, "guest_size", hint=_HINT), str(file))


def ask_libvirt(uri: str | None = None, virttype: str | None = None, machine: str = "pseries") -> HypervisorOffer:
    """What libvirt says of this machine, or of the one that ``uri`` connects to.

    ``virttype`` is kvm or qemu; kvm, then qemu where it is None. Raises EnvironmentLacksError where there is no
    virsh, or libvirt does not answer.
    """
    program = shutil.which("virsh")
    if program is None:
        raise EnvironmentLacksError(
            "there is no virsh on this machine",
            hint="install libvirt-clients (libvirt-client on EL), or give a file with --capabilities",
        )
    place = f"libvirt ({uri})" if uri else "libvirt on this machine"
    error, lacking = "", list[str]()
    for kind in (virttype,) if virttype else VIRTTYPES:
        command = [program, *(("--connect", uri) if uri else ()), "domcapabilities"]
        command += ["--arch", ARCH, "--machine", machine, "--virttype", kind]
        answer, error = _run(command)
        if answer:
            return replace(offer_of(answer, place), lacking=tuple(lacking))
        lacking.append(kind)
    raise EnvironmentLacksError(
        f"{place} has no answer for {machine} guests: {error}",
        hint="give a file with --capabilities, or a distribution with --hypervisor",
    )


def without_machine(offer: HypervisorOffer, machine: str, uri: str | None = None) -> HypervisorOffer:
    """The offer, with the machine type taken out where libvirt (at ``uri``) says that there is none of that name."""
    try:
        ask_libvirt(uri, offer.virttype, machine)
    except (EnvironmentLacksError, ConfigError):
        return replace(offer, machines=("pseries",))
    return offer


def offer_of(content: bytes, origin: str) -> HypervisorOffer:
    """What the output of `virsh domcapabilities` says. Raises ConfigError where it is something else."""
    try:
        root = parse(content).root
    except XMLTextError as error:
        raise ConfigError(f"{origin} is not XML that can be read: {error}", hint=_HINT) from error
    if root.tag != _ROOT:
        raise ConfigError(f"{origin} is not what domcapabilities prints: it begins with <{root.tag}>", hint=_HINT)
    arch, machine = _text(root, "arch"), _text(root, "machine")
    if not arch or not machine:
        raise ConfigError(f"{origin} names no architecture or no machine", hint=_HINT)
    if arch not in ARCHES:
        raise ConfigError(f"{origin} is of {arch} guests, not of {ARCH} ones", hint=_HINT)
    if not machine.startswith("pseries"):
        raise ConfigError(f"{origin} is of the machine {machine}, not of pseries", hint=_HINT)
    host = root.first("cpu")
    model = next((one for one in (host.all("mode") if host else []) if one.get("name") == "host-model"), None)
    offered = HypervisorOffer(
        origin=origin,
        arch=arch,
        # It speaks of one machine type. Which other versions there are is not said, but of which family they are.
        machines=("pseries", "pseries-rhel*" if machine.startswith("pseries-rhel") else "pseries-[0-9]*"),
        # Where a host has KVM, it emulates just as well.
        virttypes=VIRTTYPES if _text(root, "domain") == "kvm" else ("qemu",),
        offers=MappingProxyType(dict(_offers(root))),
        host_cpu=_text(model, "model") if model else "",
        emulator=_text(root, "path"),
    )
    return with_pseries(offered)


def _offers(root: Element) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    devices = root.first("devices")
    for device in devices.children if devices else []:
        there = device.get("supported", "yes") == "yes"
        for enum in device.all("enum"):
            found[f"{device.tag}.{enum.get('name')}"] = _values(enum) if there else frozenset()
    system = root.first("os")
    for enum in system.all("enum") if system else []:
        found[f"os.{enum.get('name')}"] = _values(enum)
    for enum in root.all("os/loader/enum"):
        found[f"loader.{enum.get('name')}"] = _values(enum)
    modes = root.all("cpu/mode")
    if modes:
        found["cpu.mode"] = frozenset(mode.get("name") for mode in modes if mode.get("supported") == "yes")
        custom = next((mode for mode in modes if mode.get("name") == "custom"), None)
        models = custom.all("model") if custom else []
        if models:
            found["cpu.model"] = frozenset(one.text for one in models if one.get("usable") != "no")
    return found


def _values(enum: Element) -> frozenset[str]:
    return frozenset(value.text for value in enum.all("value"))


def _text(root: Element, path: str) -> str:
    found = root.first(path)
    return found.text if found else ""


def _run(command: list[str]) -> tuple[bytes, str]:
    """What a virsh command prints, and what it says where it prints nothing."""
    try:
        done = run_program(command, seconds=TIMEOUT)
    except UnfinishedProgramError:
        return b"", f"it has not answered within {TIMEOUT} s"
    if done.is_well:
        return done.output, ""
    lines = [line for line in done.error_text.splitlines() if line.startswith("error: ")]
    return b"", "; ".join(line.removeprefix("error: ") for line in lines) or f"virsh ended with {done.code}"
