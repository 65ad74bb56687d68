"""The folder that `ppcdeps fetch` fills from a lock: where each file lies in it, and that all of them are there.

ppcdeps.lock               the lock, written last: a folder without it is not whole
repositories/ID/           each repository's metadata, and of its packages those that are locked
python/NAME/               a simple index of the locked files
sources/SOURCE/            what recipes name by URL, and the user's own files
debian/                    the Debian packages of buildroots, as mirrors that apt reads, one for each buildroot
images/                    the container images of buildroots, as archives that podman loads
.ppcdeps-pending/          what was brought, until all files of a lock are: the folder is as it was till then

Nothing else is read from it. What a former lock of the folder named goes when the new one's files come; what no lock
named is somebody's own, and is never touched.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from html import escape
from pathlib import Path
from urllib.parse import quote

from ppcdeps.base.atomic import NEW, link, new_file, put_file
from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import digest_of, sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.buildroots.buildroots import LockedRoot
from ppcdeps.building.buildroots.debian import DebianArchive
from ppcdeps.building.buildroots.images import LockedImage, RootRepository, archive_fault
from ppcdeps.metadata.state import REPOMD
from ppcdeps.model.errors import ConfigError
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
from ppcdeps.model.lock_file import dump_lock, load_lock
from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.wording import first_of
from ppcdeps.python.distfiles import IndexFile
from ppcdeps.python.wheelmetadata import metadata_in

LOCK_FILE = "ppcdeps.lock"
PENDING = ".ppcdeps-pending"
ROOTS = "debian"
"""The part of the folder with the Debian packages that buildroots are made of."""
IMAGES = "images"
"""The part with the container images of buildroots. Without these parts buildroots have to be in the cache."""
_PARTS = ("repositories", "python", "sources", ROOTS, IMAGES)
PLACES = frozenset((LOCK_FILE, PENDING, *_PARTS))
"""What such a folder has at its top."""
_MOST_FAULTS = 10


LockedThing = (
    LockedRepository
    | LockedMetadata
    | LockedPackage
    | LockedDistribution
    | LockedSource
    | LockedBuildroot
    | LockedRootPackage
)
"""What of a lock a file is."""


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that a lock names: its place in the folder, checksum (``algorithm:hex``), size if known, and what of the
    lock it is. That of a repository is its repomd.xml; that of a buildroot is its image, whose id is the checksum.
    """

    place: str
    checksum: str
    of: LockedThing
    size: int | None = None


def repository_place(repository: str, path: str) -> str:
    """Where a file of a repository lies in the folder."""
    return f"repositories/{repository}/{path}"


def files_of(lock: Lock, *, roots: bool = True) -> tuple[LockedFile, ...]:
    """All files of a lock that are fetched, by place; without ``roots`` not those that buildroots are made of."""
    found = sorted(_files_of(lock), key=lambda one: one.place)
    return tuple(one for one in found if roots or not _is_of_roots(lock, one))


def others_in(folder: Path, lock: Lock, *, roots: bool = True) -> tuple[str, ...]:
    """The places of files in the folder that are neither the lock's nor made from them; without ``roots`` those that
    its buildroots are made of are among them.
    """
    named = {one.place for one in files_of(lock, roots=roots)}
    for each in lock.python:
        named |= {f"python/{each.name}/index.html", f"python/{each.name}/{each.file}.metadata"}
    mirrors = [f"{ROOTS}/{root.label}" for root in lock.buildroots] if roots else []
    named |= {f"{mirror}/pool" for mirror in mirrors}
    indexes = [f"{mirror}/dists/*/{file}" for mirror in mirrors for file in ("Release", "main/binary-*/Packages")]
    return tuple(
        place
        for place in sorted(_places_in(folder))
        if place not in named and not any(fnmatchcase(place, index) for index in indexes)
    )


def _places_in(folder: Path) -> Iterator[str]:
    """The files and links in the parts of the folder, but for those that are being written."""
    for part in _PARTS:
        for here, below, files in os.walk(folder / part):
            for name in (*files, *_links(here, below)):
                if not name.startswith(NEW):
                    yield Path(here, name).relative_to(folder).as_posix()


def _links(folder: str, names: Iterable[str]) -> list[str]:
    """The links among the folders of these names, which os.walk does not enter."""
    return [name for name in names if Path(folder, name).is_symlink()]


def pending_or_there(folder: Path, place: str) -> Path:
    """Where a file is that the folder has, or is about to get."""
    pending = folder / PENDING / place
    return pending if os.path.lexists(pending) else folder / place


def put_pending(folder: Path) -> None:
    """Put all that was brought for a lock where it is read from, and the lock last.

    Raises ConfigError, and moves nothing, where a folder is in the way; OSError where a file cannot be put.
    """
    pending = folder / PENDING
    files = [Path(here, name) for here, below, names in os.walk(pending) for name in (*names, *_links(here, below))]
    moves = {path: folder / path.relative_to(pending) for path in files if not path.name.startswith(NEW)}
    for place in moves.values():
        if place.is_dir() and not place.is_symlink():
            raise ConfigError(
                f"{place} is a folder, where a file of the lock goes", hint="remove it, or move it away"
            )
    for path, place in sorted(moves.items(), key=lambda move: move[1].name == LOCK_FILE):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.replace(place)
        except OSError as error:
            # A part of the folder may lie on another file system.
            if error.errno != errno.EXDEV:
                raise
            _put_copy(path, place)
    remove_tree(pending)


def _put_copy(path: Path, place: Path) -> None:
    if path.is_symlink():
        link(place, str(path.readlink()))
        return
    with new_file(place.parent) as new, path.open("rb") as content:
        shutil.copyfileobj(content, new.stream)
        new.put(place, durable=False)


def remove_places(folder: Path, places: Iterable[str]) -> None:
    """Remove these files, and the folders in the folder in which nothing is left."""
    for place in places:
        (folder / place).unlink(missing_ok=True)
    for part in (*_PARTS, PENDING):
        for here, _, _ in os.walk(folder / part, topdown=False):
            if not Path(here).is_symlink() and not any(Path(here).iterdir()):
                Path(here).rmdir()


def _is_of_roots(lock: Lock, file: LockedFile) -> bool:
    match file.of:
        case LockedBuildroot() | LockedRootPackage():
            return True
        case LockedPackage() as package:
            return lock.is_of_roots(package)
        case _:
            return False


def has_roots(lock: Lock, folder: Path) -> bool:
    """Whether a folder of this lock was filled with what buildroots are made of."""
    return any((folder / one.place).exists() for one in files_of(lock) if _is_of_roots(lock, one))


def _files_of(lock: Lock) -> Iterator[LockedFile]:
    for state in lock.repositories:
        # One that did not answer has no state, and nothing is taken from it.
        if state.digest:
            yield LockedFile(repository_place(state.id, REPOMD), f"sha256:{state.digest}", state)
    for file in lock.metadata:
        yield LockedFile(repository_place(file.repo, file.path), file.checksum, file, file.size)
    for package in lock.packages:
        if package.checksum:
            place = repository_place(package.repo, package.path)
            yield LockedFile(place, package.checksum, package, package.size)
    for each in lock.python:
        yield LockedFile(f"python/{each.name}/{each.file}", f"sha256:{each.sha256}", each, each.size)
    for source in lock.sources:
        if source.kind != "patch":
            yield LockedFile(f"sources/{source.source}/{source.file}", f"sha256:{source.sha256}", source)
    for archive in lock.archives:
        yield LockedFile(f"{ROOTS}/{archive.path}", f"sha256:{archive.sha256}", archive, archive.size)
    for root in lock.buildroots:
        if root.image:
            yield LockedFile(f"{IMAGES}/{root.label}.tar", f"sha256:{root.image}", root)


@dataclass(frozen=True, slots=True)
class LockedFolder:
    """A folder that has all files of its lock. ``digest`` is the SHA-256 of the lock's text."""

    folder: Path
    lock: Lock
    digest: str

    @property
    def index(self) -> Path:
        """The simple index of the Python distributions."""
        return self.folder / "python"

    def source(self, source: str, file: str) -> Path:
        """Where a file that a source is built from lies."""
        return self.folder / "sources" / source / file

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """The folders with the user's own specs and source RPMs, and what lies beside these."""
        names = sorted({one.source for one in self.lock.sources if one.kind == "own"})
        return tuple(self.folder / "sources" / name for name in names)

    @property
    def roots(self) -> dict[tuple[str, tuple[str, ...]], LockedRoot]:
        """The buildroots whose packages the lock names, by name and requested packages."""
        found = {}
        for root in self.lock.buildroots:
            packages = [one for one in self.lock.root_packages if root.label in one.roots]
            if not packages and not root.image:
                continue
            archives = tuple(DebianArchive(one.path, one.sha256, one.size or 0) for one in packages if one.sha256)
            found[root.name, root.requested] = LockedRoot(
                archives,
                mirror.absolute() if (mirror := self.folder / ROOTS / root.label).is_dir() else None,
                {one.package: one.version for one in packages},
                root.origin,
                self._image(root),
            )
        return found

    def _image(self, root: LockedBuildroot) -> LockedImage | None:
        archive = self.folder / IMAGES / f"{root.label}.tar"
        if not root.image or not archive.is_file():
            return None
        by_repository: dict[str, list[str]] = {}
        for one in self.lock.packages:
            if root.label in one.needed_by:
                by_repository.setdefault(one.repo, []).append(one.nevra)
        repositories = (
            RootRepository(name, self.folder / "repositories" / name, tuple(nevras))
            for name, nevras in sorted(by_repository.items())
        )
        return LockedImage(archive, root.image, tuple(repositories))

    def repository(self, config: RepoConfig) -> RepoConfig | None:
        """A repository of the target as it lies in the folder; None where the lock has none of that id.

        The digests of the lock vouch for all of it, so that no signature is checked again.
        """
        state = next((one for one in self.lock.repositories if one.id == config.id), None)
        if state is None or not state.digest:
            return None
        held = tuple(one.nevra for one in self.lock.held if one.repo == config.id)
        return replace(
            config,
            baseurl=(f"{(self.folder / 'repositories' / config.id).absolute().as_uri()}/",),
            mirrorlist=None,
            metalink=None,
            enabled=state.enabled,
            excludepkgs=(*config.excludepkgs, *held),
            gpgcheck=False,
            repo_gpgcheck=False,
            gpgkey=(),
            metadata_expire=None,
            proxy=None,
            username=None,
            password=None,
            sslcacert=None,
            sslclientcert=None,
            sslclientkey=None,
            optional=False,
            skip_if_unavailable=False,
            origin=str(self.folder / LOCK_FILE),
        )

    def narrowed(self, config: RepoConfig) -> RepoConfig:
        """The repository with the locked packages alone: what may be installed."""
        lock = self.lock
        mine = tuple(one.nevra for one in lock.packages if one.repo == config.id and not lock.is_of_roots(one))
        known = any(one.id == config.id for one in self.lock.repositories)
        # No package is called "-".
        return replace(config, includepkgs=mine or ("-",)) if known else config


def open_locked(file: Path) -> LockedFolder:
    """The folder that a lock lies in, compared with the lock.

    Raises ConfigError where the lock cannot be read, or the folder has not all files that it names, as it names them.
    """
    lock = load_lock(file)
    folder = file.parent
    files = files_of(lock, roots=has_roots(lock, folder))
    if not (folder / "repositories").is_dir() or not files:
        raise ConfigError(
            f"the files of {file} are not beside it",
            hint="bring them into a folder with `ppcdeps fetch LOCK --to DIR`, and name the lock in that folder",
        )
    faults = [fault for one in files if (fault := fault_of(folder, one))]
    if faults:
        count = len(faults)
        shown = (*faults[:_MOST_FAULTS], *([f"and {count - _MOST_FAULTS} more"] if count > _MOST_FAULTS else []))
        raise ConfigError(
            f"{count} of {len(files)} files of {folder} are not what its lock says; bring them again with "
            f"`ppcdeps fetch LOCK --to DIR`:",
            faults=shown,
        )
    if others := others_in(folder, lock):
        raise ConfigError(
            f"{folder} has what is not of its lock: {first_of(others, 3)}",
            hint="remove it, or bring the files into a new folder with `ppcdeps fetch LOCK --to DIR`",
        )
    try:
        # The pages follow from the lock, and have no digest there: what somebody else wrote is written over.
        write_index(lock, folder, folder)
    except OSError as error:
        raise ConfigError(
            f"{folder / 'python'} does not have the pages of its lock, and they cannot be written: {error.strerror}",
            hint="bring the files into another folder with `ppcdeps fetch LOCK --to DIR`",
        ) from error
    return LockedFolder(folder, lock, hashlib.sha256(dump_lock(lock).encode()).hexdigest())


def fault_of(folder: Path, file: LockedFile) -> str:
    """What is wrong with a file in the folder, beginning with its place; empty where it is as locked."""
    path = folder / file.place
    try:
        size = path.lstat().st_size
        if file.size is not None and size != file.size:
            return f"{file.place} has {size} bytes instead of {file.size}"
        if isinstance(file.of, LockedBuildroot):
            fault = archive_fault(path, file.of.image)
            return f"{file.place} {fault}" if fault else ""
        algorithm, _, wanted = file.checksum.partition(":")
        if digest_of(path, algorithm) != wanted:
            return f"{file.place} has another {algorithm} digest"
    except FileNotFoundError:
        return f"{file.place} is not there"
    except OSError as error:
        return f"{file.place} cannot be read: {error.strerror}"
    return ""


def write_index(lock: Lock, to: Path, folder: Path) -> None:
    """Write the pages of the simple index over the locked Python files of a folder into one that has its layout."""
    by_name: dict[str, list[str]] = {}
    for one in lock.python:
        served = ""
        if one.metadata:
            wheel = pending_or_there(folder, f"python/{one.name}/{one.file}").absolute()
            text = metadata_in(wheel, IndexFile(one.file, wheel.as_uri(), one.version, {}))
            place = to / "python" / one.name / f"{one.file}.metadata"
            place.parent.mkdir(parents=True, exist_ok=True)
            put_file(place, text)
            served = f' data-core-metadata="sha256={hashlib.sha256(text).hexdigest()}"'
        anchor = f'<a href="{quote(one.file)}#sha256={one.sha256}"{served}>{escape(one.file)}</a><br>'
        by_name.setdefault(one.name, []).append(anchor)
    for name, anchors in by_name.items():
        head = f"<html><head><title>Links for {name}</title></head><body>"
        page = "\n".join(("<!DOCTYPE html>", head, *sorted(anchors), "</body></html>", ""))
        (to / "python" / name).mkdir(parents=True, exist_ok=True)
        put_file(to / "python" / name / "index.html", page.encode())


def store_sources(locked: LockedFolder, cache: Cache) -> None:
    """Put the files that recipes name by URL into a cache, where their builds look before they fetch.

    Raises EnvironmentLacksError where the disk is full.
    """
    for source in locked.lock.sources:
        checksum = f"sha256:{source.sha256}"
        if source.kind != "file" or cache.find_object(checksum) is not None:
            continue
        with cache.new_object() as draft, locked.source(source.source, source.file).open("rb") as content:
            shutil.copyfileobj(content, draft.stream)
            draft.stream.flush()
            if sha256_of(draft.path) != source.sha256:
                raise ConfigError(f"{source.file} was changed in {locked.folder} while it was read")
            draft.publish(checksum)
