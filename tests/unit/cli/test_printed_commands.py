"""What the source prints as a command can be typed: every such text is found there, and parsed by the program.

These are parsed and not run: tests/e2e/test_printed_commands.py runs those that a run prints.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from printed import COMPOSERS, commands_in, composed_in_source, docstrings_in, fault_of, printed_in_source

import ppcdeps
from ppcdeps.cli.main import cli
from ppcdeps.model.commands import RECORDED_OPTIONS

SOURCE = Path(ppcdeps.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
DATA = [file for file in sorted(SOURCE.rglob("data/**/*.toml")) if file.parent.name != "demo"]  # those are templates
_LACKS = "Missing argument"
_MAY_PRINT = re.compile("|".join(["ppcdeps ", *COMPOSERS]))
NOT_OF_THE_REQUEST = frozenset(
    {
        "output",
        "build-order",
        "html",
        "no-output",
        "json",
        "offline",
        "locked",
        "refresh",
        "cache-dir",
        "quiet",
        "no-progress",
        "debug",
        "help",
    }
)
"""The options of `plan` that do not decide on the plan."""


def texts_of(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from texts_of(each)
        case list():
            for each in value:
                yield from texts_of(each)


def faults(place: str, commands: list[list[str]]) -> list[str]:
    return [f"{place}: ppcdeps {' '.join(words)}: {fault}" for words in commands if (fault := fault_of(words))]


def test_commands_in_texts_of_the_source_can_be_typed() -> None:
    found, refused = 0, []
    for module in MODULES:
        if not _MAY_PRINT.search(module.read_text("utf-8")):
            continue
        place = str(module.relative_to(SOURCE))
        for line, text in printed_in_source(module):
            commands = commands_in(text)
            found += len(commands)
            refused += faults(f"{place}:{line}", commands)
        for line, words, is_open in composed_in_source(module):
            found += 1
            refused += [each for each in faults(f"{place}:{line}", [words]) if not (is_open and _LACKS in each)]
    assert refused == []
    assert found > 40, "the search finds nothing any more"


def test_commands_in_shipped_data_can_be_typed() -> None:
    found, refused = 0, []
    for file in DATA:
        commands = [words for text in texts_of(tomllib.loads(file.read_text())) for words in commands_in(text)]
        found += len(commands)
        refused += faults(file.name, commands)
    assert refused == []
    assert found > 5


def test_what_help_mentions_is_there() -> None:
    """Help names commands, not always with what they need; `ppcdeps sync` is there, and takes what stands with it."""
    for module in sorted((SOURCE / "cli").glob("*.py")):
        for line, text in docstrings_in(module):
            for words in commands_in(text):
                fault = fault_of([*words, "--help"])
                assert fault == "", f"{module.name}, line {line}: {words}: {fault}"


def test_a_command_that_cannot_be_typed_is_found() -> None:
    (words,) = commands_in("make it with `ppcdeps plan` and more")
    assert "Missing argument" in fault_of(words)
    (words,) = commands_in("plan again with ppcdeps plan app --enable-repo x  # so")
    assert "No such option" in fault_of(words)
    assert fault_of(["bild", "x"]) != ""
    assert fault_of(["recipes", "show"]) != ""
    assert fault_of(["recipes", "show", "x"]) == ""


def test_every_option_of_plan_is_recorded_or_known_to_decide_nothing() -> None:
    """Who gives `plan` a new option says here, or in RECORDED_OPTIONS, whether plans remember it."""
    plan = cli.get_command(None, "plan")  # type: ignore[arg-type]
    assert plan is not None
    options = {max(each.opts, key=len).removeprefix("--") for each in plan.params if each.param_type_name == "option"}
    assert options - NOT_OF_THE_REQUEST <= set(RECORDED_OPTIONS)
    assert not NOT_OF_THE_REQUEST & set(RECORDED_OPTIONS)
