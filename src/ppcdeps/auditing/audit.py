"""What an audit says: the state of every package, the sources whose builds are missing, and what each would open."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property

from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.gap import Cause

SCHEMA = 1


class State(StrEnum):
    """What a package of the target or the reference is on the target, with the repositories that are enabled."""

    INSTALLABLE = "installable"
    """The target has it, and all that it takes."""
    INSTALLABLE_WITH_NOARCH = "installable-with-noarch"
    """The target has it, and noarch packages of the reference are all that it lacks."""
    NOARCH = "noarch"
    """The reference has it as noarch, and it is installable as it is."""
    REPLACED = "replaced"
    """It is not installable, and an installable package obsoletes it, which dnf installs in its place."""
    HELD_BACK = "held-back"
    """It is there, or noarch in the reference, and installable once other sources are built."""
    MISSING = "missing"
    """The reference has it as native, the target does not: builds of sources give it."""
    BLOCKED = "blocked"
    """Not installable even if all that the reference has were built."""
    NOT_REBUILT = "not-rebuilt"
    """The reference has it, and a rebuild of its source does not give it."""


USABLE = frozenset({State.INSTALLABLE, State.INSTALLABLE_WITH_NOARCH, State.NOARCH, State.REPLACED})
"""The states of packages that need no build."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """A requirement that nothing usable satisfies; ``met_by`` are packages that would once they are installable."""

    requirement: str
    met_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditedPackage:
    """One package. ``nevra`` is its identity, of a package that is to be built for the target's architecture.

    ``side`` is target or reference; ``needs`` are the sources without whose builds it is not installable, and with
    which it is; ``unmet`` are its own requirements that nothing usable satisfies; ``reason`` says why it is blocked,
    or not rebuilt, what obsoletes it, or what else than its own requirements is in the way.
    """

    nevra: str
    name: str
    side: str
    repository: str
    source: str
    state: State
    needs: tuple[str, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditedSource:
    """A source of the reference of which the target lacks packages, or that something waits for.

    ``missing`` are the names of its packages that the target does not have; ``alone`` counts the packages that its
    build opens with no other, its own included, ``holds_back`` all that are not installable without it. ``workloads``
    are those among them. ``build_needs`` are the sources that have to be built before it can be;
    ``build_blocked`` says what its build requires and nothing gives, or that there is no source package.
    ``recipe`` is the one that applies.
    """

    name: str
    cause: Cause
    detail: str
    missing: tuple[str, ...]
    alone: int = 0
    holds_back: int = 0
    workloads: tuple[str, ...] = ()
    build_needs: tuple[str, ...] = ()
    build_blocked: str = ""
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A build of the order that opens most soonest: one source, or several that open nothing without one another.

    ``opens`` counts the packages that become installable with it after the steps before, ``so_far`` all up to here.
    """

    sources: tuple[str, ...]
    opens: int
    so_far: int


@dataclass(frozen=True, slots=True)
class AuditedWorkload:
    """A shipped workload, as its packages are: the sources that it waits for, or what blocks it."""

    name: str
    state: State
    needs: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditedGroup:
    """A package group: how many of its packages there are, and the names of those that are not usable.

    ``waiting`` wait for builds of the sources ``needs``; ``blocked`` are not installable even if every source were
    built, or are of no rebuild.
    """

    id: str
    title: str
    packages: int
    waiting: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enabled:
    """What enabling a repository that is known and not enabled would open: packages that become installable, or come.

    ``problem`` says why it could not be read.
    """

    repository: str
    opens: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AuditedRepository:
    """A repository that the audit rests on. ``date`` is in seconds since 1970."""

    id: str
    side: str
    revision: str
    date: int | None
    packages: int


@dataclass(frozen=True)
class Audit:
    """A whole distribution on the target. Sources are sorted by what they hold back, packages by identity.

    ``built`` counts the sources of the reference of which the target lacks nothing, ``reused`` those of which it
    lacks noarch packages alone, whose own build is not needed. ``cycles`` are sources whose builds need one another;
    ``only`` are the globs that chose the packages. With globs, the sources that are counted are those of the chosen
    packages, and ``workloads`` those that wait for a source which is listed. ``request`` has the options of
    repositories and recipes that the audit was requested with, None where it does not say.
    """

    target: str
    arch: str
    only: tuple[str, ...]
    packages: tuple[AuditedPackage, ...]
    sources: tuple[AuditedSource, ...]
    built: int
    reused: int = 0
    steps: tuple[Step, ...] = ()
    cycles: tuple[tuple[str, ...], ...] = ()
    workloads: tuple[AuditedWorkload, ...] = ()
    enabling: tuple[Enabled, ...] = ()
    repositories: tuple[AuditedRepository, ...] = ()
    groups: tuple[AuditedGroup, ...] = ()
    request: RequestRecord | None = None

    @cached_property
    def totals(self) -> Mapping[State, int]:
        """How many packages are in each state."""
        counts = dict.fromkeys(State, 0)
        for package in self.packages:
            counts[package.state] += 1
        return counts

    @property
    def is_complete(self) -> bool:
        """Whether every package is usable."""
        return all(package.state in USABLE for package in self.packages)


def is_chosen(only: Sequence[str], *names: str) -> bool:
    """Whether globs choose what has these names, that of a package or source: one fits, or there is no glob."""
    return not only or any(fnmatchcase(name, glob) for glob in only for name in names if name)


def best_by_name(packages: Iterable[AuditedPackage]) -> dict[str, AuditedPackage]:
    """For each name, of several versions the most usable: one that is installable is enough."""
    order = list(State)
    best: dict[str, AuditedPackage] = {}
    for package in packages:
        known = best.get(package.name)
        if known is None or order.index(package.state) < order.index(known.state):
            best[package.name] = package
    return best
