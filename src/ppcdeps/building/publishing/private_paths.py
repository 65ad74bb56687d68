"""A search of streams for texts that packages must not contain: paths and names of the machine that built them."""

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
        """The texts that are in there, each once. Of texts that overlap in a place, one is given."""
        if self._pattern is None:
            for _ in blocks:
                pass
            return
        seen = set[str]()
        # The end of a block, which may be the beginning of a text, is searched again with the next block. So is the
        # byte before it and the last one: the bytes around a text decide whether it stands alone.
        tail, is_first = b"", True
        for block in _with_end(blocks):
            window = tail + block
            for match in self._pattern.finditer(window):
                text = match.group().decode()
                # What begins a later window was decided in the one before.
                is_decided = (match.end() < len(window) or not block) and (match.start() > 0 or is_first)
                if is_decided and text not in seen:
                    seen.add(text)
                    yield text
            is_first = is_first and len(window) <= self._longest + 2
            tail = window[-(self._longest + 2) :]


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield from (block for block in blocks if block)
    yield b""


def _pattern(text: str) -> bytes:
    body = re.escape(text.encode())
    if "/" in text:
        return body + rb"(?![A-Za-z0-9_])"
    return rb"(?<![A-Za-z0-9_-])" + body + rb"(?![A-Za-z0-9_-])"
