"""All files of a lock brought into one folder: each verified before it has its name there, none fetched twice."""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import assert_never

from ppcdeps.base.atomic import NEW, new_file, put_file
from ppcdeps.base.cache import Cache
from ppcdeps.base.programs import run_program
from ppcdeps.building.buildroots.images import archive_fault, save_image
from ppcdeps.locking.folder import ROOTS, LockedFile, fault_of, pending_or_there
from ppcdeps.metadata.parallel import SerializedReporter, run_all
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import RepositoryPackage, fetch_file, fetch_package
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.lock import (
    Lock,
    LockedBuildroot,
    LockedDistribution,
    LockedMetadata,
    LockedPackage,
    LockedRepository,
    LockedRootPackage,
    LockedSource,
)
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.python.index import Index

_MOST_FAULTS = 10
_SAID = "the lock"
"""Who says which digest a file has, for messages."""
_ABANDONED = 3600.0
"""Seconds after which nobody writes a file any more."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the files of a lock come from.

    ``repositories`` are those of the lock by id, with their state of now; ``index`` is the Python index; ``mirrors``
    are base URLs of Debian mirrors, the preferred first; ``own`` finds a file that is at hand by source and name.
    """

    repositories: Mapping[str, RepoMetadata]
    index: Index | None
    mirrors: Sequence[str]
    own: Callable[[str, str], Path | None]


@dataclass(frozen=True, slots=True)
class FetchedLock:
    """A folder that has all files of its lock. ``size`` are bytes, as far as the lock says."""

    folder: Path
    files: int
    brought: int
    size: int


def fetch_files(
    lock: Lock,
    missing: Sequence[LockedFile],
    folder: Path,
    origins: Origins,
    cache: Cache,
    reporter: Reporter,
    *,
    wanted: int,
    offline: bool = False,
) -> None:
    """Bring the missing files of the lock, of so many that are wanted, into a folder.

    Raises RepositoryError that names all that cannot be had or is not what the lock says, EnvironmentLacksError for a
    disk that is full. What was brought by then is whole, and stays.
    """
    _remove_abandoned(folder)
    if not missing:
        return
    bringer = _Bringer(lock, origins, cache, offline)
    serial = SerializedReporter(reporter)
    # One line for all files, and not one for each of a thousand.
    task = f"{len(missing)} files"
    serial.begin(task, len(missing))
    faults: list[PpcdepsError] = []

    def bring(one: LockedFile) -> None:
        if isinstance(one.of, LockedBuildroot):
            _put_image(one, one.of, folder, offline=offline)
        else:
            _put(one, bringer.bring(one), folder)
        serial.advance(task, 1)

    try:
        results = run_all({place: partial(bring, one) for place, one in enumerate(missing)}, cache.abandon)
    finally:
        serial.end(task)
    for result in results.values():
        if isinstance(result, PpcdepsError):
            faults.append(result)
        elif isinstance(result, BaseException):
            raise result
    if faults:
        raise _joined(faults, wanted)


def _remove_abandoned(folder: Path) -> None:
    """Remove the halves of files that a killed run left, and not those that another one writes just now."""
    for left in folder.rglob(f"{NEW}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > _ABANDONED:
                left.unlink()


def _put(one: LockedFile, path: Path, folder: Path) -> None:
    place = folder / one.place
    place.parent.mkdir(parents=True, exist_ok=True)
    with new_file(place.parent) as new, path.open("rb") as content:
        # Copied, not linked: a file that the user changes must not change the cache.
        shutil.copyfileobj(content, new.stream)
        new.stream.flush()
        made = replace(one, place=new.path.name)
        if fault := fault_of(place.parent, made):
            raise RepositoryError(f"{one.place} is not what the lock says: {fault.partition(' ')[2]}")
        new.put(place, durable=False)


def _put_image(one: LockedFile, root: LockedBuildroot, folder: Path, *, offline: bool) -> None:
    reference = next((each for each in root.origin if "@sha256:" in each), "")
    if not reference:
        raise RepositoryError(
            f"the lock does not say where the image of {root.name} is from",
            hint=f"make that buildroot anew with `ppcdeps buildroot create {root.name} --renew`, and lock again",
        )
    if offline:
        raise RepositoryError(
            f"the image of {root.name} cannot be had without network", hint="fetch it without --offline"
        )
    place = folder / one.place
    place.parent.mkdir(parents=True, exist_ok=True)
    with new_file(place.parent) as new:
        save_image(reference, root.image, root.arch, new.path, Silence())
        if fault := archive_fault(new.path, root.image):
            raise RepositoryError(f"{one.place} is not what the lock says: it {fault}")
        new.put(place, durable=False)


def _joined(faults: Sequence[PpcdepsError], count: int) -> PpcdepsError:
    """One error for all that failed; a full disk stands alone, as it explains the rest."""
    lines = sorted({fault.line for fault in faults})
    for fault in faults:
        if isinstance(fault, EnvironmentLacksError) or len(lines) == 1:
            return fault
    more = (f"and {len(lines) - _MOST_FAULTS} more",) if len(lines) > _MOST_FAULTS else ()
    return RepositoryError(
        f"{len(faults)} of {count} files of the lock cannot be had; what was brought stays:",
        faults=(*lines[:_MOST_FAULTS], *more),
    )


@dataclass(frozen=True, slots=True)
class _Bringer:
    """Brings the files of a lock: every method gives where a verified file lies on this disk."""

    lock: Lock
    origins: Origins
    cache: Cache
    offline: bool

    def bring(self, file: LockedFile) -> Path:
        """A file. Raises RepositoryError, ConfigError or EnvironmentLacksError where it cannot be had."""
        match file.of:
            case LockedRepository() as state:
                return self._metadata(state, file)
            case LockedMetadata(repo):
                return self._metadata(next(one for one in self.lock.repositories if one.id == repo), file)
            case LockedPackage() as package:
                return self._package(package)
            case LockedDistribution() as distribution:
                return self._python(distribution)
            case LockedSource() as source:
                return self._source(source)
            case LockedRootPackage() as archive:
                return self._archive(archive, self.origins.mirrors)
            case LockedBuildroot():
                raise AssertionError("an image is saved, and lies nowhere before")
            case _:
                assert_never(file.of)

    def _metadata(self, state: LockedRepository, file: LockedFile) -> Path:
        """A metadata file of the locked state, which the cache has: it is the state of now, or one from before."""
        found = self.cache.find_object(file.checksum, file.size)
        if found is not None:
            return found
        now = self.origins.repositories[state.id]
        if now.problem:
            raise RepositoryError(now.problem)
        revision = now.revision or "unknown"
        why = "it has other metadata of the same revision now"
        if revision != (state.revision or "unknown"):
            why = f"it has moved on since (to revision {revision})"
        raise RepositoryError(
            f"repository {state.id} does not have the metadata any more that was locked "
            f"(revision {state.revision or 'unknown'}): {why}",
            hint="lock what it has now: `ppcdeps lock PLAN --update all`",
        )

    def _package(self, one: LockedPackage) -> Path:
        repository = self.origins.repositories[one.repo]
        if repository.problem:
            # It did not answer once, and is not tried for each of its packages.
            found = self.cache.find_object(one.checksum, one.size)
            if found is None:
                raise RepositoryError(repository.problem)
            return found
        package = RepositoryPackage(Nevra.parse(one.nevra), one.path, one.checksum, one.size, repository)
        return fetch_package(package, self.cache, Silence(), origin=_SAID, offline=self.offline)[0]

    def _python(self, one: LockedDistribution) -> Path:
        index = self.origins.index
        assert index is not None  # something of it is missing
        found = index.project(one.name).by_filename().get(one.file)
        if found is None:
            raise RepositoryError(
                f"the Python index does not have {one.file} any more",
                hint=f"lock another one: `ppcdeps lock PLAN --update {one.name}`",
            )
        if found.hashes.get("sha256", one.sha256).lower() != one.sha256:
            raise RepositoryError(
                f"{one.file} on the Python index has another SHA-256 than the lock says",
                hint="ask the index's owner why it was replaced",
            )
        return index.local_file(replace(found, hashes={"sha256": one.sha256}))

    def _source(self, one: LockedSource) -> Path:
        at_hand = self.origins.own(one.source, one.file)
        if at_hand is not None:
            return at_hand
        if one.kind == "own" or not one.origin:
            raise ConfigError(
                f"{one.file} of {one.source} is not there, or is another", hint="name its folder with --sources DIR"
            )
        name = one.source
        return fetch_file(
            one.origin,
            one.sha256,
            self.cache,
            Silence(),
            file=one.file,
            name=name,
            origin=_SAID,
            offline=self.offline,
        ).path

    def _archive(self, one: LockedRootPackage, mirrors: Sequence[str]) -> Path:
        known = self.cache.find_object(f"sha256:{one.sha256}")
        if known is not None:
            return known
        if not mirrors:
            raise EnvironmentLacksError(
                "apt of this machine knows no mirror of Debian, which buildroots of the lock are made of",
                hint="give one with --mirror URL",
            )
        faults = []
        for base in mirrors:
            url = f"{base.rstrip('/')}/{one.path}"
            try:
                return fetch_file(url, one.sha256, self.cache, Silence(), origin=_SAID, offline=self.offline).path
            except RepositoryError as fault:
                faults.append(fault)
        raise faults[0]


# What readers of the folder need beside the files ----------------------------------------------------------------


def write_mirrors(lock: Lock, to: Path, folder: Path, suites: Mapping[str, str]) -> None:
    """Write, for each Debian buildroot of a folder, the index of a mirror that has its packages alone into one that
    has its layout; one that is as it has to be is left out. ``suites`` are their names by that of the buildroot.

    Raises EnvironmentLacksError where dpkg-deb, which reads the packages, is missing.
    """
    for root in lock.buildroots:
        packages = [one for one in lock.root_packages if one.sha256 and root.label in one.roots]
        if packages and root.name in suites:
            _write_mirror(root, packages, to, folder, suites[root.name])


def _write_mirror(
    root: LockedBuildroot, packages: Sequence[LockedRootPackage], to: Path, folder: Path, suite: str
) -> None:
    mirror = to / ROOTS / root.label
    release_file = pending_or_there(folder, f"{ROOTS}/{root.label}/dists/{suite}/Release")
    content = hashlib.sha256("".join(sorted(f"{one.path} {one.sha256}\n" for one in packages)).encode()).hexdigest()
    if release_file.is_file() and f"Label: {content}\n" in release_file.read_text("utf-8"):
        return
    stanzas: dict[str, list[str]] = {}
    for one in sorted(packages, key=lambda each: each.path):
        said = run_program(
            ["dpkg-deb", "--field", str(pending_or_there(folder, f"{ROOTS}/{one.path}"))],
            needed_for="buildroots of Debian packages are made with it",
        ).checked(EnvironmentLacksError)
        stanza = f"{said.text.rstrip()}\nFilename: {one.path}\nSize: {one.size}\nSHA256: {one.sha256}\n"
        stanzas.setdefault(one.package.rpartition(":")[2], []).append(stanza)
    shared = stanzas.pop("all", [])
    mirror.mkdir(parents=True, exist_ok=True)
    link = mirror / "pool"
    if not link.is_symlink():
        link.symlink_to("../pool")
    digests = []
    for arch, own in sorted(stanzas.items()):
        text = "\n".join((*own, *shared)).encode()
        place = f"main/binary-{arch}/Packages"
        (mirror / "dists" / suite / place).parent.mkdir(parents=True, exist_ok=True)
        put_file(mirror / "dists" / suite / place, text)
        digests.append(f" {hashlib.sha256(text).hexdigest()} {len(text)} {place}")
    release = (
        f"Origin: ppcdeps\nLabel: {content}\nSuite: {suite}\nCodename: {suite}\nComponents: main\n"
        f"Architectures: {' '.join(sorted(stanzas))}\nSHA256:\n" + "\n".join(digests) + "\n"
    )
    put_file(mirror / "dists" / suite / "Release", release.encode())
