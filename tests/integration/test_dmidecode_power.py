"""The recipe dmidecode-power: built by rpmbuild, installed by rpm, and run on device trees of POWER systems."""

import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from srpms import run

from ppcdeps.recipebook.book import load_book
from ppcdeps.recipebook.rendering import render

pytestmark = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="rpmbuild is not installed")

GUEST = "0f9c2c5e-6d3b-4f7e-9a53-6c1f5f6a7b10"
HOST = "IBM,0278B5BD0"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the package in it."""
    folder = tmp_path_factory.mktemp("dmidecode")
    rendering = render(load_book().named("dmidecode-power"), folder / "made")
    run(str(rendering.folder / "build.sh"))
    (package,) = (rendering.folder / "RPMS" / "noarch").glob("dmidecode-power-1-1*.noarch.rpm")
    root = folder / "root"
    root.mkdir()
    if os.geteuid() == 0:
        run("rpm", "-i", "--root", str(root), "--nodeps", "--ignorearch", "--ignoreos", str(package))
        assert run("rpm", "-qa", "--root", str(root)).startswith("dmidecode-power-1-1")
    else:
        # rpm changes its root, which root alone may.
        run("sh", "-c", f"rpm2cpio '{package}' | cpio -id", cwd=root)
    return root


@pytest.fixture
def machine(installed: Path, tmp_path: Path) -> Path:
    """The installed program, with a device tree of the test's beside it."""
    (program,) = (path for path in installed.rglob("dmidecode") if path.is_file())
    assert program.stat().st_mode & 0o777 == 0o755
    (tmp_path / "device-tree").mkdir()
    copy = tmp_path / "dmidecode"
    copy.write_text(program.read_text().replace("/proc/device-tree", str(tmp_path / "device-tree")))
    return copy


def call(program: Path, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(["sh", str(program), *options], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("options", [["-s", "system-uuid"], ["-ssystem-uuid"], ["--string", "system-uuid"]])
def test_a_guest_has_the_uuid_that_its_hypervisor_gave_it(machine: Path, options: list[str]) -> None:
    (machine.parent / "device-tree/vm,uuid").write_bytes(GUEST.encode() + b"\0")
    (machine.parent / "device-tree/system-id").write_bytes(HOST.encode() + b"\0")
    assert call(machine, *options) == (0, f"{GUEST}\n", "")


def test_bare_metal_has_always_the_same_uuid_of_its_serial_number(machine: Path) -> None:
    (machine.parent / "device-tree/system-id").write_bytes(HOST.encode() + b"\0")
    code, output, _ = call(machine, "-ssystem-uuid")
    found = uuid.UUID(output.strip())
    assert (code, found.version, found.variant) == (0, 8, uuid.RFC_4122)
    # RFC 9562: all bits but the version's and the variant's are free.
    digest = bytearray(hashlib.sha256(HOST.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x0F | 0x80
    assert found == uuid.UUID(bytes=bytes(digest))


def test_nothing_else_is_answered(machine: Path) -> None:
    (machine.parent / "device-tree/vm,uuid").write_bytes(GUEST.encode() + b"\0")
    for options in ([], ["-s", "bios-version"], ["-t", "0"], ["-s", "system-uuid", "-q"]):
        code, output, errors = call(machine, *options)
        assert (code, output) == (1, "")
        assert errors == ("dmidecode: POWER has no DMI tables: this program knows -s system-uuid, and nothing else\n")


def test_a_machine_without_a_device_tree_is_no_answer(machine: Path) -> None:
    code, output, errors = call(machine, "-s", "system-uuid")
    assert (code, output) == (1, "")
    assert "neither vm,uuid nor system-id is in" in errors
