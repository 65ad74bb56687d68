"""Whether this machine can run the target's programs: by itself, or by qemu-user through binfmt_misc.

The kernel starts qemu for a foreign program where one is registered for it (admin-guide/binfmt-misc.rst of its
documentation). Flag F makes the kernel hold the interpreter open: it then need not exist inside a root or container.
"""

import contextlib
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ppcdeps.base.programs import run_program
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Reporter

BINFMT = Path("/proc/sys/fs/binfmt_misc")
_DECLARED = (Path("/etc/binfmt.d"), Path("/run/binfmt.d"), Path("/usr/lib/binfmt.d"))
_PACKAGE = "package qemu-user-static (Debian, Fedora; on EL it is in EPEL)"

_HEADERS = {
    # The 20 first bytes of an ELF program, and which of their bits count: class, byte order, type, machine.
    "ppc64le": (
        bytes.fromhex("7f454c4602010100000000000000000002001500"),
        bytes.fromhex("fffffffffffffffcfffffffffffffffffeffff00"),
    ),
    "x86_64": (
        bytes.fromhex("7f454c4602010100000000000000000002003e00"),
        bytes.fromhex("fffffffffffefefcfffffffffffffffffeffffff"),
    ),
    "aarch64": (
        bytes.fromhex("7f454c460201010000000000000000000200b700"),
        bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff"),
    ),
}
_SAME = {"ppc64el": "ppc64le", "amd64": "x86_64", "arm64": "aarch64"}


class EmulationState(StrEnum):
    """How a foreign program fares on this machine."""

    NATIVE = "native"
    """It is not a foreign program."""
    REGISTERED = "registered"
    """The kernel starts qemu for it, in any root and container."""
    UNFIT = "unfit"
    """An interpreter is registered without flag F, or switched off: it is not found inside a root."""
    UNREGISTERED = "unregistered"
    """Nothing is registered, but qemu is here."""
    ABSENT = "absent"
    """There is no qemu for it."""


@dataclass(frozen=True, slots=True)
class Emulation:
    """The emulation of ``arch`` on this machine. ``interpreter`` is qemu's path; ``fix`` what to do, if anything."""

    arch: str
    state: EmulationState
    interpreter: str = ""
    flags: str = ""
    fix: str = ""

    @property
    def works(self) -> bool:
        """Whether the kernel runs programs of the architecture wherever they are."""
        return self.state in {EmulationState.NATIVE, EmulationState.REGISTERED}

    def describe(self) -> str:
        """The state in half a line."""
        match self.state:
            case EmulationState.NATIVE:
                return f"this machine is {self.arch}: none is needed"
            case EmulationState.REGISTERED:
                return f"registered: {self.interpreter} (flags {self.flags})"
            case EmulationState.UNFIT:
                return f"registered, but not for use inside a root: {self.interpreter} (flags {self.flags or 'none'})"
            case EmulationState.UNREGISTERED:
                return f"{self.interpreter} is here, but not registered"
            case EmulationState.ABSENT:
                return f"there is no qemu for {self.arch}"


def machine_arch() -> str:
    """The architecture of this machine, as rpm names it."""
    name = platform.machine()
    return _SAME.get(name, name)


def emulation_of(arch: str, *, place: Path = BINFMT) -> Emulation:
    """The state of the emulation of ``arch`` (``ppc64le``) on this machine. Changes nothing."""
    if arch == machine_arch():
        return Emulation(arch, EmulationState.NATIVE)
    unfit: Emulation | None = None
    for interpreter, flags, enabled in _registered(arch, place):
        if enabled and "F" in flags:
            return Emulation(arch, EmulationState.REGISTERED, interpreter, flags)
        unfit = Emulation(arch, EmulationState.UNFIT, interpreter, flags, _fix_by_registering(arch))
    interpreter_here = static_qemu(arch)
    if unfit is not None:
        return unfit
    if interpreter_here is None:
        return Emulation(arch, EmulationState.ABSENT, fix=f"install {_PACKAGE}")
    fix = _fix_by_registering(arch)
    return Emulation(arch, EmulationState.UNREGISTERED, str(interpreter_here), fix=fix)


def ensure_emulation(arch: str, reporter: Reporter, *, place: Path = BINFMT) -> Emulation:
    """The emulation of ``arch``, registered now where it was not and this user may.

    Registering mounts binfmt_misc and writes one line to it, as systemd-binfmt does; an entry that is there already
    is left as it is. Never raises: what did not work is in the result's ``fix``.
    """
    found = emulation_of(arch, place=place)
    if found.works or found.state is EmulationState.ABSENT or os.geteuid() != 0:
        return found
    line = registration(arch)
    if line is None:
        return found
    try:
        if not (place / "register").exists():
            # Read-only in most containers, and mount is then refused.
            mount = run_program(["mount", "-t", "binfmt_misc"], operands=["binfmt_misc", str(place)], seconds=20)
            mount.checked(EnvironmentLacksError)
        (place / "register").write_bytes(line)
    except FileExistsError:
        # Another process registered it just now.
        return emulation_of(arch, place=place)
    except (OSError, EnvironmentLacksError) as fault:
        reporter.warn(f"could not register qemu for {arch}: {fault}")
        return emulation_of(arch, place=place)
    reporter.note(f"registered qemu for {arch} with the kernel (binfmt_misc)")
    return emulation_of(arch, place=place)


def require_emulation(arch: str, reporter: Reporter, *, place: Path = BINFMT) -> Emulation:
    """As ``ensure_emulation``. Raises EnvironmentLacksError where programs of ``arch`` cannot run here."""
    found = ensure_emulation(arch, reporter, place=place)
    if not found.works:
        raise EnvironmentLacksError(f"programs of {arch} do not run here: {found.describe()}", hint=found.fix)
    return found


def static_qemu(arch: str) -> Path | None:
    """The qemu-user of this machine for ``arch``, statically linked; None where there is none."""
    for name in (f"qemu-{arch}-static", f"qemu-{arch}"):
        found = shutil.which(name) or shutil.which(name, path="/usr/bin:/usr/local/bin")
        if found and _is_static(Path(found)):
            return Path(found)
    return None


def registration(arch: str) -> bytes | None:
    """The line that registers qemu for ``arch``: the distribution's own if that has flag F. None without qemu."""
    for folder in _DECLARED:
        for file in sorted(folder.glob(f"*qemu-{arch}*.conf")):
            with contextlib.suppress(OSError):
                for line in file.read_bytes().splitlines():
                    fields = line.strip().split(b":")
                    whole = line.startswith(b":") and len(fields) >= 8 and b"F" in fields[7]
                    if whole and Path(os.fsdecode(fields[6])).exists():
                        return line.strip()
    interpreter = static_qemu(arch)
    if interpreter is None or arch not in _HEADERS:
        return None
    magic, mask = (b"".join(b"\\x%02x" % byte for byte in part) for part in _HEADERS[arch])
    return b":qemu-%s:M::%s:%s:%s:OF" % (arch.encode(), magic, mask, os.fsencode(interpreter))


def _fix_by_registering(arch: str) -> str:
    line = registration(arch)
    if line is None:
        return f"install {_PACKAGE}"
    return (
        "run `ppcdeps build PLAN` once as root, which registers it, or: systemctl restart systemd-binfmt; "
        "bwrap also works without"
    )


def _registered(arch: str, place: Path) -> Iterator[tuple[str, str, bool]]:
    """Interpreter, flags and whether it is switched on, for each entry that takes programs of ``arch``."""
    if arch not in _HEADERS:
        return
    header = _HEADERS[arch][0]
    try:
        enabled = (place / "status").read_text().strip() == "enabled"
        entries = sorted(entry for entry in place.iterdir() if entry.name not in {"status", "register"})
    except OSError:
        return
    for entry in entries:
        try:
            lines = entry.read_text().splitlines()
        except OSError:
            continue
        fields = dict(line.partition(" ")[::2] for line in lines)
        offset = int(fields.get("offset", "-1"))
        magic = bytes.fromhex(fields.get("magic", ""))
        mask = bytes.fromhex(fields["mask"]) if "mask" in fields else b"\xff" * len(magic)
        if offset != 0 or not magic or len(magic) > len(header):
            continue
        if all((a ^ b) & c == 0 for a, b, c in zip(header, magic, mask, strict=False)):
            yield fields.get("interpreter", "?"), fields.get("flags:", ""), enabled and lines[0] == "enabled"


def _is_static(program: Path) -> bool:
    """Whether an ELF program asks for no interpreter (PT_INTERP): it then runs in any root."""
    try:
        with program.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    if head[:5] != b"\x7fELF\x02":
        return False
    offset = int.from_bytes(head[32:40], "little")
    size = int.from_bytes(head[54:56], "little")
    count = int.from_bytes(head[56:58], "little")
    kinds = (int.from_bytes(head[offset + size * n : offset + size * n + 4], "little") for n in range(count))
    return 3 not in kinds
