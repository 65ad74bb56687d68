"""Whether ELF files fit an architecture's ABI, and which glibc and which long double they need.

`rpm.elf` reads what a file says, for any machine; this module compares that with an `Abi`. The format of long double
on POWER is found as binutils' include/elf/common.h defines it (Tag_GNU_Power_ABI_FP), the members of static libraries
as ar(5) does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any, cast

from ppcdeps.building.publishing.abi import Abi
from ppcdeps.model.evr import version_key
from ppcdeps.rpm.elf import DamagedElfError, Elf, read_elf

MAGIC = b"\x7fELF"
ARCHIVE = b"!<arch>\n"

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
    """One ELF file of a package, by its path there; one in a static library is ``libfoo.a(name.o)``."""

    path: str
    elf: Elf
    long_double: LongDouble | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """The symbol versions that it needs of any library."""
        return tuple(sorted({one for _, versions in self.elf.versions_needed for one in versions}))

    @property
    def glibc(self) -> str | None:
        """The oldest glibc that it runs with, as far as its symbol versions say."""
        return newest_glibc(self.versions)

    @property
    def machine(self) -> str:
        """The machine by elf.h's name, without EM_."""
        return self.elf.machine.removeprefix("EM_")

    def mismatches(self, abi: Abi) -> tuple[str, ...]:
        """What of it is not as that architecture's programs are; empty where all is."""
        endian = "little" if self.elf.is_little_endian else "big"
        found = []
        if self.machine != abi.machine:
            found.append(f"machine {self.machine}, not {abi.machine}")
        if self.elf.bits != abi.bits:
            found.append(f"{self.elf.bits} bits, not {abi.bits}")
        if endian != abi.endian:
            found.append(f"{endian}-endian, not {abi.endian}-endian")
        # Object files that touch nothing the ABI rules on have 0.
        if not found and abi.version is not None and self.elf.flags & 3 not in (0, abi.version):
            found.append(f"ABI version {self.elf.flags & 3}, not {abi.version}")
        return tuple(found)


def facts_of(stream: IO[bytes], path: str) -> ElfFacts:
    """The facts of an ELF file in a seekable stream. Raises DamagedElfError where it is damaged."""
    elf = read_elf(cast(Any, stream))
    if elf is None:
        raise DamagedElfError("is no ELF file")
    return ElfFacts(path, elf, _long_double(elf) if elf.machine == "EM_PPC64" else None)


def newest_glibc(versions: Iterable[str]) -> str | None:
    """The newest glibc among symbol versions (``GLIBC_2.34``), by rpm's order of versions; None where none is."""
    numbers = [
        _RELR_SINCE if version == _RELR else version.removeprefix("GLIBC_")
        for version in versions
        if version == _RELR or (version.startswith("GLIBC_") and version[6:7].isdigit())
    ]
    return max(numbers, key=version_key, default=None)


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


def _long_double(elf: Elf) -> LongDouble | None:
    """The format of long double, where attributes or the names of symbol versions say it."""
    found = set()
    for version in (*elf.versions_defined, *(one for _, versions in elf.versions_needed for one in versions)):
        if version.startswith(("GLIBCXX_IEEE128_", "CXXABI_IEEE128_")):
            found.add(LongDouble.IEEE)
        elif version.startswith(("GLIBCXX_LDBL_", "CXXABI_LDBL_")):
            found.add(LongDouble.IBM)
    kind = power_fp(elf.attributes, "little" if elf.is_little_endian else "big") >> 2 & 3
    said = {1: LongDouble.IBM, 2: LongDouble.DOUBLE, 3: LongDouble.IEEE}.get(kind)
    if said is not None:
        found.add(said)
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
