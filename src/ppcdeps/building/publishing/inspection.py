"""Built packages examined: made for the target, as the plan expects them, and without traces of the build machine.

A package that cannot be read has that as its defect. No code of a package runs, and none is written to a file that
could be run.
"""

import itertools
import posixpath
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ppcdeps.building.publishing.abi import Abi, abi_of, load_abis
from ppcdeps.building.publishing.defects import DefectSeverity, PackageDefect, errors_in, some
from ppcdeps.building.publishing.elf import (
    ARCHIVE,
    MAGIC,
    ElfFacts,
    LongDouble,
    archive_members,
    facts_of,
    newest_glibc,
)
from ppcdeps.building.publishing.expectations import Expected, missing_from
from ppcdeps.building.publishing.private_paths import Searcher
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.evr import compare_versions, version_key
from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.elf import DamagedElfError
from ppcdeps.rpm.header import PackageHeader, check_digests, raw_header, read_header
from ppcdeps.rpm.payload import Member, members_of, open_payload

_STAGING = "/build/BUILDROOT"
"""Where builds stage their files: as rpm's own check-buildroot has it, nothing may name it."""
_SOURCES = "/build/BUILD"
"""Where builds compile: messages of assert(3) name sources so, and are the same on every machine."""

_IN_MEMORY = 32 << 20

_SYMBOL_VERSION = re.compile(r"\(GLIBC_(?P<version>[0-9][0-9.]*)\)")
_FIRMWARE = ("/usr/share/", "/usr/lib/firmware/", "/lib/firmware/", "/boot/")
"""Where ELF files for other machines lie that this one only hands on: guests' firmware, device firmware."""
_OF_NO_MACHINE = ("NONE", "BPF")
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/libexec")
_WRITABLE = ("/build", "/builddir", "/home", "/root", "/tmp", "/var/tmp", "/usr/src")  # noqa: S108


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen of one package. Of one that cannot be read there is the file's name, and a defect.

    ``glibc`` is the oldest glibc that everything in it runs with, None
    where nothing needs any; ``long_double`` the format of it, where visible.
    """

    file: str
    nevra: Nevra | None = None
    provides: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    elf: tuple[ElfFacts, ...] = ()
    glibc: str | None = None
    long_double: LongDouble | None = None
    defects: tuple[PackageDefect, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether no defect is an error."""
        return not errors_in(self.defects)


@dataclass(frozen=True, slots=True)
class SetInspection:
    """The packages of one source, and what was found of them together."""

    packages: tuple[Inspection, ...]
    defects: tuple[PackageDefect, ...] = ()

    @property
    def all_defects(self) -> tuple[PackageDefect, ...]:
        """Those of the packages and those of the set, errors first."""
        found = [*self.defects, *(one for package in self.packages for one in package.defects)]
        return tuple(sorted(found, key=lambda one: one.severity is not DefectSeverity.ERROR))

    @property
    def is_sound(self) -> bool:
        """Whether no defect is an error."""
        return not errors_in(self.all_defects)

    @property
    def glibc(self) -> str | None:
        """The oldest glibc that all of them run with."""
        return max((one.glibc for one in self.packages if one.glibc), key=version_key, default=None)


def inspect_rpm(path: Path, arch: str, private: Sequence[str] = ()) -> Inspection:
    """Examine one package that was built for ``arch``.

    ``private`` are paths and names of the machine that built it (folders, host name): none of them may be in the
    header or in a file; a name of letters alone counts as the header's build host. Content of compressed files is
    not looked into. Raises ConfigError where ``arch`` is not known, and EnvironmentLacksError where rpm's tools are
    missing; all that is wrong with the package itself is a defect.
    """
    abi = abi_of(arch)
    try:
        header = read_header(path)
        check_digests(path)
        raw = raw_header(path)
    except ConfigError as fault:
        return Inspection(path.name, defects=(PackageDefect(DefectSeverity.ERROR, fault.message, path.name),))
    seen = _Examination(path.name, header, abi, private)
    seen.examine_header(raw)
    try:
        with open_payload(path) as stream:
            for member in members_of(stream):
                seen.examine_file(member)
    except ConfigError as fault:
        seen.find(DefectSeverity.ERROR, fault.message)
    return seen.result()


def inspect_set(
    paths: Iterable[Path], arch: str, expected: Expected | None = None, private: Sequence[str] = ()
) -> SetInspection:
    """Examine all binary packages of one source, each and together. Raises as ``inspect_rpm`` does."""
    packages = tuple(inspect_rpm(path, arch, private) for path in sorted(paths, key=lambda one: one.name))
    names = {one.nevra.name for one in packages if one.nevra}
    provided = [text for one in packages for text in (*one.provides, *one.files)]
    defects = list(missing_from(names, provided, expected)) if expected is not None else []
    formats = {one.long_double for one in packages}
    if {LongDouble.IBM, LongDouble.IEEE} <= formats:
        text = "some have IBM and some IEEE 128 long double: programs that use both get wrong numbers"
        defects.append(PackageDefect(DefectSeverity.WARNING, text))
    return SetInspection(packages, tuple(defects))


@dataclass
class _Examination:
    """One package while it is examined."""

    file: str
    header: PackageHeader
    abi: Abi
    private: Sequence[str]
    defects: list[PackageDefect] = field(default_factory=list)
    elf: list[ElfFacts] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A host name of letters alone, such as "power", is a word that any package may contain.
        telling = [text for text in self.private if not text.isalpha()]
        self._searcher = Searcher((*telling, _STAGING, _SOURCES))
        self._sources: list[str] = []
        self._private = {text.rstrip("/") for text in self.private}

    def find(self, severity: DefectSeverity, text: str, path: str = "") -> None:
        self.defects.append(PackageDefect(severity, text, self.file, path))

    def examine_header(self, raw: bytes) -> None:
        arch = self.header.nevra.arch
        if not self.header.source:
            self.find(DefectSeverity.ERROR, "it is a source package")
        elif arch not in (self.abi.arch, "noarch"):
            self.find(DefectSeverity.ERROR, f"it is for {arch}, not for {self.abi.arch}")
        found = set(self._searcher.found_in([raw]))
        if self.header.host in self._private:
            found.add(self.header.host)
        for text in sorted(found):
            self._found(text, "the package's header")
        for requirement in self.header.requires:
            reason = foreign_requirement(requirement, self.abi)
            if reason:
                self.find(DefectSeverity.ERROR, f"requires {requirement}: {reason}")

    def examine_file(self, member: Member) -> None:
        path = "/" + member.name.decode("utf-8", "replace").removeprefix("./").lstrip("/")
        blocks = member.blocks()
        if not stat.S_ISREG(member.mode):
            self._search(blocks, path)
            return
        first = next(blocks, b"")
        if not first.startswith((MAGIC, ARCHIVE)):
            self._search(itertools.chain((first,), blocks), path)
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
            self._search(_copied(itertools.chain((first,), blocks), content), path)
            if first.startswith(MAGIC):
                self._examine_elf(content, path)
                return
            for name, place, size in list(archive_members(content)):
                content.seek(place)
                with tempfile.SpooledTemporaryFile(_IN_MEMORY) as part:
                    part.write(content.read(size))
                    self._examine_elf(part, f"{path}({name})")

    def result(self) -> Inspection:
        if self._sources:
            self.find(DefectSeverity.WARNING, f"the folder {_SOURCES} of the build is named in {some(self._sources)}")
        floors = [one.glibc for one in self.elf if one.glibc and one.machine == self.abi.machine]
        required = newest_glibc(
            f"GLIBC_{found['version']}" for text in self.header.requires for found in _SYMBOL_VERSION.finditer(text)
        )
        formats = {one.long_double for one in self.elf} - {None, LongDouble.DOUBLE}
        return Inspection(
            file=self.file,
            nevra=self.header.nevra,
            provides=self.header.provides,
            files=self.header.files,
            elf=tuple(self.elf),
            glibc=max((*floors, *([required] if required else [])), key=version_key, default=None),
            long_double=formats.pop() if len(formats) == 1 else LongDouble.MIXED if formats else None,
            defects=tuple(self.defects),
        )

    def _search(self, blocks: Iterable[bytes], path: str) -> None:
        for text in self._searcher.found_in(blocks):
            self._found(text, path)

    def _found(self, text: str, place: str) -> None:
        if text in self._private:
            self.find(DefectSeverity.ERROR, f"names {text}, which is of the machine that built it", place)
        elif text == _STAGING:
            self.find(DefectSeverity.ERROR, f"names {text}, where the build staged its files", place)
        else:
            self._sources.append(place)

    def _examine_elf(self, content: IO[bytes], path: str) -> None:
        try:
            facts = facts_of(content, path)
        except DamagedElfError as fault:
            self.find(DefectSeverity.ERROR, str(fault), path)
            return
        self.elf.append(facts)
        wrong = facts.mismatches(self.abi)
        is_only_data = facts.machine in _OF_NO_MACHINE or path.startswith(_FIRMWARE)
        if self.header.nevra.arch == "noarch" and facts.machine not in _OF_NO_MACHINE:
            severity = DefectSeverity.WARNING if is_only_data else DefectSeverity.ERROR
            self.find(severity, f"is an ELF file ({facts.machine}) in a noarch package", path)
        elif wrong:
            severity = DefectSeverity.WARNING if is_only_data else DefectSeverity.ERROR
            if facts.machine not in _OF_NO_MACHINE:
                self.find(severity, f"is not for {self.abi.arch}: {', '.join(wrong)}", path)
        if "GLIBC_PRIVATE" in facts.versions:
            self.find(DefectSeverity.WARNING, "uses symbols that glibc keeps to itself (GLIBC_PRIVATE)", path)
        for element in dict.fromkeys((*facts.elf.rpath, *facts.elf.runpath)):
            judged = _judged(element, path, self.private)
            if judged is not None:
                severity, reason = judged
                self.find(severity, f"its RPATH or RUNPATH has {element!r}, {reason}", path)


def foreign_requirement(requirement: str, abi: Abi) -> str:
    """Why a requirement proves a program of another architecture, as a phrase; empty where it does not."""
    for other in load_abis().values():
        if other.marker != abi.marker and other.marker in requirement:
            return f"{other.marker} is the marker of {other.arch}"
        if other.loader != abi.loader and requirement.startswith(f"{other.loader}("):
            return f"that is the loader of {other.arch}"
    for found in _SYMBOL_VERSION.finditer(requirement):
        if compare_versions(found["version"], abi.oldest_glibc) < 0:
            return f"glibc for {abi.arch} begins with {abi.oldest_glibc}"
    return ""


def _judged(element: str, path: str, private: Sequence[str]) -> tuple[DefectSeverity, str] | None:
    """How bad an element of a search path is, and why; None where it is in order."""
    place = element
    for origin in ("$ORIGIN", "${ORIGIN}"):
        if element == origin or element.startswith(f"{origin}/"):
            place = posixpath.dirname(path) + element.removeprefix(origin)
    place = posixpath.normpath(place) if place else ""
    if not place.startswith("/"):
        return DefectSeverity.ERROR, "which depends on the folder that a program is started in"
    if _is_below(place, (*(text for text in private if text.startswith("/")), *_WRITABLE)):
        return DefectSeverity.ERROR, "a folder of the build, or one that others may write to"
    if not _is_below(place, _LIBRARIES):
        return DefectSeverity.WARNING, "which is not among the system's folders of libraries"
    return None


def _is_below(place: str, folders: Iterable[str]) -> bool:
    return any(place == folder or place.startswith(folder.rstrip("/") + "/") for folder in folders)


def _copied(blocks: Iterator[bytes], to: IO[bytes]) -> Iterator[bytes]:
    for block in blocks:
        to.write(block)
        yield block
