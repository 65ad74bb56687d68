"""Python package indexes: which files a project has, from the simple API or from directories of files.

Several indexes have an order: the first that knows a name owns it, and no lower one is queried. pip takes the
best version from all of them, so that anyone who registers an internal name on a public index gets installed.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import digest_of, sha256_of
from ppcdeps.base.http import HttpResponse
from ppcdeps.base.responses import Validators
from ppcdeps.base.urls import is_file_url, path_of, shown_url, split_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.python.distfiles import IndexFile, Project, name_in, version_in
from ppcdeps.python.indexclient import IndexClient, checksum_of
from ppcdeps.python.indexpages import ACCEPT, flat_page, read_page
from ppcdeps.python.names import normalize
from ppcdeps.python.pipconfig import PipConfig

T = TypeVar("T")

WORKERS = 12
"""Connections at once. Indexes are made for it: pip, uv and browsers open as many."""
FRESH = 600.0
"""Seconds for which a page counts as current where its server does not say."""
_FORMAT = 4
_COLUMNS = 9
"""Values that a row of the cache has for a file."""


class Index:
    """All configured indexes and directories as one. Safe for threads; answers are remembered for the run and on
    disk.
    """

    def __init__(
        self,
        config: PipConfig,
        cache: Cache,
        *,
        offline: bool = False,
        exclude_newer: datetime | None = None,
        refresh: bool = False,
        reporter: Reporter | None = None,
    ) -> None:
        self.config = config
        self.cache = cache
        self.offline = offline
        self.exclude_newer = exclude_newer
        self.client = IndexClient(config)
        self._refresh = refresh
        self._reporter = reporter or Silence()
        self._guard = threading.Lock()
        self._projects: dict[str, Future[Project]] = {}
        self._links: dict[str, list[IndexFile]] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._warned: set[str] = set()

    def close(self) -> None:
        """Stop the workers; what they have not begun is dropped, and nothing can be begun any more."""
        with self._guard:
            self._closed, pool, self._pool = True, self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        self.client.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Have a worker do ``work``, which must not wait for other work of this index.

        Once the index is closed the future is cancelled: what was being looked at ahead ends in its own time.
        """
        with self._guard:
            if self._closed:
                dropped: Future[T] = Future()
                dropped.cancel()
                return dropped
            if self._pool is None:
                self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="index")
            return self._pool.submit(work)

    def project_later(self, name: str) -> "Future[Project]":
        """The project as a future: the first call starts the work."""
        key = normalize(name)
        with self._guard:
            known = self._projects.get(key)
            if known is not None:
                return known
            future: Future[Project] = Future()
            self._projects[key] = future
        if self.submit(lambda: _fulfil(future, lambda: self._find(key))).cancelled():
            future.cancel()
        return future

    def project(self, name: str) -> Project:
        """The project's files, from the first index that knows the name and the local directories.

        A project that no index knows has no files. Raises RepositoryError where an index that must be read
        does not answer, or answers with something else than a project's page.
        """
        return self.project_later(name).result()

    def option_of(self, name: str) -> str:
        """The option of pip's configuration that the index of a distribution stands in. Raises RepositoryError."""
        options = {
            shown_url(url): "index-url" if place == 0 else f"extra-index-url {place}"
            for place, url in enumerate(self.config.indexes)
        }
        return options.get(self.project(name).index, "find-links")

    def warn_once(self, message: str) -> None:
        """Warn the user, once in a run."""
        with self._guard:
            if message in self._warned:
                return
            self._warned.add(message)
        self._reporter.warn(message)

    # One project -----------------------------------------------------------------------------------

    def _find(self, name: str) -> Project:
        owner = ""
        page: Mapping[str, tuple[IndexFile, ...]] = {}
        for url in self.config.indexes:
            found = self._page(f"{url}/{name}/", name)
            # None means that the index does not know the name. A fault is raised: passing over an index that is down
            # would hand its names to a lower one.
            if found is not None:
                owner, page = shown_url(url), found
                break
        linked = self._linked().get(name, ())
        # The page as it is: going through its files would build all the rows that _Rows leaves alone.
        if not linked and self.exclude_newer is None:
            return Project(name, owner, page)
        files = [file for group in page.values() for file in group]
        taken = {file.filename for file in files}
        files.extend(file for file in linked if file.filename not in taken)
        return Project(name, owner, _by_version(self._old_enough(name, files)))

    def _old_enough(self, name: str, files: list[IndexFile]) -> Iterable[IndexFile]:
        if self.exclude_newer is None:
            return files
        limit = self.exclude_newer
        undated = [file for file in files if not file.upload_time]
        if undated:
            self.warn_once(f"{name}: {len(undated)} files without an upload time are left out (--exclude-newer)")
        return [file for file in files if file.upload_time and _moment(file.upload_time) <= limit]

    def _page(self, url: str, name: str) -> Mapping[str, tuple[IndexFile, ...]] | None:
        if split_url(url).scheme in ("", "file"):
            folder = path_of(url) if is_file_url(url) else Path(url).absolute()
            page = folder / "index.html" if folder.is_dir() else folder
            return _by_version(read_page(self._local_page(page), name)) if page.is_file() else None
        key = f"simple {_FORMAT} {url}"
        known = _usable(self.cache.recall(key))
        now = time.time()
        if known is not None and (self.offline or (not self._refresh and now < known["expires"])):
            return _files_of(known)
        self.refuse_offline(shown_url(url))
        record = self._fetched_page(url, name, known)
        record["expires"] = now + _max_age(record.pop("cache-control"))
        self.cache.remember(key, record)
        return _files_of(record)

    def _fetched_page(self, url: str, name: str, known: dict[str, Any] | None) -> dict[str, Any]:
        """The record of a page for the cache; its files are None where the index does not know the project."""
        before = Validators(url, known.get("etag") or "", known.get("modified") or "") if known else None
        answer = self.client.read(
            url,
            limit="index_page",
            # max-age=0 as pip sends it: caches on the way are to compare their copy first.
            headers={"Accept": ACCEPT, "Cache-Control": "max-age=0"},
            validators=before,
            accept=(200, 404, 410),
            packed=True,
        )
        control = {"cache-control": answer.headers.get("cache-control", "")}
        if answer.status == 304 and known is not None:
            return known | control
        if answer.status != 200:
            return {"files": None} | control
        page = _by_version(read_page(answer, name))
        rows = {version: [_row(file) for file in group] for version, group in page.items()}
        fresh = answer.validators
        return {"files": rows, "etag": fresh.etag, "modified": fresh.last_modified} | control

    def _local_page(self, path: Path) -> HttpResponse:
        answer = self.client.read(path.as_uri(), limit="index_page")
        kind = "application/vnd.pypi.simple.v1+json" if path.suffix == ".json" else "text/html"
        return replace(answer, headers={"content-type": kind})

    # Files -----------------------------------------------------------------------------------------

    def find_local(self, file: IndexFile) -> Path | None:
        """The file where it lies in the cache, verified when it got there; None where it does not."""
        digest = file.hashes.get("sha256")
        # The hash comes from the index: anything but a digest names no object.
        if not digest or not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        return self.cache.find_object(f"sha256:{digest}", file.size)

    def local_file(self, file: IndexFile) -> Path:
        """The file on this disk, verified by its hash: where it lies, else in the cache, fetched where needed.

        Raises RepositoryError where it cannot be had, or is not what its index says.
        """
        if is_file_url(file.url):
            return _verified(path_of(file.url), file)
        known = self.find_local(file)
        if known is not None:
            return known
        self.refuse_offline(file.filename)
        with self.cache.new_object() as draft:
            self.client.save(file.url, draft.stream, file.hashes, file.size)
            draft.stream.flush()
            return draft.publish(f"sha256:{file.hashes.get('sha256') or sha256_of(draft.path)}")

    def refuse_offline(self, what: str) -> None:
        """Raise RepositoryError where nothing may be fetched."""
        if self.offline:
            raise RepositoryError(
                f"{what} is not in the cache, and --offline forbids fetching it",
                hint="run the same command once without --offline",
            )

    # Directories -----------------------------------------------------------------------------------

    def _linked(self) -> Mapping[str, list[IndexFile]]:
        with self._guard:
            if self._links is not None:
                return self._links
        found: dict[str, list[IndexFile]] = {}
        for place in self.config.find_links:
            for file in self._links_of(place):
                found.setdefault(name_in(file.filename), []).append(file)
        with self._guard:
            self._links = found
        return found

    def _links_of(self, place: str) -> list[IndexFile]:
        parts = split_url(place)
        if parts.scheme in ("http", "https"):
            if self.offline:
                self.warn_once(f"find-links {shown_url(place)} is not read: --offline")
                return []
            answer = self.client.read(
                place,
                limit="index_page",
                headers={"Accept": "text/html"},
                accept=(200, 404, 410),
                packed=True,
            )
            return flat_page(answer) if answer.status == 200 else []
        folder = path_of(place) if parts.scheme == "file" else Path(place)
        if folder.is_file():
            return flat_page(self._local_page(folder.absolute()))
        if not folder.is_dir():
            self.warn_once(f"find-links {place} is not a directory, file or URL: it is skipped, as pip does")
            return []
        return [
            IndexFile(path.name, path.absolute().as_uri(), version, {}, size=path.stat().st_size)
            for path in sorted(folder.iterdir())
            if path.is_file() and (version := version_in(path.name, name_in(path.name)))
        ]


def _row(file: IndexFile) -> list[Any]:
    return [
        file.filename,
        file.url,
        file.version,
        dict(file.hashes),
        file.requires_python,
        file.yanked,
        file.upload_time,
        file.size,
        file.metadata_hash,
    ]


def _files_of(record: Mapping[str, Any]) -> Mapping[str, tuple[IndexFile, ...]] | None:
    rows = record["files"]
    return None if rows is None else _Rows(rows)


class _Rows(Mapping[str, tuple[IndexFile, ...]]):
    """Files by version, made of the cache's rows on demand: most versions are never looked at."""

    def __init__(self, rows: Mapping[str, list[list[Any]]]) -> None:
        self._rows = rows

    def __getitem__(self, version: str) -> tuple[IndexFile, ...]:
        return tuple(IndexFile(*row) for row in self._rows[version])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _by_version(files: Iterable[IndexFile]) -> dict[str, tuple[IndexFile, ...]]:
    grouped: dict[str, list[IndexFile]] = {}
    for file in files:
        grouped.setdefault(file.version, []).append(file)
    return {version: tuple(group) for version, group in grouped.items()}


def _usable(record: Any) -> dict[str, Any] | None:
    """The record where it has the shape that this version writes; a page is fetched anew in place of any other."""
    match record:
        case {"expires": float() | int(), "files": None}:
            found: dict[str, Any] = record
            return found
        case {"expires": float() | int(), "files": dict() as files}:
            return record if all(map(_are_rows, files.values())) else None
    return None


def _are_rows(group: object) -> bool:
    return isinstance(group, list) and all(isinstance(row, list) and len(row) == _COLUMNS for row in group)


def _verified(path: Path, file: IndexFile) -> Path:
    if not path.is_file():
        raise RepositoryError(f"{path} is not there, though its index lists it")
    checksum = checksum_of(file.hashes)
    if checksum is not None:
        algorithm, _, wanted = checksum.partition(":")
        found = digest_of(path, algorithm)
        if found != wanted:
            raise RepositoryError(
                f"{path} is not what its index says: {algorithm} {found[:16]}… instead of {wanted[:16]}…",
                hint="the file was replaced or damaged: do not install it",
            )
    return path


def _max_age(cache_control: str) -> float:
    control = [part.strip().lower() for part in cache_control.split(",")]
    if "no-store" in control or "no-cache" in control:
        return 0.0
    for part in control:
        key, _, value = part.partition("=")
        if key == "max-age" and value.isdigit():
            return float(value)
    return FRESH


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        # A time that cannot be read counts as too new.
        return datetime.max.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fulfil(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    # Without a result, threads that wait for the future would hang.
    except BaseException as fault:
        future.set_exception(fault)
