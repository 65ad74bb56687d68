"""Python package indexes: which files a project has, from the simple API or from directories of files.

Follows the simple repository API (PEP 503 in HTML, PEP 691 in JSON) with yanked files (PEP 592), core
metadata beside the files (PEP 658, PEP 714) and upload times (PEP 700).

Several indexes have an order: the first that knows a name owns it, and no lower one is asked. pip takes the
best version from all of them, so that whoever registers an internal name on a public index gets installed.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from ppcdeps.base.cache import Cache
from ppcdeps.base.http import shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.python.download import WORKERS, Answer, Downloader
from ppcdeps.python.names import normalise
from ppcdeps.python.pipconfig import PipConfig

if TYPE_CHECKING:
    from packaging.version import Version

T = TypeVar("T")

PAGE_LIMIT = 256 * 1024**2
"""Bytes of the longest page that is read. The largest projects of public indexes have pages of 40 MB."""
FRESH = 600.0
"""Seconds for which a page counts as current where its server does not say."""
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_SDIST_ENDINGS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_FORMAT = 4


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a release. ``hashes`` are by algorithm, ``yanked`` is the reason, ``*`` without one, or
    empty.

    ``metadata_hash`` is None where the index serves no metadata beside the file, else ``algorithm=hex`` or
    empty.
    """

    filename: str
    url: str
    version: str
    hashes: Mapping[str, str]
    requires_python: str = ""
    yanked: str = ""
    upload_time: str = ""
    size: int | None = None
    metadata_hash: str | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel and not a source distribution."""
        return self.filename.endswith(".whl")

    @property
    def tags(self) -> str:
        """The tag set of a wheel, such as ``cp39-cp39-manylinux_2_28_ppc64le``; empty for an sdist."""
        return "-".join(self.filename.removesuffix(".whl").rsplit("-", 3)[1:]) if self.is_wheel else ""

    @property
    def build_number(self) -> tuple[int, str]:
        """The build tag of a wheel as a sort key; a wheel without one sorts first."""
        parts = self.filename.removesuffix(".whl").split("-")
        if not self.is_wheel or len(parts) != 6:
            return (-1, "")
        digits = "".join(character for character in parts[2] if character.isdigit())
        return (int(digits or 0), parts[2])

    @property
    def identity(self) -> str:
        """What the file's content is known by: its SHA-256, else its URL."""
        digest = self.hashes.get("sha256")
        return f"sha256:{digest}" if digest else self.url


@dataclass(frozen=True, slots=True)
class Project:
    """A distribution's files by the version text in their names, as one index offers them."""

    name: str
    index: str
    """The index that owns the name, without credentials; empty where none knows it."""
    files: Mapping[str, tuple[IndexFile, ...]]

    def versions(self) -> "dict[Version, list[str]]":
        """Every version with the texts that name it, the newest first. What is no version is left out.

        A wheel and an sdist of one release may spell its version in two ways.
        """
        from packaging.version import InvalidVersion, Version

        found: dict[Version, list[str]] = {}
        for text in self.files:
            try:
                found.setdefault(Version(text), []).append(text)
            except InvalidVersion:
                continue
        return dict(sorted(found.items(), reverse=True))

    def spellings(self, version: "Version") -> list[str]:
        """The texts that name this version; without a local part, also those that add one, as ``==`` does."""
        from packaging.version import InvalidVersion, Version

        head = str(version.release[0]).lstrip("0")
        found = []
        for text in self.files:
            if version.epoch == 0 and not text.lstrip("v0").startswith(head):
                continue
            try:
                each = Version(text)
            except InvalidVersion:
                continue
            if each == version or (version.local is None and each.public == version.public):
                found.append(text)
        return found


class Index:
    """All configured indexes and directories as one. Safe for threads; answers are kept for the run and on
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
        self.downloader = Downloader(config)
        self._refresh = refresh
        self._reporter = reporter or Silence()
        self._guard = threading.Lock()
        self._projects: dict[str, Future[Project]] = {}
        self._links: dict[str, list[IndexFile]] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._told: set[str] = set()

    def close(self) -> None:
        """Stop the workers; what they have not begun is dropped, and nothing can be begun any more."""
        with self._guard:
            self._closed, pool, self._pool = True, self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

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
        key = normalise(name)
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

        A project that nobody knows has no files. Raises RepositoryError where an index that must be asked
        does not answer, or answers with something else than a project's page.
        """
        return self.project_later(name).result()

    def warn_once(self, message: str) -> None:
        """Tell the user, once in a run."""
        with self._guard:
            if message in self._told:
                return
            self._told.add(message)
        self._reporter.warn(message)

    # One project -----------------------------------------------------------------------------------

    def _find(self, name: str) -> Project:
        owner = ""
        page: Mapping[str, tuple[IndexFile, ...]] = {}
        for url in self.config.indexes:
            found = self._page(f"{url}/{name}/", name)
            if found is not None:
                owner, page = shown_url(url), found
                break
        linked = self._linked().get(name, ())
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
        if urlsplit(url).scheme in ("", "file"):
            place = url if url.startswith("file:") else Path(url).absolute().as_uri() + "/"
            answer = self.downloader.get(place, limit=PAGE_LIMIT)
            return None if answer.status != 200 else _by_version(read_page(answer, name))
        path = self.cache.derived_path(f"simple {_FORMAT} {url}", ".json")
        known = _stored(path)
        now = time.time()
        if known is not None and (self.offline or (not self._refresh and now < known["expires"])):
            return _files_of(known)
        if self.offline:
            raise RepositoryError(
                f"{shown_url(url)} is not in the cache, and --offline forbids asking for it",
                hint="run the same command once without --offline",
            )
        return self._ask(url, name, known, now)

    def _ask(
        self, url: str, name: str, known: dict[str, Any] | None, now: float
    ) -> Mapping[str, tuple[IndexFile, ...]] | None:
        headers = {"Accept": ACCEPT, "Cache-Control": "max-age=0"}
        if known is not None and known.get("etag"):
            headers["If-None-Match"] = known["etag"]
        elif known is not None and known.get("modified"):
            headers["If-Modified-Since"] = known["modified"]
        answer = self.downloader.get(url, headers, limit=PAGE_LIMIT)
        record: dict[str, Any]
        if answer.status == 304 and known is not None:
            record = dict(known)
        elif answer.status in (404, 410):
            record = {"files": None}
        elif answer.status == 200:
            page = _by_version(read_page(answer, name))
            record = {"files": {version: [_row(file) for file in group] for version, group in page.items()}}
            record |= {"etag": answer.headers.get("etag"), "modified": answer.headers.get("last-modified")}
        else:
            raise RepositoryError(f"{shown_url(url)} answers HTTP {answer.status} to a question about {name}")
        record["expires"] = now + _max_age(answer.headers)
        text = json.dumps(record, separators=(",", ":")).encode()
        self.cache.store_derived(f"simple {_FORMAT} {url}", ".json", lambda stream: _write(stream, text))
        return _files_of(record)

    # Directories -----------------------------------------------------------------------------------

    def _linked(self) -> Mapping[str, list[IndexFile]]:
        with self._guard:
            if self._links is not None:
                return self._links
        found: dict[str, list[IndexFile]] = {}
        for place in self.config.find_links:
            for file in self._links_of(place):
                found.setdefault(_name_in(file.filename), []).append(file)
        with self._guard:
            self._links = found
        return found

    def _links_of(self, place: str) -> list[IndexFile]:
        parts = urlsplit(place)
        if parts.scheme in ("http", "https"):
            if self.offline:
                self.warn_once(f"find-links {shown_url(place)} is not asked: --offline")
                return []
            answer = self.downloader.get(place, {"Accept": "text/html"}, limit=PAGE_LIMIT)
            return _flat_page(answer) if answer.status == 200 else []
        folder = Path(unquote(parts.path)) if parts.scheme == "file" else Path(place)
        if folder.is_file():
            return _flat_page(self.downloader.get(folder.absolute().as_uri(), limit=PAGE_LIMIT))
        if not folder.is_dir():
            self.warn_once(f"find-links {place} is no directory, file or URL: it is passed over, as pip does")
            return []
        return [
            IndexFile(path.name, path.absolute().as_uri(), version, {}, size=path.stat().st_size)
            for path in sorted(folder.iterdir())
            if path.is_file() and (version := version_in(path.name, _name_in(path.name)))
        ]


# Pages ---------------------------------------------------------------------------------------------


def read_page(answer: Answer, name: str) -> list[IndexFile]:
    """The files that a project's page lists, in JSON or HTML; files of other projects are passed over.

    Raises RepositoryError where the page is neither, or is about another project.
    """
    kind = answer.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    if kind in (
        "application/vnd.pypi.simple.v1+json",
        "application/vnd.pypi.simple.latest+json",
        "application/json",
    ):
        return _json_page(answer, name)
    if kind in ("text/html", "application/xhtml+xml") or kind.startswith("application/vnd.pypi.simple"):
        return _html_page(answer, name)
    raise _no_index(answer, f"answers {kind or 'an unnamed type'}")


def _json_page(answer: Answer, name: str) -> list[IndexFile]:
    try:
        document = json.loads(answer.body)
        major = str(document.get("meta", {}).get("api-version", "1.0")).partition(".")[0]
        listed = document["files"]
        called = str(document.get("name", name))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise _no_index(answer, "answers JSON that is no project page") from None
    if major != "1":
        raise _no_index(answer, f"speaks version {major} of the simple API, ppcdeps reads version 1")
    if normalise(called) != name:
        raise _no_index(answer, f"answers with the project {called!r} to a question about {name!r}")
    files = []
    for entry in listed:
        try:
            filename, url = str(entry["filename"]), urljoin(answer.url, str(entry["url"]))
            version = version_in(filename, name)
            if not version:
                continue
            metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
            yanked = entry.get("yanked", False)
            files.append(
                IndexFile(
                    filename=filename,
                    url=url,
                    version=version,
                    hashes={str(key): str(value).lower() for key, value in entry.get("hashes", {}).items()},
                    requires_python=entry.get("requires-python") or "",
                    yanked=(yanked if isinstance(yanked, str) else "") or ("*" if yanked else ""),
                    upload_time=entry.get("upload-time") or "",
                    size=entry.get("size"),
                    metadata_hash=_metadata_hash(metadata),
                )
            )
        except (KeyError, AttributeError, TypeError):
            raise _no_index(answer, "answers JSON whose list of files is malformed") from None
    return files


def _metadata_hash(value: object) -> str | None:
    if isinstance(value, Mapping):
        return next((f"{algorithm}={digest}" for algorithm, digest in sorted(value.items(), reverse=True)), "")
    return "" if value else None


def _html_page(answer: Answer, name: str) -> list[IndexFile]:
    page = _parsed(answer)
    if not page.anchors and "links for" not in page.heading.lower() and not page.versioned:
        raise _no_index(answer, "answers an HTML page that lists no files (a login page, or the wrong URL?)")
    return [file for anchor in page.anchors if (file := _from_anchor(anchor, page.base, name)) is not None]


def _flat_page(answer: Answer) -> list[IndexFile]:
    page = _parsed(answer)
    found = []
    for anchor in page.anchors:
        filename = unquote(urlsplit(anchor.get("href", "")).path.rpartition("/")[2])
        file = _from_anchor(anchor, page.base, _name_in(filename))
        if file is not None:
            found.append(file)
    return found


def _from_anchor(anchor: Mapping[str, str], base: str, name: str) -> IndexFile | None:
    url, fragment = urldefrag(urljoin(base, anchor.get("href", "")))
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    version = version_in(filename, name)
    if not version:
        return None
    algorithm, equals, digest = fragment.partition("=")
    metadata = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata"))
    return IndexFile(
        filename=filename,
        url=url,
        version=version,
        hashes={algorithm: digest.partition("&")[0].lower()} if equals else {},
        requires_python=anchor.get("data-requires-python", ""),
        yanked=(anchor["data-yanked"] or "*") if "data-yanked" in anchor else "",
        metadata_hash=None if metadata in (None, "false") else ("" if metadata == "true" else metadata),
    )


def _parsed(answer: Answer) -> "_Page":
    page = _Page(answer.url)
    page.feed(answer.body.decode("utf-8", errors="replace"))
    page.close()
    return page


class _Page(HTMLParser):
    """Anchors with their attributes, the base URL, and what tells a simple page from another."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.base = url
        self.anchors: list[dict[str, str]] = []
        self.heading = ""
        self.versioned = False
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag == "a" and found.get("href"):
            self.anchors.append(found)
        elif tag == "base" and found.get("href"):
            self.base = urljoin(self.base, found["href"])
        elif tag == "meta" and found.get("name") == "pypi:repository-version":
            self.versioned = True
        self._inside = tag if tag in ("title", "h1") else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.heading += data


def _no_index(answer: Answer, what: str) -> RepositoryError:
    return RepositoryError(
        f"{shown_url(answer.url)} {what}",
        hint="check index-url and extra-index-url in pip.conf: is it a simple index?",
    )


# File names ----------------------------------------------------------------------------------------


def version_in(filename: str, name: str) -> str:
    """The version in the name of a file of project ``name``; empty where it is not one of its files."""
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        return parts[1] if len(parts) in (5, 6) and normalise(parts[0]) == name else ""
    ending = next((each for each in _SDIST_ENDINGS if filename.endswith(each)), "")
    if not ending:
        return ""
    stem = filename[: -len(ending)]
    # Old sdists have hyphens in their names and versions: the project's name says where one ends.
    for position, character in enumerate(stem):
        if character == "-" and normalise(stem[:position]) == name:
            return stem[position + 1 :]
    return ""


def _name_in(filename: str) -> str:
    if filename.endswith(".whl"):
        return normalise(filename.partition("-")[0])
    stem = next((filename[: -len(each)] for each in _SDIST_ENDINGS if filename.endswith(each)), "")
    return normalise(stem.rpartition("-")[0])


# The cache -----------------------------------------------------------------------------------------


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
    """Files by version, made of the cache's rows when they are asked for: most versions never are."""

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


def _stored(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
        return value if isinstance(value, dict) and "files" in value and "expires" in value else None
    except (OSError, ValueError):
        return None


def _write(stream: Any, text: bytes) -> None:
    stream.write(text)


def _max_age(headers: Mapping[str, str]) -> float:
    control = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
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
        return datetime.max.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fulfil(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as fault:
        future.set_exception(fault)
