"""How the program starts, and what it says of itself."""

import subprocess
import sys
from pathlib import Path

from mirror import PATIENCE
from program import Program

HEAVY = {"requests", "rich", "yaml", "packaging", "zstandard", "solv", "resolvelib", "importlib.metadata"}


def test_help_imports_no_command_and_no_heavy_library(ppcdeps: Program) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ppcdeps", "--help"],
        env=ppcdeps.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported & HEAVY
    ours = {name for name in imported if name.startswith("ppcdeps")}
    start = {"ppcdeps", *(f"ppcdeps.{name}" for name in ("cli", "cli.main", "cli.lazy_group", "cli.output"))}
    assert ours <= {*start, *(f"ppcdeps.model{name}" for name in ("", ".errors", ".exitcodes", ".visible"))}


def test_help_lists_every_command_with_its_line(ppcdeps: Program) -> None:
    shown = ppcdeps("--help").out
    for name in ("plan", "why", "diff", "sync", "snapshot", "constraints"):
        assert f"\n  {name} " in shown
    assert "Exit codes: " in shown


def test_the_version_is_told(ppcdeps: Program) -> None:
    from ppcdeps import __version__

    assert ppcdeps("--version").out == f"ppcdeps {__version__}\n"


def test_the_installed_command_is_the_same_program(ppcdeps: Program) -> None:
    command = Path(sys.executable).with_name("ppcdeps")
    done = subprocess.run(
        [command, "--version"], env=ppcdeps.environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout == ppcdeps("--version").out


def test_the_shell_completes_commands_and_options(ppcdeps: Program) -> None:
    def completed(words: str, count: int) -> list[str]:
        said = ppcdeps(_PPCDEPS_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count)).out.splitlines()
        return [line.partition(",")[2] for line in said]

    assert completed("ppcdeps s", 1) == ["sync", "snapshot"]
    assert "--enablerepo" in completed("ppcdeps sync --en", 2)
    assert completed("ppcdeps snapshot ", 2) == ["info", "save", "use"]


def test_a_reader_that_has_enough_is_no_fault(ppcdeps: Program) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" | true; echo "${PIPESTATUS[0]}"', "bash", *ppcdeps.command("--help")],
        env=ppcdeps.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    # 0 where all of it went into the pipe before its reader left.
    assert done.stdout.strip() in {"0", "141"}


def test_a_full_standard_output_is_one_line(ppcdeps: Program) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            ppcdeps.command("--help"),
            env=ppcdeps.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 20
    assert done.stderr.startswith("ppcdeps: error: no space left while writing to standard output")
    assert done.stderr.count("\n") == 1
