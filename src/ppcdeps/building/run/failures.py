"""Why a build failed, by patterns in its log, which the rules file `build-failures.toml` lists."""

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, raise_faults, read_toml

TAIL = 30
"""Lines of a log that are shown when a build failed."""

_SCANNED = 4_000
"""Lines at the end of a log in which a cause is looked for: make goes on for a while after an error."""


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """A known kind of failure: the lines that show it, its cause, and what helps.

    ``cause`` and ``help`` may name groups of the pattern in braces. Earlier patterns win.
    """

    pattern: re.Pattern[str]
    cause: str
    help: str


@dataclass(frozen=True, slots=True)
class FailureCause:
    """The likely cause of one failure, with the line of the log that shows it."""

    cause: str
    help: str
    line: str = ""


def load_failures(file: TomlFile | None = None) -> tuple[FailurePattern, ...]:
    """The known kinds of failures: those that ppcdeps ships, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    file = file or shipped_file("rules", "build-failures")
    top = read_toml(file, "rules file")
    found = []
    for table in top.tables("failure"):
        pattern = _pattern(table)
        made = table.text("cause"), table.text("help")
        table.text("reason")
        table.finish()
        if pattern is not None:
            found.append(FailurePattern(pattern, *made))
    top.finish()
    raise_faults(top, file, "rules file")
    return tuple(found)


def cause_of(log: Path, patterns: tuple[FailurePattern, ...]) -> FailureCause | None:
    """What the end of a log says went wrong; None where no known pattern is in it."""
    lines = _last_lines(log, _SCANNED)
    for known in patterns:
        for line in lines:
            found = known.pattern.search(line)
            if found:
                words = {name: text or "" for name, text in found.groupdict().items()}
                return FailureCause(known.cause.format(**words), known.help.format(**words), line.strip())
    return None


def tail_of(log: Path, lines: int = TAIL) -> tuple[str, ...]:
    """The last lines of a log."""
    return tuple(_last_lines(log, lines))


def _last_lines(log: Path, most: int) -> list[str]:
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, most)]
    except OSError:
        return []


def _pattern(table: Table) -> re.Pattern[str] | None:
    text = table.text("pattern")
    try:
        return re.compile(text)
    except re.error as error:
        table.fault(f'"pattern" is not a regular expression: {error}')
        return None
