"""Manual pages, one a command, from the texts of `--help`: `python -m ppcdeps.cli.manual DIR`.

The language is man(7)'s, in its portable part: .TH, .SH, .SS, .TP, .PP, .B, .EX.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from ppcdeps import __version__
from ppcdeps.cli.main import COMMANDS, PROGRAM, cli
from ppcdeps.cli.output import write_line
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.visible import visible

EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.DONE: "Done, and nothing is missing.",
    ExitCode.GAPS_REMAIN: (
        "Gaps remain; a check found an error or a warning; a step of check node failed; with diff --exit-code, "
        "plans differ."
    ),
    ExitCode.USAGE: "The command line names what does not exist, or contradicts itself.",
    ExitCode.CONFIG: "A configuration or input file cannot be read, or says something impossible.",
    ExitCode.BUILD_FAILED: "A build failed.",
    ExitCode.ENVIRONMENT_LACKS: (
        "The environment lacks a tool or a library, or the machine refused: the disk is full, no permission."
    ),
    ExitCode.REPOSITORY: "A repository or an index could not be read, or what it sent cannot be trusted.",
    ExitCode.CLOUD: "A cloud does not answer, refuses what is requested, or its quota has no room.",
    ExitCode.DEFECT: "A defect of ppcdeps.",
    ExitCode.INTERRUPTED: "Interrupted (Ctrl-C). Nothing is half-written.",
    ExitCode.BROKEN_PIPE: "The reader of standard output closed it.",
}
"""What each exit code means."""

VARIABLES = (
    ("PPCDEPS_CACHE", "Where metadata is kept, in place of ppcdeps below $XDG_CACHE_HOME (~/.cache)."),
    ("PPCDEPS_DEBUG", "If set, the traceback behind an error is shown, too."),
    ("DNF_VAR_name, DNF0 to DNF9", "dnf variables for the URLs of repositories, as dnf reads them."),
    ("NO_COLOR", "If set, nothing is colored."),
    ("http_proxy, https_proxy, no_proxy", "The proxy, where a repository names none."),
)
"""The environment variables that change what is done."""


def write_manual(folder: Path) -> list[Path]:
    """Write the page of the program and one of each command to the folder. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages():
        path = folder / f"{name}.1"
        path.write_text(text, "utf-8")
        written.append(path)
    return written


def pages() -> Iterator[tuple[str, str]]:
    """The name and the text of each page, subcommands of groups included."""
    with click.Context(cli, info_name=PROGRAM) as context:
        others = [(f"{PROGRAM} {name}", line) for name, (_, line) in COMMANDS.items()]
        yield PROGRAM, _page(cli, context, "what it takes to run an RPM workload on ppc64le", others)
        for name, (_, line) in COMMANDS.items():
            command = cli.get_command(context, name)
            assert command is not None
            yield from _pages_of(command, name, line, context)


def _pages_of(command: click.Command, name: str, line: str, parent: click.Context) -> Iterator[tuple[str, str]]:
    with click.Context(command, parent=parent, info_name=name) as context:
        inner = _inner(command, context)
        title = context.command_path
        others = [(f"{title} {each}", one.get_short_help_str(200)) for each, one in inner.items()]
        yield title.replace(" ", "-"), _page(command, context, line, others)
        for each, one in inner.items():
            yield from _pages_of(one, each, one.get_short_help_str(200), context)


def _inner(command: click.Command, context: click.Context) -> dict[str, click.Command]:
    if not isinstance(command, click.Group):
        return {}
    found = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return {name: one for name, one in found.items() if one is not None}


def _page(command: click.Command, context: click.Context, line: str, others: Sequence[tuple[str, str]]) -> str:
    title = context.command_path
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH "{_plain(title.replace(" ", "-").upper())}" 1 "" "{PROGRAM} {__version__}" "User Commands"',
        ".SH NAME",
        rf"{_plain(title.replace(' ', '-'))} \- {_plain(line.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_plain(title)}",
        _plain(usage),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
    ]
    options = [record for one in command.params if (record := one.get_help_record(context)) is not None]
    lines += _entries("OPTIONS", options)
    lines += _entries("COMMANDS", others)
    lines += _entries("EXIT STATUS", [(str(int(code)), text) for code, text in EXIT_CODES.items()])
    lines += _entries("ENVIRONMENT", VARIABLES)
    if title != PROGRAM:
        lines += [".SH SEE ALSO", f".BR {PROGRAM} (1)"]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    cleaned = inspect.cleandoc(text)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", cleaned) if part.strip()]
    return [line for part in paragraphs for line in (".PP", _plain(part))]


def _entries(title: str, entries: Sequence[tuple[str, str]]) -> list[str]:
    if not entries:
        return []
    lines = [f".SH {title}"]
    for term, text in entries:
        lines += [".TP", f".B {_plain(term)}", _plain(text) if text else r"\&"]
    return lines


def _plain(text: str) -> str:
    """Text as roff takes it for text: no line is a request, a hyphen stays one that can be copied."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    for page in write_manual(Path(sys.argv[1] if len(sys.argv) > 1 else "man")):
        write_line(visible(str(page)))
