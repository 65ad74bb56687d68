"""QEMU from the distribution's source for pseries guests alone: with VGA, without the other plain displays."""

import shutil
import subprocess
from pathlib import Path

from libvirtbuild import environment, has_library

from ppcdeps.building.buildroots.debiansources import SourceArchive

DEVICES = """
CONFIG_PSERIES=y
# pseries does not link without USB, and ends as it starts without NVDIMM, the parent of its own type of that.
CONFIG_USB=y
CONFIG_USB_OHCI_PCI=y
CONFIG_USB_XHCI_PCI=y
CONFIG_NVDIMM=y
CONFIG_VGA=y
CONFIG_VGA_PCI=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_SCSI=y
"""
FIRMWARE = (Path("/usr/share/qemu/slof.bin"), Path("/usr/share/seabios/vgabios-stdvga.bin"))
PATIENCE = 3600


def missing_for_qemu() -> list[str]:
    """The programs, libraries and firmware that building and running it needs and this machine has not."""
    lacking = [name for name in ("ninja", "meson", "gcc", "pkg-config", "dpkg-source") if shutil.which(name) is None]
    if "pkg-config" not in lacking:
        lacking += [name for name in ("glib-2.0", "pixman-1", "zlib") if not has_library(name)]
    if not Path("/usr/include/libfdt.h").exists():
        lacking.append("libfdt-dev")
    return lacking + [str(file) for file in FIRMWARE if not file.exists()]


def build_qemu(archive: SourceArchive, folder: Path) -> Path:
    """The emulator, built the way a distribution builds it for POWER hosts: chosen devices, nothing by default."""
    source = archive.unpack_packaged("qemu", folder / "source")
    (source / "configs" / "devices" / "ppc64-softmmu" / "pseries.mak").write_text(DEVICES)
    configure = source / "configure"
    offline = (
        "--with-git-submodules=ignore" if "--with-git-submodules" in configure.read_text() else "--disable-download"
    )
    build, prefix = folder / "build", folder / "prefix"
    build.mkdir()
    firmware = ":".join(str(file.parent) for file in FIRMWARE)
    options = [
        *("--target-list=ppc64-softmmu", "--with-devices-ppc64=pseries"),
        *("--without-default-features", "--without-default-devices"),
        *("--enable-tcg", "--enable-fdt=system", "--disable-tools", "--disable-guest-agent", "--disable-docs"),
        *("--disable-debug-info", offline, f"--prefix={prefix}", f"--firmwarepath={firmware}"),
    ]
    for command in (["nice", str(configure), *options], ["nice", "ninja", "qemu-system-ppc64"]):
        done = subprocess.run(command, cwd=build, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    # In the build folder QEMU looks for firmware in the build folder only.
    emulator = prefix / "bin" / "qemu-system-ppc64"
    emulator.parent.mkdir(parents=True)
    shutil.copy(build / "qemu-system-ppc64", emulator)
    return emulator
