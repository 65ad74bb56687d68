"""Domains of different make that `check guest` calls clean: libvirt defines each."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded import Virsh, domains_of
from guests import check_domain, domain

MISSING = [name for name in ("virsh", "qemu-system-ppc64") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"there is no {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the embedded QEMU driver is set up for root here"),
]

MOST = "<maxMemory slots='4' unit='MiB'>4096</maxMemory>"
CELL = "<numa><cell id='0' cpus='0' memory='256' unit='MiB'/></numa>"
LABEL = "<label><size unit='KiB'>128</size></label>"
FILE = "<source file='/tmp/disk.img'/>"
POWER9 = "<cpu mode='custom'><model>POWER9</model>{}</cpu>"


def disk(bus: str, more: str = "", kind: str = "disk") -> str:
    name = "vda" if bus == "virtio" else "sda"
    return f"<disk type='file' device='{kind}'{more}>{FILE}<target dev='{name}' bus='{bus}'/></disk>"


def dimm(model: str, inside: str = "") -> str:
    path = "<source><path>/tmp/n</path></source>" if model == "nvdimm" else ""
    return (
        f"<memory model='{model}'>{path}<target><size unit='MiB'>512</size><node>0</node>{inside}</target></memory>"
    )


def network(model: str) -> str:
    return f"<interface type='user'><mac address='52:54:00:00:00:01'/><model type='{model}'/></interface>"


DEVICES = {
    "nothing": "",
    **{f"disk on {bus}": disk(bus) for bus in ("virtio", "scsi", "usb", "sata")},
    **{f"CD-ROM on {bus}": disk(bus, kind="cdrom") for bus in ("scsi", "usb", "sata")},
    "transitional disk": disk("virtio", " model='virtio-transitional'"),
    "read-only disk": disk("virtio").replace("</disk>", "<readonly/></disk>"),
    **{
        f"network card {model}": network(model)
        for model in ("virtio", "spapr-vlan", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3", "tulip")
    },
    "network of libvirt": "<interface type='network'><source network='default'/><model type='virtio'/></interface>",
    "bridge": "<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>",
    "direct": "<interface type='direct'><source dev='eth0' mode='bridge'/><model type='virtio'/></interface>",
    "Ethernet": "<interface type='ethernet'><target dev='tap0'/><model type='virtio'/></interface>",
    **{f"video {model}": f"<video><model type='{model}'/></video>" for model in ("vga", "cirrus", "virtio", "bochs")},
    "no video": "<video><model type='none'/></video>",
    "two videos": "<video><model type='vga' primary='yes'/></video><video><model type='virtio'/></video>",
    "several heads": "<video><model type='virtio' heads='2'/></video>",
    **{f"graphics {kind}": f"<graphics type='{kind}'/>" for kind in ("vnc", "sdl", "spice", "dbus")},
    "VNC and SPICE": "<graphics type='vnc'/><graphics type='spice'/>",
    "input on USB": "<input type='tablet' bus='usb'/><input type='keyboard' bus='usb'/>",
    "input on virtio": "<input type='tablet' bus='virtio'/><input type='mouse' bus='virtio'/>",
    **{f"sound {model}": f"<sound model='{model}'/>" for model in ("ac97", "es1370", "ich6", "ich9", "usb")},
    "serial port": "<serial type='pty'/>",
    "three serial ports": "<serial type='pty'/>" * 3,
    "USB serial port": "<serial type='pty'><target type='usb-serial'/></serial>",
    "PCI serial port": "<serial type='pty'><target type='pci-serial'/></serial>",
    "virtio console": "<console type='pty'><target type='virtio'/></console>",
    "guest agent": "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
    "forwarding": "<channel type='pty'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>",
    "watchdog": "<watchdog model='i6300esb' action='reset'/>",
    "panic": "<panic model='pseries'/>",
    "panic without model": "<panic/>",
    "NVRAM": "<nvram><address type='spapr-vio' reg='0x3000'/></nvram>",
    "random numbers": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "built-in random numbers": "<rng model='virtio'><backend model='builtin'/></rng>",
    "virtio-scsi": "<controller type='scsi' index='0' model='virtio-scsi'/>",
    "SCSI of POWER": "<controller type='scsi' index='0' model='ibmvscsi'/>",
    "xHCI": "<controller type='usb' index='0' model='qemu-xhci'/>",
    "no USB": "<controller type='usb' index='0' model='none'/>",
    "second PCI host bridge": "<controller type='pci' index='1' model='pci-root'/>",
    "PCI bridge": "<controller type='pci' index='1' model='pci-bridge'/>",
    "virtio-serial": "<controller type='virtio-serial' index='0' ports='4'/>",
    "smart card reader": "<controller type='ccid' index='0'/>",
    "USB hub": "<hub type='usb'/>",
    "plain shared memory": "<shmem name='s'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
    "shared folder": "<filesystem type='mount'><source dir='/tmp'/><target dir='x'/></filesystem>",
    "vsock": "<vsock model='virtio'><cid auto='yes'/></vsock>",
    "USB of the host": (
        "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>"
    ),
    "PCI of the host": (
        "<hostdev mode='subsystem' type='pci' managed='yes'>"
        "<source><address domain='0x0000' bus='0x00' slot='0x1f' function='0x0'/></source></hostdev>"
    ),
    "no sound": "<audio id='1' type='none'/>",
    "modern virtio behind an IOMMU": (
        "<rng model='virtio-non-transitional'><driver iommu='on' ats='on'/>"
        "<backend model='random'>/dev/urandom</backend></rng>"
    ),
    "numbered PCI host bridges": (
        "<controller type='pci' index='0' model='pci-root'>"
        "<model name='spapr-pci-host-bridge'/><target index='0'/></controller>"
        "<controller type='pci' index='1' model='pci-root'>"
        "<model name='spapr-pci-host-bridge'/><target index='30'/></controller>"
    ),
    "addresses on spapr-vio": (
        "<serial type='pty'><address type='spapr-vio' reg='0x30001000'/></serial>"
        "<serial type='pty'><address type='spapr-vio' reg='0xffffffff'/></serial>"
    ),
    "option ROM off": (
        "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>"
        "<rom enabled='no'/></interface>"
    ),
}
OTHERS = {
    "network boot": domain(system="<boot dev='network'/><bootmenu enable='yes'/>"),
    "reboot timeout": domain(system="<bios rebootTimeout='100'/>"),
    "DIMM": domain(dimm("dimm"), more=f"{MOST}<cpu>{CELL}</cpu>"),
    "NVDIMM with a label": domain(dimm("nvdimm", LABEL), more=f"{MOST}<cpu>{CELL}</cpu>"),
    "room for memory": domain(more=f"{MOST}<cpu>{CELL}</cpu>"),
    "POWER9": domain(more=POWER9.format("")),
    "POWER8": domain(more=POWER9.format("").replace("POWER9", "POWER8")),
    "cores": domain(more=POWER9.format("<topology sockets='1' cores='1' threads='1'/>")),
    "hash page tables": domain(more="<features><hpt resizing='enabled'/></features>"),
    "nested guests": domain(more="<features><nested-hv state='on'/></features>"),
    "translation cache": domain(more="<features><tcg><tb-cache unit='MiB'>128</tb-cache></tcg></features>"),
    "speculation": domain(more="<features><cfpc value='workaround'/><sbbc value='workaround'/></features>"),
    "interrupts between processors": domain(more="<features><kvm><pv-ipi state='on'/></kvm></features>"),
    "vendor": domain(more=POWER9.format("<vendor>IBM</vendor>")),
    "some processors from the beginning": domain().replace("<vcpu>1</vcpu>", "<vcpu current='1'>4</vcpu>"),
    "hidden hypervisor off": domain(more="<features><kvm><hidden state='off'/></kvm></features>"),
    "I/O threads": domain(
        "<disk type='file'><driver name='qemu' type='raw' iothread='1'/>"
        f"{FILE}<target dev='vda' bus='virtio'/></disk>",
        more="<iothreads>2</iothreads>",
    ),
    "pinning": domain(more="<cputune><vcpupin vcpu='0' cpuset='0'/><shares>512</shares></cputune>"),
    "shared memory": domain(more="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"),
    "huge pages": domain(more="<memoryBacking><hugepages/></memoryBacking>"),
    "clock": domain(more="<clock offset='localtime'/>"),
    "clock of the guest": domain(more="<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/></clock>"),
    "ends": domain(more="<on_poweroff>destroy</on_poweroff><on_crash>coredump-destroy</on_crash>"),
    "balloon": domain().replace("model='none'", "model='virtio'"),
    "no label of security": domain(more="").replace("</devices>", "</devices><seclabel type='none'/>"),
    "virtiofs": domain(
        "<filesystem type='mount'><driver type='virtiofs'/><source dir='/tmp'/><target dir='x'/></filesystem>",
        more="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
    ),
}
DOMAINS = {name: domain(devices) for name, devices in DEVICES.items()} | OTHERS


@pytest.fixture(scope="module")
def virsh() -> Iterator[Virsh]:
    with domains_of(None) as domains, domains.session() as session:
        if "error" in session.do("domcapabilities --arch ppc64le --machine pseries"):
            pytest.skip("libvirt has no pseries guests here")
        yield session


def test_there_are_enough_of_different_make() -> None:
    assert len(set(DOMAINS.values())) >= 60


@pytest.mark.parametrize("name", DOMAINS)
def test_what_is_called_clean_is_defined_by_libvirt(name: str, virsh: Virsh, tmp_path: Path) -> None:
    assert check_domain(DOMAINS[name]).findings == ()
    file = tmp_path / "guest.xml"
    file.write_text(DOMAINS[name])
    said = virsh.do(f"define {file} --validate")
    virsh.do("undefine guest --nvram")
    assert "error" not in said
