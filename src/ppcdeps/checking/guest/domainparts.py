"""What a domain requests beside the models of its devices: CPU features, memory, addresses, a second device.

What libvirt 9.0 and QEMU 7.2 say of each was tried on domains that have nothing else.
"""

from collections import Counter
from collections.abc import Iterator

from ppcdeps.checking.guest.requests import GuestRequest, RequestedBy
from ppcdeps.checking.guest.xmltext import Element

_ONCE = ("iommu", "memballoon", "nvram", "vsock", "watchdog")
"""Devices of which libvirt takes one: of watchdogs before 9.1, of IOMMUs before 11.5."""
_KVM_OF_X86 = ("hint-dedicated", "hidden", "poll-control", "xen-hvm-callback-vector")
_RESOURCE_CONTROL = ("cachetune", "memorytune")
_TRANSIENT = ("inherit", "auto", "default")


def more_requests(root: Element) -> Iterator[GuestRequest]:
    """The requests of all these parts of a domain."""
    yield from _of_the_system(root)
    yield from _of_the_processor(root)
    yield from _of_memory(root)
    yield from _of_devices(root)
    yield from _repeated(root)


def feature_of_kvm(element: Element) -> tuple[str, Element] | None:
    """The feature of <kvm> that belongs to x86, and its element."""
    for child in element.children:
        if child.tag in _KVM_OF_X86 and child.get("state") == "on":
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
    for topology in root.all("cpu/topology"):
        for tag in ("dies", "clusters"):
            if topology.get(tag, "1") not in ("", "1"):
                yield _one("cpu.setting", tag, topology, "cpu topology")
        if topology.get("threads", "1") not in ("", "1"):
            yield _one("tcg", "several threads of a core", topology, "cpu topology")


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
