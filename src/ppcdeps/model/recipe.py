"""How a source is made to build for the target: a recipe as the recipe book has it, read and checked."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from ppcdeps.model.evr import compare_versions, version_key
from ppcdeps.model.target import program_of
from ppcdeps.model.values import dataclass

_RELATIONS = (">=", "<=", ">", "<", "=")


class RecipeKind(StrEnum):
    """What a recipe works on."""

    SRPM = "srpm"
    """A source RPM of the distribution, with changes to its spec and patches."""
    SPEC = "spec"
    """A spec of our own, with sources by URL and digest, or with all that it installs in itself."""
    SDIST = "sdist"
    """A source distribution of Python with a compiled part."""
    COMPILE = "compile"
    """A tarball, configured, made, staged, and packaged by a generic spec."""
    REUSE = "reuse"
    """Nothing: a note that the source's noarch packages are used as they are. Never rendered."""


class BuildSystem(StrEnum):
    """How a tarball is built."""

    AUTOTOOLS = "autotools"
    CMAKE = "cmake"
    MESON = "meson"
    MAKE = "make"


class Language(StrEnum):
    """What the compiled part of a Python distribution is written in."""

    C = "c"
    CXX = "c++"
    CYTHON = "cython"
    RUST = "rust"


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Versions of a source, without epoch and release: ``>= 8.0, < 10``. No bounds: every version.

    ``bounds`` are pairs of a relation (>=, <=, >, <, =) and a version, all of which hold.
    """

    bounds: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read bounds with commas between them. Raises ValueError where the text is not that, or no version fits."""
        bounds = []
        for part in filter(None, (one.strip() for one in text.split(","))):
            relation = next((one for one in _RELATIONS if part.startswith(one)), "")
            version = part.removeprefix(relation).strip()
            if not relation or not version or any(char.isspace() or char in ":-<>=" for char in version):
                raise ValueError(f'not a bound: "{part}"; write a relation and a version, such as ">= 9.0, < 10"')
            bounds.append((relation, version))
        found = cls(tuple(bounds))
        if found.is_empty:
            raise ValueError(f'no version can be in "{text}"')
        return found

    def __contains__(self, version: str) -> bool:
        return all(_holds(compare_versions(version, bound), relation) for relation, bound in self.bounds)

    @property
    def is_empty(self) -> bool:
        """Whether the bounds contradict each other."""
        lower, upper = self._ends()
        if lower is None or upper is None:
            return False
        order = compare_versions(lower[0], upper[0])
        return order > 0 or (order == 0 and not (lower[1] and upper[1]))

    def overlaps(self, other: "VersionRange") -> bool:
        """Whether a version may be in both."""
        return not VersionRange(self.bounds + other.bounds).is_empty

    def __str__(self) -> str:
        return ", ".join(f"{relation} {version}" for relation, version in self.bounds) or "all versions"

    def _ends(self) -> tuple[tuple[str, bool] | None, tuple[str, bool] | None]:
        """The highest lower and the lowest upper bound, each with whether it belongs to the range itself."""
        lowers = [(version, relation != ">") for relation, version in self.bounds if relation in {">", ">=", "="}]
        uppers = [(version, relation != "<") for relation, version in self.bounds if relation in {"<", "<=", "="}]
        lower = max(lowers, key=lambda end: (version_key(end[0]), not end[1]), default=None)
        upper = min(uppers, key=lambda end: (version_key(end[0]), end[1]), default=None)
        return lower, upper


def _holds(order: int, relation: str) -> bool:
    match relation:
        case ">=":
            return order >= 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case "<":
            return order < 0
        case _:
            return order == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    why: str
    optional: bool = False
    """Whether a spec that has nothing to edit here is fine: it differs between versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMacro(_Edit):
    """Give every definition of a macro in the spec this body. An empty one is `%{nil}`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendMacro(_Edit):
    """Add words to every definition of a macro that lacks them: a list of architectures."""

    name: str
    add: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTag(_Edit):
    """Give a tag of the preamble, or of a subpackage's, this value."""

    tag: str
    value: str
    package: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendTag(_Edit):
    """Add words to a tag that lacks them: ExclusiveArch."""

    tag: str
    add: str
    package: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTag(_Edit):
    """Add a tag at the end of the preamble, or of a subpackage's."""

    tag: str
    value: str
    package: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTag(_Edit):
    """Take away a tag: the one with this value, or every one of the name where ``value`` is empty."""

    tag: str
    value: str = ""
    package: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLine(_Edit):
    """Add lines to a section: after a line, or at its end where ``after`` is empty."""

    section: str
    lines: tuple[str, ...]
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLine(_Edit):
    """Take every such line out of a section."""

    section: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceLine(_Edit):
    """Put another line, perhaps an empty one, where a section has this one."""

    section: str
    line: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendCondition(_Edit):
    """Add words to every such condition (``%ifarch x86_64``), in one section or, where it is empty, in all."""

    condition: str
    add: str
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCondition(_Edit):
    """Put another condition in place of every such one (``%if 0%{?rhel}``), in one section or, if empty, in all."""

    condition: str
    value: str
    section: str = ""


Edit = (
    SetMacro
    | ExtendMacro
    | SetTag
    | ExtendTag
    | AddTag
    | RemoveTag
    | AddLine
    | RemoveLine
    | ReplaceLine
    | ExtendCondition
    | SetCondition
)
"""One change to a spec. Lines are compared without the white space around them, words without that between."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that is applied after the source's own, with ``patch -p<strip> --fuzz=0``."""

    file: str
    """Relative to the recipe's folder."""
    why: str
    origin: str
    strip: int = 1
    versions: VersionRange = VersionRange()
    """The upstream versions that need it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a build starts from: of one version, from a URL, with the SHA-256 it must have."""

    version: str
    url: str
    sha256: str
    file: str
    """The name in SOURCES: the last part of the URL where the recipe says nothing else."""
    role: str = "main"
    """``main``: what is unpacked and built; ``crates``: vendored Rust crates; ``extra``: only put in SOURCES."""


@dataclass(frozen=True, slots=True)
class VersionOptions:
    """Options of the build system that only these upstream versions know."""

    versions: VersionRange
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a spec of our own says about the software."""

    name: str
    summary: str
    license: str
    url: str
    description: str
    system: BuildSystem | None = None
    options: tuple[str, ...] = ()
    for_versions: tuple[VersionOptions, ...] = ()
    """What `options` are extended by, where the version that is built is one of those named."""
    languages: tuple[Language, ...] = ()
    check: str = ""
    """Shell commands for %check, where the software has tests worth their time."""


@dataclass(frozen=True, slots=True)
class InterpreterPackage:
    """The interpreter that a Python distribution is built for: its package, and its version as 3.11."""

    package: str
    tag: str = "3"

    @property
    def is_platform(self) -> bool:
        """Whether it is the one that the distribution's own packages are for."""
        return self.package in ("python3", "python2")

    @property
    def program(self) -> str:
        """The path of the program."""
        return f"/usr/bin/{program_of(self.package, self.tag)}"


PLATFORM_PYTHON = InterpreterPackage("python3")
"""The interpreter of the distribution, in whichever version it has it."""


def interpreter_of(package: str, tag: str) -> InterpreterPackage:
    """The interpreter that a plan has under this name: `python` is EL7's, whose packages we name python2."""
    if package == PLATFORM_PYTHON.package:
        return PLATFORM_PYTHON
    return InterpreterPackage("python2" if package == "python" else package, tag)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a source is made to build for the target.

    ``platforms`` (``platform:el9``) and ``targets`` say where it applies: everywhere if both are empty. ``sources``
    are further names of the source, as globs. ``folder`` is where its patches and templates are.
    """

    source: str
    kind: RecipeKind
    summary: str
    reason: str
    links: tuple[str, ...]
    folder: Path
    names: tuple[str, ...] = ()
    versions: VersionRange = VersionRange()
    platforms: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    macros: tuple[tuple[str, str], ...] = ()
    enabled: tuple[str, ...] = ()
    """Build conditions to set (``--with``)."""
    disabled: tuple[str, ...] = ()
    """Build conditions to unset (``--without``)."""
    bootstrap: str = ""
    """The build condition that breaks a cycle of BuildRequires, where the source has one."""
    edits: tuple[Edit, ...] = ()
    patches: tuple[Patch, ...] = ()
    dropped_build_requires: tuple[str, ...] = ()
    dropped_requires: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    """BuildRequires to add; all there are for a spec of our own."""
    requires: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """The packages that the build must give, or the noarch packages to use as they are."""
    smoke_test: str = ""
    """A shell script to run where the packages are installed."""
    sources: tuple[Source, ...] = ()
    upstream: Upstream | None = None
    spec_template: str = ""
    """The spec of kind ``spec``, relative to the recipe's folder."""
    variables: tuple[tuple[str, str], ...] = ()
    """What the spec template may use beside the variables that every template has."""
    version: str = ""
    """Of a spec of our own that has no sources: all that it installs is in it."""
    python: InterpreterPackage = PLATFORM_PYTHON
    """The interpreter that a recipe of kind ``sdist`` builds for."""
    memory: int | None = None
    """Bytes of memory that a build needs: what is requested for it where a scheduler runs it."""
    release_suffix: str = ""
    """What is added to the release, to distinguish the rebuild from the distribution's build."""

    @property
    def is_buildable(self) -> bool:
        """Whether there is anything to build."""
        return self.kind is not RecipeKind.REUSE
