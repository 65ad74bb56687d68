"""What an image has on its disk, seen in its root folder: the machine of its programs, and what hot-plug needs."""

from collections.abc import Iterator
from pathlib import Path

from ppcdeps.checking.env.interpreters import program_at
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.checking.findings import Finding, Skipped
from ppcdeps.checking.guest.offers import ARCH
from ppcdeps.checking.rules import finding
from ppcdeps.model.errors import UsageError

HOTPLUG_PROGRAMS = ("rtas_errd", "drmgr")
"""The daemon that hears of a device of pseries, and the program that it calls to configure it."""

_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SHELLS = ("/bin/sh", "/usr/bin/bash", "/usr/bin/busybox", "/bin/busybox")
_UNSEEN = "the image was not looked into: name its root folder, such as where it is mounted, with --root"

NOT_LOOKED_INTO = (
    Skipped("hot-plug of volumes and ports (rtas_errd and drmgr in the guest)", _UNSEEN),
    Skipped("the machine that the image's programs are for", _UNSEEN),
)
"""What a check without the image's files does not know."""


def image_findings(folder: Path) -> tuple[list[Finding], list[Skipped]]:
    """What keeps a guest with these files from running, or from seeing devices that are attached while it runs.

    Raises UsageError where the folder is not the root of a system.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="name the image's root folder with --root")
    root = RootFileSystem(folder)
    if not any(root.is_folder(one) for one in ("/usr", "/bin")):
        raise UsageError(
            f"{folder} has neither usr nor bin: it is not the root folder of an image",
            hint="mount the image's root partition, as with guestmount or qemu-nbd, and name that folder",
        )
    skipped: list[Skipped] = []
    findings = [*_machine(root, skipped), *_hotplug(root)]
    return findings, [*skipped, *(Skipped(path, why) for path, why in sorted(root.unseen.items()))]


def _machine(root: RootFileSystem, skipped: list[Skipped]) -> Iterator[Finding]:
    for path in _SHELLS:
        elf = program_at(root, path)
        if elf is None:
            continue
        if elf.arch != ARCH:
            yield finding(
                "guest-architecture",
                f"the image's programs are for {elf.arch}, the hypervisor for {ARCH}",
                path,
                detail=["no image property changes what is on its disk"],
            )
        return
    skipped.append(
        Skipped("the machine that the image's programs are for", f"none of {', '.join(_SHELLS)} is a program")
    )


def _hotplug(root: RootFileSystem) -> Iterator[Finding]:
    lacking = [name for name in HOTPLUG_PROGRAMS if not any(root.is_file(f"{folder}/{name}") for folder in _FOLDERS)]
    if not lacking:
        return
    has_dnf = any(root.is_file(f"/usr/bin/{name}") for name in ("dnf", "yum", "microdnf"))
    yield finding(
        "guest-hotplug",
        f"the image has no {' and no '.join(lacking)}: a volume or port that is attached while it runs is not seen",
        "/usr/sbin",
        detail=[
            "nova and cinder say attached and in use all the same; what is there at boot is seen",
            "the kernel leaves it to rtas_errd, which calls drmgr: packages ppc64-diag and powerpc-utils",
            "disks on virtio-scsi are not devices of their own for pseries, and come without them: "
            "hw_disk_bus=scsi, hw_scsi_model=virtio-scsi",
        ],
        fix=["dnf install powerpc-utils ppc64-diag-rtas", "systemctl enable rtas_errd"] if has_dnf else [],
    )
