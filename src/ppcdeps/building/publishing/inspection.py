"""Built packages examined: of the target, as the plan expects them, and with nothing of the builder inside.

A package that cannot be read is a finding, too. No code of a package runs, and none of it is written to where it
could.
"""

import posixpath
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, assert_never

from ppcdeps.building.publishing.abi import Abi, abi_of, load_abis
from ppcdeps.building.publishing.elf import (
    ARCHIVE,
    MAGIC,
    ElfFacts,
    LongDouble,
    archive_members,
    facts_of,
    newest_glibc,
)
from ppcdeps.building.publishing.private_paths import Searcher
from ppcdeps.model.capability import Capability, Requirement, Rich, parse_requirement
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.evr import compare_evr, compare_versions, version_key
from ppcdeps.model.gap import Gap, GapKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.elf import DamagedElfError
from ppcdeps.rpm.header import PackageHeader, check_digests, raw_header, read_header
from ppcdeps.rpm.payload import Member, members_of, open_payload

_STAGING = "/build/BUILDROOT"
"""Where builds stage their files: as rpm's own check-buildroot has it, nothing may name it."""
_SOURCES = "/build/BUILD"
"""Where builds compile: messages of assert(3) name sources so, and are the same on every machine."""

_IN_MEMORY = 32 << 20
_NAMED = 5

_SYMBOL_VERSION = re.compile(r"\(GLIBC_(?P<version>[0-9][0-9.]*)\)")
_FIRMWARE = ("/usr/share/", "/usr/lib/firmware/", "/lib/firmware/", "/boot/")
"""Where ELF files for other machines lie that this one only hands on: guests' firmware, device firmware."""
_OF_NO_MACHINE = ("NONE", "BPF")
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/libexec")
_WRITABLE = ("/build", "/builddir", "/home", "/root", "/tmp", "/var/tmp", "/usr/src")  # noqa: S108


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """The package is not to be published."""
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    ``package`` is the file's name, empty where it is about the set; ``path`` the file inside of it, if it is about
    one.
    """

    severity: Severity
    text: str
    package: str = ""
    path: str = ""

    def __str__(self) -> str:
        place = ": ".join(filter(None, (self.package, self.path)))
        return f"{place}: {self.text}" if place else self.text


@dataclass(frozen=True, slots=True)
class Expected:
    """What the plan expects of the packages of one source.

    ``packages`` are names, ``provides`` capabilities that one of them is to provide (versions as requirements have
    them; paths, too). ``requires`` is what they may require; None where nothing is known of that.
    """

    packages: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen of one package. Of one that cannot be read there is the file's name, and a finding.

    ``size`` is what it takes installed, in bytes. ``glibc`` is the oldest glibc that everything in it runs with, None
    where nothing needs any; ``long_double`` the format of it, where visible.
    """

    file: str
    nevra: Nevra | None = None
    source: str = ""
    licence: str = ""
    size: int = 0
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    elf: tuple[ElfFacts, ...] = ()
    glibc: str | None = None
    long_double: LongDouble | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether no finding is an error."""
        return not _errors(self.findings)


@dataclass(frozen=True, slots=True)
class SetInspection:
    """The packages of one source, and what was found of them together."""

    packages: tuple[Inspection, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Those of the packages and those of the set, errors first."""
        found = [*self.findings, *(one for package in self.packages for one in package.findings)]
        return tuple(sorted(found, key=lambda one: one.severity is not Severity.ERROR))

    @property
    def is_sound(self) -> bool:
        """Whether no finding is an error."""
        return not _errors(self.all_findings)

    @property
    def glibc(self) -> str | None:
        """The oldest glibc that all of them run with."""
        return max((one.glibc for one in self.packages if one.glibc), key=version_key, default=None)


def inspect_rpm(path: Path, arch: str, expected: Expected | None = None, private: Sequence[str] = ()) -> Inspection:
    """Examine one package that was built for ``arch``. With ``expected`` it is judged as if it were all of its
    source.

    ``private`` are paths and names of the machine that built it (folders, host name): none of them may be in the
    header or in a file; a name of letters alone counts as the header's build host. Content of compressed files is
    not looked into. Raises ConfigError where ``arch`` is not known, and EnvironmentLacksError where rpm's tools are
    missing; whatever is wrong with the package is a finding.
    """
    abi = abi_of(arch)
    try:
        header = read_header(path)
        check_digests(path)
        raw = raw_header(path)
    except ConfigError as fault:
        return Inspection(path.name, findings=(Finding(Severity.ERROR, fault.message, path.name),))
    seen = _Examination(path.name, header, abi, private)
    seen.examine_header(raw)
    try:
        with open_payload(path) as stream:
            for member in members_of(stream):
                seen.examine_file(member)
    except ConfigError as fault:
        seen.find(Severity.ERROR, fault.message)
    inspection = seen.result()
    if expected is None:
        return inspection
    return replace(inspection, findings=(*inspection.findings, *_unexpected((inspection,), expected)))


def inspect_set(
    paths: Iterable[Path], arch: str, expected: Expected | None = None, private: Sequence[str] = ()
) -> SetInspection:
    """Examine all binary packages of one source, each and together. Raises as ``inspect_rpm`` does."""
    packages = tuple(inspect_rpm(path, arch, private=private) for path in sorted(paths, key=lambda one: one.name))
    findings = list(_unexpected(packages, expected)) if expected is not None else []
    formats = {one.long_double for one in packages}
    if {LongDouble.IBM, LongDouble.IEEE} <= formats:
        text = "some have IBM and some IEEE 128 long double: programs that use both get wrong numbers"
        findings.append(Finding(Severity.WARNING, text))
    return SetInspection(packages, tuple(findings))


@dataclass
class _Examination:
    """One package while it is looked at."""

    file: str
    header: PackageHeader
    abi: Abi
    private: Sequence[str]
    findings: list[Finding] = field(default_factory=list)
    elf: list[ElfFacts] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A machine may be called as half the world is: "power" is a name that every package may have.
        telling = [text for text in self.private if not text.isalpha()]
        self._searcher = Searcher((*telling, _STAGING, _SOURCES))
        self._sources: list[str] = []
        self._private = {text.rstrip("/") for text in self.private}

    def find(self, severity: Severity, text: str, path: str = "") -> None:
        self.findings.append(Finding(severity, text, self.file, path))

    def examine_header(self, raw: bytes) -> None:
        arch = self.header.nevra.arch
        if not self.header.source:
            self.find(Severity.ERROR, "it is a source package")
        elif arch not in (self.abi.arch, "noarch"):
            self.find(Severity.ERROR, f"it is for {arch}, not for {self.abi.arch}")
        told = set(self._searcher.found_in([raw]))
        if self.header.host in self._private:
            told.add(self.header.host)
        for text in sorted(told):
            self._found(text, "the package's header")
        for requirement in self.header.requires:
            reason = foreign_requirement(requirement, self.abi)
            if reason:
                self.find(Severity.ERROR, f"requires {requirement}: {reason}")

    def examine_file(self, member: Member) -> None:
        path = "/" + member.name.decode("utf-8", "replace").removeprefix("./").lstrip("/")
        blocks = member.blocks()
        if not stat.S_ISREG(member.mode):
            self._search(blocks, path)
            return
        first = next(blocks, b"")
        if not first.startswith((MAGIC, ARCHIVE)):
            self._search(_chained(first, blocks), path)
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
            self._search(_copied(_chained(first, blocks), content), path)
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
            self.find(Severity.WARNING, f"the folder {_SOURCES} of the build is named in {_some(self._sources)}")
        floors = [one.glibc for one in self.elf if one.glibc and one.machine == self.abi.machine]
        asked = newest_glibc(
            f"GLIBC_{found['version']}" for text in self.header.requires for found in _SYMBOL_VERSION.finditer(text)
        )
        formats = {one.long_double for one in self.elf} - {None, LongDouble.DOUBLE}
        return Inspection(
            file=self.file,
            nevra=self.header.nevra,
            source=self.header.source,
            licence=self.header.licence,
            size=self.header.size,
            requires=self.header.requires,
            provides=self.header.provides,
            files=self.header.files,
            elf=tuple(self.elf),
            glibc=max((*floors, *([asked] if asked else [])), key=version_key, default=None),
            long_double=formats.pop() if len(formats) == 1 else LongDouble.MIXED if formats else None,
            findings=tuple(self.findings),
        )

    def _search(self, blocks: Iterable[bytes], path: str) -> None:
        for text in self._searcher.found_in(blocks):
            self._found(text, path)

    def _found(self, text: str, place: str) -> None:
        if text in self._private:
            self.find(Severity.ERROR, f"names {text}, which is of the machine that built it", place)
        elif text == _STAGING:
            self.find(Severity.ERROR, f"names {text}, where the build staged its files", place)
        else:
            self._sources.append(place)

    def _examine_elf(self, content: IO[bytes], path: str) -> None:
        try:
            facts = facts_of(content, path)
        except DamagedElfError as fault:
            self.find(Severity.ERROR, str(fault), path)
            return
        self.elf.append(facts)
        wrong = facts.mismatches(self.abi)
        is_only_data = facts.machine in _OF_NO_MACHINE or path.startswith(_FIRMWARE)
        if self.header.nevra.arch == "noarch" and facts.machine not in _OF_NO_MACHINE:
            severity = Severity.WARNING if is_only_data else Severity.ERROR
            self.find(severity, f"is an ELF file ({facts.machine}) in a noarch package", path)
        elif wrong:
            severity = Severity.WARNING if is_only_data else Severity.ERROR
            if facts.machine not in _OF_NO_MACHINE:
                self.find(severity, f"is not for {self.abi.arch}: {', '.join(wrong)}", path)
        if "GLIBC_PRIVATE" in facts.versions:
            self.find(Severity.WARNING, "uses symbols that glibc keeps to itself (GLIBC_PRIVATE)", path)
        for element in dict.fromkeys((*facts.elf.rpath, *facts.elf.runpath)):
            judged = _judged(element, path, self.private)
            if judged is not None:
                severity, reason = judged
                self.find(severity, f"its RPATH or RUNPATH has {element!r}, {reason}", path)


def expected_of(gaps: Iterable[Gap], source: str) -> Expected:
    """What gaps of a plan ask of the packages of one source: those that are wanted, and what others require of them.

    What packages of the source require of each other is left out, as their builds say it in their own version.
    """
    own = [gap for gap in gaps if gap.kind is GapKind.RPM and (gap.source or gap.name) == source]
    names = dict.fromkeys(package.name for gap in own for package in gap.packages)
    asked = {
        requirer.requirement: None
        for gap in own
        for requirer in gap.required_by
        if (by := _parsed(requirer.by)) is None or by.name not in names
    }
    return Expected(tuple(names), tuple(asked))


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


def answers(provide: str, wanted: Requirement) -> bool:
    """Whether a provided capability satisfies a requirement, as rpm judges it.

    One without a version satisfies every version. A boolean requirement is satisfied as far as this one provide can;
    conditions count as met.
    """
    match wanted:
        case Capability():
            given = _capability(provide)
            if given.name != wanted.name:
                return False
            return not wanted.relation or given.relation != "=" or _holds(given.evr, wanted.relation, wanted.evr)
        case Rich("or", operands):
            return any(answers(provide, one) for one in operands)
        case Rich("if" | "unless"):
            return True
        case Rich(_, operands):
            return all(answers(provide, one) for one in operands)
        case _:
            assert_never(wanted)


def _unexpected(packages: Sequence[Inspection], expected: Expected) -> Iterator[Finding]:
    """What the plan expects and the packages lack, and what they require that it does not foresee."""
    names = {one.nevra.name for one in packages if one.nevra}
    provided = [text for one in packages for text in (*one.provides, *one.files)]
    for name in expected.packages:
        if name not in names:
            yield Finding(Severity.ERROR, f"the plan expects the package {name}, and the build made none")
    for text in expected.provides:
        if not _is_met(text, provided):
            near = sorted({one for one in provided if _capability(one).name == _capability(text).name})
            instead = f"; they provide {', '.join(near)}" if near else ""
            yield Finding(Severity.ERROR, f"the plan expects {text}, and none of the packages provides it{instead}")
    if expected.requires is None:
        return
    foreseen = {_base(text) for text in expected.requires}
    for one in packages:
        new = [
            text
            for text in one.requires
            if _base(text) not in foreseen and not text.startswith("rpmlib(") and not _is_met(text, provided)
        ]
        if new:
            text = f"requires what the plan did not foresee: {_some(new, most=20)}"
            yield Finding(Severity.WARNING, text, one.file)


def _is_met(wanted: str, provided: Iterable[str]) -> bool:
    try:
        requirement = parse_requirement(wanted)
    except ValueError:
        return False
    if isinstance(requirement, Rich) and requirement.operator in ("and", "with"):
        return all(_is_met(str(one), provided) for one in requirement.operands)
    return any(answers(one, requirement) for one in provided)


def _capability(text: str) -> Capability:
    """A plain capability; one that is not well-formed, or a boolean one, is a name."""
    try:
        parsed = parse_requirement(text)
    except ValueError:
        return Capability(text)
    return parsed if isinstance(parsed, Capability) else Capability(text)


def _parsed(text: str) -> Nevra | None:
    try:
        return Nevra.parse(text)
    except ValueError:
        return None


def _base(requirement: str) -> str:
    """What of a requirement a plan can foresee: not the versions of packages and of symbols."""
    name = _capability(requirement).name
    found = re.fullmatch(r"(?P<soname>[^()]+\.so[^()]*)\((?P<version>[^()]*)\)(?P<bits>\(64bit\))?", name)
    return f"{found['soname']}()(64bit)" if found else name


def _holds(version: str, relation: str, bound: str) -> bool:
    if "-" not in version or "-" not in bound:
        version, bound = version.partition("-")[0], bound.partition("-")[0]
    order = compare_evr(version, bound)
    return (order < 0 and "<" in relation) or (order == 0 and "=" in relation) or (order > 0 and ">" in relation)


def _judged(element: str, path: str, private: Sequence[str]) -> tuple[Severity, str] | None:
    """How bad an element of a search path is, and why; None where it is in order."""
    place = element
    for origin in ("$ORIGIN", "${ORIGIN}"):
        if element == origin or element.startswith(f"{origin}/"):
            place = posixpath.dirname(path) + element.removeprefix(origin)
    place = posixpath.normpath(place) if place else ""
    if not place.startswith("/"):
        return Severity.ERROR, "which depends on the folder that a program is started in"
    if _is_below(place, (*(text for text in private if text.startswith("/")), *_WRITABLE)):
        return Severity.ERROR, "a folder of the build, or one that others may write to"
    if not _is_below(place, _LIBRARIES):
        return Severity.WARNING, "which is not among the system's folders of libraries"
    return None


def _is_below(place: str, folders: Iterable[str]) -> bool:
    return any(place == folder or place.startswith(folder.rstrip("/") + "/") for folder in folders)


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _copied(blocks: Iterator[bytes], to: IO[bytes]) -> Iterator[bytes]:
    for block in blocks:
        to.write(block)
        yield block


def _some(names: Sequence[str], most: int = _NAMED) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _errors(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity is Severity.ERROR]
