"""What builds start from: source RPMs of source repositories and files by URL, verified and stored by their digest.

`sources.json` beside the files says where each came from and what it was verified by.
"""

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ppcdeps.base.atomic import new_file, write_file
from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.http import AllMirrorsFailed, HttpClient, HttpSettings, try_mirrors
from ppcdeps.base.urls import is_file_url, path_of, shown_url
from ppcdeps.metadata.parallel import run_all
from ppcdeps.metadata.primary import PrimaryPackage, read_primary
from ppcdeps.metadata.repomd import check_location, location_below
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.transfer import RepositoryTransfer, settings_of
from ppcdeps.model.documents import parse_json, read_document
from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.values import dataclass

RECORD = "sources.json"
SCHEMA = 1

UNKNOWN = "not known: "
_TRUSTED = frozenset({"sha224", "sha256", "sha384", "sha512"})
_SOURCE_ARCHES = frozenset({"src", "nosrc"})
_PLAIN = re.compile(r"[^/\\\x00-\x1f]+")


class SourceKind(StrEnum):
    """Where a source comes from."""

    SRPM = "srpm"
    FILE = "file"
    SDIST = "sdist"


@dataclass(frozen=True, slots=True)
class RepositoryPackage:
    """A package as its repository's metadata has it: a source RPM, or any other.

    ``location`` is relative to the repository (or to ``base``, where it has one of its own) and empty where the
    metadata does not say; ``checksum`` is ``algorithm:hex``. ``source`` is the file name of its source RPM,
    empty where it is one.
    """

    nevra: Nevra
    location: str
    checksum: str
    size: int | None
    repository: RepoMetadata
    base: str = ""
    source: str = ""

    @property
    def url(self) -> str:
        """The address of the file, without credentials; empty where the metadata does not say."""
        if not self.location:
            return ""
        where = f"repository {self.repository.config.id}: {self.nevra}: it"
        base, *_ = [self.base] if self.base else _bases(self.repository)
        return shown_url(location_below(base, check_location(self.location, where), where, plain=True))


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A verified file in the cache. ``url`` has no credentials; ``origin`` is the repository, recipe or index."""

    kind: SourceKind
    name: str
    version: str
    file: str
    path: Path
    url: str
    checksum: str
    sha256: str
    size: int
    origin: str


def source_packages(
    repositories: Iterable[RepoMetadata], wanted: Callable[[str], bool]
) -> tuple[RepositoryPackage, ...]:
    """The source packages whose names are wanted, as these repositories have them, by name and identity.

    Raises RepositoryError where metadata is damaged.
    """
    found = [
        package
        for repository in repositories
        if repository.config.side is Side.SOURCE and not repository.problem
        for package in _packages(repository, wanted)
        if package.nevra.arch in _SOURCE_ARCHES
    ]
    return tuple(sorted(found, key=lambda one: (one.nevra.name, str(one.nevra), one.repository.config.id)))


def packages_of(repositories: Iterable[RepoMetadata], nevras: Iterable[str]) -> Mapping[str, RepositoryPackage]:
    """The packages of these identities (as `Nevra` prints them), each from the first repository that has it.

    Raises RepositoryError where metadata is damaged.
    """
    left = {nevra: Nevra.parse(nevra).name for nevra in nevras}
    found: dict[str, RepositoryPackage] = {}
    for repository in repositories:
        if repository.problem or len(found) == len(left):
            continue
        names = {name for nevra, name in left.items() if nevra not in found}
        for package in _packages(repository, names.__contains__):
            if str(package.nevra) in left:
                found.setdefault(str(package.nevra), package)
    return found


def packages_named(repositories: Iterable[RepoMetadata], names: Iterable[str]) -> tuple[RepositoryPackage, ...]:
    """The packages of these names, repositories in their order. Raises RepositoryError where metadata is damaged."""
    wanted = frozenset(names)
    return tuple(
        package
        for repository in repositories
        if not repository.problem
        for package in _packages(repository, wanted.__contains__)
    )


def fetch_srpm(
    package: RepositoryPackage, cache: Cache, reporter: Reporter, *, offline: bool = False
) -> FetchedSource:
    """The source RPM, from the cache or from its repository.

    Raises RepositoryError where it cannot be had, or its metadata does not say where it is.
    """
    path, url = fetch_package(package, cache, reporter, offline=offline)
    name = package.location.rpartition("/")[2]
    nevra, origin = package.nevra, package.repository.config.id
    return fetched_source(SourceKind.SRPM, nevra.name, nevra.evr, name, path, url, package.checksum, origin)


def fetch_package(
    package: RepositoryPackage, cache: Cache, reporter: Reporter, *, origin: str = "", offline: bool = False
) -> tuple[Path, str]:
    """A package of a repository, verified, and the address that it has there.

    ``origin`` says who names the digest, where that is not the repository's metadata.

    Raises RepositoryError where it cannot be had, or its metadata does not say where it is.
    """
    config = package.repository.config
    where = f"repository {config.id}: {package.nevra}"
    if not package.location:
        raise RepositoryError(
            f"{where}: this metadata does not say where its packages are, as that of a snapshot does not",
            hint="run `ppcdeps sync`, which turns to the live repositories, and plan again without --snapshot",
        )
    algorithm, _, digits = package.checksum.partition(":")
    if algorithm not in _TRUSTED:
        raise RepositoryError(f"{where}: its metadata has the {algorithm} checksum only, which proves nothing")
    if len(digits) != 2 * hashlib.new(algorithm).digest_size:
        raise RepositoryError(f"{where}: its metadata has a {algorithm} checksum of {len(digits)} digits")
    urls = _addresses(package)
    says = origin or f"the metadata of {config.id}"
    path = _fetch(urls, package.checksum, package.size, config, cache, reporter, offline, where, says)
    return path, urls[0]


def fetch_file(
    url: str,
    sha256: str,
    cache: Cache,
    reporter: Reporter,
    *,
    file: str = "",
    name: str = "",
    version: str = "",
    origin: str = "",
    offline: bool = False,
) -> FetchedSource:
    """A file by URL and SHA-256 (64 hexadecimal digits), from the cache or from there.

    ``file`` is its name, the last part of the URL where it is empty; ``origin`` says who names the digest.

    Raises RepositoryError where it cannot be had or is another file, ConfigError where the digest is none.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ConfigError(f"{shown_url(url)}: the SHA-256 {sha256!r} is not 64 lower-case hexadecimal digits")
    file = file or urlsplit(url).path.rpartition("/")[2]
    if not _PLAIN.fullmatch(file) or file in (".", ".."):
        raise ConfigError(
            f"{shown_url(url)}: {file!r} cannot be the name of a file", hint="give it a name of its own"
        )
    config = RepoConfig(file, Side.SOURCE, baseurl=(url,), retries=3, origin=origin)
    checksum = f"sha256:{sha256}"
    path = _fetch([url], checksum, None, config, cache, reporter, offline, file, origin or "its digest")
    return fetched_source(SourceKind.FILE, name or file, version, file, path, url, checksum, origin)


@dataclass(frozen=True, slots=True)
class SoughtFile:
    """A file that is looked for, by the addresses that may have it. ``size`` is in bytes, None where it is not known;
    ``config`` is that of the repository which it is in, None for a file by URL.
    """

    urls: tuple[str, ...]
    size: int | None = None
    config: RepoConfig | None = None

    @classmethod
    def of(cls, package: RepositoryPackage) -> "SoughtFile":
        """The file of a package. Raises RepositoryError where its metadata names a place that cannot be one."""
        return cls(tuple(_addresses(package)), package.size, package.repository.config)


def presence_of(files: Sequence[SoughtFile]) -> tuple[str, ...]:
    """Whether each file is at one of its addresses, in its size: empty where it is, else why not.

    No more than a byte of each is read. An answer that begins with UNKNOWN is of an address that did not answer.
    """
    stopping = threading.Event()
    configs = {one.config.id: one.config for one in files if one.config is not None}
    clients = {name: HttpClient(settings_of(config), stopping=stopping) for name, config in configs.items()}
    clients[""] = HttpClient(HttpSettings(), stopping=stopping)

    def fault_at(url: str, one: SoughtFile) -> str:
        if is_file_url(url):
            path = path_of(url)
            return _fault_of(path.is_file(), path.stat().st_size if path.is_file() else None, one.size)
        client = clients[one.config.id if one.config is not None else ""]
        headers = {"Range": "bytes=0-0"}
        answer = client.read(url, limit="package_size", headers=headers, accept=(200, 206, 403, 404, 410))
        if answer.status == 200 and "html" in answer.headers.get("content-type", ""):
            return "a web page answers in its place"
        stated = answer.headers.get("content-range" if answer.status == 206 else "content-length", "")
        size = stated.rpartition("/")[2]
        return _fault_of(answer.status in (200, 206), int(size) if size.isdecimal() else None, one.size)

    def faults_of(one: SoughtFile) -> str:
        """What the first address has against it, where none has the file."""
        first = ""
        for url in one.urls:
            fault = try_mirrors([url], lambda each: fault_at(each, one), retries=0, stopping=stopping)
            if not fault:
                return ""
            first = first or fault
        return first or "it is not there any more"

    try:
        found = run_all({place: partial(faults_of, one) for place, one in enumerate(files)}, stopping.set)
    finally:
        for client in clients.values():
            client.close()
    return tuple(_presence(found[place]) for place in sorted(found))


def _fault_of(is_there: bool, size: int | None, wanted: int | None) -> str:
    if not is_there:
        return "it is not there any more"
    if size is not None and wanted is not None and size != wanted:
        return f"another file is in its place, of {size} bytes instead of {wanted}"
    return ""


def _presence(answer: str | BaseException) -> str:
    if isinstance(answer, AllMirrorsFailed):
        return f"{UNKNOWN if answer.unreachable else ''}{answer}"
    if isinstance(answer, BaseException):
        raise answer
    return answer


def write_sources(folder: Path, sources: Sequence[FetchedSource]) -> Path:
    """Put copies of the files into the folder, and record them in its sources.json. Returns the record's path.

    What the record says of other files stays. Raises ConfigError where two sources have one file name, where a
    record that is there is none, or where the folder cannot be written to.
    """
    by_file: dict[str, FetchedSource] = {}
    for source in sources:
        other = by_file.setdefault(source.file, source)
        if other.sha256 != source.sha256:
            raise ConfigError(f"{source.url} and {other.url} are both named {source.file}, and are not the same")
    record = folder / RECORD
    known = {entry["file"]: entry for entry in read_record(record)} if record.exists() else {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in by_file.values():
            _copy(source, folder / source.file)
        # After the files: the record must not name what is not there.
        known |= {source.file: record_entry(source) for source in by_file.values()}
        document = {"schema": SCHEMA, "sources": [known[name] for name in sorted(known)]}
        write_file(record, json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    except (PermissionError, NotADirectoryError, FileExistsError, IsADirectoryError) as error:
        raise ConfigError(f"cannot write to {error.filename or folder}: {error.strerror}") from error
    return record


def read_record(path: Path) -> tuple[dict[str, Any], ...]:
    """The entries of a sources.json. Raises ConfigError where it cannot be read or is none."""
    try:
        document = parse_json(read_document(path))
        entries = tuple(document["sources"]) if document["schema"] == SCHEMA else None
        if entries is None or not all(isinstance(entry["file"], str) for entry in entries):
            raise ValueError
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not a record of sources of schema {SCHEMA}", hint="move it away") from error
    return entries


def record_entry(source: FetchedSource) -> dict[str, Any]:
    """What sources.json says of a source, in JSON's own kinds."""
    return {key: value for key, value in asdict(source).items() if key != "path"}


# Metadata ---------------------------------------------------------------------------------------------------


def _packages(repository: RepoMetadata, wanted: Callable[[str], bool]) -> Iterator[RepositoryPackage]:
    primary = repository.files.get("primary")
    where = f"repository {repository.config.id}"
    if primary is None:
        raise RepositoryError(f"{where} lists no primary metadata")
    try:
        for package in read_primary(primary.intact_path()):
            if wanted(package.name) and package.arch:
                yield _package(package, repository)
    except (DamagedError, OSError) as error:
        raise RepositoryError(f"{where}: primary.xml {error}", hint="refresh with `ppcdeps sync`") from error


def _package(package: PrimaryPackage, repository: RepoMetadata) -> RepositoryPackage:
    if not package.checksum:
        raise DamagedError(f"says no checksum of {package.name}")
    place = package.location
    return RepositoryPackage(
        package.nevra,
        place.get("href", ""),
        package.checksum,
        package.size,
        repository,
        place.get("xml:base", ""),
        package.source,
    )


def _addresses(package: RepositoryPackage) -> list[str]:
    """The addresses that may have a package. Raises RepositoryError where one is not below its repository."""
    where = f"repository {package.repository.config.id}: {package.nevra}: it"
    location = check_location(package.location, where)
    bases = [package.base] if package.base else _bases(package.repository)
    named_by = _bases(package.repository)[0] if package.base else None
    return [location_below(base, location, where, named_by=named_by, plain=True) for base in bases]


def _bases(repository: RepoMetadata) -> list[str]:
    """The addresses to try: the one that the metadata came from first, in its form with credentials if any."""
    shown = repository.fetched_from
    own = sorted(repository.config.baseurl, key=lambda base: shown_url(base) != shown)
    return own if own and shown_url(own[0]) == shown else [*([shown] if shown else []), *own]


# Files ------------------------------------------------------------------------------------------------------


def _fetch(
    urls: Sequence[str],
    checksum: str,
    size: int | None,
    config: RepoConfig,
    cache: Cache,
    reporter: Reporter,
    offline: bool,
    where: str,
    authority: str,
) -> Path:
    have = cache.find_object(checksum, size)
    if have is not None:
        return have
    usable = [url for url in urls if is_file_url(url)] if offline else list(urls)
    if not usable:
        raise RepositoryError(
            f"{where}: not in the cache, and no network may be used (offline)",
            hint="run the same command once without --offline",
        )
    transfer = RepositoryTransfer(config, reporter)
    try:
        return transfer.fetch_object(
            cache,
            usable,
            f"{where}:",
            checksum=checksum,
            size=size,
            limit="package_size",
            task=f"{config.id}: {urlsplit(usable[0]).path.rpartition('/')[2]}",
            authority=authority,
        )
    finally:
        transfer.close()


def fetched_source(
    kind: SourceKind, name: str, version: str, file: str, path: Path, url: str, checksum: str, origin: str
) -> FetchedSource:
    """What is said of a verified file in the cache. ``checksum`` (``algorithm:hex``) is what verified it."""
    sha256 = checksum.removeprefix("sha256:") if checksum.startswith("sha256:") else sha256_of(path)
    return FetchedSource(
        kind, name, version, file, path, shown_url(url), checksum, sha256, path.stat().st_size, origin
    )


def _copy(source: FetchedSource, target: Path) -> None:
    if target.is_file() and target.stat().st_size == source.size and sha256_of(target) == source.sha256:
        return
    # Copied, not linked: a file that the user changes must not change the cache.
    with new_file(target.parent) as new, source.path.open("rb") as content:
        shutil.copyfileobj(content, new.stream)
        new.put(target)
