"""The HTTP client as pip's configuration sets it up, with faults as errors that name pip's options."""

import threading
from collections.abc import Callable, Container, Mapping
from typing import BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from ppcdeps.base.http import (
    AllMirrorsFailed,
    FaultKind,
    HttpClient,
    HttpResponse,
    HttpSettings,
    TransportFault,
    try_mirrors,
)
from ppcdeps.base.responses import Validators
from ppcdeps.base.urls import credentials_in, shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.pipconfig import PipConfig

T = TypeVar("T")

# SHA-256 first: the cache names its objects by it, so that one reading of the file serves both.
_ALGORITHMS = ("sha256", "sha512", "sha384", "sha224")


def settings_of(config: PipConfig) -> HttpSettings:
    """What pip's configuration says of the network.

    Like pip: what an index's URL has as user and password is for its files on the same host too.
    """
    places = (credentials_in(each) for each in (*config.indexes, *config.find_links) if "://" in each)
    return HttpSettings(
        timeout=config.timeout,
        proxy=config.proxy,
        ca_bundle=config.cert,
        client_certificate=config.client_cert,
        trusted_hosts=frozenset(config.trusted_hosts),
        credentials={host: own for host, own in places if own is not None},
        origins=(*config.indexes, *config.find_links),
        option_names={"ca_bundle": "cert", "client_certificate": "client-cert"},
    )


def checksum_of(hashes: Mapping[str, str]) -> str | None:
    """The hash to verify a file by, as ``algorithm:hex``; None where there is none that proves anything."""
    return next((f"{name}:{hashes[name].lower()}" for name in _ALGORITHMS if name in hashes), None)


class IndexClient:
    """Reads pages and files of indexes. Safe for threads.

    Every fault of the network becomes a RepositoryError of one line that names the URL without its
    credentials.
    """

    def __init__(self, config: PipConfig) -> None:
        self._client = HttpClient(settings_of(config))
        # pip's retries do not count the first attempt.
        self._tries = config.retries + 1
        self._stopping = threading.Event()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def read(
        self,
        url: str,
        *,
        limit: str,
        headers: Mapping[str, str] | None = None,
        validators: Validators | None = None,
        accept: Container[int] = (200,),
        packed: bool = False,
    ) -> HttpResponse:
        """The page or part of a file at ``url``. Raises RepositoryError; see ``HttpClient.read``."""
        return self._tried(
            url,
            lambda one: self._client.read(
                one, limit=limit, headers=headers, validators=validators, accept=accept, packed=packed
            ),
        )

    def save(self, url: str, target: BinaryIO, hashes: Mapping[str, str], size: int | None = None) -> None:
        """Write the whole file at ``url`` to ``target`` and compare it with its hash.

        Raises RepositoryError where it is not there, is larger than a distribution may be, or is not what its index
        says.
        """

        def attempt(one: str) -> int:
            target.seek(0)
            target.truncate()
            checksum = checksum_of(hashes)
            limit = "wheel_size" if file_name(url).endswith(".whl") else "sdist_size"
            return self._client.save(one, target, checksum=checksum, size=size, limit=limit, authority="its index")

        self._tried(url, attempt)

    def _tried(self, url: str, attempt: Callable[[str], T]) -> T:
        try:
            # 0 retries mean no limit over all mirrors: for a single one, ``tries`` is the limit.
            return try_mirrors([url], attempt, retries=0, stopping=self._stopping, tries=self._tries)
        except AllMirrorsFailed as failure:
            raise self._error_of(failure.faults[0]) from None

    def _error_of(self, fault: TransportFault) -> RepositoryError:
        shown = shown_url(fault.url)
        match fault.kind:
            case FaultKind.STATUS if fault.status in (401, 403):
                return RepositoryError(
                    f"{shown} refuses access (HTTP {fault.status})",
                    hint="give credentials in the URL of index-url in pip.conf, or in ~/.netrc",
                )
            case FaultKind.STATUS if fault.status in (404, 410):
                return RepositoryError(f"{shown} is not there (HTTP {fault.status})")
            case FaultKind.STATUS:
                return RepositoryError(
                    f"{shown} answers HTTP {fault.status}", hint="try again later, or use --offline"
                )
            case FaultKind.DIGEST:
                return RepositoryError(
                    f"{file_name(fault.url)} is not what its index says: it {fault.reason} ({shown})",
                    hint="the file was replaced or damaged on the way: do not install it, ask the index's owner",
                )
            case FaultKind.CERTIFICATE:
                what, hint = "its certificate is not trusted", "set cert in pip.conf"
            case FaultKind.PROXY:
                what, hint = "the proxy refused", "check proxy in pip.conf and the *_proxy variables"
            case FaultKind.TIMEOUT:
                seconds = self._client.settings.timeout
                what = "it is too slow"
                hint = f"no answer in {seconds:g} s: set timeout in pip.conf, or use --offline"
            case FaultKind.SLOW:
                what, hint = "it is too slow", "use another index, or --offline"
            case FaultKind.CONNECTION:
                what = "it does not answer"
                hint = "check the network and index-url in pip.conf, or use --offline"
            case FaultKind.CONTENT:
                return RepositoryError(str(fault), hint="check index-url in pip.conf, or try again later")
        return RepositoryError(f"{shown}: {what} ({fault.reason})", hint=hint)


def file_name(url: str) -> str:
    """The last part of a URL's path, unquoted."""
    return unquote(urlsplit(url).path.rpartition("/")[2])
