"""JSON and TOML documents from outside, read under ceilings of size and depth.

Whatever a parser can raise for a document becomes DocumentError: its text is one line that says what is wrong, or
which ceiling was met.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

try:
    import tomli
except ModuleNotFoundError:
    # Modules of ppcdeps also run where its dependencies are not. It is the same parser.
    import tomllib as tomli  # type: ignore[no-redef]

from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.visible import visible

_BRACKETS = b"[]{}"
_OTHERS = bytes(sorted(set(range(256)) - set(_BRACKETS)))
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class DocumentError(ValueError):
    """A document that is none of its kind, or that meets a ceiling."""


def read_document(path: Path, ceiling: str = "document_size") -> bytes:
    """The whole content of a regular file or of a pipe that gives something; links are followed, since the user
    or their own folder named it. ``ceiling`` is the name of the one that holds.

    Raises OSError where it cannot be read or is anything else, DocumentError where it is too large or does not end.
    """
    most: int = getattr(CEILINGS, ceiling)
    # Looked at before as well: opening some devices is an act, such as rewinding a tape.
    _check_mode(path.stat().st_mode, path)
    # A FIFO without a writer would wait for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as stream:
        mode = os.fstat(handle).st_mode
        _check_mode(mode, path)
        content = _content_of_pipe(handle, most, path) if stat.S_ISFIFO(mode) else stream.read(most + 1)
    _check_size(len(content), ceiling)
    return content


def _check_mode(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise OSError(errno.EINVAL, "neither a regular file nor a pipe", str(path))


def _content_of_pipe(handle: int, most: int, path: Path) -> bytes:
    import select
    import time

    parts: list[bytes] = []
    size, end = 0, time.monotonic() + CEILINGS.document_seconds
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    while size <= most:
        left = end - time.monotonic()
        if left <= 0:
            raise DocumentError(beyond("document_seconds", "does not end within"))
        try:
            part = os.read(handle, 1 << 16)
        except BlockingIOError:
            waiting.poll(left * 1000)
            continue
        if not part:
            break
        parts.append(part)
        size += len(part)
    if not parts:
        raise OSError(errno.EINVAL, "a pipe that gave nothing", str(path))
    return b"".join(parts)


def parse_json(content: bytes | str, *, unique: bool = False) -> Any:
    """The value of a JSON document, its numbers finite and its texts such as UTF-8 can hold.

    ``unique``: an object that has a key twice is refused, where else its last value counts. Raises DocumentError.
    """
    try:
        text = content if isinstance(content, str) else content.decode()
        _check_size(len(text), "document_size")
        if not _is_shallow(text.encode()):
            raise DocumentError(_too_deep())
        pairs = _unique if unique else None
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=pairs)
        if _SURROGATE.search(text):
            # Pairs are characters, and become one; what is left over cannot be written anywhere.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as fault:
        raise DocumentError(_too_deep()) from fault
    except UnicodeDecodeError as fault:
        raise DocumentError(f"is not UTF-8 text (byte {fault.start})") from fault
    except UnicodeEncodeError as fault:
        raise DocumentError("has half of a surrogate pair, which is no character") from fault
    except DocumentError:
        raise
    except ValueError as fault:
        raise DocumentError(f"is not JSON: {fault}") from fault
    return value


def dump_document(document: Mapping[str, Any]) -> str:
    """An object as JSON text, keys sorted, an entry of a list in it on a line: json's own indentation is slow."""
    members = (f"{_compact(key)}: {_spread(value)}" for key, value in sorted(document.items()))
    return "{\n" + ",\n".join(members) + "\n}\n"


def _spread(value: Any) -> str:
    """A list with a line for each entry, anything else on one line."""
    if not isinstance(value, list) or not value:
        return _compact(value)
    return "[\n " + ",\n ".join(map(_compact, value)) + "\n]"


_compact = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def parse_toml(content: bytes | str) -> dict[str, Any]:
    """The top table of a TOML document. Raises DocumentError."""
    _check_size(len(content), "document_toml")
    try:
        text = content if isinstance(content, str) else content.decode()
        # tomli takes quadratic time for a key of many parts, and a level of the stack for each bracket.
        if re.search(_long_key(), text):
            raise DocumentError(_too_deep())
        value = tomli.loads(text)
    except RecursionError as fault:
        raise DocumentError(_too_deep()) from fault
    except UnicodeDecodeError as fault:
        raise DocumentError(f"is not UTF-8 text (byte {fault.start})") from fault
    except DocumentError:
        raise
    except ValueError as fault:
        # A number of thousands of digits is a plain ValueError.
        raise DocumentError(f"is not TOML: {fault}") from fault
    _check_values(value)
    return value


def _check_values(top: dict[str, Any]) -> None:
    """No deeper than the ceiling, and no NUL, which ends a path or an argument for the system."""
    level: list[Any] = [top]
    for _ in range(CEILINGS.document_depth):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.keys()
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and "\0" in one:
                raise DocumentError("has a NUL character in a text")
        level = below
        if not level:
            return
    raise DocumentError(_too_deep())


def _long_key() -> str:
    return rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{CEILINGS.document_depth},}}+"


def _is_shallow(content: bytes) -> bool:
    """Whether brackets are nested no deeper than the ceiling; brackets within texts count as well if they must.

    Plans have hundred thousands of them: each pass takes away the innermost ones, all in C.
    """
    brackets = content.translate(None, _OTHERS)
    for _ in range(CEILINGS.document_depth):
        if not brackets:
            return True
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return not brackets or _depth(content) <= CEILINGS.document_depth


def _depth(content: bytes) -> int:
    depth = deepest = 0
    for found in re.finditer(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', content, re.DOTALL):
        sign = found[0]
        if sign in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif sign in (b"]", b"}"):
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise DocumentError(f"has the key {visible(twice)[:80]} twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise DocumentError(f"has the number {name}, which JSON has not")


def _check_size(size: int, ceiling: str) -> None:
    if size > getattr(CEILINGS, ceiling):
        raise DocumentError(beyond(ceiling))


def _too_deep() -> str:
    return beyond("document_depth", "is nested deeper than")
