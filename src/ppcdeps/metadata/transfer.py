"""Files of one repository over its mirrors: fetched by the HTTP client under the repository's own options."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ppcdeps.base import http as net
from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.altarch import altarch_hint
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig

T = TypeVar("T")


class UnreachableRepositoryError(RepositoryError):
    """Nobody answered: a cached copy is as good as it was."""


def settings_of(config: RepoConfig) -> net.HttpSettings:
    """What dnf's options of a repository say of the network.

    User and password go to the hosts that the configuration names, and to no mirror that a list names.
    """
    credentials = {}
    places = tuple(place for place in (*config.baseurl, config.mirrorlist, config.metalink) if place)
    if config.username is not None:
        hosts = {urlsplit(place).netloc.rpartition("@")[2] for place in places}
        credentials = dict.fromkeys(hosts, (config.username, config.password or ""))
    return net.HttpSettings(
        timeout=config.timeout,
        proxy=config.proxy,
        verify=config.sslverify,
        ca_bundle=config.sslcacert,
        client_certificate=config.sslclientcert,
        client_key=config.sslclientkey,
        credentials=credentials,
        origins=(*places, *config.gpgkey),
        option_names={
            "ca_bundle": "sslcacert",
            "client_certificate": "sslclientcert",
            "client_key": "sslclientkey",
        },
    )


class RepositoryTransfer:
    """Fetches for one repository. ``stopping`` is set from outside to end all transfers at their next block."""

    def __init__(self, config: RepoConfig, reporter: Reporter, stopping: threading.Event | None = None) -> None:
        self.config = config
        self.stopping = stopping or threading.Event()
        self.client = net.HttpClient(settings_of(config), reporter, self.stopping)

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    def read(self, url: str, subject: str, *, limit: str) -> bytes:
        """The whole of a small file. Raises RepositoryError, whose message begins with ``subject``."""
        return self.first([url], lambda one: self.client.read(one, limit=limit), subject).body

    def first(self, mirrors: Sequence[str], attempt: Callable[[str], T], subject: str) -> T:
        """The first success of ``attempt`` over the mirrors.

        Raises RepositoryError where there is none, UnreachableRepositoryError where that is for want of an answer.
        """
        try:
            return net.try_mirrors(mirrors, attempt, retries=self.config.retries, stopping=self.stopping)
        except net.AllMirrorsFailed as failure:
            message = f"{subject} could not be fetched: {failure}"
            moved = altarch_hint(self.config)
            if failure.unreachable:
                hint = moved or "check the network, the proxy and the address"
                raise UnreachableRepositoryError(message, hint=hint) from failure
            origin = f" in {self.config.origin}" if self.config.origin else ""
            hint = moved or f"check its address{origin}, or try again later"
            raise RepositoryError(message, hint=hint) from failure

    def fetch_object(
        self,
        cache: Cache,
        urls: Sequence[str],
        subject: str,
        *,
        checksum: str,
        size: int | None,
        limit: str,
        task: str,
        authority: str = "repomd.xml",
        inspect: Callable[[Path], object] = lambda _: None,
    ) -> Path:
        """A file, verified and put into the cache. Returns where it lies.

        ``inspect`` looks at the file before it counts as good, and may raise DamagedError: then the next address is
        tried. Raises like ``first``.
        """
        with cache.new_object() as draft:

            def attempt(url: str) -> None:
                # A mirror that failed may have written a part.
                draft.restart()
                self.client.save(
                    url, draft.stream, checksum=checksum, size=size, limit=limit, task=task, authority=authority
                )
                # ``inspect`` opens the file by its path, and would miss what is still in the buffer.
                draft.stream.flush()
                try:
                    inspect(draft.path)
                except DamagedError as fault:
                    raise net.TransportFault(url, str(fault)) from fault

            self.first(urls, attempt, subject)
            return draft.publish(checksum)
