"""What a domain requests beside the models of its devices: CPU features, memory, addresses, a second device.

What libvirt 9.0 and QEMU 7.2 say of each was tried on domains that have nothing else.
"""

from collections import Counter
from collections.abc import Iterator

from ppcdeps.checking.guest.requests import GuestRequest, RequestedBy
from ppcdeps.checking.guest.xmltext import Element

_ONCE = ("iommu", "memballoon", "nvram", "vsock", "watchdog")
"""Devices of which libvirt takes one: of watchdogs before 9.1, of IOMMUs before 11.5."""
_KVM_OF_X86 = {
    "hint-dedicated": "on",
    "hidden": "on",
    "poll-control": "on",
    "pv-ipi": "off",
    "xen-hvm-callback-vector": "on",
}
"""In which state libvirt passes a feature on to QEMU, which refuses to start."""
_RESOURCE_CONTROL = ("cachetune", "memorytune")
_TRANSIENT = ("inherit", "auto", "default")


def more_requests(root: Element) -> Iterator[GuestRequest]:
    """The requests of all these parts of a domain."""
    yield from _of_the_system(root)
    yield from _of_the_processor(root)
    yield from _of_memory(root)
    yield from _of_devices(root)
    yield from _of_spapr_buses(root)
    yield from _repeated(root)


def feature_of_kvm(element: Element) -> tuple[str, Element] | None:
    """The feature of <kvm> that belongs to x86, and its element."""
    for child in element.children:
        if child.get("state") and child.get("state") == _KVM_OF_X86.get(child.tag):
            return f"kvm {child.tag}", child
    return None


def _of_the_system(root: Element) -> Iterator[GuestRequest]:
    for bios in root.all("os/bios"):
        if bios.get("useserial") == "yes":
            yield _one("feature", "bios useserial", bios, "bios")
    for table in root.all("os/acpi/table"):
        yield _one("feature", "acpi table", table, "acpi table")
    for tag in ("genid", "keywrap"):
        for element in root.all(tag):
            yield _one("feature", tag, element, tag)
    for info in root.all("sysinfo"):
        # That of smbios counts with <smbios mode='sysinfo'> only.
        if info.get("type") == "fwcfg":
            yield _one("feature", "fwcfg", info, "sysinfo")
    for tag in _RESOURCE_CONTROL:
        for element in root.all(f"cputune/{tag}"):
            yield _one("feature", tag, element, tag)
    for htm in root.all("features/htm"):
        if htm.get("state") == "on":
            yield _one("tcg", "transactional memory", htm, "htm")


def _of_the_processor(root: Element) -> Iterator[GuestRequest]:
    for feature in root.all("cpu/feature"):
        yield _one("cpu.feature", feature.get("name"), feature, "cpu feature")
    for tag in ("cache", "maxphysaddr"):
        for element in root.all(f"cpu/{tag}"):
            yield _one("cpu.setting", tag, element, f"cpu {tag}")
    for model in root.all("cpu/model"):
        if model.get("vendor_id"):
            yield _one("cpu.setting", "vendor_id", model, "cpu model")
    for vendor in root.all("cpu/vendor"):
        # libvirt compares it with the host's, where the guest runs on the host's processor.
        if vendor.text not in ("", "IBM") and root.get("type") == "kvm":
            yield _one("cpu.setting", f"vendor {vendor.text}", vendor, "cpu vendor")
    for topology in root.all("cpu/topology"):
        for tag in ("dies", "clusters"):
            if topology.get(tag, "1") not in ("", "1"):
                yield _one("cpu.setting", tag, topology, "cpu topology")
        if topology.get("threads", "1") not in ("", "1"):
            yield _one("tcg", "several threads of a core", topology, "cpu topology")
        for vcpu in root.all("vcpu"):
            # Processors come and go by whole cores.
            if (threads := _number(topology.get("threads"))) and (_number(vcpu.get("current")) or 0) % threads:
                yield _one(
                    "setting", f"part of a core: {vcpu.get('current')} processors at {threads} threads", vcpu, "vcpu"
                )


def _of_memory(root: Element) -> Iterator[GuestRequest]:
    for memory in root.all("devices/memory"):
        model = memory.get("model")
        yield _one("memory.model", model, memory, f"memory {model}")
        if model == "nvdimm" and memory.first("target/label") is None:
            yield _one("setting", "NVDIMM without a label", memory, "memory nvdimm")
        elif model in ("dimm", "nvdimm") and root.first("maxMemory") is None:
            yield _one("setting", "memory device without <maxMemory>", memory, f"memory {model}")


def _of_devices(root: Element) -> Iterator[GuestRequest]:
    shared = root.value("memoryBacking/access", "mode") == "shared" or any(
        cell.get("memAccess") == "shared" for cell in root.all("cpu/numa/cell")
    )
    for device in (one for devices in root.all("devices") for one in devices.children):
        tag = device.tag
        for address in device.all("address"):
            if address.get("type") not in ("", *_TRANSIENT):
                yield _one("address.type", address.get("type"), device, tag)
        for hole in device.all("pcihole64"):
            yield _one("setting", "64-bit PCI hole", hole, tag)
        for geometry in device.all("geometry"):
            # libvirt takes it for disks on IDE only.
            if geometry.get("trans"):
                yield _one("setting", "CHS translation", geometry, tag)
        yield from _without_pci_express(device)
        match tag:
            case "filesystem":
                yield _one("filesystem.type", device.get("type", "mount"), device, tag)
                if device.value("driver", "type") == "virtiofs" and not shared:
                    yield _one("setting", "virtiofs without shared memory", device, tag)
            case "shmem":
                yield _one("shmem.model", device.value("model", "type"), device, tag)
            case "console":
                yield _one("console.target", device.value("target", "type"), device, tag)
            case "hostdev":
                yield _one("hostdev.model", device.get("model"), device, tag)
            case "memballoon":
                yield _one("memballoon.model", device.get("model"), device, tag)
            case "tpm":
                for backend in device.all("backend"):
                    if backend.get("version") == "1.2":
                        yield _one("setting", "TPM 1.2", backend, tag)
            case "controller" if device.get("type") not in ("ide", "sata", "scsi", "usb", "pci"):
                yield _one("controller.type", device.get("type"), device, f"controller {device.get('type')}")


_MOST_HOST_BRIDGES = 31
_LAST_REGISTER = 0xFFFFFFFF


def _of_spapr_buses(root: Element) -> Iterator[GuestRequest]:
    """Numbers of PCI host bridges, and addresses on spapr-vio, that libvirt refuses."""
    taken: set[int] = set()
    for device in (one for devices in root.all("devices") for one in devices.children):
        if device.tag == "controller" and (device.get("type"), device.get("model")) == ("pci", "pci-root"):
            for target in device.all("target"):
                index = _number(target.get("index"))
                # The first bridge has the index 0, and no other one has.
                if index is not None and (
                    (index == 0) != (_number(device.get("index")) == 0) or index >= _MOST_HOST_BRIDGES
                ):
                    what = f"target index {index} for the PCI host bridge {device.get('index')}"
                    yield _one("setting", what, target, "controller target")
        for address in device.all("address"):
            register = _number(address.get("reg"))
            if address.get("type") != "spapr-vio" or register is None:
                continue
            if register in taken or register > _LAST_REGISTER:
                why = "second device at" if register in taken else "address as high as"
                yield _one("setting", f"{why} {address.get('reg')} on spapr-vio", address, f"{device.tag} address")
            taken.add(register)


def _number(text: str) -> int | None:
    """A number as libvirt reads it, decimal or hexadecimal; None where it is none."""
    try:
        return int(text, 0)
    except ValueError:
        return None


_VIRTIO_MODELS = ("virtio", "virtio-transitional", "virtio-scsi")
_HOST_BRIDGE = "spapr-pci-host-bridge"


def _without_pci_express(device: Element) -> Iterator[GuestRequest]:
    """What a device requests of a bus that it is not on: pseries machines have conventional PCI, and spapr-vio."""
    tag, model = device.tag, device.get("model")
    for driver in device.all("driver"):
        # Behind an IOMMU virtio has no legacy part, and on conventional PCI it is transitional unless it says not.
        if driver.get("iommu") == "on" and _is_transitional(device):
            yield _one(
                "setting",
                "virtio device with iommu='on' that is not virtio-non-transitional",
                driver,
                f"{tag} driver",
            )
    if tag == "interface" and device.value("model", "type") == "spapr-vlan":
        for part, noun in (("rom", "option ROM"), ("acpi", "ACPI index")):
            for element in device.all(part):
                yield _one(
                    "setting", f"{noun} on a network card spapr-vlan, which is not on PCI", element, f"{tag} {part}"
                )
    if tag == "controller" and (device.get("type"), model) == ("pci", "pci-root"):
        for element in device.all("model"):
            if element.get("name") not in ("", _HOST_BRIDGE):
                yield _one("setting", f"PCI host bridge {element.get('name')}", element, "controller model")


def _is_transitional(device: Element) -> bool:
    match device.tag:
        case "disk":
            return device.value("target", "bus") == "virtio" and device.get("model", "virtio") in _VIRTIO_MODELS
        case "interface":
            return device.value("model", "type") in _VIRTIO_MODELS
        case "controller" if device.get("type") == "virtio-serial":
            return device.get("model", "virtio") in _VIRTIO_MODELS
        case "filesystem":
            return device.value("driver", "type") != "virtiofs" and device.get("model", "virtio") in _VIRTIO_MODELS
        case "controller" | "rng" | "memballoon":
            return device.get("model") in _VIRTIO_MODELS
        case _:
            return False


def _repeated(root: Element) -> Iterator[GuestRequest]:
    """Devices beyond the first of which there can be one."""
    seen: Counter[str] = Counter()
    videos = root.all("devices/video/model")
    for device in (one for devices in root.all("devices") for one in devices.children):
        tag, what = device.tag, ""
        if tag in _ONCE or (tag == "panic" and device.get("model", "pseries") == "pseries"):
            what = tag
        elif tag == "tpm":
            what = "tpm proxy" if device.get("model") == "spapr-tpm-proxy" else tag
        elif tag == "graphics":
            what = f"{device.get('type')} graphics"
        elif tag == "video" and device.value("model", "type") == "vga":
            what = "vga video"
        elif tag == "video" and device.value("model", "type") == "none" and len(videos) > 1:
            yield _one("setting", "video none beside another video", device, "video")
        if what:
            seen[what] += 1
            if seen[what] > 1:
                yield _one("second", what, device, tag)


def _one(kind: str, value: str, element: Element, what: str) -> GuestRequest:
    return GuestRequest(kind, value, RequestedBy.DOMAIN, f"line {element.line}, {what}", element=element)
