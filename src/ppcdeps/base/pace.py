"""How slowly, for how long and how much a server may send: every byte of an answer is counted where it arrives.

That includes headers, the marks of a chunked body and what a decoder swallows, which a reader of the body never sees.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING

from ppcdeps.model.ceilings import CEILINGS, VARIABLE, beyond

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_HEADERS = 1 << 20
"""Bytes of headers, redirects and chunk marks on top of what the file may have."""


class TooSlowError(Exception):
    """A server sends too slowly, for too long, or too much around the file. The text is a phrase."""


class Pace:
    """What one transfer has received so far, over all its redirects.

    ``window`` is the time in seconds over which the rate is measured, ``ceiling`` the name of the one for the file's
    size. Only time in which the server was waited for counts.
    """

    def __init__(self, window: float, ceiling: str) -> None:
        self._window = window
        self._most: int = getattr(CEILINGS, ceiling) + _HEADERS
        self._ceiling = ceiling
        self._received = 0
        self._waited = 0.0
        self._begun: tuple[int, float] | None = None

    def received(self, count: int, seconds: float) -> None:
        """Count bytes that arrived after so many seconds. Raises TooSlowError."""
        self._received += count
        self._waited += seconds
        if self._received > self._most:
            raise TooSlowError(f"sends more around the file than in it: {beyond(self._ceiling)}")
        if self._waited > CEILINGS.transfer_seconds:
            raise TooSlowError(beyond("transfer_seconds", "is not sent within"))
        if self._begun is None:
            # The first byte may be waited for as long as the time-out is.
            self._begun = self._received, self._waited
            return
        since = self._waited - self._begun[1]
        if since < self._window:
            return
        rate = (self._received - self._begun[0]) / since
        if rate < CEILINGS.transfer_rate:
            raise TooSlowError(
                f"sends {int(rate)} bytes a second, less than {CEILINGS.transfer_rate}: lower transfer.rate in "
                f"ceilings.toml (the file that {VARIABLE} names) if the way is meant to be so slow"
            )
        self._begun = self._received, self._waited


_current = local()


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Within it, what this thread receives counts for ``pace``."""
    _current.pace = pace
    try:
        yield
    finally:
        _current.pace = None


def counted(stream: io.BufferedReader) -> io.BufferedReader:
    """The stream of a socket, counted for the pace of this thread. ``stream`` itself is of no use afterwards."""
    pace: Pace | None = getattr(_current, "pace", None)
    if pace is None:
        return stream
    return io.BufferedReader(_Counted(stream.detach(), pace))


class _Counted(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, pace: Pace) -> None:
        self._raw = raw
        self._pace = pace

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        began = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        self._pace.received(count or 0, time.monotonic() - began)
        return count

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()
