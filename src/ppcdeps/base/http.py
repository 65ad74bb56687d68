"""One repository's way to the network: http, https and file, bounded, verified and polite to failing
mirrors.
"""

import errno
import hashlib
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.repository import RepoConfig

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

SLOWEST = 1000
"""Bytes a second, measured over the time-out, below which a mirror counts as hanging (minrate of dnf)."""

_CHUNK = 1 << 16
_SMALL_CHUNK = 1 << 12
_TRIES_PER_MIRROR = 3
_BACK_OFF = 0.25
_LONGEST_WAIT = 5.0
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SECRET_QUERY = re.compile(r"(?i)([?&][^=&]*(?:token|key|secret|passw|sig)[^=&]*=)[^&]*")


class TransportFault(Exception):  # noqa: N818 - it is caught and told by this package, never shown as it is
    """One attempt that failed. ``reason`` is a phrase for the user, free of credentials.

    ``transient``: another attempt may do better. ``unreachable``: nobody answered, so nothing is known
    against the repository itself. ``hung``: it cost the whole time-out, so that it is not asked three times.
    """

    def __init__(
        self, url: str, reason: str, *, transient: bool = False, unreachable: bool = False, hung: bool = False
    ) -> None:
        super().__init__(f"{shown_url(url)}: {reason}")
        self.url = url
        self.reason = reason
        self.transient = transient
        self.unreachable = unreachable
        self.hung = hung


class AllMirrorsFailed(Exception):  # noqa: N818 - likewise
    """No mirror gave the file. ``faults`` holds the last fault of each mirror, in the order they were
    tried.
    """

    def __init__(self, faults: Sequence[TransportFault]) -> None:
        told = [str(fault) for fault in faults[:3]]
        if len(faults) > 3:
            told.append(f"and {len(faults) - 3} more mirrors")
        super().__init__("; ".join(told))
        self.faults = tuple(faults)

    @property
    def unreachable(self) -> bool:
        """Whether nobody answered at all."""
        return all(fault.unreachable for fault in self.faults)


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to ask again with: the copy at ``url`` is that of ``etag`` or ``last_modified``."""

    url: str
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A small file, read whole. ``data`` is None where the copy that the validators describe is still
    current.
    """

    data: bytes | None
    validators: Validators


class Transport:
    """Fetches files for one repository, with that repository's time-outs, proxy, certificates and
    credentials.

    ``stopping`` is set from outside to end all transfers at their next block.
    """

    def __init__(self, config: RepoConfig, reporter: Reporter, stopping: threading.Event | None = None) -> None:
        self._config = config
        self._reporter = reporter
        self._stopping = stopping or threading.Event()
        self._session: requests.Session | None = None
        places = (*config.baseurl, config.mirrorlist or "", config.metalink or "")
        self._trusted_hosts = frozenset(urlsplit(place).netloc.rpartition("@")[2] for place in places if place)

    def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            self._session.close()

    # One attempt --------------------------------------------------------------------------------------------

    def read(self, url: str, *, limit: int, validators: Validators | None = None) -> Answer:
        """The whole of a small file. Raises TransportFault, also where it has more than ``limit`` bytes."""
        with self._open(url, validators) as body:
            if body.current:
                assert validators is not None
                return Answer(None, validators)
            parts: list[bytes] = []
            total = 0
            for block in body.blocks():
                total += len(block)
                if total > limit:
                    raise TransportFault(url, f"is larger than {limit} bytes")
                parts.append(block)
            return Answer(b"".join(parts), body.validators)

    def save(
        self,
        url: str,
        stream: BinaryIO,
        *,
        checksum: str,
        size: int | None,
        limit: int,
        task: str,
        authority: str = "repomd.xml",
    ) -> int:
        """Write a file to ``stream`` and verify it on the way. Returns its size in bytes.

        ``authority`` is who says what the checksum is, for the message where it differs. Stops as soon as
        there is more than ``size`` (or ``limit``, where the size is unknown). Raises
        TransportFault where it is not the announced file.
        """
        algorithm, _, wanted = checksum.partition(":")
        digest = hashlib.new(algorithm, usedforsecurity=False)
        total = 0
        head = b""
        reporter = Silence() if is_file_url(url) else self._reporter
        reporter.begin(task, size)
        try:
            with self._open(url, None) as body:
                if size is not None and body.announced is not None and body.announced > size and not body.page:
                    raise TransportFault(url, f"has {body.announced} bytes instead of {size}")
                for block in body.blocks():
                    head = head or block[:1024]
                    total += len(block)
                    if total > (limit if size is None else size):
                        raise TransportFault(url, _too_large(head, size, limit))
                    digest.update(block)
                    stream.write(block)
                    reporter.advance(task, len(block))
        finally:
            reporter.end(task)
        if looks_like_html(head):
            raise TransportFault(url, _HTML)
        if size is not None and total < size:
            raise TransportFault(url, f"ends after {total} of {size} bytes", transient=not is_file_url(url))
        if digest.hexdigest() != wanted:
            raise TransportFault(url, f"has another {algorithm} checksum than {authority} says")
        return total

    @contextmanager
    def _open(self, url: str, validators: Validators | None) -> Iterator["_Body"]:
        if self._stopping.is_set():
            raise InterruptedError(errno.EINTR, "interrupted")
        if is_file_url(url):
            with self._open_file(url) as body:
                yield body
            return
        if urlsplit(url).scheme not in ("http", "https"):
            raise TransportFault(url, f"has the scheme {urlsplit(url).scheme!r}; http, https and file are known")
        import requests
        import urllib3

        self._check_certificates(url)
        try:
            with self._request(url, validators) as response:
                yield self._body_of(response, url)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            TimeoutError,
            ConnectionError,
        ) as fault:
            raise self._translated(url, fault) from fault

    @contextmanager
    def _open_file(self, url: str) -> Iterator["_Body"]:
        path = path_of(url)
        try:
            stream = path.open("rb")
            size = os.fstat(stream.fileno()).st_size
        except OSError as fault:
            raise TransportFault(url, f"cannot be read: {fault.strerror or fault}") from fault
        with stream:

            def blocks() -> Iterator[bytes]:
                while True:
                    self._check()
                    try:
                        block = stream.read(_CHUNK)
                    except OSError as fault:
                        raise TransportFault(url, f"cannot be read: {fault.strerror or fault}") from fault
                    if not block:
                        return
                    yield block

            yield _Body(blocks, Validators(url), announced=size)

    def _check_certificates(self, url: str) -> None:
        """Name a certificate file that is not there: requests tells it without the option's name, as an
        OSError.
        """
        for option in ("sslcacert", "sslclientcert", "sslclientkey"):
            path = getattr(self._config, option)
            if path and not Path(path).exists():
                raise TransportFault(url, f"cannot be asked: {option} {path} does not exist")

    def _request(self, url: str, validators: Validators | None) -> "requests.Response":
        config = self._config
        headers = {}
        if validators is not None and validators.url == url:
            if validators.etag:
                headers["If-None-Match"] = validators.etag
            if validators.last_modified:
                headers["If-Modified-Since"] = validators.last_modified
        host = urlsplit(url).netloc.rpartition("@")[2]
        own = config.username is not None and host in self._trusted_hosts
        certificate: Any = config.sslclientcert
        if config.sslclientcert and config.sslclientkey:
            certificate = (config.sslclientcert, config.sslclientkey)
        return self._the_session().get(
            url,
            headers=headers,
            # Mirrors that a list names are other people's machines: they get no password.
            auth=(config.username or "", config.password or "") if own else None,
            stream=True,
            timeout=(config.timeout, config.timeout),
            verify=(config.sslcacert or True) if config.sslverify else False,
            cert=certificate,
            # Given here and not to the session, whose proxies would lose against those of the environment.
            proxies={"http": config.proxy, "https": config.proxy} if config.proxy else None,
        )

    def _the_session(self) -> "requests.Session":
        if self._session is None:
            import requests
            import urllib3

            from ppcdeps import __version__

            session = requests.Session()
            session.max_redirects = 10
            session.headers["User-Agent"] = f"ppcdeps/{__version__}"
            # The checksums are those of the file as it lies on the server, so nothing may be recoded on the
            # way.
            session.headers["Accept-Encoding"] = "identity"
            # An empty proxy means none, not that of the environment.
            session.trust_env = self._config.proxy != ""
            if not self._config.sslverify:
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            self._session = session
        return self._session

    def _body_of(self, response: "requests.Response", url: str) -> "_Body":
        if response.status_code == 304:
            return _Body(lambda: iter(()), Validators(url), current=True)
        if response.status_code != 200:
            status = f"{response.status_code} {response.reason or ''}".strip()
            transient = response.status_code in _TRANSIENT_STATUS
            raise TransportFault(url, f"answers {status}", transient=transient, unreachable=transient)
        announced = response.headers.get("Content-Length", "")
        return _Body(
            lambda: self._network_blocks(response, url),
            Validators(url, response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")),
            announced=int(announced) if announced.isascii() and announced.isdigit() else None,
            page=response.headers.get("Content-Type", "").lower().startswith("text/html"),
        )

    def _network_blocks(self, response: "requests.Response", url: str) -> Iterator[bytes]:
        raw = response.raw
        # read1 gives what has arrived; where urllib3 is too old for it, small pieces keep the rate check
        # honest.
        read: Callable[[], bytes] = (
            (lambda: raw.read1(_CHUNK, decode_content=False))
            if hasattr(raw, "read1") and _takes_decode_content(raw.read1)
            else (lambda: raw.read(_SMALL_CHUNK, decode_content=False))
        )
        window_start, window_bytes = time.monotonic(), 0
        while block := read():
            self._check()
            window_bytes += len(block)
            elapsed = time.monotonic() - window_start
            if elapsed >= self._config.timeout:
                if window_bytes < SLOWEST * elapsed:
                    rate = int(window_bytes / elapsed)
                    raise TransportFault(
                        url, f"sends {rate} bytes a second", transient=True, unreachable=True, hung=True
                    )
                window_start, window_bytes = time.monotonic(), 0
            yield block

    def _check(self) -> None:
        if self._stopping.is_set():
            raise InterruptedError(errno.EINTR, "interrupted")

    def _translated(self, url: str, fault: Exception) -> TransportFault:
        import requests
        import urllib3

        hangs = (
            requests.Timeout,
            TimeoutError,
            urllib3.exceptions.TimeoutError,
        )
        if isinstance(fault, hangs):
            reason = f"does not answer within {self._config.timeout:g} s"
            return TransportFault(url, reason, transient=True, unreachable=True, hung=True)
        match fault:
            case requests.exceptions.SSLError():
                return TransportFault(url, f"TLS failed: {_root_of(fault)}", unreachable=True)
            case requests.exceptions.InvalidSchema() | requests.exceptions.MissingSchema():
                return TransportFault(url, "redirects to something else than http or https")
            case requests.exceptions.TooManyRedirects():
                return TransportFault(url, "redirects in a circle")
            case requests.exceptions.InvalidURL() | requests.exceptions.InvalidProxyURL():
                return TransportFault(url, "is not a usable URL (or its proxy's is not)")
            case requests.exceptions.ProxyError():
                return TransportFault(url, f"the proxy failed: {_root_of(fault)}", transient=True, unreachable=True)
            case urllib3.exceptions.IncompleteRead():
                return TransportFault(url, "ends before its announced length", transient=True)
        return TransportFault(url, f"no connection: {_root_of(fault)}", transient=True, unreachable=True)


@dataclass(slots=True)
class _Body:
    blocks: Callable[[], Iterator[bytes]]
    validators: Validators
    announced: int | None = None
    current: bool = False
    page: bool = False


def try_mirrors(
    mirrors: Sequence[str],
    attempt: Callable[[str], T],
    *,
    retries: int,
    stopping: threading.Event,
) -> T:
    """The first success of ``attempt`` over the mirrors' base URLs.

    A mirror with a permanent fault is left at once, one that hung is asked again only when it is the last
    hope, and transient faults are tried up to three times each, with growing pauses, ``retries`` times in
    all at most. Raises AllMirrorsFailed.
    """
    last: dict[str, TransportFault] = {}
    tries = dict.fromkeys(mirrors, 0)
    queue = list(tries)
    spent = 0
    rounds = 0
    # 0 is dnf's way to say "without limit".
    budget = retries or sys.maxsize
    while queue:
        again: list[str] = []
        for mirror in queue:
            if spent > budget and mirror in last:
                continue
            try:
                return attempt(mirror)
            except TransportFault as fault:
                last[mirror] = fault
                tries[mirror] += 1
                spent += 1
                most = _TRIES_PER_MIRROR if not fault.hung else (2 if len(tries) == 1 else 1)
                if fault.transient and tries[mirror] < most:
                    again.append(mirror)
        queue = again if spent <= budget else []
        if queue and stopping.wait(min(_BACK_OFF * 2**rounds, _LONGEST_WAIT)):
            raise InterruptedError(errno.EINTR, "interrupted")
        rounds += 1
    raise AllMirrorsFailed(list(last.values()))


def join_url(base: str, location: str) -> str:
    """The URL of a file below a repository's base URL, whose query (if any) stays at the end."""
    path, mark, query = base.partition("?")
    return f"{path.rstrip('/')}/{location}{mark}{query}"


def is_file_url(url: str) -> bool:
    """Whether the URL names a file of this machine."""
    return url.startswith("file:")


def path_of(url: str) -> Path:
    """The path that a file URL names."""
    parts = urlsplit(url)
    return Path(unquote(parts.path) or "/")


def shown_url(url: str) -> str:
    """The URL without credentials: what a message may say."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        url = url.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}", 1)
    return _SECRET_QUERY.sub(r"\1***", url)


_HTML = "sends a web page (HTML) with status 200, not the file: a login, error or redirect page answers there"


def _too_large(head: bytes, size: int | None, limit: int) -> str:
    if looks_like_html(head):
        return _HTML
    return f"has more than {size} bytes, the announced size" if size is not None else f"is larger than {limit} bytes"


def _takes_decode_content(read1: Callable[..., bytes]) -> bool:
    import inspect

    return "decode_content" in inspect.signature(read1).parameters


def _root_of(fault: BaseException) -> str:
    """The innermost reason, without the URL (and its credentials) that the outer ones repeat."""
    seen: set[int] = set()
    todo: list[object] = [fault]
    reason = ""
    while todo:
        one = todo.pop()
        if id(one) in seen or not isinstance(one, BaseException):
            continue
        seen.add(id(one))
        if isinstance(one, OSError) and one.strerror:
            reason = one.strerror
        elif isinstance(one, socket.gaierror):
            reason = "the host's name is not known"
        todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return reason or "it was broken off"


def looks_like_html(data: bytes) -> bool:
    """Whether the bytes begin as a web page does."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html")) or (head.startswith(b"<?xml") and b"<html" in head)
