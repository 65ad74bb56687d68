"""The libvirt patch at work: pseries guests under TCG, with a QEMU that was built without cirrus, and one with it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded import Domains, domains_of, point, read_until
from libvirtbuild import applied, compiled, configure, missing_for_build
from qemubuild import build_qemu, missing_for_qemu

from ppcdeps.building.buildroots.debiansources import SourceArchive, UnavailableError

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="the embedded QEMU driver is set up for root here"),
]

CIRRUS = "<video><model type='cirrus'/></video>"
REFUSAL = "domain configuration does not support video model '{}'"
VGA_SEEN = "1234 1111    qemu vga"
"""What the firmware prints of the VGA that QEMU gives: vendor, device, name."""
CIRRUS_SEEN = "1013 00b8"


@pytest.fixture(scope="module")
def without_cirrus(archive: SourceArchive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing := missing_for_qemu():
        pytest.skip(f"QEMU cannot be built: there is no {', '.join(missing)}")
    try:
        emulator = build_qemu(archive, tmp_path_factory.mktemp("qemu"))
    except UnavailableError as reason:
        pytest.skip(f"no source package qemu: {reason}")
    command = [str(emulator), "-machine", "pseries", "-device", "help"]
    devices = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 'name "VGA"' in devices
    assert "cirrus" not in devices
    return emulator


@pytest.fixture(scope="module")
def with_cirrus() -> Path:
    found = shutil.which("qemu-system-ppc64")
    if found is None:
        pytest.skip("no qemu-system-ppc64")
    devices = subprocess.run([found, "-device", "help"], capture_output=True, text=True, check=True).stdout
    if 'name "cirrus-vga"' not in devices:
        pytest.skip(f"{found} has no cirrus either")
    return Path(found)


class Libvirt:
    """One source and one build: the patch is applied and taken away, and what it changes is built again."""

    def __init__(self, source: Path, build: Path) -> None:
        self._source = source
        self._patched = False
        self.build = configure(source, build)
        compiled(build)

    def make(self, *, patched: bool) -> None:
        if patched != self._patched:
            applied(self._source, reverse=not patched)
            compiled(self.build)
            self._patched = patched


@pytest.fixture(scope="module")
def libvirt(archive: SourceArchive, tmp_path_factory: pytest.TempPathFactory) -> Libvirt:
    folder = tmp_path_factory.mktemp("libvirt")
    try:
        source = archive.fetch("libvirt").unpack(folder / "source")
    except UnavailableError as reason:
        pytest.skip(f"no source package libvirt: {reason}")
    if missing := missing_for_build(source):
        pytest.skip(f"libvirt cannot be built: there is no {', '.join(missing)}")
    return Libvirt(source, folder / "build")


@pytest.fixture
def pristine(libvirt: Libvirt) -> Iterator[Domains]:
    libvirt.make(patched=False)
    with domains_of(libvirt.build) as domains:
        yield domains


@pytest.fixture
def patched(libvirt: Libvirt) -> Iterator[Domains]:
    libvirt.make(patched=True)
    with domains_of(libvirt.build) as domains:
        yield domains


def test_without_the_patch_the_domain_is_refused(pristine: Domains, without_cirrus: Path) -> None:
    guest = pristine.domain("guest", without_cirrus, CIRRUS)
    with pristine.session() as virsh:
        assert REFUSAL.format("cirrus") in virsh.do(f"define {guest}")
        assert REFUSAL.format("cirrus") in virsh.do(f"create {guest}")
        assert virsh.do("list --all --name") == ""


@pytest.mark.parametrize("mode", ["define", "create"])
def test_with_the_patch_it_starts_with_vga_and_a_warning(patched: Domains, without_cirrus: Path, mode: str) -> None:
    guest = patched.domain("guest", without_cirrus, CIRRUS)
    with patched.session() as virsh:
        assert "error" not in virsh.do(f"{mode} {guest}")
        if mode == "define":
            assert virsh.videos("guest") == [{"type": "vga", "vram": "16384", "heads": "1", "primary": "yes"}]
            assert "error" not in virsh.do("start guest")
        assert virsh.do("domstate guest") == "running"
        assert "VGA controller: PCI device 1234:1111" in virsh.do("qemu-monitor-command guest --hmp 'info pci'")
        firmware = read_until(patched.serial("guest"), "Welcome to Open Firmware")
    assert VGA_SEEN in firmware
    assert '"driver":"VGA"' in patched.command_line("guest")
    (warning,) = patched.warnings
    assert warning.endswith(
        f"Domain 'guest': {without_cirrus} has no video model 'cirrus' for pseries, using 'vga' instead"
    )


def test_settings_that_only_qxl_knows_go_with_it(patched: Domains, without_cirrus: Path) -> None:
    qxl = "<video><model type='qxl' ram='65536' vram='65536' vram64='32768' vgamem='16384' heads='1'/></video>"
    guest = patched.domain("guest", without_cirrus, qxl)
    with patched.session() as virsh:
        assert "error" not in virsh.do(f"define {guest}")
        assert virsh.videos("guest") == [{"type": "vga", "vram": "65536", "heads": "1", "primary": "yes"}]
        assert "error" not in virsh.do("start guest")
        firmware = read_until(patched.serial("guest"), "Welcome to Open Firmware")
    assert VGA_SEEN in firmware


@pytest.mark.parametrize(
    ("model", "videos"),
    [
        ("qxl", "<video><model type='qxl' heads='2'/></video>"),
        ("bochs", "<video><model type='bochs'><acceleration accel3d='yes'/></model></video>"),
        ("cirrus", "<video><model type='vga' primary='yes'/></video>" + CIRRUS),
    ],
    ids=["two heads", "3d", "secondary"],
)
def test_what_vga_cannot_give_is_refused_by_its_own_name(
    patched: Domains, without_cirrus: Path, model: str, videos: str
) -> None:
    guest = patched.domain("guest", without_cirrus, videos)
    with patched.session() as virsh:
        assert REFUSAL.format(model) in virsh.do(f"define {guest}")
    assert patched.warnings == []


@pytest.mark.parametrize("kind", ["pristine", "patched"])
def test_a_model_that_qemu_has_stays(request: pytest.FixtureRequest, with_cirrus: Path, kind: str) -> None:
    domains: Domains = request.getfixturevalue(kind)
    guest = domains.domain("guest", with_cirrus, CIRRUS)
    with domains.session() as virsh:
        assert "error" not in virsh.do(f"define {guest}")
        assert [video["type"] for video in virsh.videos("guest")] == ["cirrus"]
        assert "error" not in virsh.do("start guest")
        firmware = read_until(domains.serial("guest"), "Welcome to Open Firmware")
    assert CIRRUS_SEEN in firmware
    assert domains.warnings == []


def test_an_existing_domain_keeps_its_model_until_it_is_defined_again(
    patched: Domains, with_cirrus: Path, without_cirrus: Path
) -> None:
    emulator = patched.folder / "emulator"
    guest = patched.domain("guest", emulator, CIRRUS)
    point(emulator, with_cirrus)
    with patched.session() as virsh:
        assert "error" not in virsh.do(f"define {guest}")

    point(emulator, without_cirrus)
    with patched.session() as virsh:
        assert [video["type"] for video in virsh.videos("guest")] == ["cirrus"]
        assert REFUSAL.format("cirrus") in virsh.do("start guest")
        assert patched.warnings == []
        virsh.do("undefine guest")
        assert "error" not in virsh.do(f"define {guest}")
        assert [video["type"] for video in virsh.videos("guest")] == ["vga"]
        assert "error" not in virsh.do("start guest")
    assert len(patched.warnings) == 1


def test_a_saved_guest_is_not_restored_with_another_display(
    patched: Domains, with_cirrus: Path, without_cirrus: Path
) -> None:
    """What comes in by migration is read the same way."""
    emulator, state = patched.folder / "emulator", patched.folder / "guest.saved"
    guest = patched.domain("guest", emulator, CIRRUS)
    point(emulator, with_cirrus)
    with patched.session() as virsh:
        assert "error" not in virsh.do(f"create {guest}")
        read_until(patched.serial("guest"), "Welcome to Open Firmware")
        assert "error" not in virsh.do(f"save guest {state}")

    point(emulator, without_cirrus)
    with patched.session() as virsh:
        assert REFUSAL.format("cirrus") in virsh.do(f"restore {state}")
    assert patched.warnings == []

    point(emulator, with_cirrus)
    with patched.session() as virsh:
        assert "error" not in virsh.do(f"restore {state}")
        assert virsh.do("domstate guest") == "running"
