"""A root file system of one program, made on the spot: what an engine is tried with before there is any buildroot."""

import struct
from pathlib import Path

from ppcdeps.engines.job import BuildMode, Buildroot

_UNAME = (
    # uname(buffer below the stack); write(1, buffer.machine, its length and a line feed); exit(0)
    *(0x3BE1FE00, 0x7FE3FB78, 0x3800007A, 0x44000002, 0x389F0104, 0x7C852378),
    # The end of the text: until the byte at r5 is 0.
    *(0x88C50000, 0x2C060000, 0x4182000C, 0x38A50001, 0x4BFFFFF0),
    *(0x38C0000A, 0x98C50000, 0x38A50001, 0x7CA42850, 0x38600001, 0x38000004, 0x44000002),
    *(0x38600000, 0x38000001, 0x44000002),
)
_BASE = 0x10000000
_POWER = 21
_ABI_V2 = 2


def make_tiny_root(folder: Path) -> Buildroot:
    """A ppc64le root in ``folder`` whose one program, /bin/uname, prints the name of its machine."""
    for name in ("bin", "build", "dev", "etc", "proc", "root", "run", "sys", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    program = folder / "bin" / "uname"
    program.write_bytes(_program(b"".join(struct.pack("<I", word) for word in _UNAME)))
    program.chmod(0o755)
    # Docker and podman look names up there.
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")
    return Buildroot("trial", BuildMode.EMULATED, folder, "ppc64le", "ppc64le", "trial-1")


def _program(code: bytes) -> bytes:
    """An ELF program with that code at its entry, for 64-bit POWER, little-endian."""
    offset = 64 + 56
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    entry = _BASE + offset
    header = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, _POWER, 1, entry, 64, 0, _ABI_V2, 64, 56, 1, 64, 0, 0)
    size = offset + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + code
