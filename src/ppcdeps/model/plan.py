"""The answer: closure, gaps, routes and waves, as `plan.json` holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ppcdeps.model.gap import Gap, Requirer

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Which metadata of a repository an answer rests on.

    ``date`` is the newest timestamp in repomd.xml, in seconds since 1970; ``digest`` is the SHA-256 of
    repomd.xml; ``packages`` counts what is left after exclusions.
    """

    id: str
    side: str
    revision: str
    date: int | None
    digest: str
    packages: int
    problem: str = ""
    """Why it could not be used, where it is optional and did not answer."""


@dataclass(frozen=True, slots=True)
class ChosenPackage:
    """A package of the closure. ``side`` is target, reference (noarch, usable as it is) or standin."""

    nevra: str
    repo: str
    side: str
    required_by: tuple[Requirer, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class DroppedRequirement:
    """A requirement that only the reference build has, taken away from a stand-in, and on what grounds."""

    source: str
    requirement: str
    grounds: str


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
    python: Mapping[str, Any] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
