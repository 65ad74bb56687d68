"""Closed, full and narrow standard streams: an exit code that tells the truth, and no traceback."""

import json
import subprocess
from pathlib import Path

import pytest
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra


@pytest.fixture
def ppcdeps(tmp_path: Path) -> Program:
    folder = tmp_path / "user"
    folder.mkdir()
    gap = Package(Nevra.parse("app-1-1.noarch"), relations={"requires": ("gone→x",)})
    write_repository(folder / "repo", [gap])
    return Program(folder, {})


PLAN = ("plan", "app", "--no-output", "--python", "rpm", "--repofrompath", "base,repo")


def run(ppcdeps: Program, redirection: str, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {redirection}', "bash", *ppcdeps.command(*words)],
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ppcdeps.patience,
    )


@pytest.mark.parametrize(
    "words", [PLAN, (*PLAN, "--json"), ("--version",), ("--help",), ("recipes", "list"), ("plan", "--help")]
)
def test_with_standard_output_closed_it_says_so(words: tuple[str, ...], ppcdeps: Program) -> None:
    """Exit 1 would mean that gaps remain, and 0 that there are none."""
    done = run(ppcdeps, ">&-", *words)
    assert done.returncode == 20, done.stderr
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("ppcdeps: error: ")]


@pytest.mark.parametrize("words", [PLAN, (*PLAN, "--json"), ("--help",), ("recipes", "list")])
def test_with_a_full_device_as_standard_output_it_says_so(words: tuple[str, ...], ppcdeps: Program) -> None:
    done = run(ppcdeps, ">/dev/full", *words)
    assert done.returncode == 20, done.stderr
    assert "standard output" in done.stderr


@pytest.mark.parametrize("words", [PLAN, (*PLAN, "--json")])
@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full"])
def test_without_standard_error_the_answer_is_the_same(words: tuple[str, ...], how: str, ppcdeps: Program) -> None:
    done = run(ppcdeps, how, *words)
    assert done.returncode == 1
    assert done.stdout == run(ppcdeps, "", *words).stdout


def test_an_error_without_standard_error_has_its_exit_code(ppcdeps: Program) -> None:
    for how in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        assert run(ppcdeps, how, "plan", "none.toml").returncode == 2


def test_with_all_streams_closed_the_exit_code_tells(ppcdeps: Program) -> None:
    for words in (PLAN, ("--version",)):
        assert run(ppcdeps, "<&- >&- 2>&-", *words).returncode == 20


def test_without_standard_input_it_works(ppcdeps: Program) -> None:
    assert run(ppcdeps, "<&-", *PLAN).returncode == 1


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437", "utf-16", "utf-8:strict", "ascii:strict"])
@pytest.mark.parametrize("words", [PLAN, (*PLAN, "--json")])
def test_a_narrow_encoding_is_no_defect(words: tuple[str, ...], encoding: str, ppcdeps: Program) -> None:
    done = subprocess.run(
        ppcdeps.command(*words),
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(PYTHONIOENCODING=encoding),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=ppcdeps.patience,
    )
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    if "--json" in words:
        name = encoding.partition(":")[0]
        document = json.loads(done.stdout.decode(name))
        assert "gone→x" in json.dumps(document, ensure_ascii=False)


def test_the_locale_c_is_no_defect(ppcdeps: Program) -> None:
    done = run(ppcdeps, "", *PLAN, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 1, done.stderr
