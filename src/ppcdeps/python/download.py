"""Getting pages and files of indexes: one HTTP session set up as pip's configuration says, and local
files.
"""

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

from ppcdeps.base.http import path_of, shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.pipconfig import PipConfig

if TYPE_CHECKING:
    import requests

WORKERS = 12
"""Connections at once. Indexes are made for it: pip, uv and browsers open as many."""
_BLOCK = 1 << 16
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
_STRONGEST = ("sha512", "sha384", "sha256", "sha224")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: status, headers with lower-case names, and the body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


class Downloader:
    """Reads URLs of the schemes http, https and file. Safe for threads.

    Every fault of the network becomes a RepositoryError of one line that names the URL without its
    credentials.
    """

    def __init__(self, config: PipConfig) -> None:
        self._config = config
        self._credentials = dict(_credentials(each) for each in (*config.indexes, *config.find_links) if "@" in each)
        self._session: requests.Session | None = None
        self._guard = threading.Lock()

    def get(self, url: str, headers: Mapping[str, str] | None = None, *, limit: int) -> Answer:
        """The answer to a GET, up to ``limit`` bytes of body; 404, 410 and 304 are answers, other failures
        raise.
        """
        if urlsplit(url).scheme == "file":
            return self._get_file(url, limit)
        with self._open(url, headers or {}) as response:
            if response.status_code >= 400 and response.status_code not in (404, 410, 416):
                raise _refusal(url, response.status_code)
            body = b"".join(_bounded(response, url, limit))
            lower = {name.lower(): value for name, value in response.headers.items()}
            # Links on the page are relative to this: credentials must not get into them, and so into lock
            # files.
            return Answer(response.status_code, body, lower, _plain(response.url))

    def fetch(self, url: str, target: BinaryIO, hashes: Mapping[str, str], *, limit: int) -> None:
        """Write the whole file at ``url`` to ``target`` and compare it with the strongest of ``hashes``.

        Raises RepositoryError where it is not there, is longer than ``limit`` bytes, or is not what it should
        be.
        """
        algorithm = next((name for name in _STRONGEST if name in hashes), None)
        digest = hashlib.new(algorithm) if algorithm else None
        for block in self._blocks(url, limit):
            target.write(block)
            if digest is not None:
                digest.update(block)
        if digest is not None and algorithm is not None and digest.hexdigest() != hashes[algorithm].lower():
            raise RepositoryError(
                f"{_file_name(url)} is not what its index says: {algorithm} "
                f"{digest.hexdigest()[:16]}… instead of {hashes[algorithm][:16]}… ({shown_url(url)})",
                hint="the file was replaced or damaged on the way: do not install it, ask the index's owner",
            )

    def _blocks(self, url: str, limit: int) -> Iterator[bytes]:
        if urlsplit(url).scheme == "file":
            answer = self._get_file(url, limit)
            if answer.status != 200:
                raise RepositoryError(f"no such file: {url}")
            yield answer.body
            return
        # As stored: a server that calls a .tar.gz an encoding would have it unpacked on the way.
        with self._open(url, {"Accept-Encoding": "identity"}) as response:
            if response.status_code != 200:
                raise _refusal(url, response.status_code)
            yield from _bounded(response, url, limit)

    @contextmanager
    def _open(self, url: str, headers: Mapping[str, str]) -> Iterator["requests.Response"]:
        import requests

        own = _credentials(url)[1] if "@" in urlsplit(url).netloc else None
        # verify goes with each request: set on the session, an environment variable of requests would beat
        # it.
        try:
            with self._http().get(
                _plain(url),
                headers=dict(headers),
                # Like pip: what the index's URL has is for its files on the same host too; else ~/.netrc.
                auth=own or self._credentials.get(urlsplit(url).netloc),
                stream=True,
                timeout=self._config.timeout,
                verify=self._verify(url),
            ) as response:
                yield response
        except requests.exceptions.SSLError as fault:
            raise _unreachable(url, "its certificate is not trusted", fault, "set cert in pip.conf") from None
        except requests.exceptions.ProxyError as fault:
            hint = "check proxy in pip.conf and the *_proxy variables"
            raise _unreachable(url, "the proxy refused", fault, hint) from None
        except (requests.exceptions.RequestException, OSError) as fault:
            # Where retries ran out, requests calls a time-out a lost connection.
            if not isinstance(fault, requests.exceptions.Timeout) and "timed out" not in str(fault):
                hint = "check the network and index-url in pip.conf, or use --offline"
                raise _unreachable(url, "it does not answer", fault, hint) from None
            hint = f"no answer in {self._config.timeout:g} s: set timeout in pip.conf, or use --offline"
            raise _unreachable(url, "it is too slow", fault, hint) from None

    def _verify(self, url: str) -> bool | str:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        if host in self._config.trusted_hosts or parts.hostname in self._config.trusted_hosts:
            return False
        return self._config.cert or True

    def _http(self) -> "requests.Session":
        with self._guard:
            if self._session is None:
                self._session = self._new_session()
            return self._session

    def _new_session(self) -> "requests.Session":
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util.retry import Retry

        from ppcdeps import __version__

        config = self._config
        session = requests.Session()
        session.headers["User-Agent"] = f"ppcdeps/{__version__}"
        if config.client_cert:
            session.cert = config.client_cert
        if config.proxy:
            session.proxies = {"http": config.proxy, "https": config.proxy}
            session.trust_env = True
        retry = Retry(
            total=config.retries,
            status_forcelist=_TRY_AGAIN,
            backoff_factor=0.25,
            raise_on_status=False,
            allowed_methods=("GET",),
        )
        session.mount("https://", HTTPAdapter(pool_connections=8, pool_maxsize=WORKERS + 4, max_retries=retry))
        session.mount("http://", HTTPAdapter(pool_connections=8, pool_maxsize=WORKERS + 4, max_retries=retry))
        if config.trusted_hosts:
            import urllib3

            # The user said so; a warning for each request would say nothing new.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return session

    def _get_file(self, url: str, limit: int) -> Answer:
        path = path_of(url)
        if path.is_dir():
            path /= "index.html"
        try:
            if not path.is_file():
                return Answer(404, b"", {}, url)
            if path.stat().st_size > limit:
                raise RepositoryError(f"{path} is larger than {limit} bytes")
            return Answer(200, path.read_bytes(), {"content-type": _local_type(path)}, url)
        except OSError as fault:
            raise RepositoryError(f"{path} cannot be read: {fault.strerror or fault}") from None


def _credentials(url: str) -> tuple[str, tuple[str, str]]:
    """The host with its port, and user and password from the URL."""
    user, _, host = urlsplit(url).netloc.rpartition("@")
    name, _, password = user.partition(":")
    return host, (unquote(name), unquote(password))


def _plain(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _bounded(response: "requests.Response", url: str, limit: int) -> Iterator[bytes]:
    length = 0
    for block in response.iter_content(_BLOCK):
        length += len(block)
        if length > limit:
            raise RepositoryError(f"{shown_url(url)} sends more than {limit} bytes")
        yield block


def _refusal(url: str, status: int) -> RepositoryError:
    shown = shown_url(url)
    if status in (401, 403):
        return RepositoryError(
            f"{shown} refuses access (HTTP {status})",
            hint="give credentials in the URL of index-url in pip.conf, or in ~/.netrc",
        )
    if status in (404, 410):
        return RepositoryError(f"{shown} is not there (HTTP {status})")
    return RepositoryError(f"{shown} answers HTTP {status}", hint="try again later, or use --offline")


def _unreachable(url: str, what: str, fault: Exception, hint: str) -> RepositoryError:
    reason = re.sub(r"<[^>]*>|\(Caused by |HTTPS?ConnectionPool\([^)]*\):?|0x[0-9a-f]+", "", str(fault)).strip(" :()")
    reason = re.sub(r"//[^/@\s]+@", "//****@", reason)
    return RepositoryError(f"{shown_url(url)}: {what} ({reason[-160:]})", hint=hint)


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _local_type(path: Path) -> str:
    if path.suffix == ".json":
        return "application/vnd.pypi.simple.v1+json"
    return "text/html" if path.suffix in (".html", ".htm") else "application/octet-stream"
