"""Gaps: what the target lacks, why, and the route by which each is closed."""

from enum import StrEnum

from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass


class Cause(StrEnum):
    """Why a gap exists."""

    ABSENT = "absent"
    """No build for the arch in any target repository."""
    EXCLUDED = "excluded"
    """The source's ExclusiveArch or ExcludeArch leaves the arch out."""
    NOT_BUILT = "not-built"
    """The source is built for the arch, this subpackage of it is not."""
    TOO_OLD = "too-old"
    """There, but not new enough."""
    TOO_NEW = "too-new"
    """There, but newer than what is required: of an exact version, or one below a bound."""
    NOT_INSTALLABLE = "not-installable"
    """There, and new enough, but something that it requires is not to be had."""
    CONFLICT = "conflict"
    """Available, but not installable together with the rest."""
    NO_WHEEL = "no-wheel"
    """A Python distribution without a compatible wheel."""
    UNKNOWN = "unknown"
    """Nothing provides it."""


class Phase(StrEnum):
    """When the missing thing is needed."""

    RUN = "run"
    BUILD = "build"


class GapKind(StrEnum):
    """Whether what is missing is an RPM package or a Python distribution."""

    RPM = "rpm"
    PYTHON = "python"


class RouteKind(StrEnum):
    """How a gap is closed, in order of cost."""

    ENABLE = "enable"
    REUSE = "reuse"
    PIP_WHEEL = "pip-wheel"
    PIP_SDIST = "pip-sdist"
    RECIPE = "recipe"
    REBUILD = "rebuild"
    BUILD_SDIST = "build-sdist"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Route:
    """One way to close a gap.

    ``subject`` is what the kind acts on: a repository (enable), packages (reuse), a source (recipe, rebuild),
    a pinned distribution (pip-wheel, pip-sdist, build-sdist), or nothing (blocked). ``help`` says what would
    open a blocked one. ``minutes`` are the times that builds of the source took, by build mode (emulated,
    accelerated, cross, native), as far as such runs are recorded; ``timed_by`` says of which builds they are taken
    where none of this source is, and is empty where they are its own. ``digest`` is the SHA-256 of the
    recipe that is meant, its patches included; empty for other kinds.
    """

    kind: RouteKind
    subject: tuple[str, ...] = ()
    reason: str = ""
    help: str = ""
    minutes: tuple[tuple[str, float], ...] = ()
    timed_by: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Requirer:
    """A requirement and who has it: a package, a source (for BuildRequires), or the workload's root."""

    requirement: str
    by: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the workload needs and the target's enabled repositories do not have.

    Native gaps are named after the source that must be built, reused ones after the noarch source package,
    unknown ones after the requirement itself. ``wanted`` are the packages, or the bare requirement that nothing
    provides, or the pin of a Python distribution (``name==version``). ``alternative`` is, of a gap that enabling a
    repository closes, the route where none is enabled; None of all others. ``tried`` are lines that say where what
    is required could have come from, and why it does not; ``build_requires`` are all BuildRequires of a source RPM
    that is to be built, as the recipe has them. Plans of earlier versions have neither.
    """

    name: str
    kind: GapKind
    cause: Cause
    phase: Phase
    wanted: tuple[Nevra | str, ...]
    required_by: tuple[Requirer, ...]
    route: Route
    source: str | None = None
    detail: str = ""
    alternative: Route | None = None
    tried: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()

    @property
    def route_without_enabling(self) -> Route:
        """How it is closed where no further repository is enabled."""
        return self.route if self.alternative is None else self.alternative

    @property
    def packages(self) -> tuple[Nevra, ...]:
        """The packages among what is wanted."""
        return tuple(one for one in self.wanted if isinstance(one, Nevra))
