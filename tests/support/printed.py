"""Commands of ppcdeps in what it prints and in its source: found, and parsed as the program parses them."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import click

from ppcdeps.cli.main import COMMANDS, cli

_QUOTED = re.compile(r"`(ppcdeps [^`]+)`")
_BARE = re.compile(rf"(?<![\w/.`-])(ppcdeps (?:{'|'.join(map(re.escape, COMMANDS))})\b(?! <)[^`\n]*)")
_PLACEHOLDER = re.compile(r"(?:NAME|FILE|DIR|FOLDER|PLACE|PLAN|WORKLOAD)")
COMPOSERS = frozenset({"command_line", "next_command"})
"""The functions that write out a command of their words."""


def commands_in(text: str) -> list[list[str]]:
    """The commands that a text has, in backquotes or up to the end of the line, without the program's name.

    What follows ``  #`` is a remark, and what follows ``>`` a file, as a shell has it.
    """
    found = [match[1] for match in _QUOTED.finditer(text)]
    found += [match[1] for match in _BARE.finditer(_QUOTED.sub("", text))]
    return [shlex.split(line.partition(" > ")[0], comments=True)[1:] for line in dict.fromkeys(found)]


def is_whole(words: list[str]) -> bool:
    """Whether a command says all itself: no word in capitals stands for something that the reader knows."""
    return not any(_PLACEHOLDER.fullmatch(word) for word in words)


def fault_of(words: list[str]) -> str:
    """Why the program's parser refuses a command, nothing where it takes it. Nothing is run."""
    try:
        # A group's own method parses the words of its commands, and runs them by this one.
        with patch.object(click.Command, "invoke", lambda self, context: None):
            cli.main(words, prog_name="ppcdeps", standalone_mode=False)
    except click.exceptions.Exit as done:
        return "" if done.exit_code == 0 else str(done.exit_code)
    except click.ClickException as fault:
        return fault.format_message()
    return ""


def printed_in_source(file: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstrings, each with its line; what is computed in them is the word x1."""
    tree = ast.parse(file.read_text("utf-8"))
    inside = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in ast.walk(node)}
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_spelled(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | remarks:
            yield node.lineno, node.value


def composed_in_source(file: Path) -> Iterator[tuple[int, list[str], bool]]:
    """The words of commands that a module has written out, each with its line; what is computed is the word x1.

    The last value says whether there are more words than the source shows.
    """
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in COMPOSERS and node.args and isinstance(node.args[0], ast.Constant):
            given = [each for each in node.args if not isinstance(each, ast.Starred)]
            yield node.lineno, [_spelled(each) for each in given], len(given) < len(node.args)


def docstrings_in(file: Path) -> Iterator[tuple[int, str]]:
    """The docstrings of a module's functions, which are the help of commands."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.lineno, text


def _spelled(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "x1"
