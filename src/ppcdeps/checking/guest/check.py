"""Whether a hypervisor can start a guest: what the guest requests against what is offered, and what fixes it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from ppcdeps.base.toml import closest
from ppcdeps.checking.findings import Examined, Finding, Report, Severity, Skipped
from ppcdeps.checking.guest.offers import ARCH, VIRTTYPES, HypervisorOffer, PseriesSupport, hypervisor_facts
from ppcdeps.checking.guest.properties import setting_command
from ppcdeps.checking.guest.requests import Guest, GuestRequest, RequestedBy
from ppcdeps.checking.rules import finding
from ppcdeps.planning.nova import is_older

PSERIES_ARCHES = (ARCH, "ppc64")
DEFAULTS_KEPT_SINCE = "25.0.0"
NEEDS_KVM = ("host-model", "host-passthrough")
"""CPU modes that an emulated guest cannot have, although the host offers them to others."""


@dataclass(frozen=True, slots=True)
class RequestKind:
    """How findings on one kind of requests read: rule, noun, and what takes its place, the best first."""

    rule: str
    noun: str
    instead: tuple[str, ...] = ()
    refusal: str = ""
    """What libvirt says of it, with a place for the value."""


_KINDS = {
    "disk.bus": RequestKind("guest-disk-bus", "{} bus for disks", ("virtio", "scsi", "usb")),
    "video.modelType": RequestKind(
        "guest-video-model",
        "video model {}",
        ("vga", "virtio"),
        "unsupported configuration: domain configuration does not support video model '{}'",
    ),
    "video.setting": RequestKind("guest-video-model", "video model with {} but virtio"),
    "graphics.type": RequestKind("guest-graphics", "{} graphics", ("vnc",)),
    "input.bus": RequestKind("guest-input", "{} bus for input devices", ("usb", "virtio")),
    "cpu.mode": RequestKind("guest-cpu-mode", "CPU mode {}", ("host-model", "custom")),
    "cpu.model": RequestKind("guest-cpu-model", "CPU model {}", ("POWER9", "POWER8")),
    "cpu.compat": RequestKind("guest-cpu-compat", "compatibility mode {}"),
    "os.firmware": RequestKind("guest-firmware", "UEFI firmware"),
    "loader.secure": RequestKind("guest-secure-boot", "secure boot"),
    "tpm.model": RequestKind("guest-tpm", "TPM {}", ("tpm-spapr",)),
    "watchdog.model": RequestKind("guest-watchdog", "watchdog {}", ("i6300esb",)),
    "serial.target": RequestKind("guest-serial", "serial port {}", ("spapr-vio-serial",)),
    "serial.model": RequestKind("guest-serial", "serial port {}", ("spapr-vty",)),
    "parallel.target": RequestKind("guest-serial", "{} port"),
    "sound.model": RequestKind("guest-device", "sound card {}", ("ich6", "usb")),
    "net.model": RequestKind("guest-device", "network card {}", ("virtio",)),
    "scsi.model": RequestKind("guest-device", "SCSI controller {}", ("virtio-scsi",)),
    "usb.model": RequestKind("guest-device", "USB controller {}", ("qemu-xhci",)),
    "pci.model": RequestKind("guest-device", "PCI controller {}"),
    "panic.model": RequestKind("guest-device", "panic device {}", ("pseries",)),
    "rng.model": RequestKind("guest-device", "random number generator {}", ("virtio",)),
    "iommu.model": RequestKind("guest-device", "IOMMU {}"),
    "feature": RequestKind("guest-feature", "feature {}"),
    "timer": RequestKind("guest-feature", "clock {}"),
    "cpu.feature": RequestKind("guest-cpu-feature", "CPU feature {}"),
    "cpu.setting": RequestKind("guest-cpu-feature", "setting of the CPU such as {}"),
    "memory.model": RequestKind("guest-device", "memory device {}", ("dimm",)),
    "memballoon.model": RequestKind("guest-device", "memory balloon {}", ("virtio",)),
    "filesystem.type": RequestKind("guest-device", "file system of type {}"),
    "shmem.model": RequestKind("guest-device", "shared memory device {}", ("ivshmem-plain",)),
    "console.target": RequestKind("guest-serial", "console {}"),
    "hostdev.model": RequestKind("guest-device", "host device of model {}"),
    "controller.type": RequestKind("guest-device", "controller {}"),
    "address.type": RequestKind("guest-device", "{} address"),
    "second": RequestKind("guest-second-device", "second {}"),
    "setting": RequestKind("guest-device", "{}"),
}
_SPECIAL = {
    ("disk.bus", "ide"): RequestKind(
        "guest-ide-bus",
        "IDE",
        ("virtio", "scsi", "usb"),
        "unsupported configuration: IDE controllers are unsupported for this QEMU binary or machine type",
    ),
    ("disk.bus", "fdc"): RequestKind(
        "guest-floppy",
        "floppy drive",
        (),
        "unsupported configuration: PowerPC pseries machines do not support floppy device",
    ),
    ("video.modelType", "cirrus"): RequestKind(
        "guest-cirrus",
        "video model cirrus",
        ("vga", "virtio"),
        "unsupported configuration: domain configuration does not support video model 'cirrus'",
    ),
    ("graphics.type", "spice"): RequestKind("guest-spice", "SPICE", ("vnc",)),
}
_OF_THE_BUILD = ("scsi.model", "usb.model")
_DISK_KINDS = {"cdrom": "cdrom.bus", "floppy": "floppy.bus"}
"""What hangs on a disk bus, and the kind that says which buses take it."""
_CDROM_INSTEAD = ("scsi", "sata", "usb")


_CDROM_ON_VIRTIO = RequestKind("guest-disk-bus", "{} bus for CD-ROMs", (), "does not support ejectable media")


def kind_of(request: GuestRequest) -> RequestKind | None:
    """How findings on the request read; None where it is judged in another way."""
    if request.kind == "disk.bus" and request.device == "floppy":
        return _SPECIAL["disk.bus", "fdc"]
    if request.kind == "disk.bus" and request.device == "cdrom" and request.value == "virtio":
        return _CDROM_ON_VIRTIO
    return _SPECIAL.get((request.kind, request.value)) or _KINDS.get(request.kind)


def instead_of(request: GuestRequest, offer: HypervisorOffer) -> str:
    """What the hypervisor has instead, the best first; empty where it has nothing that would do."""
    kind = kind_of(request)
    choices = kind.instead if kind else ()
    if request.kind == "disk.bus" and request.device == "cdrom":
        choices = _CDROM_INSTEAD
    there = _there(request, offer)
    return next((one for one in choices if there is None or one in there), "")


def _there(request: GuestRequest, offer: HypervisorOffer) -> frozenset[str] | None:
    """What of a kind there is for what hangs on it; None where that is not known."""
    there = offer.offers.get(request.kind)
    support = hypervisor_facts().pseries.get(_DISK_KINDS.get(request.device, ""))
    return there & support.has if there is not None and support is not None and request.kind == "disk.bus" else there


def offer_to(requests: Iterable[GuestRequest], offer: HypervisorOffer) -> HypervisorOffer:
    """What the hypervisor offers to a guest with these requests: an emulated one has fewer CPU modes."""
    modes = offer.offers.get("cpu.mode")
    if modes is None or not any(one.kind == "virttype" and one.value == "qemu" for one in requests):
        return offer
    fewer = {**offer.offers, "cpu.mode": modes.difference(NEEDS_KVM)}
    return replace(offer, offers=MappingProxyType(fewer))


def is_lacking(request: GuestRequest, offer: HypervisorOffer) -> bool | None:
    """Whether the hypervisor lacks what is requested; None where that is not known."""
    support = hypervisor_facts().pseries.get(request.kind)
    if support is not None and request.value in support.refused:
        return True
    if support is not None and support.refused and request.kind not in offer.offers:
        # Of the rest nothing is known where some are listed, nor where it is a matter of the build.
        known = request.kind not in _OF_THE_BUILD and (not support.has or request.value in support.has)
        return False if known else None
    there = _there(request, offer)
    return None if there is None else request.value not in there


def check_guest(
    guests: Sequence[Guest],
    offer: HypervisorOffer,
    faults: Iterable[Finding] = (),
    unseen: Iterable[Skipped] = (),
) -> Report:
    """What keeps the hypervisor from starting the guests: an image with its flavor, or a domain.

    ``faults`` are those of the description itself, ``unseen`` what could not be looked at besides: the report
    includes both.
    """
    findings, skipped, count = list(faults), set(unseen), 0
    for guest in guests:
        skipped.update(guest.unseen)
        requests = [one for one in guest.requests if one.value]
        count += len(requests)
        findings += _of_the_machine(guest, offer)
        lacking = []
        offered = offer_to(requests, offer)
        for one in requests:
            if one.kind == "virttype":
                findings += _of_kvm(one, offer)
            elif one.kind == "emulator":
                findings += _of_the_emulator(one)
            elif one.kind == "cpu.compat":
                findings += _of_compatibility(one, offer)
            elif one.kind == "tcg":
                findings += _of_emulation(one, requests, offer)
            else:
                absent = is_lacking(one, offered)
                if absent is None and kind_of(one) is not None:
                    skipped.add(_unknown(one, offer))
                elif absent:
                    lacking.append(one)
        findings += _lacking(lacking, guest, offered)
        findings += _kept(guest, findings)
    subject = f"{', '.join(guest.subject for guest in guests)} against {offer.origin}"
    examined = [Examined("devices and settings", count)]
    return Report.of("guest", subject, findings, examined, skipped)


def _lacking(requests: Iterable[GuestRequest], guest: Guest, offer: HypervisorOffer) -> Iterator[Finding]:
    """A finding for each thing that is lacking; properties that say the same are one."""
    together: dict[tuple[object, ...], list[GuestRequest]] = {}
    for one in requests:
        by_property = one.by in (RequestedBy.PROPERTY, RequestedBy.DEFAULT)
        key = (one.kind, one.value) if by_property else (one.kind, one.value, one.where)
        together.setdefault(key, []).append(one)
    for same in together.values():
        yield _finding(same, guest, offer)


def _finding(same: Sequence[GuestRequest], guest: Guest, offer: HypervisorOffer) -> Finding:
    one = same[0]
    kind = kind_of(one)
    assert kind is not None
    support = _support_of(one)
    by_machine = support is not None and (one.value in support.refused or one.value not in support.has)
    silent = support is not None and one.value in support.silent
    message = f"{'a pseries machine' if by_machine else 'the hypervisor'} has no {kind.noun.format(one.value)}"
    message += _by_default(same, guest)
    detail = [support.reason if by_machine and support else _what_there_is(one, offer)]
    if one.kind == "cpu.mode" and one.value in NEEDS_KVM:
        detail.append("it needs KVM: an emulated guest (TCG) has the models of mode custom")
    if not by_machine and offer.reason and one.kind != "cpu.mode":
        detail.append(offer.reason)
    if silent:
        detail.append("libvirt takes it all the same, and the guest goes without, or is refused by newer versions")
    elif kind.refusal:
        detail.append(f"libvirt says: {kind.refusal.format(one.value)}")
    return finding(
        kind.rule,
        message,
        ", ".join(dict.fromkeys(request.where for request in same)),
        severity=Severity.WARNING if silent else None,
        detail=detail,
        fix=_fix_for(same, offer),
        fixed_in=next((request.fixed_in for request in same if request.fixed_in), None),
    )


def _support_of(request: GuestRequest) -> PseriesSupport | None:
    """What pseries can have of a kind; of disk buses, for what hangs on them, where that decides."""
    pseries = hypervisor_facts().pseries
    general = pseries.get(request.kind)
    narrower = pseries.get(_DISK_KINDS.get(request.device, "")) if request.kind == "disk.bus" else None
    decides = request.device == "floppy" or (general is not None and request.value in general.has)
    return narrower if narrower is not None and decides else general


def _by_default(same: Sequence[GuestRequest], guest: Guest) -> str:
    defaults = [request for request in same if request.by is RequestedBy.DEFAULT]
    return f", and nova {guest.nova} asks for it by default: {defaults[0].reason}" if defaults else ""


def _what_there_is(request: GuestRequest, offer: HypervisorOffer) -> str:
    there = ", ".join(sorted(offer.offers.get(request.kind, ())))
    return f"there is: {there or 'nothing of the kind'}"


def _fix_for(same: Sequence[GuestRequest], offer: HypervisorOffer) -> list[str]:
    properties: dict[str, str] = {}
    lines = []
    for one in same:
        instead = instead_of(one, offer)
        match one.by:
            case RequestedBy.PROPERTY if one.where.startswith("flavor"):
                key = one.where.split()[-1]
                lines.append(
                    f"openstack flavor set --property {key}={instead} FLAVOR"
                    if instead and one.kind != "tpm.model"
                    else f"openstack flavor unset --property {key} FLAVOR"
                )
            case RequestedBy.PROPERTY | RequestedBy.DEFAULT:
                # What nova can choose: a TPM for POWER is not among it.
                if instead and one.kind not in ("tpm.model", "watchdog.model"):
                    properties[one.property] = instead
                elif one.by is RequestedBy.PROPERTY:
                    lines.append(f"openstack image unset --property {one.property} IMAGE")
            case RequestedBy.CONFIG:
                lines += _config_lines(one, offer)
            case RequestedBy.DOMAIN:
                lines += _domain_lines(one, instead)
    if properties:
        lines.insert(0, setting_command(properties))
    return lines


def _config_lines(request: GuestRequest, offer: HypervisorOffer) -> list[str]:
    match request.kind:
        case "graphics.type":
            return ["[spice]", "enabled = false", "[vnc]", "enabled = true"]
        case "cpu.mode":
            return ["[libvirt]", "cpu_mode = none"]
        case "cpu.feature":
            return ["[libvirt]", f"# cpu_model_extra_flags without {request.value}"]
        case _:
            model = instead_of(request, offer)
            return ["[libvirt]", f"cpu_models = {model}"] if model else ["[libvirt]", "cpu_mode = none"]


def _domain_lines(request: GuestRequest, instead: str) -> list[str]:
    """What to write in the domain, in the words of its XML; `--write-domain` does it."""
    tag = request.element.tag if request.element else ""
    match request.kind:
        case "disk.bus" if request.device == "controller":
            return [f"take away <controller type='{request.value}'>"]
        case "disk.bus" if instead:
            return [f"<target dev='{PREFIXES[instead]}X' bus='{instead}'/>, X being a free letter"]
        case "video.modelType" | "net.model" if instead:
            return [f"<model type='{instead}'/>"]
        case "graphics.type" if instead and tag == "graphics":
            return [f"<graphics type='{instead}'>"]
        case "input.bus" if instead and request.element:
            return [f"<input type='{request.element.get('type')}' bus='{instead}'/>"]
        case "cpu.mode":
            return [f"<cpu mode='{instead}'>"] if instead == "host-model" else ["take away <cpu>"]
        case "cpu.model":
            return [f"<model>{instead}</model>"] if instead else ["take away <model>"]
        case "serial.target" | "serial.model":
            return ["<target type='spapr-vio-serial'><model name='spapr-vty'/></target>"]
        case "os.firmware" | "loader.secure":
            return ["take away firmware=, <loader> and <nvram>"]
        case "scsi.model" | "usb.model":
            return [f"<controller type='{request.kind.partition('.')[0]}' model='{instead}'>"]
        case "setting" if tag == "driver":
            return ["take away iommu='on'"]
        case "setting" if tag == "vcpu":
            return ["take away current=, or make it a number of whole cores"]
        case _:
            return [f"<{tag} model='{instead}'>"] if instead else [f"take away <{tag}>"]


PREFIXES = {"virtio": "vd", "scsi": "sd", "usb": "sd", "sata": "sd"}
"""How disks of a bus are called in libvirt's targets."""


def _of_the_machine(guest: Guest, offer: HypervisorOffer) -> Iterator[Finding]:
    if guest.arch and guest.arch not in PSERIES_ARCHES:
        by_property = "property" in guest.arch_where
        yield finding(
            "guest-architecture",
            f"the guest is for {guest.arch}, the hypervisor for {offer.arch}",
            guest.arch_where,
            detail=["what is on its disks has to be built for ppc64le, too"],
            fix=[setting_command({"hw_architecture": ARCH})]
            if by_property
            else [f"<type arch='{ARCH}' machine='pseries'>"],
        )
    elif not guest.arch:
        yield finding(
            "guest-architecture-unset",
            "nothing says that the image is for ppc64le",
            "hw_architecture (not set)",
            fix=[setting_command({"hw_architecture": ARCH})],
        )
    if guest.machine and not offer.has_machine(guest.machine):
        by_property = "property" in guest.machine_where or guest.machine_where.endswith("(not set)")
        yield finding(
            "guest-machine",
            f"there is no machine {guest.machine} for POWER guests here",
            guest.machine_where,
            detail=[
                f"there is: {', '.join(offer.machines)}",
                "libvirt says: unsupported configuration: Emulator ... does not support machine type "
                f"'{guest.machine}'",
            ],
            fix=_machine_fix(guest, by_property=by_property),
        )
    elif not guest.machine:
        yield finding(
            "guest-machine-unset",
            "nothing says which machine type the guest has",
            "hw_machine_type (not set)",
            fix=[setting_command({"hw_machine_type": "pseries"})],
        )


def _machine_fix(guest: Guest, *, by_property: bool) -> list[str]:
    if by_property:
        return [setting_command({"hw_machine_type": "pseries"})]
    if guest.machine_where.startswith("line"):
        return [f"<type arch='{ARCH}' machine='pseries'>"]
    return ["[libvirt]", "hw_machine_type = ppc64le=pseries"]


def _of_kvm(request: GuestRequest, offer: HypervisorOffer) -> Iterator[Finding]:
    if request.value in VIRTTYPES and request.value not in offer.lacking:
        return
    in_domain = request.by is RequestedBy.DOMAIN
    yield finding(
        "guest-kvm",
        f"the guest wants {request.value}, and the hypervisor offers {', '.join(offer.virttypes)}",
        request.where,
        detail=[offer.reason] if offer.reason else [],
        fix=["<domain type='qemu'>"] if in_domain else ["[libvirt]", "virt_type = qemu", "cpu_mode = none"],
    )


def _of_emulation(
    request: GuestRequest, requests: Iterable[GuestRequest], offer: HypervisorOffer
) -> Iterator[Finding]:
    """What a guest cannot have where it is emulated."""
    if not is_emulated(requests, offer):
        return
    yield finding(
        "guest-emulated",
        f"an emulated guest cannot have {request.value}",
        request.where,
        detail=["QEMU refuses to start the guest without KVM (TCG)"],
        fix=["threads='1'"] if "threads" in request.value else ["take away <htm>"],
    )


def is_emulated(requests: Iterable[GuestRequest], offer: HypervisorOffer) -> bool:
    """Whether the guest runs without KVM: it says so, or the hypervisor has none."""
    asked = next((one.value for one in requests if one.kind == "virttype"), "")
    return asked == "qemu" or "kvm" not in offer.virttypes


def _of_the_emulator(request: GuestRequest) -> Iterator[Finding]:
    name = PurePosixPath(request.value).name
    arch = name.removeprefix("qemu-system-")
    if name.startswith("qemu-system-") and arch not in PSERIES_ARCHES:
        yield finding(
            "guest-emulator",
            f"{request.value} is the emulator of {arch} machines",
            request.where,
            fix=["take away <emulator>: libvirt finds the one of the guest's architecture"],
        )


def _of_compatibility(request: GuestRequest, offer: HypervisorOffer) -> Iterator[Finding]:
    known = hypervisor_facts().pseries["cpu.compat"]
    if request.value not in known.has:
        hint = closest(request.value.lower(), known.has)
        yield finding(
            "guest-cpu-compat",
            f"{request.value} is not a compatibility mode" + (f"; {hint}" if hint else ""),
            request.where,
            detail=[known.reason],
        )
    elif offer.host_cpu and _generation(request.value) > _generation(offer.host_cpu):
        yield finding(
            "guest-cpu-compat",
            f"a host with {offer.host_cpu} cannot give a guest {request.value}",
            request.where,
            fix=[f"<model>{offer.host_cpu.lower()}</model>"],
        )


def _generation(model: str) -> int:
    digits = "".join(char for char in model if char.isdigit())
    return int(digits) if digits else 0


def _unknown(request: GuestRequest, offer: HypervisorOffer) -> Skipped:
    kind = kind_of(request)
    assert kind is not None
    return Skipped(
        f"{kind.noun.format(request.value)} ({request.where})", f"{offer.origin} does not say whether it is there"
    )


def _kept(guest: Guest, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Advice that fixing the image does not fix the instances that exist."""
    if not guest.nova or is_older(guest.nova, DEFAULTS_KEPT_SINCE):
        return
    wanted = {
        name: value
        for one in findings
        for line in one.fix
        if line.startswith("openstack image set ")
        for name, _, value in (word.partition("=") for word in line.split())
        if name in KEPT
    }
    if wanted:
        yield finding(
            "guest-defaults-kept",
            f"nova {guest.nova} keeps buses and models with each instance: the image counts for new ones only",
            "instances of this image",
            detail=["the instance is to be shut off, or shelved and offloaded"],
            fix=[setting_command(wanted, "", "nova-manage image_property set INSTANCE_UUID").rstrip()],
        )


KEPT = ("hw_cdrom_bus", "hw_disk_bus", "hw_input_bus", "hw_pointer_model", "hw_video_model", "hw_vif_model")
"""The properties that nova stores with an instance: its release notes for 25.0.0."""
