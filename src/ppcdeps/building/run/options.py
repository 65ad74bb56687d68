"""The options of a build run, and what its plan is built on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import LockedRoot
from ppcdeps.building.run.sources import FetchSources
from ppcdeps.engines.job import NO_LIMITS, BuildMode, Limits
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.lock import LockedBuild
from ppcdeps.model.target import Target
from ppcdeps.recipebook.book import RecipeBook
from ppcdeps.rpm.paths import FetchFilelists


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The options of a run.

    ``repository`` is the folder to publish to, ``jobs`` how many builds go on at a time: None for one here, and for
    as many as ``on`` takes. ``mode``, ``buildroot``, ``engine`` are None where ppcdeps chooses. ``only`` are names of
    sources to build, with what they need. ``alternatives``: build also what enabling a repository would spare. ``on``
    names the engine of many machines that runs the builds, None for this machine; ``slurm`` are options of `sbatch`.
    ``rendered`` is a folder of `ppcdeps.building.run.rendered`, None where sources are found and rendered now.
    ``store`` is the folder of finished builds, None for the cache's. ``publishes`` is False where another run does.
    """

    repository: Path
    jobs: int | None = None
    mode: BuildMode | None = None
    buildroot: str | None = None
    buildroot_folders: tuple[Path, ...] = ()
    mirror: str | None = None
    engine: str | None = None
    connection: str | None = None
    limits: Limits = NO_LIMITS
    fail_fast: bool = False
    check: bool = True
    only: tuple[str, ...] = ()
    alternatives: bool = False
    source_folders: tuple[Path, ...] = ()
    rendered: Path | None = None
    store: Path | None = None
    publishes: bool = True
    sign_with: str | None = None
    url: str | None = None
    """Where the repository will be served, for its .repo file; its folder where this is None."""
    on: str | None = None
    slurm: tuple[str, ...] = ()
    project: str | None = None
    """The project of COPR to build in, with its owner."""


@dataclass(frozen=True, slots=True)
class LockedFiles:
    """What a build from a lock is made of. ``roots`` are its buildroots by name and requested packages, ``own``
    folders with the user's own specs and their sources, ``built`` the packages that the build gave which is locked.
    ``digest`` is the SHA-256 of the lock's text.
    """

    digest: str
    roots: Mapping[tuple[str, tuple[str, ...]], LockedRoot]
    own: tuple[Path, ...] = ()
    built: tuple[LockedBuild, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildBasis:
    """What a plan is built on: its target, the metadata of the target's repositories, and how to get more."""

    target: Target
    metadata: tuple[RepoMetadata, ...]
    book: RecipeBook
    cache: Cache
    fetch_sources: FetchSources
    fetch_filelists: FetchFilelists
    offline: bool = False
    locked: LockedFiles | None = None
    """Where all files of the run lie, where it is one from a lock."""
