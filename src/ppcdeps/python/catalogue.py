"""Releases that could be installed on the target, with their metadata: what an index offers, seen from
there.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ppcdeps.base.urls import split_url
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.values import dataclass
from ppcdeps.python.coremetadata import DistMetadata
from ppcdeps.python.distfiles import IndexFile, Project, version_in
from ppcdeps.python.distmetadata import read_metadata
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.index import Index
from ppcdeps.python.names import normalize

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True, slots=True)
class UsableRelease:
    """One version with the files that the target could use: compatible wheels and source distributions.

    ``others`` are wheels for other machines, from which metadata may be read. ``yanked`` is the reason, or
    empty.
    """

    name: str
    version: "Version"
    text: str
    files: tuple[IndexFile, ...]
    others: tuple[IndexFile, ...] = ()
    yanked: str = ""
    url: str = ""
    """Set for a direct reference."""


@dataclass(frozen=True, slots=True)
class UsableReleases:
    """The releases of a distribution, the newest first, and why others are not among them (version:
    reason).
    """

    name: str
    index: str
    releases: tuple[UsableRelease, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)


class Catalogue:
    """Offers and metadata for one target, each determined once. Safe for threads."""

    def __init__(self, index: Index, environment: TargetEnvironment) -> None:
        self.index = index
        self.environment = environment
        self._guard = threading.Lock()
        self._offers: dict[str, UsableReleases] = {}
        self._pinned: dict[tuple[str, str], tuple[UsableRelease, ...]] = {}
        self._metadata: dict[str, Future[DistMetadata]] = {}
        self._python_verdicts: dict[str, bool] = {}

    def offer(self, name: str) -> UsableReleases:
        """What the index has of ``name``. Raises RepositoryError where the index cannot be read."""
        known = self._offers.get(name)
        if known is None:
            known = self._usable(self.index.project(name))
            self._offers[name] = known
        return known

    def pinned(self, name: str, version: str) -> tuple[UsableRelease, ...]:
        """The release of this version, and those that add a local part: the others are not looked at."""
        known = self._pinned.get((name, version))
        if known is None:
            known = self._pinned[name, version] = self._of_version(name, version)
        return known

    def _of_version(self, name: str, version: str) -> tuple[UsableRelease, ...]:
        from packaging.version import Version

        project = self.index.project(name)
        try:
            texts = project.spellings(Version(version))
        except ValueError:
            return ()
        return self._usable(Project(name, project.index, {text: project.files[text] for text in texts})).releases

    def direct(self, name: str, url: str) -> UsableRelease:
        """The release that a direct reference (``name @ url``) means.

        Raises ConfigError where the URL is not one of a wheel or sdist whose name states its version.
        """
        from packaging.version import Version

        plain, _, fragment = url.partition("#")
        parts = split_url(plain)
        if parts.scheme not in ("http", "https", "file"):
            raise ConfigError(
                f"{name} @ {url}: the content of a version control system cannot be known without running it",
                hint="refer to a wheel or sdist, or pin a released version",
            )
        filename = unquote(parts.path.rpartition("/")[2])
        text = version_in(filename, name)
        try:
            version = Version(text)
        except ValueError:
            raise ConfigError(
                f"{name} @ {url}: the file's name does not say that it is a wheel or sdist of {name}",
                hint="refer to a file named as the packaging specifications say",
            ) from None
        algorithm, _, digest = fragment.partition("&")[0].partition("=")
        hashes = {algorithm: digest.lower()} if algorithm in ("sha256", "sha384", "sha512") else {}
        file = IndexFile(filename, plain, text, hashes)
        if file.is_wheel and self.environment.rank(file.tags) is None:
            raise ConfigError(f"{name} @ {url}: the wheel does not install on {self.environment.machine}")
        return UsableRelease(name, version, text, (file,), url=url)

    def metadata(self, release: UsableRelease) -> DistMetadata:
        """The release's metadata, read once. Raises RepositoryError."""
        return self.metadata_later(release).result()

    def metadata_later(self, release: UsableRelease) -> "Future[DistMetadata]":
        """The same as a future. The first caller does the work, in its own thread."""
        key = f"{release.name} {release.text} {release.url}"
        with self._guard:
            known = self._metadata.get(key)
            if known is not None:
                return known
            future: Future[DistMetadata] = Future()
            self._metadata[key] = future
        try:
            found = read_metadata(self.index, (*release.files, *release.others), self.environment)
            if normalize(found.name) != release.name and not release.files[0].is_wheel:
                # The file's name said so too; only case and separators may differ.
                raise ConfigError(f"{release.files[0].filename} says of itself that it is {found.name}")
            future.set_result(found)
        # Without a result, threads that wait for the future would hang.
        except BaseException as fault:
            future.set_exception(fault)
        return future

    def allows_python(self, requires_python: str) -> bool:
        """Whether a Requires-Python holds for the target. One that cannot be parsed is passed over, as pip
        does.
        """
        if not requires_python:
            return True
        known = self._python_verdicts.get(requires_python)
        if known is None:
            from packaging.specifiers import SpecifierSet

            try:
                # The target's own Python may be a pre-release, which specifiers leave out by default.
                known = SpecifierSet(requires_python).contains(self.environment.version, prereleases=True)
            except ValueError:
                known = True
            self._python_verdicts[requires_python] = known
        return known

    def _usable(self, project: Project) -> UsableReleases:
        releases = []
        unusable: dict[str, str] = {}
        for version, texts in project.versions().items():
            wheels, sdists, others, reasons = [], [], [], []
            text = texts[0]
            for file in [file for each in texts for file in project.files[each]]:
                if not self.allows_python(file.requires_python):
                    reasons.append(f"requires Python {file.requires_python}")
                elif not file.is_wheel:
                    sdists.append(file)
                elif self.environment.rank(file.tags) is not None:
                    wheels.append(file)
                else:
                    others.append(file)
            if not wheels and not sdists:
                unusable[text] = reasons[0] if reasons else "has wheels for other machines and no source"
                continue
            files = (*wheels, *sdists)
            # PEP 592 yanks single files: the release is yanked where all of its files are.
            yanked = files[0].yanked if all(file.yanked for file in files) else ""
            files = tuple(file for file in files if yanked or not file.yanked)
            releases.append(UsableRelease(project.name, version, text, files, tuple(others), yanked))
        return UsableReleases(project.name, project.index, tuple(releases), unusable)
