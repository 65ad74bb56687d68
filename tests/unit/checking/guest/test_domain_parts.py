"""Parts of a domain beside the models of its devices: judged, or named as not seen."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from guests import check_domain, debian, domain

from ppcdeps.checking.guest.convert import convert_domain
from ppcdeps.checking.guest.domain import domain_of, guest_of
from ppcdeps.checking.guest.elements import domain_depth, domain_elements
from ppcdeps.checking.guest.offers import offer_of_build

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
    "<throttlegroups>": domain(more="<throttlegroups><throttlegroup><x>1</x></throttlegroup></throttlegroups>"),
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
        more="<metadata/><features/><on_crash>destroy</on_crash><clock offset='utc'/>",
    )
    report = check_domain(text)
    assert report.findings == () and report.skipped == ()


SCHEMAS = Path("/usr/share/libvirt/schemas")
RELAXNG = "{http://relaxng.org/ns/structure/1.0}"


class Grammar:
    """The elements of libvirt's schema for domains."""

    def __init__(self) -> None:
        self.defines: dict[str, list[ElementTree.Element]] = {}
        self._read: set[str] = set()
        self._load("domain.rng")

    def _load(self, name: str) -> None:
        if name in self._read:
            return
        self._read.add(name)
        root = ElementTree.parse(SCHEMAS / name).getroot()
        for define in root.iter(f"{RELAXNG}define"):
            self.defines.setdefault(define.attrib["name"], []).append(define)
        for include in root.iter(f"{RELAXNG}include"):
            self._load(include.attrib["href"])

    def children(self, node: ElementTree.Element, above: tuple[str, ...] = ()) -> "list[ElementTree.Element]":
        found = []
        for child in node:
            if child.tag == f"{RELAXNG}element":
                found.append(child)
            elif child.tag == f"{RELAXNG}ref":
                name = child.attrib["name"]
                if name not in above:
                    for define in self.defines.get(name, []):
                        found += self.children(define, (*above, name))
            elif child.tag != f"{RELAXNG}attribute":
                found += self.children(child, above)
        return found

    def attributes(self, node: ElementTree.Element, above: tuple[str, ...] = ()) -> set[str]:
        found = set()
        for child in node:
            if child.tag == f"{RELAXNG}attribute":
                found.add(child.get("name", ""))
            elif child.tag == f"{RELAXNG}ref":
                name = child.attrib["name"]
                if name not in above:
                    for define in self.defines.get(name, []):
                        found |= self.attributes(define, (*above, name))
            elif child.tag != f"{RELAXNG}element":
                found |= self.attributes(child, above)
        return found - {""}


@pytest.mark.skipif(not (SCHEMAS / "domain.rng").is_file(), reason="needs libvirt's schemas (package libvirt0)")
def test_every_element_of_libvirts_schema_is_judged_plain_or_unseen() -> None:
    grammar = Grammar()
    (root,) = (
        each
        for define in grammar.defines["domain"]
        for each in define.iter(f"{RELAXNG}element")
        if each.get("name") == "domain"
    )
    prefixes = {"commandline": "qemu:", "override": "qemu:", "capabilities": "qemu:", "deprecation": "qemu:"}
    prefixes |= {"datacenterpath": "vmware:", "namespace": "lxc:"}
    lacking = set()
    for child in grammar.children(root):
        name = child.get("name")
        if not name:
            continue
        path = f"{prefixes.get(name, '')}{name}"
        if path not in domain_elements().known:
            lacking.add(path)
        if name in ("clock", "cpu", "cputune", "devices", "features", "memoryBacking", "os"):
            inside = {f"{name}/{each.get('name')}" for each in grammar.children(child) if each.get("name")}
            lacking |= inside - domain_elements().known
    assert lacking == set()
    assert len(domain_elements().known) > 120


def depths(grammar: Grammar) -> set[str]:
    """Paths of all elements and attributes of the schema, whatever is below something plain or unseen left out."""
    found: set[str] = set()

    def walk(node: ElementTree.Element, path: str, above: tuple[ElementTree.Element, ...]) -> None:
        if path in domain_elements().known and path not in domain_elements().judged:
            return
        found.update(f"{path or 'domain'}@{name}" for name in grammar.attributes(node))
        for child in grammar.children(node):
            name = child.get("name")
            if name and child not in above:
                below = f"{path}/{name}" if path else name
                if below not in domain_elements().known:
                    found.add(below)
                walk(child, below, (*above, child))

    for define in grammar.defines["domain"]:
        for root in define.iter(f"{RELAXNG}element"):
            if root.get("name") == "domain":
                walk(root, "", ())
    return found


@pytest.mark.skipif(not (SCHEMAS / "domain.rng").is_file(), reason="needs libvirt's schemas (package libvirt0)")
def test_all_that_libvirts_schema_has_at_every_depth_is_judged_the_same_or_unseen() -> None:
    of_others = ("commandline", "override", "capabilities", "deprecation", "namespace", "datacenterpath")
    paths = {path for path in depths(Grammar()) if not path.startswith(of_others)}
    assert len(paths) > 800
    assert {path for path in paths if domain_depth().reason(path).startswith("nothing is known")} <= {
        "devices/controller@vectors",
        "features/kvm/dirty-ring",
        "features/kvm/dirty-ring@size",
        "features/kvm/dirty-ring@state",
        "features/kvm/pv-ipi",
        "features/kvm/pv-ipi@state",
    }


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


def test_threads_are_right_with_kvm() -> None:
    text = domain(more=cpu("<topology sockets='1' cores='1' threads='4'/>"), kind="kvm")
    assert check_domain(text, offer_of_build("almalinux-9")).findings == ()
    found = check_domain(text, offer_of_build("centos-stream-9")).findings
    assert {one.rule for one in found} == {"guest-kvm", "guest-emulated"}
