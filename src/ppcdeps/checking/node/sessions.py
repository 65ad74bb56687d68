"""The calls of the SDK, each with an end in time, and the HTTP exchanges of which it consisted.

The SDK's own time-out begins anew with every byte that comes, and with every redirection and login within a call.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import requests

from ppcdeps.base.deadline import in_time
from ppcdeps.base.urls import shown_url

_Value = TypeVar("_Value")
_SLOWEST = 1 << 16
"""Bytes a second with which an image is sent at least: that time comes on top of the answer's."""


@dataclass(slots=True)
class _Call:
    """One call: the address to which its last request went, and all answers."""

    address: str = ""
    answers: list[requests.Response] = field(default_factory=list)
    is_over: bool = False


class Calls:
    """Makes calls of the SDK, with ``seconds`` for each of them, whatever it does inside."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http = _HttpSession()
        self._last = _Call()

    @property
    def answers(self) -> Sequence[requests.Response]:
        """All that the last call was answered, redirections included."""
        return self._last.answers

    def sessions(self) -> Callable[..., Any]:
        """Makes keystoneauth's sessions."""
        from keystoneauth1.session import Session, TCPKeepAliveAdapter

        for scheme in tuple(self._http.adapters):
            self._http.mount(scheme, TCPKeepAliveAdapter())
        return partial(Session, session=self._http)

    def make(self, function: Callable[[], _Value], size: int = 0) -> _Value:
        """What a call returns or raises; TimeoutError where it takes longer. ``size`` is how many bytes it sends."""
        call = self._last = _Call()

        def run() -> _Value:
            self._http.local.call = call
            return function()

        try:
            return in_time(run, self._seconds + size / _SLOWEST)
        except TimeoutError as fault:
            where = f" from {shown_url(call.address)}" if call.address else ""
            raise TimeoutError(f"{fault}{where}") from fault
        finally:
            call.is_over = True


class _HttpSession(requests.Session):
    """Notes what each call sends and has answered. Of one that is over it sends nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        call: _Call = getattr(self.local, "call", None) or _Call()
        if call.is_over:
            raise requests.ReadTimeout("the call is over")
        call.address = str(request.url)
        answer = super().send(request, **options)
        call.answers.append(answer)
        return answer
