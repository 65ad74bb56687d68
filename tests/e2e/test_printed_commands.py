"""What ppcdeps prints as a command to type next works as it is printed: each is found in the output, and run.

Builds and what needs root are run up to what this world lacks (a buildroot), or without their costly part
(`verify --no-install`); all others to their end. tests/unit/cli/test_printed_commands.py parses those that no run
here prints.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from enabling import read_enabling_cases, write_target
from indexes import wheel
from printed import commands_in, fault_of, is_whole
from program import Program, Run
from rpms import Rpm
from srpms import run as run_program

from ppcdeps.model.exitcodes import ExitCode

CASE = next(case for case in read_enabling_cases() if case.name == "a repository that has what is missing")
RPM = ("--python", "rpm")
TARGET = ("--target", "my targets/target.toml")


@pytest.fixture
def ppcdeps(tmp_path: Path) -> Program:
    """The program in a folder with a blank in its name, and a target file in another one."""
    folder = tmp_path / "a user"
    folder.mkdir()
    file = write_target(CASE, folder / "my targets")
    assert file == folder / "my targets" / "target.toml"
    return Program(folder, {})


def follow(program: Program, run: Run, *, but: tuple[str, ...] = ()) -> dict[str, Run]:
    """Run all commands that a run printed, by their words in one line; ``but`` are not run, and parsed only."""
    done: dict[str, Run] = {}
    for words in commands_in(run.out + run.err):
        assert fault_of(words) == "", words
        assert is_whole(words), words
        if words[0] in but:
            continue
        if words[0] == "build":
            done[" ".join(words)] = program(*words, code=ExitCode.CONFIG)
            assert "names no buildroot" in done[" ".join(words)].fault
            continue
        more = ("--no-install",) if words[0] == "verify" else ()
        done[" ".join(words)] = run_to_an_answer(program, [*words, *more])
    return done


def run_to_an_answer(program: Program, words: list[str]) -> Run:
    try:
        return program(*words, code=ExitCode.DONE)
    except AssertionError:
        return program(*words, code=ExitCode.GAPS_REMAIN)


def test_after_a_plan_its_names_are_explained_and_a_repository_is_enabled(ppcdeps: Program) -> None:
    done = follow(ppcdeps, ppcdeps("plan", "app", *TARGET, *RPM, code=1))
    why = done["why lib --plan plan-app.json"]
    assert "Gap: lib, absent" in why.out
    assert "explained in plan-app.json, made on " in why.err
    assert " by: ppcdeps plan app --target 'my targets/target.toml' --python rpm\n" in why.err
    (enabled,) = (run for words, run in done.items() if words.startswith("plan app "))
    assert "would close" not in enabled.out
    # Why itself prints the command that enables it, which works from its own output, too.
    again = follow(ppcdeps, why)
    assert any("--enablerepo extra" in words and "would close" not in run.out for words, run in again.items())


def test_a_plan_of_another_name_and_one_that_is_not_written(ppcdeps: Program) -> None:
    done = follow(ppcdeps, ppcdeps("plan", "app", *TARGET, *RPM, "-o", "a plan.json", code=1))
    assert "Gap: lib, absent" in done["why lib --plan a plan.json"].out
    assert "explained in a plan.json" in ppcdeps("why", "lib").err
    unwritten = ppcdeps("plan", "app", *TARGET, *RPM, "--disablerepo", "extra", "--no-output", code=1)
    (words,) = (each for each in follow(ppcdeps, unwritten) if each.startswith("why "))
    assert words == "why lib --for app --python rpm --target my targets/target.toml --disablerepo extra"
    last = ppcdeps("why", "lib")
    assert "explained in the plan that was made in this folder on " in last.err
    assert "--disablerepo extra" in last.err
    assert "To enable it" not in last.out


def test_commands_carry_the_cache_and_the_network(ppcdeps: Program, tmp_path: Path) -> None:
    cache = tmp_path / "another cache"
    elsewhere = Program(ppcdeps.folder, {"PPCDEPS_CACHE": str(tmp_path / "unused")})
    run = elsewhere("plan", "app", *TARGET, *RPM, "--cache-dir", cache, "--offline", code=1)
    (why,) = (words for words in follow(elsewhere, run) if words.startswith("why"))
    assert why == f"why lib --plan plan-app.json --offline --cache-dir {cache}"
    assert not (tmp_path / "unused").exists()


def test_the_commands_of_a_build_order(ppcdeps: Program) -> None:
    run = ppcdeps("plan", "app", *TARGET, *RPM, "--disablerepo", "extra", "--build-order", "-", code=1)
    done = follow(ppcdeps, run)
    assert sorted(done) == ["build plan-app.json", "build plan-app.json --only lib"]
    ppcdeps("plan", "app", *TARGET, *RPM, "--build-order", "order.json", code=1)
    order = json.loads((ppcdeps.folder / "order.json").read_text())
    commands = [step["command"] for wave in order["waves"] for step in wave]
    assert commands == ["ppcdeps build plan-app.json --only lib"]


def test_what_pip_installs_is_explained(ppcdeps: Program) -> None:
    page = ppcdeps.folder / "simple" / "maple"
    page.mkdir(parents=True)
    name, content = wheel("maple", "1.0")
    (page / name).write_bytes(content)
    (page / "index.html").write_text(f'<!DOCTYPE html>\n<a href="{name}">{name}</a>')
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": page.parent.as_uri()}
    program = Program(ppcdeps.folder, pip)
    done = follow(program, program("plan", "pypi:maple", *TARGET, code=1))
    (why,) = done.values()
    assert why.out.startswith("maple==1.0: pip installs a wheel of it")
    assert "  needs maple\n" in why.out
    assert "pypi:maple" in why.err


def test_repositories_of_the_command_line_in_another_folder(ppcdeps: Program) -> None:
    there = Program(ppcdeps.folder / "my targets", {**ppcdeps.variables, "PPCDEPS_CACHE": str(ppcdeps.cache)})
    words = ("--repofrompath", "t,target", "--reference", "r,reference", "--releasever", "9")
    follow(there, there("plan", "app", *words, *RPM, code=1))
    # From elsewhere, what the plan names is found beside the plan.
    why = ppcdeps("why", "lib", "--plan", "my targets/plan-app.json")
    assert "--repofrompath 't,my targets/target'" in why.err
    assert "Gap: lib, absent" in why.out


@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild")
@pytest.mark.skipif(shutil.which("createrepo_c") is None, reason="needs createrepo_c")
def test_verify_after_a_build_as_it_is_printed(ppcdeps: Program, tmp_path: Path) -> None:
    reference = ppcdeps.folder / "my targets" / "reference"
    shutil.rmtree(reference)
    reference.mkdir()
    shutil.copy(Rpm("lib", arch="noarch").build(tmp_path / "top"), reference)
    run_program("createrepo_c", "--quiet", str(reference))
    words = (*TARGET, *RPM, "--disablerepo", "extra", "--setopt", "reference.retries=1")
    follow(ppcdeps, ppcdeps("plan", "app", *words, "-o", "a plan.json", code=1), but=("why",))
    built = ppcdeps("build", "a plan.json", "--repository", "what was built", "--work", "my run")
    done = follow(ppcdeps, built)
    (verify,) = (run for words, run in done.items() if words.startswith("verify a plan.json"))
    assert "Closed: " in verify.out


def test_errors_name_commands_that_can_be_typed(ppcdeps: Program) -> None:
    ppcdeps("plan", "app", *TARGET, *RPM, code=1)
    # What is left to a repository that is not enabled.
    refused = ppcdeps("build", "plan-app.json", code=2)
    done = follow(ppcdeps, refused)
    (again,) = (run for words, run in done.items() if "--enablerepo extra" in words)
    assert "would close" not in again.out
    ppcdeps("plan", "app", *TARGET, *RPM, code=1)
    # A plan of other metadata, and one that another ppcdeps wrote.
    plan = ppcdeps.folder / "plan-app.json"
    whole = plan.read_text()
    document = json.loads(whole)
    document["created_from"]["target"]["digest"] = "0" * 64
    plan.write_text(json.dumps(document))
    assert follow(ppcdeps, ppcdeps("build", "plan-app.json", "--alternatives", code=3))
    plan.write_text(whole.replace('"schema": 3', '"schema": 2'))
    assert follow(ppcdeps, ppcdeps("why", "lib", code=3))
    # A name that is not there, and a folder without a repository.
    ppcdeps("plan", "app", *TARGET, *RPM, code=1)
    assert follow(ppcdeps, ppcdeps("why", "zzz", code=2))
    assert ["build", "plan-app.json"] in commands_in(ppcdeps("verify", "plan-app.json", code=3).err)


def test_which_plan_is_the_last_one_is_said(ppcdeps: Program) -> None:
    nowhere = ppcdeps.folder / "new"
    nowhere.mkdir()
    ppcdeps("plan", "app", *TARGET, *RPM, code=1)
    ppcdeps("plan", "lib", *TARGET, *RPM, code=1)
    assert "explained in plan-lib.json" in ppcdeps("why", "lib").err
    # What is not remembered, as after a copy to another machine, is the newest file.
    shutil.rmtree(ppcdeps.cache)
    os.utime(ppcdeps.folder / "plan-lib.json", (1_700_000_000, 1_700_000_000))
    assert "explained in plan-app.json" in ppcdeps("why", "lib").err
    os.utime(ppcdeps.folder / "plan-app.json", (1_700_000_000, 1_700_000_000))
    fault = ppcdeps("why", "lib", code=2).fault
    assert "several plans of this folder are equally old: plan-app.json, plan-lib.json; name one with --plan" in fault
    assert "made on 2023-11-14 22:13 UTC" in ppcdeps("why", "lib", "--plan", "plan-lib.json").err
    assert "exclude each other" in ppcdeps("why", "lib", "--plan", "plan-lib.json", "--for", "app", code=2).fault
