"""Curated facts about sources: what only x86 builds have, which leave ppc64le out, how long builds took."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, raise_faults, read_toml
from ppcdeps.model import names
from ppcdeps.model.capability import Capability, Requirement
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass

FOLDER = "rules"

_MODES = ("emulated", "accelerated", "cross", "native")

_Fact = TypeVar("_Fact", "ArchRequirement", "ArchPackage", "ExcludedSource", "RecordedRun")


@dataclass(frozen=True, slots=True)
class ArchRequirement:
    """A requirement that only the x86 build of a source has.

    ``requirement`` is a capability's name, or the start of one before a trailing ``*``; ``origin`` says where
    the fact can be read.
    """

    source: str
    requirement: str
    reason: str
    origin: str

    def matches(self, requirement: Requirement) -> bool:
        """Whether it speaks of this requirement, in whichever version. Boolean ones never match."""
        if not isinstance(requirement, Capability):
            return False
        if self.requirement.endswith("*"):
            return requirement.name.startswith(self.requirement[:-1])
        return requirement.name == self.requirement


@dataclass(frozen=True, slots=True)
class ArchPackage:
    """A package that only the x86 build of a source gives; ``origin`` says where the fact can be read."""

    source: str
    package: str
    reason: str
    origin: str


@dataclass(frozen=True, slots=True)
class ExcludedSource:
    """A source whose ExclusiveArch or ExcludeArch leaves ppc64le out on some platforms.

    ``rebuilt_by`` are the targets of these platforms that build it all the same.
    """

    source: str
    platforms: tuple[str, ...]
    reason: str
    origin: str
    rebuilt_by: tuple[str, ...] = ()

    def applies_to(self, target: Target) -> bool:
        """Whether the target's distribution leaves the source out."""
        return target.platform_id in self.platforms and target.name not in self.rebuilt_by


COMPILED = ("C", "Cython", "C++", "Rust")
"""What is compiled, where it is known how long that takes: what takes longer comes later."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """How long a build took once. ``mode`` is emulated, accelerated, cross or native; ``minutes`` is wall time.

    It was of a source package, or of the sdist of a Python ``distribution``: the other of the two is empty. ``also``
    are other source packages of the same upstream source. ``kind`` is one of ``COMPILED``, ``size`` that of the
    upstream archive in bytes.
    """

    source: str
    version: str
    mode: str
    minutes: float
    machine: str
    origin: str
    kind: str
    size: int
    distribution: str = ""
    also: tuple[str, ...] = ()


@cache
def load_recorded_runs(file: TomlFile | None = None) -> tuple[RecordedRun, ...]:
    """The builds whose times are known: those that ppcdeps knows, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    return _facts(file or shipped_file(FOLDER, "build-times"), "run", _recorded_run)


@cache
def load_arch_requirements(file: TomlFile | None = None) -> tuple[ArchRequirement, ...]:
    """The requirements that only x86 builds have: those that ppcdeps knows, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    return _facts(file or shipped_file(FOLDER, "x86-only"), "requirement", _arch_requirement, "package")


@cache
def load_arch_packages(file: TomlFile | None = None) -> tuple[ArchPackage, ...]:
    """The packages that only x86 builds give: those that ppcdeps knows, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    return _facts(file or shipped_file(FOLDER, "x86-only"), "package", _arch_package, "requirement")


@cache
def load_excluded_sources(file: TomlFile | None = None) -> tuple[ExcludedSource, ...]:
    """The sources that leave ppc64le out: those that ppcdeps knows, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    return _facts(file or shipped_file(FOLDER, "excluded"), "excluded", _excluded_source)


def _facts(file: TomlFile, key: str, read: Callable[[Table], _Fact], other: str = "") -> tuple[_Fact, ...]:
    """The facts of a file; those under the key ``other`` are of another kind, and read on their own."""
    top = read_toml(file, "rules file")
    facts: dict[tuple[str, str], _Fact] = {}
    for table in top.tables(key):
        fact = read(table)
        table.finish()
        same = (fact.source, _subject(fact))
        if same in facts:
            table.fault(f"the same is said twice of {' '.join(filter(None, same))}")
        facts[same] = fact
    top.finish([other] if other else ())
    raise_faults(top, file, "rules file")
    return tuple(facts.values())


def _subject(fact: ArchRequirement | ArchPackage | ExcludedSource | RecordedRun) -> str:
    """What of its source a fact is about: no two facts are about the same."""
    match fact:
        case ArchRequirement():
            return fact.requirement
        case ArchPackage():
            return fact.package
        case RecordedRun():
            return " ".join(filter(None, (fact.distribution, fact.version, fact.mode)))
        case ExcludedSource():
            return ""


def _recorded_run(table: Table) -> RecordedRun:
    mode = table.text("mode")
    if mode not in _MODES:
        table.fault(f'"mode" is one of {", ".join(_MODES)}, not "{mode}"')
    distribution = table.optional_text("distribution") or ""
    source = table.optional_text("source") or ""
    if bool(source) == bool(distribution):
        table.fault('a run has "source" or "distribution", and not both')
    kind = table.text("kind")
    if kind not in COMPILED:
        table.fault(f'"kind" is one of {", ".join(COMPILED)}, not "{kind}"')
    return RecordedRun(
        source,
        table.text("version"),
        mode,
        table.number("minutes"),
        table.text("machine"),
        table.text("origin"),
        kind,
        table.integer("size", least=1),
        distribution,
        table.texts("also"),
    )


def _arch_requirement(table: Table) -> ArchRequirement:
    return ArchRequirement(
        table.text("source"), table.text("requirement"), table.text("reason"), table.text("origin")
    )


def _arch_package(table: Table) -> ArchPackage:
    return ArchPackage(
        table.named("source", names.package_name),
        table.named("package", names.package_name),
        table.text("reason"),
        table.text("origin"),
    )


def _excluded_source(table: Table) -> ExcludedSource:
    source, platforms = table.text("source"), table.texts("platforms")
    for platform in platforms:
        if not platform.startswith("platform:"):
            table.fault(f'"platforms" is to have ids such as "platform:el9", not "{platform}"')
    if not platforms:
        table.fault('"platforms" names none')
    return ExcludedSource(source, platforms, table.text("reason"), table.text("origin"), table.texts("rebuilt_by"))
