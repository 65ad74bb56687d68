"""Commands to type next, with the options of the command that runs: the one place where these are put together.

Reports get `next_command`, which writes a command out. Errors and notes of lower layers name commands in backquotes,
with words in capitals for what these layers do not know (`ppcdeps plan WORKLOAD`): `completed` puts in what was
typed.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ppcdeps.base.urls import without_secrets
from ppcdeps.cli.lazy_group import ARGUMENTS
from ppcdeps.model.commands import PROGRAM, RECORDED_OPTIONS, RequestRecord, command_line

_REQUEST = "ppcdeps.request"
"""The key under which `click.Context.meta` has how the plan was requested that the command works on."""
_QUOTED = re.compile(rf"`({PROGRAM} [^`]+)`")
_OF_THIS_RUN = frozenset(
    {
        "as_json",
        "quiet",
        "no_progress",
        "refresh",
        "output",
        "order_file",
        "page_file",
        "no_output",
        "junit",
        "collect",
        "check",
        "globs",
        "names",
        "resume",
    }
)
"""Options that say how this run answers, and nothing of the next, or that who writes a command gives it."""
_WORKLOAD = "WORKLOAD"
_FILE = "PLAN"


def typed_command() -> tuple[str, ...]:
    """The words of the command that runs, the program's name first; its URLs and options have no passwords."""
    context = click.get_current_context()
    return (context.find_root().info_name or "", *map(without_secrets, context.meta.get(ARGUMENTS, ())))


def work_on(request: RequestRecord | None) -> None:
    """From now on the command works on a plan that was requested so, and that is part of commands to type next."""
    click.get_current_context().meta[_REQUEST] = request


def next_command(*words: str) -> str:
    """A command to type next, in one line: these words, and the options of the command that runs which it takes, too.

    What a plan records is left out of a command that is given the plan which this command makes.
    """
    return command_line(*_with_options(words, click.get_current_context(), offline=True))


def named_plan(file: Path) -> str:
    """What commands to type next call the plan in a file: PLAN where that is a pipe, which cannot be read again."""
    try:
        return _FILE if file.is_fifo() else str(file)
    except OSError:
        return str(file)  # of a length that no path has, or in a folder that cannot be read


def plan_again(*options: str) -> str:
    """The command that makes the plan which the command works on, with further options, in one line."""
    request: RequestRecord | None = click.get_current_context().meta.get(_REQUEST)
    words = request.plan_words(*options) if request is not None else ("plan", _WORKLOAD, *options)
    return next_command(*words)


def completed(text: str, context: click.Context) -> str:
    """A message whose commands in backquotes can be typed after the command of the context."""
    return _QUOTED.sub(lambda found: f"`{_completed_command(found[1], context)}`", text)


def _completed_command(line: str, context: click.Context) -> str:
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        return line
    if "--resume" in words:
        return line  # the run that is resumed has its options
    if _named(words, context.find_root()) is None:
        return line
    request: RequestRecord | None = context.meta.get(_REQUEST)
    if _FILE in words and isinstance(file := context.params.get("plan_file"), Path):
        words[words.index(_FILE)] = named_plan(file)
    if _WORKLOAD in words:
        typed = context.params.get("roots") or (request.words if request is not None else ())
        place = words.index(_WORKLOAD)
        words[place : place + 1] = typed or [_WORKLOAD]
    return command_line(*_with_options(words, context, offline=False))


def _with_options(words: Iterable[str], context: click.Context, *, offline: bool) -> list[str]:
    """The words with the options that were typed for the context's command, and that the named one takes, too.

    They are followed by those that the plan was requested with, where the named command is not given the plan.
    ``offline`` says whether a command that comes next is to use no network, either.
    """
    result = list(words)
    named = _named(result, context.find_root())
    if named is None:
        return result
    given = _Given(named, result)
    takes_plan = any(parameter.name == "plan_file" for parameter in named.params)
    with_plan = takes_plan and (named.name != "why" or "--plan" in result)
    more: list[str] = []
    for name, values in _typed_options(named, context):
        if context.info_name == "plan" and with_plan and name.lstrip("-") in RECORDED_OPTIONS:
            continue
        if name == "--offline" and (not offline or named.name == "sync"):
            continue
        # From a lock, nothing is read elsewhere.
        if name != "--mirror" or "--locked" not in result:
            more += given.added(name, values)
    request: RequestRecord | None = context.meta.get(_REQUEST)
    if request is not None and not with_plan:
        more += [word for name, values in request.options for word in given.added(f"--{name}", values)]
    place = result.index("--") if "--" in result else len(result)
    return [*result[:place], *more, *result[place:]]


class _Given:
    """The options that a command has so far."""

    def __init__(self, command: click.Command, words: Iterable[str]) -> None:
        self._repeatable: dict[str, bool] = {}
        for option in command.params:
            self._repeatable |= dict.fromkeys(option.opts, isinstance(option, click.Option) and option.multiple)
        self._values: dict[str, set[str | None]] = {}
        spelled = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
        for name, value in zip(spelled, [*spelled[1:], None], strict=True):
            if name in self._repeatable:
                self._values.setdefault(name, set()).add(value)

    def added(self, name: str, values: Iterable[str | None]) -> list[str]:
        """The words that give an option these values, as far as it takes them and has them not."""
        has = self._values.get(name, set())
        if name not in self._repeatable or (has and not self._repeatable[name]):
            return []
        new = [value for value in dict.fromkeys(values) if value not in has]
        self._values[name] = has | set(new)
        return [word for value in new for word in ([name] if value is None else [name, value])]


def _named(words: Iterable[str], root: click.Context) -> click.Command | None:
    """The command that the first words name, None where there is none."""
    command: click.Command | None = root.command
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(root, word)
    return None if isinstance(command, click.Group) else command


def _typed_options(named: click.Command, context: click.Context) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    """The options that were typed, and that the named command has as well; a flag has None for its value."""
    known = {(option.name, type(option.type)) for option in named.params if isinstance(option, click.Option)}
    for option in context.command.params:
        name = option.name or ""
        if not isinstance(option, click.Option) or name in _OF_THIS_RUN or name not in context.params:
            continue
        if (name, type(option.type)) not in known:
            continue
        if context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value, typed = context.params.get(name), max(option.opts, key=len)
        if option.is_flag:
            yield typed, (None,)
        else:
            values = value if option.multiple and isinstance(value, tuple) else (value,)
            yield typed, tuple(without_secrets(str(one)) for one in values)
