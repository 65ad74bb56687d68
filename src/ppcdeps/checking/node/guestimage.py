"""The tiny test guest: a kernel, busybox and an init of ppcdeps, out of a root of the target's distribution.

Nothing is downloaded: a root folder of a ppc64le system, such as that of a node or an image, has it all.
"""

import gzip
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath

from ppcdeps.base.compression import open_stream
from ppcdeps.checking.env.root_file_system import EntryKind, RootFileSystem
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import ConfigError
from ppcdeps.rpm.elf import Elf, read_elf

ARCH = "ppc64le"
DISK_BYTES = 64 << 20
"""The size of the guest's own disk: nothing is on it but a line of text."""
COMMAND_LINE = "console=hvc0"
_MODULES = (
    *(
        "virtio_pci",
        "virtio_blk",
        "virtio_net",
        "virtio_scsi",
        "virtio_console",
        "virtio_input",
        "ibmvscsi",
        "sd_mod",
    ),
    *("rpaphp", "rpadlpar_io", "xhci_pci", "usbhid", "hid_generic", "evdev"),
)
"""Drivers of what a pseries guest can have. Those that the kernel has built in are no files."""
_KERNEL = re.compile(r"vmlinu[xz]-([0-9][\w.+~-]*)")
_DEPENDS = re.compile(rb"\0depends=([\w,-]+)\0")
"""What a driver says of itself in its section .modinfo."""
_COMPRESSED = (".xz", ".zst", ".gz")
_LIBRARIES = ("lib64", "usr/lib64", "lib", "usr/lib", "lib/powerpc64le-linux-gnu", "usr/lib/powerpc64le-linux-gnu")


@dataclass(frozen=True, slots=True)
class GuestImage:
    """The test guest: a kernel, what is in its memory at first, and its disk."""

    kernel: bytes
    ramdisk: bytes
    disk: bytes
    version: str
    """The kernel's."""


def make_guest(root: RootFileSystem) -> GuestImage:
    """The test guest out of a root of a ppc64le system.

    Raises ConfigError where it has no kernel, or no busybox that runs by itself.
    """
    version, kernel = _kernel(root)
    entries: dict[str, tuple[int, bytes]] = {}
    busybox = _program(root, "busybox", ("usr/bin/busybox", "bin/busybox", "sbin/busybox", "usr/sbin/busybox"))
    if (elf := _elf(root, busybox)).interpreter is not None:
        raise ConfigError(
            f"busybox in {root.folder} needs libraries",
            hint="install one that does not (busybox-static in Debian, busybox in EPEL)",
        )
    if elf.arch != ARCH:
        raise ConfigError(f"busybox in {root.folder} is for {elf.arch}, not for {ARCH}")
    entries["bin/busybox"] = (0o755, _content(root, busybox))
    folder = files("ppcdeps").joinpath("data", "guest")
    for name, place in (("init", "init"), ("poweroff", "sbin/poweroff"), ("udhcpc", "udhcpc")):
        entries[place] = (0o755, folder.joinpath(name).read_bytes())
    modules = _modules(root, version)
    for name, content in modules.items():
        entries[f"modules/{name}"] = (0o644, content)
    entries["modules.order"] = (0o644, "".join(f"{name}\n" for name in modules).encode())
    for place, content in _hotplug_program(root).items():
        entries[place] = (0o755, content)
    disk = b"the disk of ppcdeps' test guest\n".ljust(DISK_BYTES, b"\0")
    return GuestImage(kernel, gzip.compress(archive(entries), 6, mtime=0), disk, version)


def archive(entries: Mapping[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive in the form that Linux takes as its first file system (newc), with /dev/console.

    ``entries`` are modes and contents by path; their folders come before them.
    """
    out = io.BytesIO()
    number = 0

    def put(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        nonlocal number
        number += 1
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        out.write(b"\0" * (-out.tell() % 4) + content)
        out.write(b"\0" * (-out.tell() % 4))

    folders = {str(parent) for path in entries for parent in PurePosixPath(path).parents} | {"dev", "bin", "sbin"}
    for folder in sorted(folders - {"."}):
        put(folder, 0o040755)
    put("dev/console", 0o020600, device=(5, 1))
    for path, (mode, content) in sorted(entries.items()):
        put(path, 0o100000 | mode, content)
    put("TRAILER!!!", 0)
    return out.getvalue()


def _kernel(root: RootFileSystem) -> tuple[str, bytes]:
    """The newest kernel: its version, and the file."""
    found = []
    for name in root.names("/boot"):
        match = _KERNEL.fullmatch(name)
        if match and root.is_file(f"/boot/{name}"):
            found.append((_version_key(match[1]), match[1], f"/boot/{name}"))
    # EL keeps them with their drivers.
    beside = [(name, f"/lib/modules/{name}/vmlinuz") for name in root.names("/lib/modules")]
    found += [(_version_key(name), name, path) for name, path in beside if root.is_file(path)]
    if not found:
        raise ConfigError(
            f"{root.folder} has no kernel: neither /boot/vmlinux-* nor /lib/modules/*/vmlinuz",
            hint="name the root folder of a ppc64le system with --guest-root, or an image of the cloud with --image",
        )
    _, version, path = max(found)
    return version, _content(root, path, "node_kernel")


def _version_key(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(one), "") if one.isdecimal() else (-1, one) for one in re.split(r"[.~+-]", version))


def _program(root: RootFileSystem, name: str, places: tuple[str, ...]) -> str:
    for place in places:
        if root.is_file(f"/{place}"):
            return f"/{place}"
    raise ConfigError(
        f"{root.folder} has no {name}",
        hint="install it there (busybox-static in Debian), or name an image of the cloud with --image",
    )


def _elf(root: RootFileSystem, path: str) -> Elf:
    found = read_elf(io.BytesIO(_content(root, path)))
    if found is None:
        raise ConfigError(f"{path} in {root.folder} is not a program")
    return found


def _content(root: RootFileSystem, path: str, ceiling: str = "node_file") -> bytes:
    try:
        with root.open(path) as stream:
            content = stream.read(getattr(CEILINGS, ceiling) + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path} in {root.folder}: {error.strerror}") from error
    if len(content) > getattr(CEILINGS, ceiling):
        raise ConfigError(f"{path} in {root.folder} {beyond(ceiling)}")
    return content


def _modules(root: RootFileSystem, version: str) -> dict[str, bytes]:
    """The drivers that are files, each behind those that it needs: modules.dep is made when a package is set up, and
    a root that was only unpacked has none.
    """
    paths = dict(_module_files(root, f"/lib/modules/{version}/kernel"))
    found: dict[str, bytes] = {}

    def take(name: str) -> None:
        if name not in paths or f"{name}.ko" in found:
            return
        content = _opened(root, paths[name])
        needed = _DEPENDS.search(content)
        for one in needed[1].decode("ascii").split(",") if needed else ():
            take(one.replace("-", "_"))
        found[f"{name}.ko"] = content

    for wanted in _MODULES:
        take(wanted)
    return found


def _module_files(root: RootFileSystem, folder: str) -> Iterator[tuple[str, str]]:
    for entry in root.entries(folder) if root.is_folder(folder) else ():
        path = f"{folder}/{entry.name}"
        if entry.kind is EntryKind.FOLDER and not entry.is_link:
            yield from _module_files(root, path)
        elif ".ko" in entry.name:
            yield entry.name.split(".ko")[0].replace("-", "_"), path


def _opened(root: RootFileSystem, path: str) -> bytes:
    if not path.endswith(_COMPRESSED):
        return _content(root, path)
    _content(root, path)  # that it is a regular file within the root, of some size
    from pathlib import Path

    with open_stream(Path(root.host(path)), limit=CEILINGS.node_file, ceiling="node_file") as stream:
        return stream.read()


def _hotplug_program(root: RootFileSystem) -> dict[str, bytes]:
    """The program drmgr with its libraries, if the root has it: it takes part in hot-plug."""
    place = next((one for one in ("/usr/sbin/drmgr", "/sbin/drmgr") if root.is_file(one)), None)
    if place is None:
        return {}
    found = {"sbin/drmgr": _content(root, place)}
    todo = [_elf(root, place)]
    while todo:
        elf = todo.pop()
        if elf.interpreter:
            found[elf.interpreter.lstrip("/")] = _content(root, elf.interpreter)
        for name in elf.needed:
            where = next((f"/{one}/{name}" for one in _LIBRARIES if root.is_file(f"/{one}/{name}")), None)
            if where is None or f"lib64/{name}" in found:
                continue
            found[f"lib64/{name}"] = _content(root, where)
            todo.append(_elf(root, where))
    return found
