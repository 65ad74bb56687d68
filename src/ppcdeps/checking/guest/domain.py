"""A libvirt domain, and what it requests of its hypervisor."""

from collections.abc import Iterator
from pathlib import Path

from ppcdeps.base.named_files import read_named
from ppcdeps.checking.guest.domainparts import feature_of_kvm, more_requests
from ppcdeps.checking.guest.elements import unseen_elements
from ppcdeps.checking.guest.requests import Guest, GuestRequest, RequestedBy
from ppcdeps.checking.guest.xmltext import Document, Element, XMLTextError, parse
from ppcdeps.model.errors import ConfigError

_HINT = "make one with `virsh dumpxml --inactive NAME`"
_BUSES = {"fd": "fdc", "hd": "ide", "sd": "scsi", "vd": "virtio", "xv": "xen", "ub": "uml"}
"""How libvirt reads a target without a bus."""
_FAMILIES = ("s390", "sev", "tdx")
"""Processors whose protection of guests has a name of its own."""


def read_domain(file: Path) -> Document:
    """A libvirt domain. Raises ConfigError where the file cannot be read, or is something else."""
    return domain_of(read_named(file, "guest_size", hint=_HINT), str(file))


def domain_of(content: bytes, origin: str) -> Document:
    """The domain in a text. Raises ConfigError where it is something else; ``origin`` is for the message."""
    try:
        document = parse(content)
    except XMLTextError as error:
        raise ConfigError(f"{origin} is not XML that can be read: {error}", hint=_HINT) from error
    root = document.root
    if root.tag != "domain":
        raise ConfigError(f"{origin} is not a libvirt domain: it begins with <{root.tag}>", hint=_HINT)
    if root.first("os/type") is None or root.first("devices") is None:
        lacking = "<devices>" if root.first("os/type") else "<os><type>"
        raise ConfigError(f"{origin} is not a whole libvirt domain: it has no {lacking}", hint=_HINT)
    return document


def guest_of(document: Document, origin: str) -> Guest:
    """The guest that a domain describes."""
    root = document.root
    kind = root.first("os/type")
    assert kind is not None
    name = root.first("name")
    subject = f"domain {name.text}" if name and name.text else origin
    where = _where(kind, "os/type")
    return Guest(
        subject,
        requests_of(root),
        arch=kind.get("arch"),
        machine=kind.get("machine"),
        arch_where=where,
        machine_where=where,
        unseen=tuple(unseen_elements(root)),
    )


def bus_of(disk: Element) -> str:
    """The bus of a disk, said or as libvirt guesses it from the target's name."""
    target = disk.first("target")
    if target is None:
        return ""
    if disk.get("device") == "floppy":
        return target.get("bus") or "fdc"
    return target.get("bus") or _BUSES.get(target.get("dev")[:2], "")


def requests_of(root: Element) -> tuple[GuestRequest, ...]:
    """What a domain asks of the hypervisor, in the order of its elements."""
    return tuple(_requests(root))


def _requests(root: Element) -> Iterator[GuestRequest]:
    yield _one("virttype", root.get("type"), root, "domain")
    yield from _system(root)
    yield from _processor(root)
    for timer in root.all("clock/timer"):
        yield _one("timer", _timer(timer), timer, "timer")
    for device in root.all("devices"):
        for element in device.children:
            yield from _device(element)
    yield from more_requests(root)


def _system(root: Element) -> Iterator[GuestRequest]:
    system = root.first("os")
    assert system is not None
    loader = system.first("loader")
    if system.get("firmware"):
        yield _one("os.firmware", system.get("firmware"), system, "os firmware")
    elif loader is not None and loader.get("type") == "pflash":
        yield _one("os.firmware", "efi", loader, "loader")
    else:
        # Variables and features of an UEFI that is not named: libvirt refuses them.
        for part in (one for one in system.children if one.tag in ("firmware", "nvram")):
            yield _one("os.firmware", "efi", part, part.tag)
    if loader is not None and loader.get("secure") == "yes":
        yield _one("loader.secure", "yes", loader, "loader")
    smbios = system.first("smbios")
    if smbios is not None and smbios.get("mode") in ("sysinfo", "host"):
        yield _one("feature", "smbios", smbios, "smbios")
    for feature in (one for features in root.all("features") for one in features.children):
        if feature.tag == "kvm":
            if of_x86 := feature_of_kvm(feature):
                yield _one("feature", of_x86[0], feature, "feature")
        else:
            yield _one("feature", _feature(feature), feature, "feature")
    security = root.first("launchSecurity")
    if security is not None:
        family = security.get("type").partition("-")[0]
        yield _one("feature", family if family in _FAMILIES else "launchSecurity", security, "launchSecurity")


def _processor(root: Element) -> Iterator[GuestRequest]:
    cpu = root.first("cpu")
    if cpu is None:
        return
    model = cpu.first("model")
    mode = cpu.get("mode") or ("custom" if model is not None else "")
    if mode:
        yield _one("cpu.mode", mode, cpu, "cpu")
    if model is not None and model.text:
        kind = "cpu.compat" if mode == "host-model" else "cpu.model"
        yield _one(kind, model.text, model, "cpu model")


def _device(element: Element) -> Iterator[GuestRequest]:
    tag = element.tag
    match tag:
        case "disk":
            target = element.value("target", "dev") or "without target"
            device = element.get("device", "disk")
            yield _one("disk.bus", bus_of(element), element, f"{device} {target}", device)
        case "controller":
            yield from _controller(element)
        case "video":
            yield _one("video.modelType", element.value("model", "type"), element, "video")
            for shown in element.all("model")[:1]:
                yield _one("video.setting", _setting(shown), element, "video")
        case "graphics":
            yield _one("graphics.type", element.get("type"), element, "graphics")
        case "audio" if element.get("type") == "spice":
            yield _one("graphics.type", "spice", element, "audio")
        case "channel" | "redirdev" if element.get("type") == "spicevmc":
            yield _one("graphics.type", "spice", element, tag)
        case "input":
            yield _one("input.bus", element.get("bus"), element, f"input {element.get('type')}")
        case "interface":
            model = element.value("model", "type")
            mac = element.value("mac", "address")
            yield _one("net.model", model, element, f"interface {mac}".rstrip())
        case "serial" | "console":
            yield _one("serial.target", _serial(element), element, tag)
            yield _one("serial.model", element.value("target/model", "name"), element, tag)
        case "parallel":
            yield _one("parallel.target", "parallel", element, tag)
        case "watchdog" | "sound" | "tpm" | "panic" | "iommu" | "rng":
            yield _one(f"{tag}.model", element.get("model"), element, tag)
        case "emulator":
            yield _one("emulator", element.text, element, tag)
        case _:
            return


def _feature(element: Element) -> str:
    """What a feature requests: most are refused in any state."""
    match element.tag:
        case "pmu":
            return "pmu off" if element.get("state") == "off" else ""
        case tag:
            return tag


def _timer(element: Element) -> str:
    name, present = element.get("name"), element.get("present")
    if name == "hpet":
        return name if present == "yes" else ""  # nova says no
    return name if present != "no" or name == "kvmclock" else ""


def _setting(model: Element) -> str:
    """What a video model is to do that only some can."""
    kind, heads = model.get("type"), model.get("heads", "1")
    if model.value("acceleration", "accel3d") == "yes" and kind != "virtio":
        return "3D acceleration"
    return "several heads" if heads not in ("", "0", "1") and kind not in ("qxl", "virtio") else ""


def _serial(element: Element) -> str:
    kind = element.value("target", "type")
    # A console repeats the first serial port: its types are virtio, serial and those of other machines.
    return kind if element.tag == "serial" else ""


def _controller(element: Element) -> Iterator[GuestRequest]:
    kind, where = element.get("type"), f"controller {element.get('type')} {element.get('index')}".rstrip()
    match kind:
        case "ide" | "sata":
            yield _one("disk.bus", kind, element, where, "controller")
        case "scsi" | "usb" | "pci":
            if element.get("model") not in ("none", "default"):
                yield _one(f"{kind}.model", element.get("model"), element, where)


def _one(kind: str, value: str, element: Element, what: str, device: str = "") -> GuestRequest:
    return GuestRequest(kind, value, RequestedBy.DOMAIN, _where(element, what), device, element=element)


def _where(element: Element, what: str) -> str:
    return f"line {element.line}, {what}"
