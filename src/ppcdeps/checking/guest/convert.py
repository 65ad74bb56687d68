"""A libvirt domain made fit for a hypervisor: the least that has to change, and all else as it was, byte for byte."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product
from string import ascii_lowercase

from ppcdeps.checking.guest.check import (
    PREFIXES,
    PSERIES_ARCHES,
    instead_of,
    is_emulated,
    is_lacking,
    offer_to,
)
from ppcdeps.checking.guest.domain import domain_of, requests_of
from ppcdeps.checking.guest.offers import ARCH, VIRTTYPES, HypervisorOffer, hypervisor_facts
from ppcdeps.checking.guest.requests import GuestRequest
from ppcdeps.checking.guest.xmltext import Document, Edits, Element, markup
from ppcdeps.model.errors import ConfigError

ORIGIN = "the converted domain"
_MOST_ROUNDS = 5
"""What one change makes of a device can be too much beside another: a second VGA card, where it was QXL."""

_ENCODING = re.compile(rb"""\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)""")
_QXL_ONLY = ("ram", "vram64", "vgamem")
_SPICE_ONLY = (
    "channel", "clipboard", "filetransfer", "gl", "image", "jpeg", "mouse", "playback", "streaming", "zlib",
)  # fmt: skip
_PC_USB = ("ehci", "ich9-", "piix", "vt82c686b-uhci")
"""How the USB controllers of PCs begin, which come in companies with addresses of their own."""


@dataclass(frozen=True, slots=True)
class ConvertedDomain:
    """The domain's new text, and what was changed, a line each."""

    content: bytes
    changes: tuple[str, ...]


def convert_domain(document: Document, offer: HypervisorOffer) -> ConvertedDomain:
    """The domain with everything changed that the hypervisor lacks and something else can stand in for.

    What has no substitute is taken away. Raises ConfigError where the document is not in UTF-8.
    """
    found = _ENCODING.match(document.content)
    encoding = found[1].decode() if found else ""
    if document.content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        encoding = "UTF-16"
    if encoding.lower() not in ("", "utf-8", "us-ascii"):
        raise ConfigError(f"the domain is in {encoding}", hint="libvirt writes UTF-8: convert it first")
    changes: list[str] = []
    for _ in range(_MOST_ROUNDS):
        converter = _DomainConverter(document, offer)
        converter.run()
        changes += converter.changes
        document = domain_of(converter.edits.apply(), ORIGIN)  # what cannot be read again is a defect here
        if not converter.changes:
            break
    return ConvertedDomain(document.content, tuple(dict.fromkeys(changes)))


class _DomainConverter:
    def __init__(self, document: Document, offer: HypervisorOffer) -> None:
        self._root = document.root
        self._requests = requests_of(self._root)
        self._offer = offer_to(self._requests, offer)
        self._removed: set[int] = set()
        self.edits = Edits(document)
        self.changes: list[str] = []
        self._letters: dict[str, Iterator[str]] = {}
        self._graphics_types = {one.get("type") for one in self._root.all("devices/graphics")}
        self._inputs = Counter((one.get("type"), one.get("bus")) for one in self._root.all("devices/input"))
        self._names = {target.get("dev") for disk in self._root.all("devices/disk") for target in disk.all("target")}
        self._has_scsi = any(
            one.get("type") == "scsi" and one.get("model") in ("", "virtio-scsi", "ibmvscsi", "auto")
            for one in self._root.all("devices/controller")
        ) or any(target.get("bus") == "scsi" for target in self._root.all("devices/disk/target"))
        self._usb_off = any(
            one.get("type") == "usb" and one.get("model") == "none" for one in self._root.all("devices/controller")
        )

    def run(self) -> None:
        moved = self._machine()
        methods: Mapping[str, Callable[[GuestRequest, Element], None]] = {
            "disk.bus": self._disk,
            "video.modelType": self._video,
            "video.setting": self._video_setting,
            "graphics.type": self._graphics,
            "input.bus": self._input,
            "cpu.mode": self._cpu,
            "cpu.model": self._cpu,
            "os.firmware": self._firmware,
            "loader.secure": self._firmware,
            "serial.model": self._serial,
            "net.model": self._network,
            "feature": self._feature,
            "cpu.feature": self._part_of_cpu,
            "cpu.setting": self._part_of_cpu,
            "address.type": self._address,
            "setting": self._setting,
        }
        for request in self._requests:
            element = request.element
            if element is None or not request.value or element.start in self._removed:
                continue
            if request.kind == "virttype":
                self._virttype(request, element)
            elif request.kind == "emulator":
                self._emulator(request, element, moved=moved)
            elif request.kind == "tcg":
                self._emulated(request, element)
            elif is_lacking(request, self._offer):
                methods.get(request.kind, self._other)(request, element)
        self._emptied_features()

    # --- the machine, and what hangs on it -------------------------------------------------------------

    def _machine(self) -> bool:
        """Whether the guest moves from another kind of machine."""
        kind = self._root.first("os/type")
        assert kind is not None
        arch, machine = kind.get("arch"), kind.get("machine")
        foreign = bool(arch) and arch not in PSERIES_ARCHES
        if foreign:
            self.edits.set(kind, arch=ARCH)
            self.changes.append(f"architecture {arch} becomes {ARCH}")
        if machine and not self._offer.has_machine(machine):
            self.edits.set(kind, machine="pseries")
            self.changes.append(f"machine {machine} becomes pseries")
        elif foreign and not machine:
            self.edits.set(kind, machine="pseries")
        moved = foreign or bool(machine and not machine.startswith("pseries"))
        if moved:
            self._addresses()
        return moved

    def _addresses(self) -> None:
        """Controllers and addresses of the old machine: libvirt gives new ones."""
        for device in (one for devices in self._root.all("devices") for one in devices.children):
            if device.tag == "controller" and self._is_of_pc(device):
                self._remove(device, f"controller {device.get('type')} {device.get('model')} goes".replace("  ", " "))
            for address in device.all("address"):
                if address.get("type") in ("pci", "isa", "ccw", "virtio-mmio"):
                    self.edits.remove(address)

    def _is_of_pc(self, controller: Element) -> bool:
        kind, model = controller.get("type"), controller.get("model")
        return kind == "pci" or (kind == "usb" and model.startswith(_PC_USB))

    def _virttype(self, request: GuestRequest, element: Element) -> None:
        if request.value in self._offer.lacking or request.value not in VIRTTYPES:
            self.edits.set(element, type=self._offer.virttype)
            self.changes.append(f"virtualization {request.value} becomes {self._offer.virttype}")

    def _emulator(self, request: GuestRequest, element: Element, *, moved: bool) -> None:
        arch = request.value.rpartition("/")[2].removeprefix("qemu-system-")
        if (arch != request.value.rpartition("/")[2] and arch not in PSERIES_ARCHES) or moved:
            self._remove(element, f"emulator {request.value} goes: libvirt finds its own")

    # --- disks -------------------------------------------------------------------------------------------

    def _disk(self, request: GuestRequest, element: Element) -> None:
        bus = instead_of(request, self._offer)
        target = element.first("target")
        if request.device == "controller":
            self._remove(element, f"controller {request.value} goes")
        elif request.device == "floppy" or not bus or target is None:
            self._remove(element, f"{request.device} {element.value('target', 'dev')} goes: there is no bus for it")
        else:
            old = target.get("dev")
            new = self._free_name(PREFIXES[bus])
            self.edits.set(target, dev=new, bus=bus)
            self._drop(element, "address")
            self.changes.append(f"{request.device} {old} ({request.value}) becomes {new} ({bus})")
            if bus == "scsi" and not self._has_scsi:
                self._has_scsi = True
                attributes = (("type", "scsi"), ("index", "0"), ("model", "virtio-scsi"))
                self._append(markup("controller", attributes))
                self.changes.append("a controller virtio-scsi comes")

    def _free_name(self, prefix: str) -> str:
        # What was passed over stays taken: each name is looked at once.
        letters = self._letters.setdefault(prefix, _all_letters())
        return next(one for one in (prefix + each for each in letters) if one not in self._names)

    # --- display and input -------------------------------------------------------------------------------

    def _video(self, request: GuestRequest, element: Element) -> None:
        model, instead = element.first("model"), instead_of(request, self._offer)
        if model is None or not instead:
            self._remove(element, f"video {request.value} goes")
            return
        taken = {name: None for name in _QXL_ONLY if name in model.attributes}
        more = {"heads": "1"} if model.get("heads", "1") != "1" and instead == "vga" else {}
        self.edits.set(model, **{"type": instead, **taken, **more})
        for child in (*model.children, *element.all("driver")):
            self.edits.remove(child)  # acceleration, resolution and ports are the old model's
        self.changes.append(f"video {request.value} becomes {instead}")

    def _video_setting(self, request: GuestRequest, element: Element) -> None:
        model = element.first("model")
        assert model is not None
        if request.value == "several heads":
            self.edits.set(model, heads="1")
        self._drop(model, "acceleration")
        self.changes.append(
            f"video: {request.value} go" if request.value == "several heads" else f"video: {request.value} goes"
        )

    def _graphics(self, request: GuestRequest, element: Element) -> None:
        instead = instead_of(request, self._offer)
        if element.tag == "audio":
            self.edits.set(element, type="none")
            self.changes.append("audio spice becomes none")
        elif element.tag != "graphics" or not instead:
            self._remove(element, f"{element.tag} {element.get('type')} goes")
        elif instead in self._graphics_types:
            self._remove(element, f"graphics {request.value} goes: there is {instead} already")
        else:
            taken = {name: None for name in ("tlsPort", "defaultMode") if name in element.attributes}
            self.edits.set(element, **{"type": instead, **taken})
            self._drop(element, *_SPICE_ONLY)
            self.changes.append(f"graphics {request.value} becomes {instead}")

    def _input(self, request: GuestRequest, element: Element) -> None:
        buses = self._offer.offers.get("input.bus", frozenset({"usb"}))
        bus = "usb" if "usb" in buses and not self._usb_off else "virtio" if "virtio" in buses else ""
        kind = element.get("type")
        if not bus or self._inputs[kind, bus] > (element.get("bus") == bus):
            self._remove(element, f"input {kind} ({request.value}) goes")
            return
        self.edits.set(element, bus=bus)
        self._drop(element, "address")
        self.changes.append(f"input {kind} ({request.value}) moves to {bus}")

    # --- the rest ----------------------------------------------------------------------------------------

    def _cpu(self, request: GuestRequest, element: Element) -> None:
        cpu = element if element.tag == "cpu" else element.parent
        assert cpu is not None
        if cpu.start in self._removed:
            return
        if not {"topology", "numa"} & {child.tag for child in cpu.children}:
            self._remove(cpu, f"cpu {request.value} goes: libvirt gives the hypervisor's own")
            return
        self._removed.add(cpu.start)
        taken = {name: None for name in ("mode", "match", "check", "migratable") if name in cpu.attributes}
        self.edits.set(cpu, **taken)
        self._drop(cpu, "model", "vendor", "feature", "cache", "maxphysaddr")
        self.changes.append(f"cpu {request.value} goes: its topology stays")

    def _firmware(self, request: GuestRequest, element: Element) -> None:  # noqa: ARG002
        system = self._root.first("os")
        assert system is not None
        if "firmware" in system.attributes:
            self.edits.set(system, firmware=None)
        self._drop(system, "loader", "nvram", "firmware")
        self.changes.append("UEFI goes: the guest boots with SLOF")

    def _serial(self, request: GuestRequest, element: Element) -> None:
        target, model = element.first("target"), element.first("target/model")
        assert target is not None
        assert model is not None
        self.edits.set(target, type="spapr-vio-serial")
        self.edits.set(model, name="spapr-vty")
        self._drop(element, "address")
        self.changes.append(f"serial port {request.value} becomes spapr-vty")

    def _network(self, request: GuestRequest, element: Element) -> None:
        model, instead = element.first("model"), instead_of(request, self._offer)
        assert model is not None
        self.edits.set(model, type=instead)
        self.changes.append(f"network card {request.value} becomes {instead}")

    def _feature(self, request: GuestRequest, element: Element) -> None:
        if element.tag == "kvm":
            # Hints that KVM for POWER takes stay.
            for child in element.children:
                if f"kvm {child.tag}" in hypervisor_facts().pseries["feature"].refused:
                    self.edits.remove(child)
            self.changes.append(f"{request.value} goes")
        elif element.tag == "bios":
            self.edits.set(element, useserial=None)
            self.changes.append("bios useserial goes: the console of a pseries guest is serial")
        else:
            self._other(request, element)

    def _part_of_cpu(self, request: GuestRequest, element: Element) -> None:
        cpu = element if element.tag == "cpu" else element.parent
        assert cpu is not None
        if cpu.start in self._removed:
            return
        match element.tag:
            case "topology":
                self.edits.set(element, **{request.value: None})
            case "model":
                self.edits.set(element, vendor_id=None)
            case _:
                self._remove(
                    element,
                    f"cpu {element.tag} {request.value.removeprefix(element.tag).lstrip()}".rstrip() + " goes",
                )
                return
        self.changes.append(f"cpu {element.tag}: {request.value} goes")

    def _emulated(self, request: GuestRequest, element: Element) -> None:
        if not is_emulated(self._requests, self._offer):
            return
        if element.tag == "topology":
            # As many processors as before.
            threads, cores = element.get("threads", "1"), element.get("cores", "1")
            if threads.isdigit() and cores.isdigit():
                self.edits.set(element, threads="1", cores=str(int(threads) * int(cores)))
                self.changes.append("cpu topology: threads become cores")
        else:
            self._remove(element, f"{request.value} goes")

    def _address(self, request: GuestRequest, element: Element) -> None:
        if element.start not in self._removed:
            self._drop(element, "address")
            self.changes.append(f"{element.tag}: its {request.value} address goes, libvirt gives one")

    def _setting(self, request: GuestRequest, element: Element) -> None:
        if "label" in request.value:
            target = element.first("target")
            if target is not None:
                self.edits.append(target, markup("label", (), "<size unit='KiB'>128</size>"))
                self.changes.append("memory nvdimm gets a label of 128 KiB")
                return
        if element.tag == "backend":
            self.edits.set(element, version="2.0")
            self.changes.append(f"{request.value} becomes TPM 2.0")
            return
        if element.tag == "vcpu":
            self.edits.set(element, current=None)
            self.changes.append("vcpu: all processors are there from the beginning")
            return
        if element.tag == "driver":
            self.edits.set(element, iommu=None)
            self.changes.append(f"{request.where.partition(', ')[2]}: iommu='on' goes")
            return
        self._remove(element, f"{request.value} goes")

    def _other(self, request: GuestRequest, element: Element) -> None:
        """A device whose model is an attribute, or something that goes."""
        instead = instead_of(request, self._offer)
        if instead and "model" in element.attributes:
            self.edits.set(element, model=instead)
            self._drop(element, "address")
            self.changes.append(f"{element.tag} {request.value} becomes {instead}")
        else:
            self._remove(
                element,
                f"{element.tag} {request.value} goes".replace(f"{request.value} {request.value}", request.value),
            )

    def _emptied_features(self) -> None:
        for features in self._root.all("features"):
            if features.children and all(child.start in self._removed for child in features.children):
                self.edits.remove(features)

    def _remove(self, element: Element, change: str) -> None:
        if element.start not in self._removed:
            self._removed.add(element.start)
            self.edits.remove(element)
            self.changes.append(change)

    def _drop(self, element: Element, *tags: str) -> None:
        for child in _children(element, tags):
            self.edits.remove(child)

    def _append(self, text: str) -> None:
        devices = self._root.first("devices")
        assert devices is not None
        self.edits.append(devices, text)


def _all_letters() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(ascii_lowercase, repeat=length))


def _children(element: Element, tags: tuple[str, ...]) -> Iterator[Element]:
    return (child for child in element.children if child.tag in tags)
