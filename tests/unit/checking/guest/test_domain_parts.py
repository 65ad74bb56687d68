"""Parts of a domain beside the models of its devices: judged, or named as not seen."""

import re
from collections.abc import Collection
from pathlib import Path
from time import process_time

import pytest
from guests import check_domain, debian, domain
from hypothesis import given, settings
from hypothesis.strategies import DataObject, data, sampled_from
from libvirtschema import schema_paths, schema_version

from ppcdeps.checking.guest.convert import convert_domain
from ppcdeps.checking.guest.domain import domain_of, guest_of
from ppcdeps.checking.guest.elements import domain_depth, domain_elements, expand, load_domain_depth, unseen_elements
from ppcdeps.checking.guest.offers import offer_of_build
from ppcdeps.model.errors import ConfigError

NUMA = (
    "<maxMemory slots='4' unit='MiB'>4096</maxMemory>"
    "<cpu><numa><cell id='0' cpus='0' memory='256' unit='MiB'/></numa></cpu>"
)
BLOCK = "<block unit='MiB'>2</block><requested unit='MiB'>512</requested>"


def memory(model: str, inside: str = "") -> str:
    path = "" if model in ("virtio-mem", "dimm", "sgx-epc") else "<source><path>/tmp/n</path></source>"
    node = "" if model == "virtio-pmem" else "<node>0</node>"
    size = "<size unit='MiB'>512</size>"
    return f"<memory model='{model}'>{path}<target>{size}{node}{inside}</target></memory>"


def cpu(inside: str, attributes: str = "mode='custom'", model: str = "<model>POWER9</model>") -> str:
    return f"<cpu {attributes}>{model}{inside}</cpu>"


def card(model: str, inside: str) -> str:
    return f"<interface type='user'><mac address='52:54:00:00:00:01'/><model type='{model}'/>{inside}</interface>"


RNG = "<rng model='{}'><driver iommu='on'/><backend model='random'>/dev/urandom</backend></rng>"
DISK_BEHIND_IOMMU = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw' iommu='on'/><source file='/x'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
REFUSED: dict[str, tuple[str, str]] = {
    "bios useserial": ("guest-feature", domain(system="<bios useserial='yes'/>")),
    "ACPI table": ("guest-feature", domain(system="<acpi><table type='slic'>/x</table></acpi>")),
    "generation id": ("guest-feature", domain(more="<genid/>")),
    "firmware configuration": (
        "guest-feature",
        domain(more="<sysinfo type='fwcfg'><entry name='opt/com.example/n'>x</entry></sysinfo>"),
    ),
    "key wrapping": ("guest-feature", domain(more="<keywrap><cipher name='aes' state='on'/></keywrap>")),
    "KVM hints of x86": ("guest-feature", domain(more="<features><kvm><poll-control state='on'/></kvm></features>")),
    "protected virtualization of s390x": ("guest-feature", domain(more="<launchSecurity type='s390-pv'/>")),
    "virtio-mem": ("guest-device", domain(memory("virtio-mem", BLOCK), more=NUMA)),
    "virtio-pmem": ("guest-device", domain(memory("virtio-pmem"), more=NUMA)),
    "sgx-epc": ("guest-device", domain(memory("sgx-epc"), more=NUMA)),
    "NVDIMM without a label": ("guest-device", domain(memory("nvdimm"), more=NUMA)),
    "DIMM without maxMemory": ("guest-device", domain(memory("dimm"), more=NUMA.partition("</maxMemory>")[2])),
    "a feature that is required": ("guest-cpu-feature", domain(more=cpu("<feature policy='require' name='vmx'/>"))),
    "a feature that is off": ("guest-cpu-feature", domain(more=cpu("<feature policy='disable' name='pcid'/>"))),
    "a cache": ("guest-cpu-feature", domain(more=cpu("<cache level='3' mode='emulate'/>"))),
    "address bits": ("guest-cpu-feature", domain(more=cpu("<maxphysaddr mode='emulate' bits='40'/>"))),
    "a vendor id": (
        "guest-cpu-feature",
        domain(more=cpu("", model="<model vendor_id='GenuineIntel'>POWER9</model>")),
    ),
    "dies": ("guest-cpu-feature", domain(more=cpu("<topology sockets='1' dies='2' cores='1' threads='1'/>"))),
    "threads under TCG": ("guest-emulated", domain(more=cpu("<topology sockets='1' cores='1' threads='4'/>"))),
    "transactional memory under TCG": ("guest-emulated", domain(more="<features><htm state='on'/></features>")),
    "two watchdogs": ("guest-second-device", domain("<watchdog model='i6300esb'/><watchdog model='i6300esb'/>")),
    "two balloons": ("guest-second-device", domain("<memballoon model='virtio'/>")),
    "two panics": ("guest-second-device", domain("<panic model='pseries'/><panic model='pseries'/>")),
    "two VNC servers": ("guest-second-device", domain("<graphics type='vnc'/><graphics type='vnc'/>")),
    "two VGA cards": ("guest-second-device", domain("<video><model type='vga'/></video>" * 2)),
    "none beside a video": (
        "guest-device",
        domain("<video><model type='none'/></video><video><model type='vga'/></video>"),
    ),
    "old shared memory": (
        "guest-device",
        domain("<shmem name='s'><model type='ivshmem'/><size unit='M'>4</size></shmem>"),
    ),
    "a file system of containers": (
        "guest-device",
        domain("<filesystem type='file'><source file='/x'/><target dir='x'/></filesystem>"),
    ),
    "virtiofs without shared memory": (
        "guest-device",
        domain(
            "<filesystem type='mount'><driver type='virtiofs'/><source dir='/tmp'/><target dir='x'/></filesystem>"
        ),
    ),
    "a TPM 1.2": ("guest-device", domain("<tpm model='tpm-spapr'><backend type='emulator' version='1.2'/></tpm>")),
    "a 64-bit PCI hole": (
        "guest-device",
        domain("<controller type='pci' index='0' model='pci-root'><pcihole64 unit='KiB'>1</pcihole64></controller>"),
    ),
    "a BIOS's translation of a disk": (
        "guest-device",
        domain(
            "<disk type='file' device='disk'><source file='/x'/><target dev='sda' bus='scsi'/>"
            "<geometry cyls='1' heads='1' secs='1' trans='lba'/></disk>"
        ),
    ),
    "a console of s390x": ("guest-serial", domain("<console type='pty'><target type='sclp'/></console>")),
    "an ISA bus": ("guest-device", domain("<controller type='isa' index='0'/>")),
    "a bus of Xen": ("guest-device", domain("<controller type='xenbus' index='0'/>")),
    "an address on s390x": (
        "guest-device",
        domain(
            "<disk type='file'><source file='/n'/><target dev='vda' bus='virtio'/>"
            "<address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0'/></disk>"
        ),
    ),
    "option ROM of a card without PCI": ("guest-device", domain(card("spapr-vlan", "<rom bar='off'/>"))),
    "ACPI index of a card without PCI": ("guest-device", domain(card("spapr-vlan", "<acpi index='1'/>"))),
    "virtio-net behind an IOMMU": ("guest-device", domain(card("virtio", "<driver iommu='on'/>"))),
    "virtio-rng behind an IOMMU": ("guest-device", domain(RNG.format("virtio"))),
    "transitional virtio-rng behind an IOMMU": ("guest-device", domain(RNG.format("virtio-transitional"))),
    "virtio-blk behind an IOMMU": ("guest-device", domain(DISK_BEHIND_IOMMU)),
    "virtio-scsi behind an IOMMU": (
        "guest-device",
        domain("<controller type='scsi' index='0' model='virtio-scsi'><driver iommu='on'/></controller>"),
    ),
    "virtio-serial behind an IOMMU": (
        "guest-device",
        domain("<controller type='virtio-serial' index='0'><driver iommu='on'/></controller>"),
    ),
    "a host bridge of a PC": (
        "guest-device",
        domain("<controller type='pci' index='0' model='pci-root'><model name='i82801b11-bridge'/></controller>"),
    ),
    "a second device at an address on spapr-vio": (
        "guest-device",
        domain(
            "<serial type='pty'><address type='spapr-vio' reg='0x30001000'/></serial>"
            "<serial type='pty'><address type='spapr-vio' reg='0x30001000'/></serial>"
        ),
    ),
    "an address beyond spapr-vio": (
        "guest-device",
        domain("<serial type='pty'><address type='spapr-vio' reg='0x100000000'/></serial>"),
    ),
    "a second PCI host bridge as the first": (
        "guest-device",
        domain("<controller type='pci' index='1' model='pci-root'><target index='0'/></controller>"),
    ),
    "the first PCI host bridge as another": (
        "guest-device",
        domain("<controller type='pci' index='0' model='pci-root'><target index='1'/></controller>"),
    ),
    "a PCI host bridge beyond the last": (
        "guest-device",
        domain("<controller type='pci' index='1' model='pci-root'><target index='31'/></controller>"),
    ),
    "interrupts between processors by x86's KVM": (
        "guest-feature",
        domain(more="<features><kvm><pv-ipi state='off'/></kvm></features>"),
    ),
    "protected virtualization of Arm": ("guest-feature", domain(more="<launchSecurity type='cca'/>")),
    "variables of an UEFI": ("guest-firmware", domain(system="<nvram>/tmp/vars.fd</nvram>")),
    "a feature of an UEFI": (
        "guest-firmware",
        domain(system="<firmware><feature enabled='no' name='secure-boot'/></firmware>"),
    ),
    "buslogic": ("guest-device", domain("<controller type='scsi' index='0' model='buslogic'/>")),
    "USB of Xen": ("guest-device", domain("<controller type='usb' index='0' model='qusb1'/>")),
}
"""What libvirt 9.0 refuses to define, or QEMU 7.2 to start; tried one by one."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_libvirt_or_qemu_refuses_is_found_and_goes(name: str) -> None:
    rule, text = REFUSED[name]
    found = check_domain(text).findings
    assert [one.rule for one in found if one.rule.startswith("guest-") and one.severity.value == "error"] == [rule]
    fixed = convert_domain(domain_of(text.encode(), "x"), debian())
    assert fixed.changes
    assert check_domain(fixed.content.decode()).findings == ()


HMAT = NUMA.replace(
    "</numa>",
    "<interconnects><latency initiator='0' target='0' type='access' value='5'/></interconnects></numa>",
)
UNSEEN = {
    "<qemu:commandline>": domain().replace(
        "</devices>", "</devices><qemu:commandline><qemu:arg value='-s'/></qemu:commandline>"
    ).replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' "),
    "<hostdev>": domain(
        "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/><product id='0x2'/></source></hostdev>"
    ),
    "<hugepages>": domain(more="<memoryBacking><hugepages/></memoryBacking>"),
    "<kernel>": domain(system="<kernel>/boot/vmlinuz</kernel>"),
    "<tpm>": domain("<tpm model='tpm-spapr'><backend type='emulator' version='2.0'/></tpm>"),
    "<vsock>": domain("<vsock model='virtio'><cid auto='yes'/></vsock>"),
    "<brand-new>": domain("<brand-new model='x'/>"),
    "<x>": domain(more="<throttlegroups><throttlegroup><x>1</x></throttlegroup></throttlegroups>"),
    "<empty-and-new>": domain("<empty-and-new/>"),
    "<vendor:thing>": domain("<vendor:thing/>"),
    "<vcpupin cpu>": domain(more="<cputune><vcpupin vcpu='0' cpuset='0' cpu='1'/></cputune>"),
    "<disk cache>": domain("<disk cache='none'><source file='/n'/><target dev='vda' bus='virtio'/></disk>"),
    "<graphics tls>": domain("<graphics type='vnc' tls='yes'/>"),
    "<interconnects>": domain(more=HMAT),
    "<interface>": domain("<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>"),
}  # fmt: skip


@pytest.mark.parametrize("element", UNSEEN)
def test_what_nothing_judges_is_named_as_not_seen(element: str) -> None:
    report = check_domain(UNSEEN[element])
    assert report.findings == ()
    assert [one.what.partition(", ")[2] for one in report.skipped] == [element]


def test_a_plain_domain_has_nothing_unseen() -> None:
    text = domain(
        "<disk type='file'><source file='/n'/><target dev='vda' bus='virtio'/></disk>"
        "<interface type='network'><source network='default'/><model type='virtio'/></interface>",
        more="<metadata xmlns:n='urn:x'><n:any n:thing='1'/></metadata><features/>"
        "<on_crash>destroy</on_crash><clock offset='utc'/>",
    )
    report = check_domain(text)
    assert report.findings == () and report.skipped == ()


NEEDS_SCHEMA = pytest.mark.skipif(schema_version() is None, reason="needs libvirt's schemas (package libvirt0)")
OLDEST, NEWEST = (9, 0), (11, 3)
"""The releases that the lists were made from."""


def is_below(path: str, above: Collection[str]) -> bool:
    """Whether a path is that of an element or attribute within one of these elements, or is one of these."""
    return path in above or any(path[: found.start()] in above for found in re.finditer("[/@]", path))


def parents(path: str) -> str:
    return path[: max(path.rfind("/"), path.rfind("@"))] if {"/", "@"} & set(path) else ""


def listed() -> frozenset[str]:
    """All that is in either list; the types of devices (``devices/disk:block``) left out."""
    depth, elements = domain_depth(), {path for path in domain_elements().known if not re.search("/.*:", path)}
    return frozenset(elements | depth.judged | depth.same | depth.whole | set(depth.unseen))


def known_by(release: tuple[int, int], path: str) -> bool | None:
    """Whether a release of libvirt knows a path of the lists; None where neither list was made from that release."""
    if not any(is_below(path, paths) for paths in domain_depth().newer.values()):
        return True
    return False if release <= OLDEST else True if release >= NEWEST else None


@NEEDS_SCHEMA
def test_all_of_libvirts_schema_is_judged_the_same_everywhere_or_named_as_not_seen() -> None:
    whole = domain_depth().whole | set(domain_elements().unseen)
    seen = {path for path in schema_paths() if not is_below(parents(path), whole)}
    assert len(seen) > 1500
    assert sorted(seen - listed()) == []


@NEEDS_SCHEMA
def test_the_lists_have_nothing_that_libvirts_schema_lacks_unless_it_is_marked_with_its_release() -> None:
    version, paths = schema_version(), schema_paths()
    assert version is not None
    assert version >= OLDEST
    there = {path: path in paths for path in listed()}
    assert {path for path, is_there in there.items() if known_by(version, path) not in (None, is_there)} == set()


def test_marks_of_releases_are_on_what_the_lists_have() -> None:
    assert set(domain_depth().newer) == {"11.3"}
    for paths in domain_depth().newer.values():
        assert paths
        assert not paths - listed()


def test_each_path_of_the_lists_is_below_one_that_they_have() -> None:
    known = listed()
    above = {parents(path) for path in known} - {"", "domain"}
    assert sorted(above - known) == []
    assert not {path for path in known if is_below(parents(path), domain_depth().refused)}


def test_no_element_is_in_both_lists_but_those_refused_as_a_whole() -> None:
    depth, known = domain_depth(), domain_elements()
    assert not known.known & (depth.judged | depth.same | set(depth.unseen))
    assert depth.free <= known.plain


@NEEDS_SCHEMA
@given(data())
@settings(max_examples=80, deadline=None)
def test_what_the_schema_does_not_have_is_named(draw: DataObject) -> None:
    whole = domain_depth().whole | set(domain_depth().unseen) | set(domain_elements().unseen)
    places = sorted(path for path in schema_paths() if "@" not in path and not is_below(path, whole))
    path, invented = draw.draw(sampled_from(places)), draw.draw(sampled_from(("@invented", "/invented")))
    tag, _, inside = path.partition("/")
    attribute, child = (" invented='1'", "") if invented == "@invented" else ("", "<invented/>")
    *between, last = [tag, *inside.split("/")] if inside else [tag]
    text = "".join(f"<{one}>" for one in between) + f"<{last}{attribute}>{child}</{last}>"
    text += "".join(f"</{one}>" for one in reversed(between))
    document = domain_of(f"<domain><os><type/></os><devices/>{text}</domain>".encode(), "x")
    said = [each.what.partition(", ")[2] for each in guest_of(document, "x").unseen]
    assert (f"<{last} invented>" if attribute else "<invented>") in said


def test_braces_and_words_stand_for_each_that_they_list() -> None:
    words = {"end": ["{}", "@{type,path}", "/label<more>"], "more": ["{}", "@x"]}
    assert expand("disk/{source,mirror}<end>", words) == [
        *("disk/source", "disk/source@type", "disk/source@path", "disk/source/label", "disk/source/label@x"),
        *("disk/mirror", "disk/mirror@type", "disk/mirror@path", "disk/mirror/label", "disk/mirror/label@x"),
    ]


def test_a_path_that_is_in_two_tables_is_a_fault_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "depth.toml"
    file.write_text(
        "source = 'x'\nrefused = []\nfree = []\njudged = ['cpu@mode']\n[words]\n[unseen]\n'cpu@{mode,check}' = 'x'\n"
        "[same]\n[newer]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_domain_depth(file)
    assert caught.value.faults == ("cpu@mode is there twice",)


def test_a_domain_of_many_disks_is_looked_through_quickly() -> None:
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='/n'/>"
        "<target dev='{}' bus='virtio'/><address type='pci' domain='0x0' bus='0x0' slot='0x1' function='0x0'/></disk>"
    )
    root = domain_of(domain("".join(disk.format(f"vd{number}") for number in range(9_000))).encode(), "x").root
    before = process_time()
    assert unseen_elements(root) == []
    assert process_time() - before < 2


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("<interface type='network'><source network='n'/><rom file='/x.rom'/></interface>", "<rom file>"),
        ("<interface type='network'><source network='n'/><rom bar='on'/></interface>", ""),
        ("<disk type='file' device='disk'><target dev='sda' bus='scsi'/><invented/></disk>", "<invented>"),
        (
            "<tpm model='tpm-spapr'><backend type='emulator' version='2.0'><encryption secret='x'/></backend></tpm>",
            "<encryption>",
        ),
        ("<video><model type='vga' invented='1'><deep><deeper/></deep></model></video>", "<deep>"),
    ],
)  # fmt: skip
def test_what_is_deep_in_a_device_and_not_judged_is_named(part: str, named: str) -> None:
    guest = guest_of(domain_of(domain(part).encode(), "x"), "x")
    said = [each.what.partition(", ")[2] for each in guest.unseen]
    assert (named in said) if named else not said


def test_no_element_is_in_two_lists() -> None:
    known = domain_elements()
    assert not known.judged & known.plain
    assert not (known.judged | known.plain) & set(known.unseen)


def test_a_disk_and_a_tpm_stay_where_a_setting_of_theirs_goes() -> None:
    text = domain(
        "<disk type='file' device='disk'><source file='/x'/><target dev='sda' bus='scsi'/>"
        "<geometry cyls='1' heads='1' secs='1' trans='lba'/></disk>"
        "<tpm model='tpm-spapr'><backend type='emulator' version='1.2'/></tpm>"
    )
    fixed = convert_domain(domain_of(text.encode(), "x"), offer_of_build("almalinux-9"))
    written = fixed.content.decode()
    assert "<source file='/x'/>" in written
    assert "trans=" not in written
    assert "version='2.0'" in written


def test_a_pc_with_features_becomes_one_that_can_start() -> None:
    text = domain(
        "<emulator>/usr/bin/qemu-system-x86_64</emulator>",
        arch="x86_64",
        machine="pc-q35-rhel9.4.0",
        kind="kvm",
        more=cpu("<feature policy='require' name='vmx'/>", "mode='host-passthrough' check='none'", ""),
    )
    fixed = convert_domain(domain_of(text.encode(), "x"), offer_of_build("almalinux-9"))
    assert b"vmx" not in fixed.content
    assert check_domain(fixed.content.decode(), offer_of_build("almalinux-9")).findings == ()


def test_the_vendor_of_a_processor_counts_where_the_guest_runs_on_it() -> None:
    text = domain(more=cpu("<vendor>Intel</vendor>"), kind="kvm")
    offer = offer_of_build("almalinux-9")
    assert [one.rule for one in check_domain(text, offer).findings] == ["guest-cpu-feature"]
    fixed = convert_domain(domain_of(text.encode(), "x"), offer)
    assert fixed.changes == ("cpu vendor Intel goes",)
    assert check_domain(fixed.content.decode(), offer).findings == ()
    assert check_domain(text.replace("Intel", "IBM"), offer).findings == ()
    assert check_domain(domain(more=cpu("<vendor>Intel</vendor>"))).findings == ()


def test_virtio_behind_an_iommu_keeps_its_other_options() -> None:
    fixed = convert_domain(domain_of(domain(DISK_BEHIND_IOMMU).encode(), "x"), debian())
    assert b"<driver name='qemu' type='raw'/>" in fixed.content
    assert fixed.changes == ("disk driver: iommu='on' goes",)


def test_processors_are_there_by_whole_cores() -> None:
    text = domain(more=cpu("<topology sockets='1' cores='2' threads='4'/>"), kind="kvm")
    text = text.replace("<vcpu>1</vcpu>", "<vcpu current='3'>8</vcpu>")
    offer = offer_of_build("almalinux-9")
    assert [one.rule for one in check_domain(text, offer).findings] == ["guest-device"]
    assert check_domain(text.replace("current='3'", "current='4'"), offer).findings == ()
    fixed = convert_domain(domain_of(text.encode(), "x"), offer)
    assert b"<vcpu>8</vcpu>" in fixed.content


def test_threads_are_right_with_kvm() -> None:
    text = domain(more=cpu("<topology sockets='1' cores='1' threads='4'/>"), kind="kvm")
    assert check_domain(text, offer_of_build("almalinux-9")).findings == ()
    found = check_domain(text, offer_of_build("centos-stream-9")).findings
    assert {one.rule for one in found} == {"guest-kvm", "guest-emulated"}
