"""What people and programs read: the one place that writes to standard output and standard error.

Text reaches a terminal in a form that it shows and does not obey. Standard error is told what it can be told:
where it is closed, or its disk full, the command goes on and its exit code is the same. Where standard output takes
nothing, OSError is raised, as the answer is lost.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO

import click

from ppcdeps.model.visible import visible_lines

Part = str | tuple[str, str]
"""A piece of a line: text, or text and its color (``bold`` is one)."""

STANDARD_OUTPUT = "standard output"
"""What errors call it."""

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


class _StandardOutput(io.TextIOWrapper):
    """Standard output whose errors name it, also where click writes to it."""

    def write(self, text: str, /) -> int:
        with _named():
            return super().write(text)

    def flush(self) -> None:
        with _named():
            super().flush()


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        fault.filename = STANDARD_OUTPUT
        raise


def prepare_standard_streams() -> None:
    """Have all three standard streams of this process there, however it was started.

    A closed one is no None, and its number is not that of the next file which is opened. To write to a closed
    standard output fails; what is written to a closed standard error is lost.
    """
    # What can only be read refuses to be written to, with the error of a closed one.
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, flags)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding, at_once = sys.stdout.encoding, sys.stdout.line_buffering
        # An encoding without a character of the answer is no reason to give no answer.
        sys.stdout = _StandardOutput(sys.stdout.detach(), encoding, "backslashreplace", line_buffering=at_once)
        # shutil asks this one for the width of the terminal.
        sys.__stdout__ = sys.stdout  # type: ignore[misc]


def write(text: str, *, as_json: bool = False) -> None:
    """Write a report, whose lines end in line feeds, or a JSON document to standard output."""
    _put(_escaped(text) if as_json else visible_lines(text))


def write_line(*parts: Part) -> None:
    """Write one line to standard output."""
    _put(f"{painted(*parts, colored=is_colored(sys.stdout))}\n")


def say(*parts: Part, stream: TextIO | None = None) -> None:
    """Write a line, or several, to standard error or another stream of words. Never fails."""
    stream = stream or sys.stderr
    with lossy(stream):
        stream.write(f"{painted(*parts, colored=is_colored(stream))}\n")
        stream.flush()


def is_terminal(stream: TextIO) -> bool:
    """Whether a person watches, on a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def is_colored(stream: TextIO) -> bool:
    """Whether what is written may have colors."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def painted(*parts: Part, colored: bool) -> str:
    """The pieces of a line as one text."""
    pieces = []
    for part in parts:
        text, color = (part, None) if isinstance(part, str) else part
        shown = visible_lines(text)
        style = {"bold": True} if color == "bold" else {"fg": color}
        pieces.append(click.style(shown, **style) if colored and color else shown)
    return "".join(pieces)


@contextlib.contextmanager
def lossy(stream: TextIO) -> Iterator[None]:
    """Let no failure of this stream of words end the command; what it does not take is lost."""
    try:
        yield
    except (OSError, ValueError):
        mute(stream)


def mute(stream: TextIO) -> None:
    """Discard what is still buffered, and all that follows: the interpreter would try to flush it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def standard_output_fails() -> bool:
    """Whether standard output has something that it could not write."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return True
    return False


def _put(text: str) -> None:
    if sys.stdout is sys.stderr:
        # The demo's commands, where standard output is for the demo's own JSON.
        with lossy(sys.stderr):
            sys.stderr.write(text)
            sys.stderr.flush()
        return
    with _named():
        sys.stdout.write(text)
        sys.stdout.flush()


def _escaped(text: str) -> str:
    """JSON in ASCII: any encoding has it, and no terminal obeys it."""

    def spelled(found: re.Match[str]) -> str:
        units = found[0].encode("utf-16-be", "surrogatepass").hex()
        return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))

    return _BEYOND_ASCII.sub(spelled, text)
