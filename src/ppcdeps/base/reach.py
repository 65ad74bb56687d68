"""How near to this machine the files of a source may lie: a server must not choose what is read on the machine of its
user, neither by an address nor by a name that resolves to one.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import local
from urllib.parse import urlsplit

from ppcdeps.base.addresses import Nearness, nearness_of_address, nearness_of_host
from ppcdeps.base.urls import is_file_url


class TooNearError(Exception):
    """A server leads nearer to this machine than it may. The text is a phrase that says where and why."""


class Reach:
    """How near the files of some sources may lie. ``origins`` are the URLs that the user's configuration names.

    What a configured host resolves to is looked up once, so that it cannot become loopback later. Safe for threads.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin for each in origins if (origin := _place_of(each)) is not None)
        self._known: dict[str, Nearness] = {}
        self._hop = local()

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """Within it, this thread follows the redirects of one transfer."""
        self._hop.led_by = None
        try:
            yield
        finally:
            self._hop.led_by = None

    def follow(self, url: str) -> None:
        """A server at ``url`` redirects: the next request is allowed what that server may name."""
        self._hop.led_by = urlsplit(url).hostname or ""

    def check(self, url: str) -> None:
        """Raise TooNearError where the host of a URL that is to be requested lies nearer than what names it."""
        host, port = _place_of(url) or ("", 0)
        spelled = nearness_of_host(host)
        # An address was looked at where it was named, by ``refusal``.
        self._hop.most = spelled or self._allowed(host, port)
        # What was on this machine and no longer is might name it all the same.
        self._hop.least = Nearness.ELSEWHERE if spelled or not self._is_origin(host) else min(self._of(host), 1)
        if not spelled and self._of(host) > self._hop.most:
            raise TooNearError(f"resolves to what {self._of(host).reason}")

    def check_peer(self, address: str) -> None:
        """Raise TooNearError where the address that was connected to is not what ``check`` found."""
        found = nearness_of_address(address)
        if found > self._hop.most:
            raise TooNearError(f"resolves to {address}, which {found.reason}")
        if found < self._hop.least:
            raise TooNearError(f"resolves to {address}, and was on this machine before")

    def _allowed(self, host: str, port: int) -> Nearness:
        if self._hop.led_by is not None:
            return self._of(self._hop.led_by)
        if (host, port) in self._origins:
            return self._of(host)
        return min((self._of(each) for each, _ in self._origins), default=Nearness.ELSEWHERE)

    def _is_origin(self, host: str) -> bool:
        return any(host == each for each, _ in self._origins)

    def _of(self, host: str) -> Nearness:
        """Where a host lies: an origin where its farthest address is, if elsewhere, any other at its nearest one."""
        if not host:
            # A file is the user's own.
            return Nearness.LOOPBACK
        known = nearness_of_host(host) or self._known.get(host)
        if known is None:
            try:
                answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                # The connection says so itself.
                return Nearness.ELSEWHERE
            places = [nearness_of_address(str(answer[4][0])) for answer in answers]
            is_elsewhere = self._is_origin(host) and min(places) is Nearness.ELSEWHERE
            known = self._known.setdefault(host, Nearness.ELSEWHERE if is_elsewhere else max(places))
        return known


def _place_of(url: str) -> tuple[str, int] | None:
    """Host and port of a URL; empty for a file of this machine, None for what is no URL."""
    if is_file_url(url) or "://" not in url:
        return "", 0
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
