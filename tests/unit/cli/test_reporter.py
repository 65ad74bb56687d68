"""What the reporter shows, and where."""

import io
import threading

import pytest

from ppcdeps.cli.reporter import TerminalReporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_without_a_terminal_a_task_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = TerminalReporter()
    reporter.begin("base: primary", 100)
    reporter.advance("base: primary", 100)
    reporter.end("base: primary")
    reporter.note("done")
    reporter.warn("old")
    assert capsys.readouterr() == ("", "base: primary ...\ndone\nwarning: old\n")


def test_quiet_leaves_the_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = TerminalReporter(quiet=True)
    reporter.begin("base: primary", 100)
    reporter.note("done")
    reporter.warn("old")
    reporter.end("base: primary")
    assert capsys.readouterr() == ("", "warning: old\n")


def test_a_terminal_gets_a_bar_that_goes_away(terminal: Terminal) -> None:
    reporter = TerminalReporter(stream=terminal)
    reporter.begin("base: primary", 100)
    reporter.advance("base: primary", 50)
    reporter.note("in between [red]as it is[/red]")
    reporter.end("base: primary")
    shown = terminal.getvalue()
    assert "base: primary" in shown
    assert "━" in shown
    assert "in between [red]as it is[/red]\n" in shown
    assert shown.endswith("\x1b[2K") or "\x1b[?25h" in shown


def test_a_terminal_without_progress_gets_lines(terminal: Terminal) -> None:
    reporter = TerminalReporter(progress=False, stream=terminal)
    reporter.begin("base: primary", 100)
    reporter.end("base: primary")
    assert terminal.getvalue() == "base: primary ...\n"


def test_warnings_are_coloured_on_a_terminal_only_where_colour_is_wanted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    TerminalReporter(stream=terminal).warn("one")
    monkeypatch.setenv("NO_COLOR", "1")
    TerminalReporter(stream=terminal).warn("two")
    assert terminal.getvalue() == "\x1b[33mwarning:\x1b[0m one\nwarning: two\n"


def test_many_threads_may_tell_at_once(terminal: Terminal) -> None:
    reporter = TerminalReporter(stream=terminal)

    def work(number: int) -> None:
        task = f"task {number}"
        reporter.begin(task, None)
        reporter.advance(task, 1)
        reporter.note(f"line {number}.")
        reporter.end(task)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reporter.close()
    assert all(f"line {number}." in terminal.getvalue() for number in range(8))
