"""Lock files of RPM packages: which builds, for which architectures, from which repositories."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from ppcdeps.model.values import dataclass


class LockFormat(StrEnum):
    """The formats, by the names that their tools give them."""

    MANIFEST = "rpm-package-manifest"
    """libpkgmanifest's, which dnf's manifest plugin reads and writes."""
    RPM_LOCKFILE = "rpms.lock.yaml"
    """rpm-lockfile-prototype's, which Konflux and hermeto read."""


@dataclass(frozen=True, slots=True)
class PinnedPackage:
    """One package of a lock.

    ``evr`` is ``[epoch:]version-release``, ``checksum`` is ``algorithm:hex``, ``size`` bytes of the file. ``url`` is
    where the file is, ``location`` its place in the repository, ``source`` the file name of its source RPM, and
    ``module`` the stream that it is of (name:stream). What a lock does not say is empty, and 0 for a size.
    """

    name: str
    arch: str
    evr: str = ""
    repo: str = ""
    checksum: str = ""
    size: int = 0
    url: str = ""
    location: str = ""
    source: str = ""
    module: str = ""


@dataclass(frozen=True, slots=True)
class PinnedRepository:
    """A repository that a lock names: where it is, in at least one of dnf's three ways."""

    id: str
    baseurl: str = ""
    metalink: str = ""
    mirrorlist: str = ""


@dataclass(frozen=True, slots=True)
class PackageLock:
    """A lock file. ``sides`` has the packages that are locked for each architecture, noarch ones among them;
    ``sources`` the source packages, by the architecture whose packages are built from them.
    ``modular`` are the architectures for which there is metadata of modules.
    """

    format: LockFormat
    sides: Mapping[str, tuple[PinnedPackage, ...]]
    sources: Mapping[str, tuple[PinnedPackage, ...]] = field(default_factory=dict)
    repositories: tuple[PinnedRepository, ...] = ()
    modular: frozenset[str] = frozenset()
