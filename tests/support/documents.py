"""Documents whose commands are run: files and sessions in fenced blocks, in a reader's order."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# ([\w.-]+)\n")


@dataclass(frozen=True)
class Step:
    """A file that the reader writes, or a command that is typed and what it prints, `...` for lines left out."""

    name: str
    text: str
    is_file: bool


def steps_of(document: str) -> list[Step]:
    """The blocks whose first line names a file (`# site.toml`), and the commands of those that are sessions."""
    steps = []
    for kind, body in _BLOCK.findall(document):
        named = _NAMED.match(body)
        if kind == "console":
            for typed in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, shown = typed.partition("\n")
                steps.append(Step(command, shown, False))
        elif named:
            steps.append(Step(named[1], body, True))
    return steps


def fits(printed: str, shown: str) -> bool:
    """Whether what was printed is what a document shows."""
    lines = [".*(?:\\n.*)*" if line == "..." else re.escape(line) for line in shown.rstrip("\n").split("\n")]
    return re.fullmatch("\n".join(lines), printed.rstrip("\n")) is not None


class Reader:
    """Does what a document says, in a folder, with a host name of the document standing for a server here."""

    def __init__(self, folder: Path, variables: Mapping[str, str], stands_for: Mapping[str, str]) -> None:
        self.folder = folder
        self.stands_for = stands_for
        programs = folder.parent / "bin"
        programs.mkdir()
        (programs / "ppcdeps").write_text(f'#!/bin/sh\nexec {sys.executable} -m ppcdeps "$@"\n')
        (programs / "ppcdeps").chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "PPCDEPS_CACHE": str(folder.parent / "cache"),
            "NO_COLOR": "1",
            **variables,
        }

    def follow(self, step: Step) -> str:
        """Write the file, or run the command. Returns what it printed, with the document's host names."""
        text = step.name if not step.is_file else step.text
        for host, here in self.stands_for.items():
            text = text.replace(host, here)
        if step.is_file:
            (self.folder / step.name).write_text(text)
            return ""
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode in (0, 1, 2), done.stderr
        # A document shows an error, and no progress.
        printed = done.stdout or "".join(done.stderr.splitlines(keepends=True)[-1:])
        for host, here in self.stands_for.items():
            printed = printed.replace(here, host)
        return printed
