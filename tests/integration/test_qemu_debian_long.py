"""QEMU by the recipe qemu-debian: cross-compiled, installed into the emulated Debian root, and started there up to
the guest firmware. The smoke test is the recipe's own: a build whose smoke test fails is a failed one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from buildworld import write_target
from debianroots import beside, emulates, lacks
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.buildroots.debiansources import SourceArchive, UnavailableError
from ppcdeps.engines.job import Buildroot
from ppcdeps.recipebook.book import load_book
from ppcdeps.rpm.header import read_header

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(lacks()), reason=lacks() or "-"),
    pytest.mark.skipif(os.geteuid() != 0, reason="installing into a root takes root"),
]

SUITES = {"7.2.0": "bookworm", "10.0.2": "bookworm-backports"}
PATIENCE = 4 * 3600
MODULES = "/usr/lib/powerpc64le-linux-gnu/qemu/"


def sources_into(folder: Path, version: str, archive: SourceArchive) -> None:
    """What the recipe builds that version from. Skips where this machine cannot have the very same files."""
    folder.mkdir()
    (recipe,) = [each for each in load_book() if each.folder.name == "qemu-debian"]
    for source in recipe.sources:
        if source.version != version:
            continue
        if source.role == "main":
            try:
                found = archive.fetch("qemu", SUITES[version]).file
            except UnavailableError as reason:
                pytest.skip(str(reason))
            shutil.copyfile(found, folder / source.file)
        else:
            # Meson's own release, which is its source distribution.
            name = source.file.removesuffix(".tar.gz").replace("-", "==")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
            subprocess.run([*command, "--dest", str(folder), name], check=True)
        if sha256_of(folder / source.file) != source.sha256:
            pytest.skip(f"{source.file} is another one here")


@pytest.mark.parametrize("version", list(SUITES))
def test_the_emulator_is_built_and_its_guests_firmware_comes_up(
    version: str, archive: SourceArchive, debian_cache: Cache, debian_root: Buildroot, tmp_path: Path
) -> None:
    if not emulates():
        pytest.skip("programs of ppc64le do not run here")
    world = tmp_path / "world"
    world.mkdir()
    sources_into(world / "sources", version, archive)
    base = Buildroots(debian_cache).of(debian_root).repository
    assert base is not None
    write_target(world, {"qemu": version}, base, "debian-12-cross")
    cache = beside(debian_cache, tmp_path / "cache")
    ppcdeps = Program(world, {"PPCDEPS_CACHE": str(cache)}, patience=PATIENCE)

    ppcdeps("plan", "qemu", "--target", "target.toml", "--python", "rpm", "-o", "plan.json", code=1)
    ppcdeps("build", "plan.json", "--target", "target.toml", "--sources", "sources", "--repository", "built")

    (package,) = (world / "built").glob("packages/**/qemu-*.rpm")
    header = read_header(package)
    assert str(header.nevra) == f"qemu-{version}-1.deb12.ppc1.ppc64le"
    files = set(header.files)
    assert {"/usr/bin/qemu-system-ppc64", "/usr/bin/qemu-img", f"{MODULES}hw-display-virtio-gpu.so"} <= files
    # The stub that EL's %files names, for every architecture but s390x.
    assert (f"{MODULES}hw-uefi-vars.so" in files) == (version == "10.0.2")
    assert not [file for file in files if file.endswith((".bin", ".rom"))]
    log = (world / "build-qemu" / "logs" / "qemu.log").read_text(errors="replace")
    assert "no smoke test" not in log
    assert "Welcome to Open Firmware" in log
