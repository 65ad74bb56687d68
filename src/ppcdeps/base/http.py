"""The HTTP client for repositories, source files and Python indexes: http, https and file, each transfer bounded.

It knows nothing of whose configuration it works by: dnf's and pip's are both turned into ``HttpSettings``.
"""

import errno
import hashlib
import inspect
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from ppcdeps import __version__
from ppcdeps.base.pace import Pace, TooSlowError, counted, paced
from ppcdeps.base.reach import Reach, TooNearError
from ppcdeps.base.responses import Validators, looks_like_html
from ppcdeps.base.untrusted import open_regular
from ppcdeps.base.urls import credentials_in, is_file_url, path_of, refusal, shown_url, without_credentials
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.values import dataclass

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

CONNECTIONS = 16
"""Connections to one host that are kept open at once: no index or mirror list is read by more threads."""

_CHUNK = 1 << 16
_SMALL_CHUNK = 1 << 12
_TRIES_PER_MIRROR = 3
_BACK_OFF = 0.25
_LONGEST_WAIT = 5.0
_LONGEST_RETRY_AFTER = 60.0
_REDIRECT_BODY = 1 << 16
"""Bytes that are read of what a redirect says besides: requests would load all of it."""
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK = frozenset({200})

_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
"""How a redirect begins that names a host."""


class FaultKind(Enum):
    """What part of the way a transfer failed at, as far as a user's remedy differs."""

    CONNECTION = auto()
    TIMEOUT = auto()
    SLOW = auto()
    """What is sent comes too slowly, for too long, or has too much around it."""
    CERTIFICATE = auto()
    PROXY = auto()
    STATUS = auto()
    """The server answered that it will not, or cannot, send the file."""
    CONTENT = auto()
    """What was sent is not what was requested, or is larger than it may be."""
    DIGEST = auto()
    """The file has another checksum than announced."""


class TransportFault(Exception):  # noqa: N818 - callers translate it; users never see it as it is
    """One attempt that failed. ``reason`` is a phrase for the user, free of credentials.

    ``transient``: another attempt may do better. ``unreachable``: there was no answer, so nothing is known
    against the repository itself. ``hung``: it cost the whole time-out, so that it is not tried three times.
    ``status`` is that of HTTP, 0 where there was none; ``retry_after`` are the seconds that the server asks to wait.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        transient: bool = False,
        unreachable: bool = False,
        hung: bool = False,
        kind: FaultKind = FaultKind.CONTENT,
        status: int = 0,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"{shown_url(url)}: {reason}")
        self.url = url
        self.reason = reason
        self.transient = transient
        self.unreachable = unreachable
        self.hung = hung
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class AllMirrorsFailed(Exception):  # noqa: N818 - likewise
    """No mirror gave the file. ``faults`` has the last fault of each mirror, in the order of the attempts."""

    def __init__(self, faults: Sequence[TransportFault]) -> None:
        lines = [str(fault) for fault in faults[:3]]
        if len(faults) > 3:
            lines.append(f"and {len(faults) - 3} more mirrors")
        super().__init__("; ".join(lines))
        self.faults = tuple(faults)

    @property
    def unreachable(self) -> bool:
        """Whether no mirror answered at all."""
        return all(fault.unreachable for fault in self.faults)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How servers are reached, whichever configuration says so.

    ``timeout`` is in seconds. ``proxy``: None leaves the choice to the environment, an empty text means none.
    ``verify``: whether certificates are checked at all; hosts in ``trusted_hosts`` (with or without port) are exempt.
    ``credentials`` are user and password by host (with its port): no other host is sent them.
    """

    timeout: float = 30.0
    proxy: str | None = None
    verify: bool = True
    ca_bundle: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    trusted_hosts: frozenset[str] = frozenset()
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    """The URLs that the user's configuration names: others may lie on this machine only where all of these do."""
    option_names: Mapping[str, str] = field(default_factory=dict)
    """What the user's configuration calls a field of this class, for messages."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A file that was read whole. ``status`` 304: the copy that the validators describe is still current.

    ``headers`` have lower-case names; ``url`` is where the redirects led, without credentials.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]
    url: str
    validators: Validators


class HttpClient:
    """Fetches files under one configuration. Safe for threads.

    ``stopping`` is set from outside to end all transfers at their next block.
    """

    def __init__(
        self, settings: HttpSettings, reporter: Reporter | None = None, stopping: threading.Event | None = None
    ) -> None:
        self.settings = settings
        self._reporter = reporter or Silence()
        self._stopping = stopping or threading.Event()
        self._reach = Reach(settings.origins)
        self._session: requests.Session | None = None
        self._guard = threading.Lock()

    def close(self) -> None:
        """Give the connections back."""
        with self._guard:
            if self._session is not None:
                self._session.close()

    # One attempt --------------------------------------------------------------------------------------------

    def read(
        self,
        url: str,
        *,
        limit: str,
        validators: Validators | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Container[int] = _OK,
        packed: bool = False,
    ) -> HttpResponse:
        """The whole of a file that fits into memory.

        ``accept`` are the statuses that are answers; ``packed`` lets the server compress the answer for the way, as
        nothing announces the size or checksum of a page. Where a Range was asked for and the server has none, the
        status is 200 and the body empty: it would be the whole file. Raises TransportFault, also where there are more
        bytes than the ceiling ``limit`` allows.
        """
        most = getattr(CEILINGS, limit)
        sent = dict(headers or {})
        # The ETag of one mirror says nothing about the copy of another.
        if validators is not None and validators.url == url:
            sent |= validators.headers
        if not packed:
            sent["Accept-Encoding"] = "identity"
        with self._open(url, sent, accept, packed, limit) as body:
            parts: list[bytes] = []
            total = 0
            whole_in_place_of_part = "Range" in sent and body.status == 200
            for block in () if whole_in_place_of_part else body.blocks():
                total += len(block)
                if total > most:
                    raise TransportFault(url, beyond(limit))
                parts.append(block)
        fresh = Validators(url, body.headers.get("etag", ""), body.headers.get("last-modified", ""))
        current = validators if body.status == 304 and validators is not None else fresh
        return HttpResponse(body.status, b"".join(parts), body.headers, body.url, current)

    def save(
        self,
        url: str,
        stream: BinaryIO,
        *,
        checksum: str | None,
        size: int | None,
        limit: str,
        task: str = "",
        authority: str = "repomd.xml",
    ) -> int:
        """Write a file to ``stream`` and verify it on the way. Returns its size in bytes.

        ``checksum`` is ``algorithm:hex``, and ``authority`` who says so, for the message where it differs. Stops as
        soon as there is more than ``size`` or than the ceiling ``limit`` allows. Progress is reported as
        ``task``, where it has a name. Raises TransportFault where it is not the announced file.
        """
        most = getattr(CEILINGS, limit)
        algorithm, _, wanted = (checksum or "sha256:").partition(":")
        digest = hashlib.new(algorithm, usedforsecurity=False)
        total = 0
        head = b""
        reporter = Silence() if is_file_url(url) or not task else self._reporter
        if size is not None and size > most:
            raise TransportFault(url, f"is announced with {size} bytes: {beyond(limit, 'more than')}")
        reporter.begin(task, size)
        try:
            # As stored: a server that calls a .tar.gz an encoding would have it unpacked on the way.
            with self._open(url, {"Accept-Encoding": "identity"}, _OK, False, limit) as body:
                # A web page of another size goes on: below it gets the message that names it as one.
                if size is not None and body.announced is not None and body.announced > size and not body.page:
                    raise TransportFault(url, f"has {body.announced} bytes instead of {size}")
                for block in body.blocks():
                    head = head or block[:1024]
                    total += len(block)
                    if total > (most if size is None else size):
                        raise TransportFault(url, _too_large(head, size, limit))
                    digest.update(block)
                    stream.write(block)
                    reporter.advance(task, len(block))
        finally:
            reporter.end(task)
        # Before size and checksum: a login page is to be named as one, not as a damaged file.
        if looks_like_html(head):
            raise TransportFault(url, _HTML)
        # A connection may have broken off; a local file that is too short stays so.
        if size is not None and total < size:
            raise TransportFault(url, f"ends after {total} of {size} bytes", transient=not is_file_url(url))
        if wanted and digest.hexdigest() != wanted:
            raise TransportFault(
                url, f"has another {algorithm} checksum than {authority} says", kind=FaultKind.DIGEST
            )
        return total

    @contextmanager
    def _open(
        self, url: str, headers: Mapping[str, str], accept: Container[int], packed: bool, limit: str
    ) -> Iterator["_Body"]:
        self._check()
        if is_file_url(url):
            with self._open_file(url) as body:
                yield body
            return
        if urlsplit(url).scheme not in ("http", "https"):
            raise TransportFault(url, f"has the scheme {urlsplit(url).scheme!r}; http, https and file are known")
        # Imported here: they cost a tenth of a second, and a warm cache needs no network.
        import requests
        import urllib3

        self._check_certificates(url)
        try:
            with (
                paced(Pace(self.settings.timeout, limit)),
                self._reach.transfer(),
                self._request(url, headers) as response,
            ):
                yield self._body_of(response, url, accept, packed)
        except TooNearError as fault:
            raise TransportFault(url, f"is not requested: it {fault}") from fault
        except TooSlowError as fault:
            raise TransportFault(
                url, str(fault), transient=True, unreachable=True, hung=True, kind=FaultKind.SLOW
            ) from fault
        except (
            # Also urllib3's own errors: the body is read from its response, past requests.
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
            # Links on the way are its owner's affair; what they lead to has to be a file.
            stream = open_regular(path.resolve())
            size = os.fstat(stream.fileno()).st_size
        except (OSError, ValueError, RuntimeError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise TransportFault(url, f"cannot be read: {reason}") from fault
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

            yield _Body(blocks, 200, url, announced=size)

    def _check_certificates(self, url: str) -> None:
        """Name a certificate file that is not there: requests raises OSError without the option's name."""
        for name in ("ca_bundle", "client_certificate", "client_key"):
            path = getattr(self.settings, name)
            if path and not Path(path).exists():
                option = self.settings.option_names.get(name, name)
                raise TransportFault(
                    url, f"cannot be read: {option} {path} does not exist", kind=FaultKind.CERTIFICATE
                )

    def _request(self, url: str, headers: Mapping[str, str]) -> "requests.Response":
        settings = self.settings
        host, own = credentials_in(url)
        certificate: Any = settings.client_certificate
        if settings.client_certificate and settings.client_key:
            certificate = (settings.client_certificate, settings.client_key)
        return self._the_session().get(
            without_credentials(url),
            headers=dict(headers),
            # Mirrors that a list names are other people's machines: they get no password. Where there is none here,
            # requests looks into ~/.netrc.
            auth=own or settings.credentials.get(host),
            # Without it, requests would load the whole body before any limit is looked at.
            stream=True,
            timeout=(settings.timeout, settings.timeout),
            # verify and proxies are given here and not to the session, where variables of the environment would win.
            verify=self._verify(url),
            cert=certificate,
            proxies={"http": settings.proxy, "https": settings.proxy} if settings.proxy else None,
        )

    def _verify(self, url: str) -> bool | str:
        parts = urlsplit(url)
        exempt = self.settings.trusted_hosts
        if not self.settings.verify or parts.netloc.rpartition("@")[2] in exempt or parts.hostname in exempt:
            return False
        return self.settings.ca_bundle or True

    def _the_session(self) -> "requests.Session":
        with self._guard:
            if self._session is None:
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> "requests.Session":
        import requests
        import urllib3
        from requests.adapters import HTTPAdapter

        reach = self._reach

        class _Session(requests.Session):
            def get_redirect_target(self, resp: requests.Response) -> str | None:
                target = super().get_redirect_target(resp)
                # A redirect within a host has no host.
                reason = refusal(target, resp.url) if target and _ELSEWHERE.match(target) else ""
                if reason:
                    raise requests.exceptions.InvalidSchema(reason)
                if target:
                    reach.follow(resp.url)
                return target

        class _Adapter(HTTPAdapter):
            def init_poolmanager(self, *args: Any, **options: Any) -> None:
                super().init_poolmanager(*args, **options)
                _count_what_arrives(self.poolmanager, reach)

            def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
                # What lies behind a proxy that the user chose, the proxy resolves.
                return _count_what_arrives(super().proxy_manager_for(proxy, **options), None)

            def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
                if not requests.utils.select_proxy(request.url or "", options.get("proxies")):
                    reach.check(request.url or "")
                response = super().send(request, *args, **options)
                if response.is_redirect and len(response.raw.read(_REDIRECT_BODY)) == _REDIRECT_BODY:
                    response.close()
                    raise TransportFault(request.url or "", "redirects with a body that does not end")
                return response

        session: requests.Session = _Session()
        session.max_redirects = 10
        session.headers["User-Agent"] = f"ppcdeps/{__version__}"
        # An empty proxy means none, not that of the environment.
        session.trust_env = self.settings.proxy != ""
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(pool_connections=8, pool_maxsize=CONNECTIONS))
        if not self.settings.verify or self.settings.trusted_hosts:
            # The user chose so; a warning for each request would say nothing new.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return session

    def _body_of(self, response: "requests.Response", url: str, accept: Container[int], packed: bool) -> "_Body":
        status = response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        where = without_credentials(response.url)
        if status == 304:
            return _Body(lambda: iter(()), status, where, headers)
        if status not in accept:
            # An overloaded server says nothing against the repository: counted as unreachable, a cached copy may do.
            transient = status in _TRANSIENT_STATUS
            raise TransportFault(
                url,
                f"answers {status} {response.reason or ''}".strip(),
                transient=transient,
                unreachable=transient,
                kind=FaultKind.STATUS,
                status=status,
                retry_after=float(_digits(headers.get("retry-after", "")) or 0),
            )
        return _Body(
            lambda: self._network_blocks(response, packed),
            status,
            where,
            headers,
            announced=_digits(headers.get("content-length", "")),
            page=headers.get("content-type", "").lower().startswith("text/html"),
        )

    def _network_blocks(self, response: "requests.Response", packed: bool) -> Iterator[bytes]:
        raw = response.raw
        # read1 gives what has arrived; where urllib3 is too old for it, small pieces keep the rate check honest.
        read: Callable[[], bytes] = (
            (lambda: raw.read1(_CHUNK, decode_content=packed))
            if hasattr(raw, "read1") and _takes_decode_content(raw.read1)
            else (lambda: raw.read(_SMALL_CHUNK, decode_content=packed))
        )
        while block := read():
            self._check()
            yield block

    def _check(self) -> None:
        if self._stopping.is_set():
            raise InterruptedError(errno.EINTR, "interrupted")

    def _translated(self, url: str, fault: Exception) -> TransportFault:
        import requests
        import urllib3

        # Time-outs first: requests.ConnectTimeout is a ConnectionError too, and would be reported as one.
        hangs = (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError)
        if isinstance(fault, hangs):
            reason = f"does not answer within {self.settings.timeout:g} s"
            return TransportFault(url, reason, transient=True, unreachable=True, hung=True, kind=FaultKind.TIMEOUT)
        match fault:
            case requests.exceptions.SSLError():
                reason = f"TLS failed: {_root_of(fault)}"
                return TransportFault(url, reason, unreachable=True, kind=FaultKind.CERTIFICATE)
            case requests.exceptions.InvalidSchema() | requests.exceptions.MissingSchema():
                if "this machine" in str(fault):
                    return TransportFault(url, f"redirects to what {fault}")
                return TransportFault(url, "redirects to something else than http or https")
            case requests.exceptions.TooManyRedirects():
                return TransportFault(url, "redirects in a circle")
            case requests.exceptions.InvalidURL() | requests.exceptions.InvalidProxyURL():
                return TransportFault(url, "is not a usable URL (or its proxy's is not)")
            case requests.exceptions.ProxyError():
                reason = f"the proxy failed: {_root_of(fault)}"
                return TransportFault(url, reason, transient=True, unreachable=True, kind=FaultKind.PROXY)
            case urllib3.exceptions.IncompleteRead():
                return TransportFault(url, "ends before its announced length", transient=True)
            case urllib3.exceptions.DecodeError():
                return TransportFault(url, "is compressed in a way that cannot be undone")
        reason = f"no connection: {_root_of(fault)}"
        return TransportFault(url, reason, transient=True, unreachable=True, kind=FaultKind.CONNECTION)


@dataclass(slots=True)
class _Body:
    blocks: Callable[[], Iterator[bytes]]
    status: int
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None
    page: bool = False


def try_mirrors(
    mirrors: Sequence[str],
    attempt: Callable[[str], T],
    *,
    retries: int,
    stopping: threading.Event,
    tries: int = _TRIES_PER_MIRROR,
) -> T:
    """The first success of ``attempt`` over the mirrors' base URLs.

    A mirror with a permanent fault is left at once, one that hung is tried again only when it is the last
    hope, and transient faults are tried up to ``tries`` times each, with growing pauses, ``retries`` times in
    all at most. Raises AllMirrorsFailed.
    """
    last: dict[str, TransportFault] = {}
    count = dict.fromkeys(mirrors, 0)
    # The first of a list are the best; a list of dead ones would be tried for hours.
    queue = list(count)[: CEILINGS.metadata_tries]
    spent = 0
    rounds = 0
    # 0 is dnf's way to say "without limit".
    budget = retries or sys.maxsize
    while queue:
        transient: list[str] = []
        pause = min(_BACK_OFF * 2**rounds, _LONGEST_WAIT)
        for mirror in queue:
            # Over the budget, a mirror that was not tried yet still gets its first attempt.
            if spent > budget and mirror in last:
                continue
            try:
                return attempt(mirror)
            except TransportFault as fault:
                last[mirror] = fault
                count[mirror] += 1
                spent += 1
                most = min(tries, 2 if len(count) == 1 else 1) if fault.hung else tries
                if fault.transient and count[mirror] < most:
                    transient.append(mirror)
                    # Capped: a server must not be able to hold the run for as long as it likes.
                    pause = max(pause, min(fault.retry_after, _LONGEST_RETRY_AFTER))
        queue = transient if spent <= budget else []
        if queue and stopping.wait(pause):
            raise InterruptedError(errno.EINTR, "interrupted")
        rounds += 1
    raise AllMirrorsFailed(list(last.values()))


def _count_what_arrives(manager: Any, reach: Reach | None) -> Any:
    """Have the connections of a pool manager of urllib3 count what arrives, and check where they lead."""

    # With requests, it takes long to load, and most runs ask no server.
    from http.client import HTTPResponse

    class _Answer(HTTPResponse):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.fp = counted(self.fp)

    class _Checked:
        response_class = _Answer

        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
            if reach is not None:
                try:
                    # The host was resolved before; this is what it was connected to, whatever it resolved to now.
                    reach.check_peer(str(made.getpeername()[0]))
                except BaseException:
                    made.close()
                    raise
            return made

    pools = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        connection = type("CheckedConnection", (_Checked, pool.ConnectionCls), {})
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    # Proxy managers are kept by the adapter, and come here more than once.
    if not getattr(manager, "counts_what_arrives", False):
        manager.counts_what_arrives = True
        manager.pool_classes_by_scheme = pools
    return manager


_HTML = "sends a web page (HTML) with status 200, not the file: a login, error or redirect page answers there"


def _too_large(head: bytes, size: int | None, limit: str) -> str:
    if looks_like_html(head):
        return _HTML
    return f"has more than {size} bytes, the announced size" if size is not None else beyond(limit)


def _takes_decode_content(read1: Callable[..., bytes]) -> bool:
    return "decode_content" in inspect.signature(read1).parameters


def _digits(text: str) -> int | None:
    # With fewer than 19 digits any number fits into 64 bits.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _root_of(fault: BaseException) -> str:
    """The innermost reason, without the URL (and its credentials) that the outer ones repeat."""
    seen: set[int] = set()
    todo: list[object] = [fault]
    reason = ""
    while todo:
        one = todo.pop()
        if id(one) in seen or not isinstance(one, BaseException):
            continue
        # __cause__ and __context__ are often the same exception.
        seen.add(id(one))
        if isinstance(one, OSError) and one.strerror:
            reason = one.strerror
        elif isinstance(one, socket.gaierror):
            reason = "the host's name is not known"
        todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return reason or "it was broken off"
