"""Why a build failed, by patterns in its log, which the rules file `build-failures.toml` lists."""

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, raise_faults, read_toml
from ppcdeps.model.errors import PpcdepsError

TAIL = 30
"""Lines of a log that are shown when a build failed."""

BUILD_SYSTEM = "build-system.requires: "
"""How a line begins that was noted before the build: it counts for whichever section failed."""
_LONGEST = 4_000
"""Characters of a line that are searched: of a compiler's command lines, more says nothing."""
_FAILED = re.compile(r"Bad exit status from \S+ \((%\w+)\)")
_EMPTY = re.compile(r" ?\((?:, )?\)|(?<=\() *, |, (?=\))")
"""What is left of parentheses where a group is empty."""
_SCANNED = 4_000
"""Lines at the end of a log in which a cause is looked for: make goes on for a while after an error."""


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """A known kind of failure: the lines that show it, its cause, and what helps.

    ``cause`` and ``help`` may name groups of the pattern in braces. Of what a log shows, the highest ``rank`` wins.
    ``by_machine``: the machine is at fault, and another one may do the same build.
    """

    pattern: re.Pattern[str]
    cause: str
    help: str
    rank: int = 1
    by_machine: bool = False


@dataclass(frozen=True, slots=True)
class FailureCause:
    """The likely cause of one failure, with the line of the log that shows it.

    ``by_machine``: the machine is at fault, and another one may do the same build.
    """

    cause: str
    help: str
    line: str = ""
    by_machine: bool = False

    @classmethod
    def of(cls, error: PpcdepsError, *, by_machine: bool = False) -> "FailureCause":
        """What an error says, with all its faults in one line."""
        faults = f": {'; '.join(error.faults)}" if error.faults else ""
        return cls(f"{error.message.rstrip(':')}{faults}", error.hint or "", by_machine=by_machine)


def load_failures(file: TomlFile | None = None) -> tuple[FailurePattern, ...]:
    """The known kinds of failures: those that ppcdeps ships, or of another file of that form.

    Raises ConfigError with all faults of the file.
    """
    file = file or shipped_file("rules", "build-failures")
    top = read_toml(file, "rules file")
    found = []
    for table in top.tables("failure"):
        pattern = _pattern(table)
        made = table.text("cause"), table.text("help"), table.integer("rank", least=1)
        by_machine = table.flag("machine")
        table.text("reason")
        table.finish()
        if pattern is not None:
            found.append(FailurePattern(pattern, *made, by_machine))
    top.finish()
    raise_faults(top, file, "rules file")
    return tuple(found)


def cause_of(log: Path, patterns: tuple[FailurePattern, ...]) -> FailureCause | None:
    """What the end of a log says went wrong; None where no known pattern is in it.

    Only the section that failed is read, where rpmbuild says which. The patterns' order decides nothing: it is the
    first line of those with the highest rank, and in one line what matches most of it.
    """
    best: tuple[tuple[int, int, int, str], FailureCause] | None = None
    for number, line in enumerate(_failed_section(_last_lines(log, _SCANNED))):
        for known in patterns:
            if best is not None and (known.rank, -number) < best[0][:2]:
                continue
            found = known.pattern.search(line[:_LONGEST])
            if not found:
                continue
            key = (known.rank, -number, found.end() - found.start(), known.cause)
            if best is None or key > best[0]:
                best = key, _cause(known, found, line.strip())
    return best[1] if best else None


def _cause(known: FailurePattern, found: re.Match[str], line: str) -> FailureCause:
    words = {name: text or "" for name, text in found.groupdict().items()}
    cause, hint = (_EMPTY.sub("", text.format(**words)).strip() for text in (known.cause, known.help))
    return FailureCause(cause, hint, line, known.by_machine)


def _failed_section(lines: list[str]) -> list[str]:
    """The lines of the section that ended the build: what earlier ones said did not."""
    failed = next((found[1] for line in reversed(lines) if (found := _FAILED.search(line))), None)
    if failed is None:
        return lines
    begin = max((number for number, line in enumerate(lines) if line.startswith(f"Executing({failed})")), default=0)
    return [*(line for line in lines[:begin] if line.startswith(BUILD_SYSTEM)), *lines[begin:]]


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
