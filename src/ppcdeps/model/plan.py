"""A plan: closure, gaps, routes, build waves and the Python part, as `plan.json` has them."""

from collections.abc import Mapping
from dataclasses import field

from ppcdeps.model.build_order import Cycle
from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.gap import Gap, Requirer
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.python_plan import PlannedPython, PythonFallback
from ppcdeps.model.values import dataclass

SCHEMA = 3
"""The version of the format of plan.json. Plans of another one are refused, and made anew."""


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Which metadata of a repository a plan rests on.

    ``date`` is the newest timestamp in repomd.xml, in seconds since 1970; ``digest`` is the SHA-256 of
    repomd.xml; ``packages`` counts what is left after exclusions. One that is not ``enabled`` is known, and was
    looked at because gaps remain: the closure has nothing of it.
    """

    id: str
    side: str
    revision: str
    date: int | None
    digest: str
    packages: int
    problem: str = ""
    """Why it could not be used, where it is optional, or not enabled, and did not answer."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class ChosenPackage:
    """A package of the closure. ``side`` is target, reference (noarch, usable as it is) or standin."""

    nevra: Nevra
    repo: str
    side: str
    required_by: tuple[Requirer, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class DroppedRequirement:
    """A requirement that only the reference's build has: dropped from a stand-in, and on what grounds."""

    source: str
    requirement: str
    grounds: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """A package of an enabled repository, and the one that dnf takes in its place once others are enabled.

    ``needed`` says whether the workload has a package of that name without them.
    """

    package: Nevra
    by: Nevra
    needed: bool


@dataclass(frozen=True, slots=True)
class Enabling:
    """What a plan would be with repositories enabled that are known and not enabled.

    ``closes`` are the names of gaps of the plan that would not be there, ``opens`` those of gaps that would be there
    instead. ``apart_from`` are repositories whose enabling the plan proposes, and which this one does not go
    together with. No set has a repository that it can do without.
    """

    repositories: tuple[str, ...]
    closes: tuple[str, ...]
    opens: tuple[str, ...] = ()
    replaces: tuple[Replacement, ...] = ()
    apart_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnPackages:
    """What one spec or source RPM of the user's own is and gives.

    ``file`` is its path as the user gave it, ``sha256`` that of its content. ``packages`` are those that a build for
    the target gives, ``files`` the names of the sources and patches that a spec needs beside it. ``notes`` say what
    is not known before the build, and what differs from a build for the reference.
    """

    source: str
    file: str
    sha256: str
    packages: tuple[Nevra, ...] = ()
    build_requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes to run a workload on a target."""

    workload: str
    target: str
    arch: str
    roots: tuple[str, ...]
    repositories: tuple[RepositoryState, ...]
    closure: tuple[ChosenPackage, ...]
    gaps: tuple[Gap, ...]
    dropped_requirements: tuple[DroppedRequirement, ...] = ()
    waves: tuple[tuple[str, ...], ...] = ()
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The sources that each source of the waves needs to be built, where it needs any."""
    blocked_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The blocked gaps that the build of a source needs: it cannot be built before these are closed."""
    cycles: tuple[Cycle, ...] = ()
    """Builds that need each other. The sources of cycles that nothing breaks are in no wave."""
    python: PlannedPython | None = None
    """None where all Python packages stay RPMs."""
    advice: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """The module streams that it counts on, as ``name:stream``: enabled, not merely active by default."""
    enablings: tuple[Enabling, ...] = ()
    """What enabling known repositories would change: first the sets that gaps name as their route."""
    python_fallback: PythonFallback | None = None
    """Set where pip was to install Python packages, and none could go to it."""
    release: str | None = None
    """The OpenStack release that its repositories are of, None where the target has none."""
    own: tuple[OwnPackages, ...] = ()
    """The user's own packages, each of which is a gap that its build closes."""
    request: RequestRecord | None = None
    """How it was requested, None where it is not known: a program, or a ppcdeps that did not record it, made it."""
