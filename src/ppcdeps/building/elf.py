"""Facts of an ELF file: what it was made for, what it needs, where it looks for it.

Follows the System V ABI (gABI, "Object Files"), the GNU symbol versioning of the LSB, and for the long double of
POWER binutils' include/elf/common.h (Tag_GNU_Power_ABI_FP).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any

from ppcdeps.building.abi import Abi
from ppcdeps.model.evr import version_key

MAGIC = b"\x7fELF"

_RELR = "GLIBC_ABI_DT_RELR"
_RELR_SINCE = "2.36"
_TAG_POWER_FP = 4


class LongDouble(StrEnum):
    """The format of long double on POWER: code of the two cannot be mixed."""

    IBM = "ibm"
    """Double-double, of EL9 and older."""
    IEEE = "ieee128"
    """Of Fedora 36 and EL10 on."""
    DOUBLE = "64-bit"
    MIXED = "both"
    """It has entry points for both, as libstdc++ itself."""


@dataclass(frozen=True, slots=True)
class ElfFacts:
    """One ELF file of a package.

    ``kind`` is executable, shared (also position-independent executables), relocatable, core or other. ``machine`` is
    elf.h's name without EM_. ``abi`` are the two lowest bits of e_flags. ``needed`` are sonames; ``versions`` the
    symbol versions that it needs, ``defines`` those that it has, ``search`` the elements of its RPATH and RUNPATH.
    """

    path: str
    bits: int
    endian: str
    machine: str
    kind: str
    abi: int
    flags: int
    soname: str = ""
    needed: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    long_double: LongDouble | None = None

    @property
    def glibc(self) -> str | None:
        """The oldest glibc that it runs with, as far as its symbol versions tell."""
        return newest_glibc(self.versions)

    def mismatches(self, abi: Abi) -> tuple[str, ...]:
        """What of it is not as that architecture's programs are; empty where all is."""
        found = []
        if self.machine != abi.machine:
            found.append(f"machine {self.machine}, not {abi.machine}")
        if self.bits != abi.bits:
            found.append(f"{self.bits} bits, not {abi.bits}")
        if self.endian != abi.endian:
            found.append(f"{self.endian}-endian, not {abi.endian}-endian")
        # Object files that touch nothing the ABI rules on have 0.
        if not found and abi.version is not None and self.abi not in (0, abi.version):
            found.append(f"ABI version {self.abi}, not {abi.version}")
        return tuple(found)


class BrokenElfError(ValueError):
    """The file begins as ELF does and is not readable as that, with the reason as a phrase."""


def newest_glibc(versions: Iterable[str]) -> str | None:
    """The newest glibc among symbol versions (``GLIBC_2.34``), by rpm's order of versions; None where none is."""
    numbers = [
        _RELR_SINCE if version == _RELR else version.removeprefix("GLIBC_")
        for version in versions
        if version == _RELR or (version.startswith("GLIBC_") and version[6:7].isdigit())
    ]
    return max(numbers, key=version_key, default=None)


def read_elf(stream: IO[bytes], path: str) -> ElfFacts:
    """The facts of an ELF file in a stream that can be sought in. Raises BrokenElfError where it is damaged."""
    from elftools.elf.elffile import ELFFile

    try:
        return _facts(ELFFile(stream), path)
    # The library fails on damaged input in many ways (assertions and its parser's own errors among them).
    except Exception as fault:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise BrokenElfError(reason) from fault


def archive_members(stream: IO[bytes]) -> Iterator[tuple[str, int, int]]:
    """Name, place and size of each ELF file in a static library (ar(5)); what is not readable ends it."""
    place = len(ARCHIVE)
    while True:
        stream.seek(place)
        header = stream.read(60)
        if len(header) < 60 or header[58:60] != b"`\n" or not header[48:58].strip().isdigit():
            return
        size = int(header[48:58])
        if stream.read(4) == MAGIC:
            yield header[:16].decode("ascii", "replace").strip().rstrip("/"), place + 60, size
        place += 60 + size + size % 2


ARCHIVE = b"!<arch>\n"


def _facts(elf: Any, path: str) -> ElfFacts:
    header = elf.header
    machine = header["e_machine"]
    versions, defines = _symbol_versions(elf)
    soname, needed, search = _dynamic(elf)
    flags = header["e_flags"]
    return ElfFacts(
        path=path,
        bits=elf.elfclass,
        endian="little" if elf.little_endian else "big",
        machine=machine.removeprefix("EM_") if isinstance(machine, str) else f"number {machine}",
        kind=_kind(header["e_type"]),
        abi=flags & 3,
        flags=flags,
        soname=soname,
        needed=needed,
        versions=versions,
        defines=defines,
        search=search,
        long_double=_long_double(elf, (*versions, *defines)) if machine == "EM_PPC64" else None,
    )


def _kind(name: object) -> str:
    kinds = {"ET_EXEC": "executable", "ET_DYN": "shared", "ET_REL": "relocatable", "ET_CORE": "core"}
    return kinds.get(str(name), "other")


def _symbol_versions(elf: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

    needs, has = set[str](), set[str]()
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            needs.update(str(one.name) for _, ones in section.iter_versions() for one in ones)
        elif isinstance(section, GNUVerDefSection):
            has.update(str(next(names).name) for _, names in section.iter_versions())
    return tuple(sorted(needs)), tuple(sorted(has))


def _dynamic(elf: Any) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The soname, the sonames that it needs, and where it looks for them."""
    from elftools.elf.dynamic import DynamicSegment

    soname = ""
    needed: list[str] = []
    search: list[str] = []
    for segment in elf.iter_segments():
        if not isinstance(segment, DynamicSegment):
            continue
        for tag in segment.iter_tags():
            match tag.entry.d_tag:
                case "DT_NEEDED":
                    needed.append(_text_of(tag, "needed"))
                case "DT_SONAME":
                    soname = _text_of(tag, "soname")
                case "DT_RPATH":
                    search += _text_of(tag, "rpath").split(":")
                case "DT_RUNPATH":
                    search += _text_of(tag, "runpath").split(":")
    return soname, tuple(needed), tuple(dict.fromkeys(search))


def _text_of(tag: Any, name: str) -> str:
    """The text of a dynamic entry, which the library gives an attribute named after its kind."""
    return str(getattr(tag, name))


def _long_double(elf: Any, versions: Iterable[str]) -> LongDouble | None:
    """The format of long double, where attributes or the names of symbol versions tell."""
    found = set()
    for version in versions:
        if version.startswith(("GLIBCXX_IEEE128_", "CXXABI_IEEE128_")):
            found.add(LongDouble.IEEE)
        elif version.startswith(("GLIBCXX_LDBL_", "CXXABI_LDBL_")):
            found.add(LongDouble.IBM)
    section = elf.get_section_by_name(".gnu.attributes")
    if section is not None:
        kind = power_fp(section.data(), "little" if elf.little_endian else "big") >> 2 & 3
        told = {1: LongDouble.IBM, 2: LongDouble.DOUBLE, 3: LongDouble.IEEE}.get(kind)
        if told is not None:
            found.add(told)
    return found.pop() if len(found) == 1 else LongDouble.MIXED if found else None


def power_fp(data: bytes, endian: Any = "little") -> int:
    """The value of Tag_GNU_Power_ABI_FP in a .gnu.attributes section; 0 where it is not there.

    The two lowest bits are the format of float arguments, the next two that of long double.
    """
    if data[:1] != b"A":
        return 0
    place = 1
    while place + 4 < len(data):
        size = int.from_bytes(data[place : place + 4], endian)
        vendor, _, rest = data[place + 4 : place + size].partition(b"\0")
        # One subsection for the file: its tag, its size, then tags with values.
        if vendor == b"gnu" and rest[:1] == b"\1":
            return _attribute(rest[5 : int.from_bytes(rest[1:5], endian)], _TAG_POWER_FP)
        if size < 5:
            break
        place += size
    return 0


def _attribute(data: bytes, wanted: int) -> int:
    numbers = _numbers(data)
    # Odd tags have a text as value; POWER has none of these.
    for tag in numbers:
        value = next(numbers, 0)
        if tag == wanted:
            return value
    return 0


def _numbers(data: bytes) -> Iterator[int]:
    """Numbers in LEB128, without sign."""
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0
