"""Texts that packages are not to hold, looked for in streams: paths and names of the machine that built them."""

import re
from collections.abc import Iterable, Iterator

_SHORTEST = 4


class Searcher:
    """Finds any of some texts in content that comes in blocks.

    A text with a slash is a path, and found also where it goes on below (``/home/me`` in ``/home/me/src``, not in
    ``/home/meg``). Any other is a name, and found as a whole word. Texts of less than four characters are
    not looked for: they are everywhere.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        wanted = sorted({text.rstrip("/") for text in texts if len(text.rstrip("/")) >= _SHORTEST})
        self._longest = max((len(text.encode()) for text in wanted), default=0)
        patterns = [_pattern(text) for text in wanted]
        self._pattern = re.compile(b"|".join(patterns)) if patterns else None

    def found_in(self, blocks: Iterable[bytes]) -> Iterator[str]:
        """The texts that are in there, each once. Of texts that overlap in a place, one is told."""
        if self._pattern is None:
            for _ in blocks:
                pass
            return
        seen = set[str]()
        # What may be the beginning of a text, and the byte before it, goes into the next round. The last byte, too,
        # waits: what follows it decides whether a text ends there.
        kept, is_first = b"", True
        for block in _with_end(blocks):
            window = kept + block
            for match in self._pattern.finditer(window):
                text = match.group().decode()
                # What begins a later window was decided in the one before.
                is_decided = (match.end() < len(window) or not block) and (match.start() > 0 or is_first)
                if is_decided and text not in seen:
                    seen.add(text)
                    yield text
            is_first = is_first and len(window) <= self._longest + 2
            kept = window[-(self._longest + 2) :]


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield from (block for block in blocks if block)
    yield b""


def _pattern(text: str) -> bytes:
    body = re.escape(text.encode())
    if "/" in text:
        return body + rb"(?![A-Za-z0-9_])"
    return rb"(?<![A-Za-z0-9_-])" + body + rb"(?![A-Za-z0-9_-])"
