"""Packages to install before a build or a test, solved over the buildroot's repositories and fetched."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import RepositoryPackage, fetch_package
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.closure import Closure, ClosureSearch
from ppcdeps.rpm.dropped import RequirementDropper
from ppcdeps.rpm.opening import open_universe
from ppcdeps.rpm.paths import FetchFilelists
from ppcdeps.rpm.requests import Request, request_packages
from ppcdeps.rpm.requirers import Requirers
from ppcdeps.rpm.sources import BuildEnvironments
from ppcdeps.rpm.universe import Universe

_FIRST = 1
"""The repository priority of what was built: it wins over any version of the target's."""


@dataclass(frozen=True, slots=True)
class RequiredPackage:
    """A package to be installed: a file of this machine, and the checksum that it was verified by."""

    nevra: str
    path: Path
    checksum: str

    @property
    def file_name(self) -> str:
        """The name that rpm knows such a file by."""
        nevra = Nevra.parse(self.nevra)
        return f"{nevra.name}-{nevra.version}-{nevra.release}.{nevra.arch}.rpm"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What to install in addition, or why that is not possible, in rpm's words."""

    packages: tuple[RequiredPackage, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackageResolver:
    """Finds the packages to install in a buildroot.

    ``repositories`` are those that the buildroot's packages come from: the target's, or that of the root itself where
    it is not one of RPM's.
    """

    target: Target
    repositories: tuple[RepoMetadata, ...]
    cache: Cache
    reporter: Reporter
    fetch_filelists: FetchFilelists
    offline: bool = False

    def resolve(
        self, title: str, wanted: Sequence[str], built: Sequence[Path], installed: Collection[str]
    ) -> Resolution:
        """The packages that satisfy all of ``wanted``, without those that are installed.

        ``built`` are folders with repositories of packages that were built before; ``installed`` are NEVRAs. Raises
        RepositoryError where metadata is damaged or a package cannot be had.
        """
        own = fetch_repositories([_config(n, place) for n, place in enumerate(built)], self.cache, Silence())
        repositories = (*own, *self.repositories)
        universe = open_universe(
            repositories,
            self.target.arch,
            self.target.reference_arch,
            self.cache,
            self.fetch_filelists,
            module_streams=self.target.module_streams,
            platform_id=self.target.platform_id,
        )
        request = request_packages(universe, title, wanted)
        closure = ClosureSearch(
            universe, RequirementDropper(universe, BuildEnvironments(universe), lambda _source: None)
        ).closure([request])
        missing = _missing(universe, request, closure)
        if missing:
            return Resolution(missing=missing)
        there = set(installed)
        packages = [self._needed(universe, i) for i in closure.chosen if universe.label(i) not in there]
        return Resolution(tuple(sorted(packages, key=lambda one: one.nevra)))

    def _needed(self, universe: Universe, package: int) -> RequiredPackage:
        solv = libsolv()
        solvable, part = universe.pool.id2solvable(package), universe.part_of(package)
        assert part is not None
        location, _ = solvable.lookup_location()
        checksum = solvable.lookup_checksum(solv.SOLVABLE_CHECKSUM)
        nevra = universe.nevra(package)
        if checksum is None:
            raise RepositoryError(
                f"repository {part.metadata.config.id}: {nevra}: its metadata has no checksum of it"
            )
        text = f"{checksum.typestr()}:{checksum.hex()}"
        size = int(solvable.lookup_num(solv.SOLVABLE_DOWNLOADSIZE)) or None
        base = solvable.lookup_str(solv.SOLVABLE_MEDIABASE) or ""
        requested = RepositoryPackage(nevra, location or "", text, size, part.metadata, base)
        path, _ = fetch_package(requested, self.cache, self.reporter, offline=self.offline)
        return RequiredPackage(str(nevra), path, text)


def _config(number: int, place: Path) -> RepoConfig:
    return RepoConfig(
        id=f"built-{number}",
        side=Side.TARGET,
        baseurl=(place.absolute().as_uri() + "/",),
        priority=_FIRST,
        metadata_expire=0,
        origin="what was built",
    )


def _missing(universe: Universe, request: Request, closure: Closure) -> tuple[str, ...]:
    requirers = Requirers(universe, closure.chosen, [request.id])
    found = []
    for package in closure.unknown:
        requirement = universe.placeholders[package]
        by = {
            request.title if edge.by == request.id else universe.label(edge.by)
            for edge in requirers.on.get(package, ())
        }
        found.append(f"nothing provides {requirement} needed by {', '.join(sorted(by)) or request.title}")
    return (*sorted(found), *(clash.text for clash in closure.clashes))
