"""What a shell is given to complete, by click's own classes and by a real bash."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from ppcdeps.cli.main import PROGRAM, cli
from ppcdeps.engines.probe import ENGINES
from ppcdeps.metadata.targets import list_targets, load_target
from ppcdeps.planning.workloads import list_workloads
from ppcdeps.recipebook.book import load_book

VARIABLE = "_PPCDEPS_COMPLETE"


def completed(line: str) -> list[tuple[str, str]]:
    """Kind and value of what completes the last word of a line, which may be empty."""
    *words, incomplete = line.split(" ")
    return [
        (item.type, item.value)
        for item in BashComplete(cli, {}, PROGRAM, VARIABLE).get_completions(words, incomplete)
    ]


def names(line: str) -> list[str]:
    found = completed(line)
    assert all(kind == "plain" for kind, _ in found)
    return [value for _, value in found]


@pytest.mark.parametrize(
    "line", ["plan --target ", "why x -t ", "sync --target ", "check host --target ", "recipes lint -t ", "targets "]
)
def test_targets(line: str) -> None:
    assert names(line) == list(list_targets())
    assert names(f"{line}alma") == ["almalinux-10", "almalinux-8", "almalinux-9"]


@pytest.mark.parametrize("line", ["plan ", "plan bash ", "constraints ", "why x --for ", "workloads "])
def test_workloads(line: str) -> None:
    assert names(line) == list(list_workloads())


@pytest.mark.parametrize("target", ["centos-7-altarch", "almalinux-10"])
def test_the_releases_of_the_target_that_is_named(target: str) -> None:
    assert names(f"plan nova-compute --target {target} --release ") == list(load_target(target).openstack_releases)


def test_the_releases_of_a_target_file_and_none_of_a_wrong_one(tmp_path: Path) -> None:
    assert names("plan x --release yo") == ["yoga"]
    assert names(f"plan x --target {tmp_path}/none.toml --release ") == []


def test_recipes_the_users_own_too(tmp_path: Path) -> None:
    folders = sorted(recipe.folder.name for recipe in load_book())
    assert names("recipes show ") == folders
    (tmp_path / "zzz").mkdir()
    (tmp_path / "zzz" / "recipe.toml").touch()
    assert names(f"recipes show --recipes {tmp_path} zz") == ["zzz"]


def test_engines_and_buildroots() -> None:
    assert names("build plan.json --engine ") == list(ENGINES)
    assert "centos-stream-9" in names("buildroot create ")
    assert names("build plan.json --buildroot debian-12-") == ["debian-12-cross"]


@pytest.mark.parametrize("line", ["plan --target ./m", "plan ./m", "build ./m"])
def test_files_where_no_name_begins_so(line: str) -> None:
    assert completed(line) == [("file", "./m")]


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_the_script_of_each_shell(shell: type[BashComplete]) -> None:
    script = shell(cli, {}, PROGRAM, VARIABLE)
    assert f"{VARIABLE}={script.name}_complete" in script.source_template % script.source_vars()


def test_a_real_bash_completes(tmp_path: Path) -> None:
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ppcdeps "$@"\n')
    program.chmod(0o755)
    script = f"""
        eval "$({VARIABLE}=bash_source ppcdeps)"
        complete -p ppcdeps
        COMP_WORDS=(ppcdeps plan nova-compute --target centos-stream-1) COMP_CWORD=4
        _ppcdeps_completion ppcdeps
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-euc", script],
        env={"PATH": f"{program.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    how, found = done.stdout.splitlines()
    assert how.endswith("-F _ppcdeps_completion ppcdeps")
    assert found == "centos-stream-10"
