"""The group of commands, and how every fault becomes one line and an exit code."""

import errno
import re
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import click
import pytest

from ppcdeps.cli import main as program
from ppcdeps.model.errors import (
    BuildError,
    ConfigError,
    EnvironmentLacksError,
    PpcdepsError,
    RepositoryError,
    UsageError,
)
from ppcdeps.model.exitcodes import ExitCode


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The command `fail` raises what this list holds."""
    raised: list[BaseException] = []

    @click.command()
    def fail() -> None:
        raise raised[0]

    module = ModuleType("ppcdeps.cli.fail")
    vars(module)["fail"] = fail
    monkeypatch.setitem(sys.modules, "ppcdeps.cli.fail", module)
    monkeypatch.setitem(program.COMMANDS, "fail", ("ppcdeps.cli.fail:fail", "Fail."))
    monkeypatch.delenv("PPCDEPS_DEBUG", raising=False)
    return raised


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_exists_and_its_line_is_told_twice_alike(name: str) -> None:
    where, line = program.COMMANDS[name]
    module, _, attribute = where.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert re.fullmatch(r"[A-Z].*\.", line)


@pytest.mark.parametrize("name", program.COMMANDS)
def test_the_help_of_every_command_can_be_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: ppcdeps {name}")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (PpcdepsError, 70),
        (UsageError, 2),
        (ConfigError, 3),
        (BuildError, 10),
        (EnvironmentLacksError, 20),
        (RepositoryError, 30),
    ],
)
def test_an_error_of_ours_is_one_line_with_its_code(
    kind: type[PpcdepsError], code: int, raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(kind("file x: broken", hint="mend it"))
    assert program.main(["fail"]) == code
    assert capsys.readouterr() == ("", "ppcdeps: error: file x: broken; mend it\n")


def test_all_faults_of_a_file_are_told(raising: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    raising.append(ConfigError("file x has 2 faults", faults=("line 1: a", "line 2: b")))
    assert program.main(["fail"]) == 3
    assert capsys.readouterr().err == "ppcdeps: error: file x has 2 faults\n  line 1: a\n  line 2: b\n"


def test_an_interrupt_ends_with_130(raising: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    raising.append(KeyboardInterrupt())
    assert program.main(["fail"]) == 130
    assert capsys.readouterr().err == "ppcdeps: interrupted\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_anywhere_ends_with_20(
    number: int, raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(OSError(number, "full", "/some/file"))
    assert program.main(["fail"]) == 20
    assert capsys.readouterr().err.startswith("ppcdeps: error: no space left while writing to /some/file; ")


def test_another_refusal_of_the_machine_names_the_file(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(PermissionError(errno.EACCES, "Permission denied", "/some/file"))
    assert program.main(["fail"]) == 20
    assert capsys.readouterr().err == "ppcdeps: error: /some/file: Permission denied\n"


def test_a_defect_is_told_as_one_and_how_to_see_more(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    raising.append(KeyError("lost"))
    assert program.main(["fail"]) == 70
    err = capsys.readouterr().err
    assert re.fullmatch(
        r"ppcdeps: error: this is a defect of ppcdeps: KeyError at \w+\.py:\d+: 'lost'; "
        r"run it again with PPCDEPS_DEBUG=1 .*\n",
        err,
    )


def test_debug_shows_the_traceback(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPCDEPS_DEBUG", "1")
    raising.append(KeyError("lost"))
    assert program.main(["fail"]) == 70
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plann"], 'there is no command "plann"; did you mean "plan"?; see `ppcdeps --help`'),
        (["--nothing"], "No such option"),
        (["sync", "--nothing"], "see `ppcdeps sync --help`"),
        (["diff", "one.json"], "Missing argument"),
        (["sync", "--offline", "--refresh"], "--offline and --refresh contradict each other"),
        (["snapshot", "save", "x.tar.gz"], "name it .tar"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_code_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ppcdeps: error: ")
    assert told in err
    assert err.count("\n") == 1


def test_without_arguments_the_help_is_shown_and_the_code_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 2
    assert "Usage: ppcdeps" in capsys.readouterr().err


def test_an_interruption_while_modules_are_loaded_is_one_line() -> None:
    program = (
        "import runpy, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "runpy.run_module('ppcdeps', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "ppcdeps: interrupted\n")
