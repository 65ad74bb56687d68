"""Domains made fit: what had to change, and that nothing else did."""

import difflib

import pytest
from guests import check_domain, debian, domain, offering

from ppcdeps.checking.guest.convert import convert_domain
from ppcdeps.checking.guest.domain import domain_of
from ppcdeps.checking.guest.offers import HypervisorOffer, offer_of_build
from ppcdeps.model.errors import ConfigError

FROM_A_PC = """<?xml version="1.0"?>
<!-- from a PC -->
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>old</name>
  <metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">&lt;x&gt;</nova:instance></metadata>
  <memory unit='MiB'>256</memory>
  <vcpu>2</vcpu>
  <os firmware='efi'>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <boot dev="hd"/>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <cpu mode='host-passthrough' check='none'>
    <topology sockets='1' cores='2' threads='1'/>
  </cpu>
  <clock offset='utc'>
    <timer name='rtc' tickpolicy='catchup'/>
    <timer name='kvmclock' present='yes'/>
  </clock>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <source file='/a&amp;b.img'/>
      <target dev='hda' bus='ide'/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='hdc' bus='ide'/>
      <readonly/>
    </disk>
    <disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>
    <disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk>
    <controller type='ide' index='0'>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x1'/>
    </controller>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'><target chassis='1' port='0x10'/></controller>
    <controller type='usb' index='0' model='ich9-ehci1'/>
    <hostdev mode='subsystem' type='pci'>
      <source><address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </hostdev>
    <input type='mouse' bus='ps2'/>
    <input type='tablet' bus='usb'/>
    <graphics type='spice' autoport='yes'><listen type='address'/><image compression='off'/></graphics>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <sound model='sb16'/>
    <serial type='pty'><target type='isa-serial' port='0'><model name='isa-serial'/></target></serial>
    <video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='2' primary='yes'/></video>
    <watchdog model='itco' action='reset'/>
    <panic model='isa'/>
  </devices>
</domain>
"""

EXPECTED = """<?xml version="1.0"?>
<!-- from a PC -->
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>old</name>
  <metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">&lt;x&gt;</nova:instance></metadata>
  <memory unit='MiB'>256</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='ppc64le' machine='pseries'>hvm</type>
    <boot dev="hd"/>
  </os>
  <cpu>
    <topology sockets='1' cores='2' threads='1'/>
  </cpu>
  <clock offset='utc'>
    <timer name='rtc' tickpolicy='catchup'/>
  </clock>
  <devices>
    <disk type='file' device='disk'>
      <source file='/a&amp;b.img'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <target dev='sda' bus='scsi'/>
      <readonly/>
    </disk>
    <disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk>
    <hostdev mode='subsystem' type='pci'>
      <source><address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source>
    </hostdev>
    <input type='mouse' bus='usb'/>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' autoport='yes'><listen type='address'/></graphics>
    <serial type='pty'><target type='spapr-vio-serial' port='0'><model name='spapr-vty'/></target></serial>
    <video><model type='vga' vram='65536' heads='1' primary='yes'/></video>
    <watchdog model='i6300esb' action='reset'/>
    <panic model='pseries'/>
    <controller type='scsi' index='0' model='virtio-scsi'/>
  </devices>
</domain>
"""


def converted(text: str, offer: HypervisorOffer | None = None) -> str:
    return convert_domain(domain_of(text.encode(), "guest.xml"), offer or debian()).content.decode()


def test_a_domain_of_a_pc_becomes_one_of_pseries() -> None:
    offer = offer_of_build("centos-stream-9")
    text = converted(FROM_A_PC, offer)
    assert text == EXPECTED, "".join(difflib.unified_diff(EXPECTED.splitlines(True), text.splitlines(True)))
    assert check_domain(text, offer).findings == ()


def test_a_domain_that_fits_stays_as_it_is() -> None:
    text = domain("<video><model type='vga'/></video><graphics type='vnc'/>")
    outcome = convert_domain(domain_of(text.encode(), "guest.xml"), debian())
    assert outcome.content.decode() == text
    assert outcome.changes == ()


def test_converting_twice_is_converting_once() -> None:
    offer = offer_of_build("centos-stream-9")
    once = converted(FROM_A_PC, offer)
    assert converted(once, offer) == once


def test_on_its_own_machine_a_domain_keeps_its_addresses() -> None:
    address = "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>"
    text = domain(f"<video><model type='qxl'/>{address}</video>")
    assert converted(text) == text.replace("qxl", "vga")


def test_there_is_one_controller_for_all_that_becomes_scsi() -> None:
    cdrom = "<disk type='file' device='cdrom'><target dev='hd{}' bus='ide'/></disk>"
    text = converted(domain(cdrom.format("a") + cdrom.format("b")))
    assert text.count("virtio-scsi") == 1
    assert "dev='sda' bus='scsi'" in text
    assert "dev='sdb' bus='scsi'" in text
    with_controller = domain("<controller type='scsi' index='0' model='ibmvscsi'/>" + cdrom.format("a"))
    assert "virtio-scsi" not in converted(with_controller)


def test_input_goes_where_usb_is_switched_off() -> None:
    text = converted(domain("<controller type='usb' model='none'/><input type='mouse' bus='ps2'/>"))
    assert "<input type='mouse' bus='virtio'/>" in text


def test_an_input_that_is_there_already_comes_no_second_time() -> None:
    text = converted(domain("<input type='mouse' bus='ps2'/><input type='mouse' bus='usb'/>"))
    assert text.count("<input") == 1


def test_names_go_on_after_z() -> None:
    disks = "".join(
        f"<disk type='file'><target dev='vd{chr(ord('a') + number)}' bus='virtio'/></disk>" for number in range(26)
    )
    text = converted(domain(disks + "<disk type='file' device='disk'><target dev='hda' bus='ide'/></disk>"))
    assert "<target dev='vdaa' bus='virtio'/>" in text


def test_a_second_display_by_spice_goes_where_vnc_is_there() -> None:
    text = converted(domain("<graphics type='spice'/><graphics type='vnc'/>"), offer_of_build("almalinux-9"))
    assert text.count("<graphics") == 1
    assert "spice" not in text


def test_where_nothing_can_stand_in_the_device_goes() -> None:
    offer = offering(video_modelType={"none"})
    assert "<video>" not in converted(domain("<video><model type='cirrus'/></video>"), offer)


def test_an_encoding_that_is_not_written_is_told() -> None:
    text = "<?xml version='1.0' encoding='ISO-8859-1'?>" + domain()
    with pytest.raises(ConfigError, match="the domain is in ISO-8859-1; libvirt writes UTF-8"):
        convert_domain(domain_of(text.encode("latin-1"), "guest.xml"), debian())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_domain_that_only_its_first_bytes_call_utf_16_is_refused_too(encoding: str) -> None:
    content = f"\ufeff{FROM_A_PC}".encode(encoding)
    with pytest.raises(ConfigError, match="the domain is in UTF-16; libvirt writes UTF-8"):
        convert_domain(domain_of(content, "guest.xml"), debian())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<domainCapabilities/>", "guest.xml is not a libvirt domain: it begins with <domainCapabilities>"),
        ("<domain/>", "it has no <os><type>"),
        ("<domain><os><type/></os></domain>", "it has no <devices>"),
        ("<domain>", "line 1: no element found"),
        ("", "it is empty"),
    ],
)
def test_what_is_no_domain_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as fault:
        domain_of(text.encode(), "guest.xml")
    assert told in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_domain_with_nothing_in_it_is_judged_all_the_same() -> None:
    report = check_domain("<domain><os><type/></os><devices><disk/><video/><input/><interface/></devices></domain>")
    assert {one.rule for one in report.findings} <= {"guest-architecture-unset", "guest-machine-unset"}
