"""The HTTP sessions of the SDK, with an end in time: its own time-out begins anew with every byte that comes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import requests

from ppcdeps.base.deadline import in_time

_SLOWEST = 1 << 16
"""Bytes a second with which an image is sent at least: that time comes on top of the answer's."""


def sessions_in_time(seconds: float) -> Callable[..., Any]:
    """Makes keystoneauth's sessions, with so many seconds for each answer, that to a login included."""
    from keystoneauth1.session import Session, TCPKeepAliveAdapter

    timed = _TimedSession(seconds)
    for scheme in tuple(timed.adapters):
        timed.mount(scheme, TCPKeepAliveAdapter())
    return partial(Session, session=timed)


class _TimedSession(requests.Session):
    """Sends a request and has all of its answer in time, or raises ReadTimeout."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        send = super().send
        size = len(request.body) if isinstance(request.body, bytes) else 0
        try:
            return in_time(lambda: send(request, **options), self._seconds + size / _SLOWEST)
        except TimeoutError as fault:
            raise requests.ReadTimeout(str(fault)) from fault
