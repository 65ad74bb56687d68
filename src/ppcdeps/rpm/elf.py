"""What an ELF file says of the machine, the libraries and the symbol versions that it needs, without running it.

The file is read as the gABI and the LSB's chapter on symbol versioning define it, through pyelftools.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ppcdeps.model.values import dataclass

_MAGIC = b"\x7fELF"
_LIMIT = 100_000
"""More entries than any real table has: a damaged file must not keep the reader busy."""

_ARCHES = {
    ("EM_PPC64", 64, True): "ppc64le",
    ("EM_PPC64", 64, False): "ppc64",
    ("EM_PPC", 32, False): "ppc",
    ("EM_X86_64", 64, True): "x86_64",
    ("EM_386", 32, True): "i686",
    ("EM_AARCH64", 64, True): "aarch64",
    ("EM_ARM", 32, True): "armv7hl",
    ("EM_S390", 64, False): "s390x",
    ("EM_RISCV", 64, True): "riscv64",
    ("EM_LOONGARCH", 64, True): "loongarch64",
}


class DamagedElfError(Exception):
    """The file begins as an ELF file does and cannot be read on."""


@dataclass(frozen=True, slots=True)
class Elf:
    """One ELF file.

    ``kind`` is ``rel``, ``exec``, ``dyn`` or ``core``; ``machine`` the name in elf.h (``EM_PPC64``); ``bits`` 32 or
    64; ``flags`` are e_flags. ``runpath`` and ``rpath`` are folders in their order, ``$ORIGIN`` as it is written.
    ``versions_needed`` gives, by soname, the symbol versions that must be there (``GLIBC_2.34``); weak ones, which
    may be missing, are left out; ``versions_defined`` those that this library has. ``interpreter`` is of PT_INTERP.
    ``attributes`` is the section .gnu.attributes.
    """

    kind: str
    machine: str
    bits: int
    is_little_endian: bool
    flags: int
    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str | None = None
    versions_needed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    versions_defined: tuple[str, ...] = ()
    attributes: bytes = b""

    @property
    def arch(self) -> str:
        """What rpm and uname call the machine: ``ppc64le``. The name in elf.h with the width where they have none."""
        known = _ARCHES.get((self.machine, self.bits, self.is_little_endian))
        order = "little" if self.is_little_endian else "big"
        return known or f"{self.machine.removeprefix('EM_').lower()} ({self.bits} bits, {order}-endian)"

    @property
    def abi(self) -> int | None:
        """The version of the ppc64 ELF ABI, 1 or 2 (0: not said); None on other machines."""
        return self.flags & 3 if self.machine == "EM_PPC64" else None


def read_elf(stream: BinaryIO) -> Elf | None:
    """What the file says, from its beginning on; None where it is not an ELF file.

    The stream must be seekable. Raises DamagedElfError where the file is cut off or contradicts itself.
    """
    stream.seek(0)
    if stream.read(4) != _MAGIC:
        return None
    from elftools.common.exceptions import ELFError

    try:
        return _read(stream)
    except (ELFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError) as fault:
        # pyelftools checks no numbers: a damaged file can raise anything here.
        raise DamagedElfError(f"is a damaged ELF file ({_reason(fault)})") from fault
    except (RecursionError, MemoryError, UnicodeError, AssertionError) as fault:
        raise DamagedElfError("is a damaged ELF file") from fault


def _read(stream: BinaryIO) -> Elf:
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    file = ELFFile(stream)
    header = file.header
    tags: dict[str, list[str]] = {}
    interpreter = None
    for segment in file.iter_segments():
        if isinstance(segment, DynamicSegment):
            tags = _dynamic(segment)
        elif isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
    needed, defined = _versions(file)
    return Elf(
        kind=str(header["e_type"]).removeprefix("ET_").lower(),
        machine=str(header["e_machine"]),
        bits=int(file.elfclass),
        is_little_endian=bool(file.little_endian),
        flags=int(header["e_flags"]),
        soname=next(iter(tags.get("DT_SONAME", ())), None),
        needed=tuple(tags.get("DT_NEEDED", ())),
        rpath=_folders(tags.get("DT_RPATH", ())),
        runpath=_folders(tags.get("DT_RUNPATH", ())),
        interpreter=interpreter,
        versions_needed=tuple((name, tuple(sorted(versions))) for name, versions in sorted(needed.items())),
        versions_defined=tuple(defined),
        attributes=_attributes(file),
    )


_TEXTS = {"DT_SONAME": "soname", "DT_NEEDED": "needed", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}


def _dynamic(segment: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in _few(segment.iter_tags()):
        name = str(tag.entry.d_tag)
        if name in _TEXTS:
            found.setdefault(name, []).append(str(getattr(tag, _TEXTS[name])))
    return found


def _versions(file: Any) -> tuple[Mapping[str, set[str]], list[str]]:
    from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

    needed: dict[str, set[str]] = {}
    defined: list[str] = []
    for section in _few(file.iter_sections()):
        if isinstance(section, GNUVerNeedSection):
            for need, versions in _few(section.iter_versions()):
                # VER_FLG_WEAK: the loader only warns where such a version is missing.
                names = {str(one.name) for one in _few(versions) if not one["vna_flags"] & 2}
                needed.setdefault(str(need.name), set()).update(names)
        elif isinstance(section, GNUVerDefSection):
            for definition, names in _few(section.iter_versions()):
                # VER_FLG_BASE: the name of the library itself.
                if not definition["vd_flags"] & 1:
                    defined += [str(one.name) for one in _few(names)][:1]
    return needed, defined


def _attributes(file: Any) -> bytes:
    section = file.get_section_by_name(".gnu.attributes")
    return b"" if section is None else bytes(section.data())


def _few(entries: Iterator[Any]) -> Iterator[Any]:
    for count, entry in enumerate(entries):
        if count > _LIMIT:
            raise ValueError("a table without an end")
        yield entry


def _folders(texts: list[str] | tuple[()]) -> tuple[str, ...]:
    return tuple(folder for text in texts for folder in text.split(":") if folder)


def _reason(fault: Exception) -> str:
    return " ".join(str(fault).split())[:100] or type(fault).__name__
