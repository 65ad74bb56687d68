"""`check guest` against a real hypervisor: what it predicts, libvirt says; what it fixes, libvirt starts."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded import Virsh, domains_of
from guests import DEBIAN_12, domain
from program import Program

from ppcdeps.checking.guest.domcapabilities import ask_libvirt
from ppcdeps.checking.guest.offers import offer_of_build

MISSING = [name for name in ("virsh", "qemu-system-ppc64") if shutil.which(name) is None]


pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"there is no {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the embedded QEMU driver is set up for root here"),
]


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    """Where `check guest` asks. The embedded driver is one process's at a time: the guests are in another folder."""
    with domains_of(None) as found:
        command = ["virsh", "--connect", found.connection, "domcapabilities", "--arch", "ppc64le"]
        done = subprocess.run([*command, "--machine", "pseries"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"libvirt has no pseries guests here: {done.stderr}")
        yield found.connection


@pytest.fixture(scope="module")
def virsh(uri: str) -> Iterator[Virsh]:
    with domains_of(None) as domains, domains.session() as session:
        yield session


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, {})


def refusal(virsh: Virsh, file: Path, *, start: bool = False) -> str:
    """What libvirt has against a domain when it is defined, or started; nothing where it takes it."""
    said = virsh.do(f"define {file} --validate")
    if "error" not in said and start:
        said = virsh.do("start guest")
        assert "error" in said or virsh.do("domstate guest") == "running"
        virsh.do("destroy guest")
    virsh.do("undefine guest")
    errors = [line.removeprefix("error: ") for line in said.splitlines() if line.startswith("error: ")]
    return next((line for line in errors if not line.startswith("Failed to")), "")


IDE = """<disk type='file' device='disk'>
      <source file='{disk}'/>
      <target dev='hda' bus='ide'/>
      <address type='drive' controller='0' bus='0' target='0' unit='0'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
    <controller type='ide' index='0'/>"""
QXL = "<video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1' primary='yes'/></video>"


@pytest.mark.parametrize(
    ("devices", "rule", "machine"),
    [
        pytest.param(IDE, "guest-ide-bus", "pseries", id="IDE"),
        pytest.param(QXL, "guest-video-model", "pseries", id="qxl"),
        pytest.param("<graphics type='vnc'/>", "guest-machine", "q35", id="q35"),
    ],
)
def test_what_is_predicted_is_what_libvirt_says_and_what_is_fixed_starts(
    uri: str, virsh: Virsh, program: Program, devices: str, rule: str, machine: str
) -> None:
    disk = program.folder / "disk.img"
    disk.write_bytes(bytes(1024))
    file, fixed = program.folder / "guest.xml", program.folder / "fixed.xml"
    file.write_text(domain(devices.format(disk=disk), machine=machine))
    said = refusal(virsh, file)
    assert said

    check = ("check", "guest", "--connect", uri, "--domain")
    done = program(*check, file, "--write-domain", fixed, code=1)
    assert rule in done.out
    # The text is wrapped, and leaves out where the emulator is.
    told = " ".join(done.out.split())
    parts = said.split(" '/usr/bin/qemu-system-ppc64le' ")
    assert all(part in told for part in parts), (said, told)

    assert refusal(virsh, fixed, start=True) == ""
    assert "Nothing found" in program(*check, fixed).out
    assert virsh.do("list --all --name") == ""


NOT_STARTED = {
    "guest-floppy": "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>",
    "guest-disk-bus": "<disk type='file' device='cdrom'><target dev='vda' bus='virtio'/></disk>",
    "guest-cpu-mode": "",
    "guest-video-model": "<video><model type='vga' heads='2'/></video>",
    "guest-watchdog": "<watchdog model='ib700'/>",
    "guest-tpm": "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/null'/></backend></tpm>",
    "guest-device": "<panic model='isa'/>",
    "guest-serial": "<serial type='pty'><target type='isa-serial'><model name='isa-serial'/></target></serial>",
    "guest-feature": "",
    "guest-secure-boot": "",
}
MORE = {
    "guest-cpu-mode": {"more": "<cpu mode='host-passthrough'/>"},
    "guest-feature": {"more": "<clock offset='utc'><timer name='kvmclock' present='yes'/></clock>"},
    "guest-secure-boot": {"system": "<loader readonly='yes' secure='yes' type='pflash'>/x.fd</loader>"},
}


@pytest.mark.parametrize("rule", NOT_STARTED)
def test_what_is_found_wrong_is_what_libvirt_refuses(uri: str, virsh: Virsh, program: Program, rule: str) -> None:
    file, fixed = program.folder / "guest.xml", program.folder / "fixed.xml"
    file.write_text(domain(NOT_STARTED[rule], **MORE.get(rule, {})))
    assert refusal(virsh, file, start=True) != ""
    check = ("check", "guest", "--connect", uri, "--domain", file, "--write-domain", fixed)
    assert f"[{rule}]" in program(*check, code=1).out
    assert refusal(virsh, fixed) == ""


RIGHT = [
    "<disk type='file' device='cdrom'><target dev='sda' bus='scsi'/></disk>",
    "<video><model type='cirrus'/></video><graphics type='vnc'/>",
    "<input type='keyboard' bus='virtio'/><input type='tablet' bus='usb'/>",
    "<serial type='pty'><target type='isa-serial' port='0'/></serial>",
    "<watchdog model='i6300esb' action='reset'/><panic model='pseries'/>",
]


def test_what_is_found_right_is_what_libvirt_takes(uri: str, virsh: Virsh, program: Program) -> None:
    for devices in RIGHT:
        file = program.folder / "guest.xml"
        file.write_text(domain(devices))
        program("check", "guest", "--connect", uri, "--domain", file)
        assert refusal(virsh, file) == "", devices


def test_what_is_known_of_debian_12_is_what_its_hypervisor_says(uri: str) -> None:
    release = Path("/etc/os-release").read_text()
    if 'VERSION_ID="12"' not in release or "debian" not in release:
        pytest.skip("this is not Debian 12")
    live, known = ask_libvirt(uri), offer_of_build("debian-12")
    assert live.lacking == ("kvm",) or "kvm" in live.virttypes
    for kind in ("disk.bus", "video.modelType", "graphics.type"):
        assert live.offers[kind] == known.offers[kind]
    assert live.offers["disk.bus"] == {"sata", "scsi", "usb", "virtio"}


def test_libvirt_that_does_not_answer_is_told(program: Program) -> None:
    missing = f"qemu:///embed?root={program.folder / 'none'}/\x01"
    for place in ("nonsense:///x", missing):
        done = program("check", "guest", "--nova", "yoga", "--connect", place, code=20)
        assert "has no answer for pseries guests: " in done.fault


def test_a_file_of_what_libvirt_said_is_as_good_as_libvirt(uri: str, program: Program) -> None:
    file = program.folder / "guest.xml"
    file.write_text(domain(IDE.format(disk="/d.img") + QXL))
    live = program("check", "guest", "--connect", uri, "--domain", file, "--json", code=1)
    saved = program("check", "guest", "--capabilities", DEBIAN_12, "--domain", file, "--json", code=1)
    assert (
        live.out.split('"findings"')[1].split('"skipped"')[0]
        == saved.out.split('"findings"')[1].split('"skipped"')[0]
    )


@pytest.mark.parametrize(("machine", "code"), [("pseries-6.1", 0), ("pseries-99.0", 1), ("pseries-rhel8.5.0", 1)])
def test_libvirt_is_asked_for_the_version_of_the_machine(
    uri: str, virsh: Virsh, program: Program, machine: str, code: int
) -> None:
    file = program.folder / "guest.xml"
    file.write_text(domain(machine=machine))
    done = program("check", "guest", "--connect", uri, "--domain", file, code=code)
    assert ("[guest-machine]" in done.out) is bool(code)
    assert bool(refusal(virsh, file)) is bool(code)
