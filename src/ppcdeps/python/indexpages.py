"""The pages of the simple repository API: the files that a project's page lists, in JSON (PEP 691) or HTML (PEP 503).

With yanked files (PEP 592), core metadata beside the files (PEP 658, PEP 714) and upload times (PEP 700).
"""

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin

from ppcdeps.base.http import HttpResponse
from ppcdeps.base.urls import is_file_url, refusal, shown_url, split_url
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import parse_json
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.distfiles import IndexFile, name_in, version_in
from ppcdeps.python.names import normalize

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""The forms that are read, for the request."""

# Where the files of a local page may lie. Local mirrors have the pages in simple/NAME/ and the files in packages/;
# repositories that ppcdeps publishes have the pages in wheels/simple/NAME/ and wheels/, and the files in packages/.
_BESIDE_PROJECT = ("../../", "../../../packages/")
_BESIDE_LINKS = ("./", "../packages/")


def read_page(answer: HttpResponse, name: str) -> list[IndexFile]:
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


def _json_page(answer: HttpResponse, name: str) -> list[IndexFile]:
    try:
        document = parse_json(answer.body)
        major = str(document.get("meta", {}).get("api-version", "1.0")).partition(".")[0]
        listed = document["files"]
        called = str(document.get("name", name))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise _no_index(answer, "answers JSON that is not a project page") from None
    if major != "1":
        raise _no_index(answer, f"speaks version {major} of the simple API, ppcdeps reads version 1")
    if normalize(called) != name:
        raise _no_index(answer, f"answers with the project {called!r} to a question about {name!r}")
    files = []
    if not isinstance(listed, list):
        raise _no_index(answer, "answers JSON whose list of files is malformed")
    _check_count(len(listed), answer.url)
    for entry in listed:
        try:
            filename, url = str(entry["filename"]), _joined(answer.url, str(entry["url"]))
            version = version_in(filename, name)
            if not version:
                continue
            # PEP 714 renamed the key: the new name comes first, the old one is for indexes that still use it.
            metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
            yanked = entry.get("yanked", False)
            files.append(
                IndexFile(
                    filename=filename,
                    url=_checked(url, answer.url, _BESIDE_PROJECT),
                    version=version,
                    hashes={str(key): str(value).lower() for key, value in entry.get("hashes", {}).items()},
                    requires_python=_text_of(entry, "requires-python"),
                    yanked=(yanked if isinstance(yanked, str) else "") or ("*" if yanked else ""),
                    upload_time=_text_of(entry, "upload-time"),
                    size=_size_of(entry),
                    metadata_hash=_metadata_hash(metadata),
                )
            )
        except (KeyError, AttributeError, TypeError):
            raise _no_index(answer, "answers JSON whose list of files is malformed") from None
    return files


def _text_of(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key) or ""
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _size_of(entry: Mapping[str, object]) -> int | None:
    value = entry.get("size")
    if value is not None and (type(value) is not int or value < 0):
        raise TypeError("size")
    return value


def _metadata_hash(value: object) -> str | None:
    if isinstance(value, Mapping):
        # Sorted downwards, sha512 and sha256 come before sha1 and md5.
        return next((f"{algorithm}={digest}" for algorithm, digest in sorted(value.items(), reverse=True)), "")
    return "" if value else None


def _html_page(answer: HttpResponse, name: str) -> list[IndexFile]:
    page = _parsed(answer)
    if not page.anchors and "links for" not in page.heading.lower() and not page.versioned:
        raise _no_index(answer, "answers an HTML page that lists no files (a login page, or the wrong URL?)")
    return [file for anchor in page.anchors if (file := _from_anchor(anchor, page, name)) is not None]


def flat_page(answer: HttpResponse) -> list[IndexFile]:
    """The files of all projects that a page of links (find-links) lists."""
    page = _parsed(answer)
    found = []
    for anchor in page.anchors:
        filename = unquote(split_url(anchor.get("href", "")).path.rpartition("/")[2])
        file = _from_anchor(anchor, page, name_in(filename), _BESIDE_LINKS)
        if file is not None:
            found.append(file)
    return found


def _from_anchor(
    anchor: Mapping[str, str], page: "_Page", name: str, beside: Sequence[str] = _BESIDE_PROJECT
) -> IndexFile | None:
    url, _, fragment = _joined(page.base, anchor.get("href", "")).partition("#")
    filename = unquote(split_url(url).path.rpartition("/")[2])
    version = version_in(filename, name)
    if not version:
        return None
    algorithm, equals, digest = fragment.partition("=")
    metadata = anchor.get("data-core-metadata", anchor.get("data-dist-info-metadata"))
    return IndexFile(
        filename=filename,
        url=_checked(url, page.url, beside),
        version=version,
        hashes={algorithm: digest.partition("&")[0].lower()} if equals else {},
        requires_python=anchor.get("data-requires-python", ""),
        yanked=(anchor["data-yanked"] or "*") if "data-yanked" in anchor else "",
        metadata_hash=None if metadata in (None, "false") else ("" if metadata == "true" else metadata),
    )


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        # [ and ] around what is no address.
        return url


def _checked(url: str, page: str, beside: Sequence[str]) -> str:
    """The URL, where the page may name it: a server's page no local file, a local page what lies ``beside`` it.

    ``beside`` are folders, relative to the page.
    """
    folders = [urljoin(page, one) for one in beside] if is_file_url(page) else [None]
    reasons = [refusal(url, page, folder) for folder in folders]
    if all(reasons):
        raise RepositoryError(
            f"{shown_url(page)} names {shown_url(url)[:200]}, which {reasons[0]}",
            hint="do not use this index before its owner fixes it",
        )
    return url


def _check_count(count: int, page: str) -> None:
    if count > CEILINGS.index_files:
        raise RepositoryError(f"{shown_url(page)} {beyond('index_files', 'lists more than')}")


def _parsed(answer: HttpResponse) -> "_Page":
    page = _Page(answer.url)
    page.feed(answer.body.decode("utf-8", errors="replace"))
    page.close()
    return page


class _Page(HTMLParser):
    """Anchors with their attributes, the base URL, and what distinguishes a simple page from another."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = self.base = url
        self.anchors: list[dict[str, str]] = []
        self.heading = ""
        self.versioned = False
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag == "a" and found.get("href"):
            self.anchors.append(found)
            _check_count(len(self.anchors), self.url)
        elif tag == "base" and found.get("href"):
            self.base = _joined(self.base, found["href"])
        elif tag == "meta" and found.get("name") == "pypi:repository-version":
            self.versioned = True
        self._inside = tag if tag in ("title", "h1") else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.heading += data


def _no_index(answer: HttpResponse, what: str) -> RepositoryError:
    return RepositoryError(
        f"{shown_url(answer.url)} {what}",
        hint="check index-url and extra-index-url in pip.conf: is it a simple index?",
    )
