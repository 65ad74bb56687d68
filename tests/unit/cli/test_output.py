"""The one place that writes to people and programs."""

import errno
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ppcdeps.cli.output import say, write, write_line
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.report.text import columns, text_of, wrapped

EVIL = "x\x1b[31m\x9b\u202e\nppcdeps: error: forged"
SHOWN = r"x\x1b[31m\x9b\u202e\nppcdeps: error: forged"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_report_has_the_lines_that_it_was_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [*columns([("NAME", "WHY"), (EVIL, EVIL)]), *wrapped(f"advice {EVIL}", "  "), EVIL]
    write(text_of(lines))
    shown = capsys.readouterr().out.split("\n")
    assert len(shown) == len(lines) + 1
    assert SHOWN in shown
    assert not [line for line in shown if line.startswith("ppcdeps:")]


def test_columns_are_as_wide_as_what_is_shown() -> None:
    first, second = columns([("\x9b", "end"), ("name", "end")], indent="")
    assert first == r"\x9b  end"
    assert first.index("end") == second.index("end")


@given(some.recursive(some.text(some.characters(exclude_categories=())), some.lists))
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp437", "utf-16"])
def test_json_can_be_read_whatever_it_holds_and_standard_output_encodes(encoding: str, value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        raw = io.BytesIO()
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        write(json.dumps(value, ensure_ascii=False, indent=1) + "\n", as_json=True)
        text = raw.getvalue().decode(encoding)
        patch.undo()
    # A pair of surrogates and the character that they mean are the same in JSON.
    assert json.loads(text) == json.loads(json.dumps(value))
    assert text.isascii()
    assert "\x7f" not in text


def test_what_is_reported_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = TerminalReporter()
    reporter.note(EVIL)
    reporter.warn(EVIL)
    reporter.begin(EVIL, None)
    assert capsys.readouterr().err == f"{SHOWN}\nwarning: {SHOWN}\n{SHOWN} ...\n"


def test_a_bar_shows_what_a_terminal_would_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    reporter = TerminalReporter(stream=terminal)
    reporter.begin("\x9b\u202e", 100)
    reporter.note(EVIL)
    reporter.end("\x9b\u202e")
    assert r"\x9b\u202e" in terminal.getvalue()
    assert SHOWN in terminal.getvalue()
    assert "\x9b" not in terminal.getvalue()
    assert "\u202e" not in terminal.getvalue()


def test_standard_error_that_takes_nothing_ends_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    say("lost")
    TerminalReporter().warn("lost")
    closed = io.StringIO()
    closed.close()
    say("lost", stream=closed)


def test_standard_output_that_takes_nothing_loses_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    for writer in (write, write_line):
        with pytest.raises(OSError, match="No space left"):
            writer("answer\n")


def test_colors_are_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    say(("built", "green"), ": \x1b[31mred", stream=terminal)
    assert terminal.getvalue() == "\x1b[32mbuilt\x1b[0m: \\x1b[31mred\n"
