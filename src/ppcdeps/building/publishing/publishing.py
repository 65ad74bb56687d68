"""Packages into the local repository: readers see the state before a publication, or the one after it, at any moment.

Everything new is written beside what is seen, flushed to the disk, and then seen all at once when one symbolic link
is replaced by rename(2). A process that is killed leaves what nobody sees, and the next publication removes it.
Metadata and packages of the last generations stay, so that a reader who began before the switch finds what it was
told of.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.atomic import NEW, flush, is_full, link, no_space, put_file, same_file
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.createrepo import write_metadata
from ppcdeps.building.publishing.provenance import provenance_of
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.publishing.repository import (
    CURRENT,
    GENERATIONS,
    MANIFEST,
    MARKER,
    PACKAGES,
    SCHEMA,
    SEEN,
    Manifest,
    PublishedPackage,
    PublishedWheel,
    dumped,
    generation_name,
    read_manifest,
    repo_file,
)
from ppcdeps.building.publishing.sbom import sbom_of
from ppcdeps.building.publishing.signing import SigningKey, sign_detached, sign_packages
from ppcdeps.building.publishing.wheels import Wheel, index_pages
from ppcdeps.model.errors import DISK_FULL, BuildError, ConfigError, EnvironmentLacksError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.rpm.header import PackageHeader, check_digests, read_header

KEPT_GENERATIONS = 3
KEPT_SECONDS = 900.0
"""Metadata and packages stay of the last states, and of those seen in the last minutes: a reader may be slow."""

_LOCK_POLL = 0.1
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")
_SOURCE = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]*")
_METADATA = re.compile(rb'href="repodata/([^"/]+)"')


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did. Packages are told by NEVRA, sorted.

    ``replaced`` are those of which another build was there; they are among the ``added``. Wheels are told by file
    name, among the others. ``repo_file`` is what a target gets as /etc/yum.repos.d/NAME.repo.
    """

    folder: Path
    manifest: Manifest
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    withdrawn: tuple[str, ...]
    repo_file: Path
    is_changed: bool
    """Whether there is a new generation."""


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A package to be put into the repository: where it is now, and the digest that it was built with."""

    path: Path
    header: PackageHeader
    origin: str

    @property
    def nevra(self) -> str:
        return str(self.header.nevra)


def publish(
    folder: Path,
    packages: Sequence[Path],
    *,
    name: str = "ppcdeps",
    sign: SigningKey | None = None,
    url: str | None = None,
    records: Sequence[BuildRecord] = (),
    wheels: Sequence[Wheel] = (),
    withdraw: Sequence[str] = (),
    whole_sources: bool = False,
    reporter: Reporter | None = None,
    wait: float = 600.0,
) -> Published:
    """Add packages to the repository in the folder, which becomes one if it is empty or not there.

    A build whose NEVRA is there already with other content replaces it; so does a wheel of the same name.
    ``records`` are of the builds that made them: for each there will be a provenance statement, as long as
    something that it made is there. ``withdraw`` are NEVRAs, and names of wheels, to take away. With
    ``whole_sources`` the packages are all of their sources: what else was published of these is taken away. With
    ``sign`` copies of the packages and the metadata are signed; a repository that is signed stays so. ``name`` and
    ``url`` are what the `.repo` file says (default: the folder's own place). Waits for another publication up to
    ``wait`` seconds.

    Raises ConfigError where the folder belongs to something else, a package is damaged, or a key is missing;
    EnvironmentLacksError where createrepo_c is missing, no space is left, or another publication does not end;
    BuildError where signing fails or createrepo_c does. Readers then see what they saw before.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f'"{name}" is no name for a repository: letters, digits and any of _ . : - make one')
    incoming = _incoming(packages)
    with _locked(folder, wait, reporter or Silence()) as lock:
        work = _Publication(folder, lock, sign, reporter or Silence())
        try:
            work.remove_leftovers()
            wanted = work.wanted(incoming, wheels, records, withdraw, whole_sources)
            return work.run(wanted, name, url or folder.resolve().as_uri())
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise no_space(folder) from fault
            raise
        except BuildError as fault:
            # Programs of others say it in their own ways.
            if is_full(folder):
                raise no_space(folder) from fault
            raise
        finally:
            work.remove_leftovers()


def _incoming(packages: Sequence[Path]) -> list[_Incoming]:
    found: dict[str, _Incoming] = {}
    for path in packages:
        header = read_header(path)
        check_digests(path)
        if not header.source:
            raise ConfigError(f"{path.name} is a source package, and the repository has packages to install")
        one = _Incoming(path, header, sha256_of(path))
        other = found.setdefault(one.nevra, one)
        if other.origin != one.origin:
            raise ConfigError(f"{other.path} and {path} are different builds of {one.nevra}", hint="give one of them")
    return list(found.values())


@contextlib.contextmanager
def _locked(folder: Path, wait: float, reporter: Reporter) -> Iterator[int]:
    """The repository's marker, locked. Its descriptor is handed on to createrepo_c: where this process is killed, the
    next one waits until that is gone, too.
    """
    _claim(folder)
    lock = os.open(folder / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for(lock, folder, wait, reporter)
        _check_marker(lock, folder / MARKER)
        yield lock
    finally:
        os.close(lock)


def _claim(folder: Path) -> None:
    """Make the folder if it is not there. Raises ConfigError where it belongs to something else."""
    with contextlib.suppress(FileExistsError, NotADirectoryError):
        folder.mkdir(parents=True, exist_ok=True)
    check_place(folder)


def check_place(folder: Path) -> None:
    """Raise ConfigError where the folder, if it is there, belongs to something else than a repository of ppcdeps."""
    try:
        names = {one.name for one in folder.iterdir()}
    except FileNotFoundError:
        return
    except NotADirectoryError as fault:
        raise ConfigError(f"{folder} is not a folder", hint="name another place for the repository") from fault
    if names and MARKER not in names:
        raise ConfigError(
            f"{folder} holds other files and is no repository of ppcdeps", hint="name a new or an empty folder"
        )
    for name in (*SEEN, CURRENT):
        place = folder / name
        if place.exists() and not place.is_symlink():
            raise ConfigError(
                f"{place} was put there by another program",
                hint="remove it, or name another folder for the repository",
            )


def _check_marker(lock: int, path: Path) -> None:
    """Write the marker if it is new. Raises ConfigError where it says another version."""
    content = os.pread(lock, 4096, 0)
    if not content:
        os.write(lock, dumped({"schema": SCHEMA, "is": "a repository of ppcdeps; see docs/repository.md"}))
        return
    try:
        is_known = json.loads(content)["schema"] == SCHEMA
    except (ValueError, TypeError, KeyError):
        is_known = False
    if not is_known:
        raise ConfigError(f"{path} is damaged or of another version of ppcdeps", hint="publish into a new folder")


def _wait_for(lock: int, folder: Path, wait: float, reporter: Reporter) -> None:
    end = time.monotonic() + wait
    is_told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise EnvironmentLacksError(
                    f"{folder} is being published to by another process, for more than {wait:.0f} s",
                    hint="wait for it, or end it",
                ) from None
            if not is_told:
                reporter.note(f"waiting for another publication to {folder}")
                is_told = True
            time.sleep(_LOCK_POLL)
        else:
            return


@dataclass(frozen=True, slots=True)
class _State:
    """What a repository is to hold. ``records`` are by source."""

    packages: tuple[PublishedPackage, ...]
    wheels: tuple[PublishedWheel, ...]
    records: Mapping[str, BuildRecord]


class _Publication:
    """One publication, while the lock is held."""

    def __init__(self, folder: Path, lock: int, key: SigningKey | None, reporter: Reporter) -> None:
        self.folder = folder
        self.lock = lock
        self.key = key
        self.reporter = reporter
        self.before = read_manifest(folder) or Manifest(0, ())
        if self.before.key and key is None:
            raise ConfigError(
                f"{folder} is signed by the key {self.before.key[-16:]}, and its users refuse what is not",
                hint=f"give a key, as --sign-with {self.before.key[-16:]}",
            )

    def wanted(
        self,
        incoming: Sequence[_Incoming],
        wheels: Sequence[Wheel],
        records: Sequence[BuildRecord],
        withdraw: Sequence[str],
        whole_sources: bool,
    ) -> "_State":
        """The state to come. What is new of it lies in the repository already, where nothing speaks of it yet."""
        there = {one.nevra: one for one in self.before.packages if self._is_whole(one)}
        packages = self._remaining(there, incoming, withdraw, whole_sources)
        fresh = [one for one in incoming if not self._has(packages.get(one.nevra), one)]
        added = {one.nevra: one for one in self._stored(fresh)}
        added |= {one.nevra: one for one in self._signed_anew(packages, added)}
        packages |= added
        files = {one.file: one for one in self.before.wheels if one.file not in withdraw}
        files |= {one.file: self._stored_wheel(one) for one in wheels}
        digests = {one.origin for one in packages.values()} | {one.sha256 for one in files.values()}
        kept = self._records_before() | {_safe(one.source): one for one in records}
        return _State(
            packages=tuple(packages[nevra] for nevra in sorted(packages)),
            wheels=tuple(files[name] for name in sorted(files)),
            records={name: one for name, one in sorted(kept.items()) if digests & one.digests},
        )

    def run(self, state: "_State", name: str, url: str) -> Published:
        """Have readers see the state, if it is another than they see."""
        key = self.key.fingerprint if self.key else ""
        before = replace(self.before, generation=0)
        manifest = self.before
        is_seen = (self.folder / CURRENT).exists() and self._records_before() == state.records
        if not is_seen or before != Manifest(0, state.packages, key, state.wheels):
            manifest = self._switched(state, name)
        file = self._write_repo_file(name, url)
        self._remove_old(manifest)
        old, new = _contents(self.before), _contents(manifest)
        return Published(
            folder=self.folder,
            manifest=manifest,
            added=tuple(sorted(one for one, digest in new.items() if old.get(one) != digest)),
            replaced=tuple(sorted(one for one, digest in new.items() if old.get(one, digest) != digest)),
            withdrawn=tuple(sorted(old.keys() - new.keys())),
            repo_file=file,
            is_changed=manifest != self.before,
        )

    def remove_leftovers(self) -> None:
        """Remove what a publication that did not end has left: nobody sees it."""
        for place in (self.folder, self.folder / GENERATIONS, self.folder / PACKAGES):
            for path in place.glob(f"{NEW}*"):
                remove_tree(path)
        now = read_manifest(self.folder)
        for path in (self.folder / GENERATIONS).glob("[0-9]*"):
            if now is None or path.name > generation_name(now.generation):
                remove_tree(path)

    # What is to be there ------------------------------------------------------------------------------------

    def _remaining(
        self,
        there: dict[str, PublishedPackage],
        incoming: Sequence[_Incoming],
        withdraw: Sequence[str],
        whole_sources: bool,
    ) -> dict[str, PublishedPackage]:
        names = {one.nevra for one in incoming}
        sources = {_source_name(one.header) for one in incoming} if whole_sources else set()
        known = there.keys() | {one.file for one in self.before.wheels}
        for one in sorted(set(withdraw) - known):
            self.reporter.warn(f"{one} is not in {self.folder}")
        return {
            nevra: one
            for nevra, one in there.items()
            if nevra in names or (nevra not in withdraw and one.source_name not in sources)
        }

    def _is_whole(self, package: PublishedPackage) -> bool:
        path = self.folder / package.path
        if path.is_file() and path.stat().st_size == package.size:
            return True
        self.reporter.warn(f"{path} was removed or changed, and leaves the repository; publish it again")
        return False

    def _has(self, present: PublishedPackage | None, one: _Incoming) -> bool:
        return present is not None and one.origin in (present.origin, present.sha256)

    # Packages -----------------------------------------------------------------------------------------------

    def _signed_anew(
        self, wanted: dict[str, PublishedPackage], added: dict[str, PublishedPackage]
    ) -> list[PublishedPackage]:
        """What was published before without this key."""
        if self.key is None:
            return []
        old = [one for one in wanted.values() if one.key != self.key.fingerprint and one.nevra not in added]
        paths = [self.folder / one.path for one in old]
        return self._stored(
            [_Incoming(path, read_header(path), one.origin) for path, one in zip(paths, old, strict=True)]
        )

    def _stored(self, incoming: Sequence[_Incoming]) -> list[PublishedPackage]:
        """Copies in the repository, signed if there is a key, each in a folder named by its content."""
        if not incoming:
            return []
        place = self.folder / PACKAGES / f"{NEW}{os.getpid()}"
        copies = []
        for number, one in enumerate(incoming):
            copy = place / str(number) / _file_name(one.header)
            copy.parent.mkdir(parents=True)
            shutil.copyfile(one.path, copy)
            copies.append(copy)
        if self.key is not None:
            sign_packages(copies, self.key)
        return [self._put(one, copy) for one, copy in zip(incoming, copies, strict=True)]

    def _put(self, one: _Incoming, copy: Path) -> PublishedPackage:
        digest = sha256_of(copy)
        if self.key is None and digest != one.origin:
            raise BuildError(f"{one.path} was changed while it was published", hint="publish it again")
        copy.chmod(0o644)
        # The metadata has the time of the file: the same packages give the same metadata.
        os.utime(copy, (one.header.built, one.header.built))
        flush(copy)
        target = self.folder / PACKAGES / digest[:16]
        path = target / copy.name
        if not (path.is_file() and sha256_of(path) == digest):
            remove_tree(target)
            copy.parent.rename(target)
            flush(target.parent)
        return PublishedPackage(
            nevra=one.nevra,
            path=path.relative_to(self.folder).as_posix(),
            sha256=digest,
            origin=one.origin,
            source=one.header.source,
            licence=one.header.licence,
            summary=one.header.summary,
            built=one.header.built,
            size=path.stat().st_size,
            key=self.key.fingerprint if self.key else "",
        )

    def _stored_wheel(self, wheel: Wheel) -> PublishedWheel:
        """A copy in the repository, with its METADATA beside it."""
        scratch = self.folder / PACKAGES / f"{NEW}{os.getpid()}-{wheel.file}"
        target = self.folder / PACKAGES / wheel.sha256[:16]
        if not (target / wheel.file).is_file():
            scratch.mkdir(parents=True)
            shutil.copyfile(wheel.path, scratch / wheel.file)
            if sha256_of(scratch / wheel.file) != wheel.sha256:
                raise BuildError(f"{wheel.path} was changed while it was published", hint="publish it again")
            (scratch / f"{wheel.file}.metadata").write_bytes(wheel.metadata)
            for path in (*scratch.iterdir(), scratch):
                flush(path)
            remove_tree(target)
            scratch.rename(target)
            flush(target.parent)
        return PublishedWheel(
            file=wheel.file,
            path=(target / wheel.file).relative_to(self.folder).as_posix(),
            name=wheel.name,
            version=wheel.version,
            sha256=wheel.sha256,
            metadata_sha256=hashlib.sha256(wheel.metadata).hexdigest(),
            requires_python=wheel.requires_python,
        )

    # Generations --------------------------------------------------------------------------------------------

    def _records_before(self) -> dict[str, BuildRecord]:
        """The records of the builds whose packages are there, by source."""
        folder = self.folder / CURRENT / "records"
        paths = sorted(folder.glob("*.json"))
        return {path.stem: BuildRecord.from_json(path.read_text(encoding="utf-8"), str(path)) for path in paths}

    def _switched(self, state: "_State", name: str) -> Manifest:
        """Make the next generation, and have readers see it."""
        number = self.before.generation + 1
        key = self.key.fingerprint if self.key else ""
        manifest = Manifest(number, state.packages, key, state.wheels)
        scratch = self.folder / GENERATIONS / f"{NEW}{number}"
        scratch.mkdir(parents=True)
        write_metadata(self.folder, scratch, state.packages, self.lock)
        if self.key is not None:
            sign_detached(scratch / "repodata/repomd.xml", self.key)
            put_file(self.folder / _key_file(self.key), self.key.public)
        for place, content in _documents(state, name).items():
            path = scratch / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (scratch / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        self._keep_old_metadata(scratch / "repodata")
        for path in scratch.rglob("*"):
            flush(path)
        scratch.rename(self.folder / GENERATIONS / generation_name(number))
        flush(self.folder / GENERATIONS)
        for name in SEEN:
            if (self.folder / GENERATIONS / generation_name(number) / name).is_dir():
                link(self.folder / name, f"{CURRENT}/{name}")
        link(self.folder / CURRENT, f"{GENERATIONS}/{generation_name(number)}")
        flush(self.folder)
        return manifest

    def _keep_old_metadata(self, repodata: Path) -> None:
        """Have the files there, too, of which repomd.xml of the last generations told."""
        for generation in _kept(self.folder, self.before.generation + 1):
            old = generation / "repodata"
            if not (old / "repomd.xml").is_file():
                continue
            for name in map(bytes.decode, _METADATA.findall((old / "repomd.xml").read_bytes())):
                if not (repodata / name).exists() and (old / name).is_file():
                    same_file(old / name, repodata / name)

    def _write_repo_file(self, name: str, url: str) -> Path:
        file = self.folder / f"{name}.repo"
        key_file = _key_file(self.key) if self.key else ""
        put_file(file, repo_file(name, f"Packages built by ppcdeps ({name})", url, key_file).encode())
        return file

    def _remove_old(self, manifest: Manifest) -> None:
        """Remove generations that nobody reads any more, and packages that are in none that is left."""
        kept: list[Manifest] = []
        paths = _kept(self.folder, manifest.generation)
        for path in set((self.folder / GENERATIONS).glob("[0-9]*")) - set(paths):
            remove_tree(path)
        for path in paths:
            try:
                kept.append(Manifest.from_json((path / MANIFEST).read_text(encoding="utf-8"), str(path)))
            except (OSError, UnicodeDecodeError, ConfigError) as fault:
                self.reporter.warn(f"{path} is damaged, so that no old packages are removed: {fault}")
                return
        places = [one.path for each in kept for one in each.packages]
        places += [one.path for each in kept for one in each.wheels]
        named = {Path(place).parent.name for place in places}
        for path in (self.folder / PACKAGES).glob("[0-9a-f]*"):
            if path.name not in named:
                remove_tree(path)


def _documents(state: _State, name: str) -> Mapping[str, bytes]:
    """What is told of the packages, by place in the generation."""
    records = state.records
    found = {f"records/{source}.json": one.to_json().encode() for source, one in records.items()}
    found |= {
        f"provenance/{source}.intoto.json": dumped(provenance_of(one, state.packages))
        for source, one in records.items()
    }
    found[f"sbom/{name}.spdx.json"] = dumped(sbom_of(name, state.packages, list(records.values())))
    if state.wheels:
        found |= {f"wheels/{place}": page for place, page in index_pages(state.wheels).items()}
    return found


def _contents(manifest: Manifest) -> dict[str, str]:
    """What a generation holds, by NEVRA or name of the wheel, with its digest."""
    found = {one.nevra: one.sha256 for one in manifest.packages}
    return found | {one.file: one.sha256 for one in manifest.wheels}


def _safe(source: str) -> str:
    """The name of a source, which becomes the name of a file."""
    if _SOURCE.fullmatch(source) is None:
        raise ConfigError(f'"{source}" is no name of a source')
    return source


def _kept(folder: Path, newest: int) -> list[Path]:
    """The generations that stay: the last ones, and those that gave way to the next a short time ago."""
    paths = sorted((folder / GENERATIONS).glob("[0-9]*"))
    kept = []
    for path, following in itertools.zip_longest(paths, paths[1:]):
        is_fresh = following is None or following.stat().st_mtime > time.time() - KEPT_SECONDS
        if is_fresh or int(path.name) > newest - KEPT_GENERATIONS:
            kept.append(path)
    return kept


def _source_name(header: PackageHeader) -> str:
    return header.source.removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)[0]


def _file_name(header: PackageHeader) -> str:
    """As rpm names files: without the epoch."""
    name = f"{replace(header.nevra, epoch=0)}.rpm"
    if "/" in name or not name.isprintable():
        raise ConfigError(f"a package is called {name!r}, and no file can be")
    return name


def _key_file(key: SigningKey) -> str:
    return f"RPM-GPG-KEY-{key.short}"
