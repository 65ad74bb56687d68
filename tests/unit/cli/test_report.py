"""`ppcdeps report` and `plan --html`: where the page goes, and what is printed."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from pageaudits import AUDIT
from pageplans import PLAN
from pageresults import printed_results

from ppcdeps.auditing.audit_file import dump_audit
from ppcdeps.cli.main import main
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.plan_file import dump_plan


@pytest.fixture
def plan_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    file = tmp_path / "my plan.json"
    file.write_text(dump_plan(PLAN), "utf-8")
    return file


def test_the_page_is_written_beside_by_default_and_commands_name_the_plan(
    plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", plan_file.name]) == ExitCode.DONE
    printed = capsys.readouterr()
    assert "The page is in my plan.html (" in printed.out
    text = Path("my plan.html").read_text("utf-8")
    assert "<title>cloud on el9 (ppc64le)</title>" in text
    assert "ppcdeps build &#39;my plan.json&#39;" in text
    assert "on 2023-11-14 (UTC)" in text


def test_the_same_plan_gives_the_same_bytes(plan_file: Path) -> None:
    for name in ("a.html", "b.html"):
        assert main(["report", str(plan_file), "-o", name, "-q"]) == ExitCode.DONE
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_json_says_where_the_page_is(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(plan_file), "-o", "page.html", "--json"]) == ExitCode.DONE
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["title"]) == ("page.html", "cloud on el9 (ppc64le)")
    assert answer["verdict"].startswith("No way is known for 1 gap;")


def test_a_recipe_that_is_not_there_leaves_the_page_without_it(
    plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(plan_file), "--recipes", "nowhere"]) == ExitCode.DONE
    assert (
        "the page does not show what recipes change: there is no folder of recipes nowhere" in capsys.readouterr().err
    )
    assert Path("my plan.html").exists()


@pytest.mark.parametrize(("content", "code"), [("{}", ExitCode.CONFIG), (None, ExitCode.CONFIG)])
def test_what_is_no_plan_is_one_line(
    content: str | None, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    if content is not None:
        file.write_text(content)
    assert main(["report", str(file), "-o", str(tmp_path / "p.html")]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "p.html").exists()


def test_plan_writes_the_page_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PPCDEPS_CACHE", str(tmp_path / "cache"))
    assert main(["plan", "supermin", "--python", "rpm", "--html", "page.html"]) == ExitCode.GAPS_REMAIN
    assert "the page is in page.html" in capsys.readouterr().err
    text = Path("page.html").read_text("utf-8")
    assert "ppcdeps build plan-supermin.json --only supermin" in text
    assert "Recipe supermin" in text


def test_two_plans_are_compared_on_a_page(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = plan_file.with_name("later.json")
    later.write_text(dump_plan(replace(PLAN, gaps=PLAN.gaps[1:])), "utf-8")
    assert main(["report", plan_file.name, later.name]) == ExitCode.DONE
    assert "1 gap is closed." in capsys.readouterr().out
    assert "what changed" in Path("my plan-to-later.html").read_text("utf-8")
    assert main(["report", plan_file.name, plan_file.name]) == ExitCode.USAGE


def test_audit_writes_a_page_whose_commands_are_for_the_same_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PPCDEPS_CACHE", str(tmp_path / "cache"))
    command = ["audit", "--target", "centos-stream-10", "--only", "supermin*", "--only", "libguestfs"]
    assert main([*command, "--html", "page.html", "-o", "audit.json"]) == ExitCode.GAPS_REMAIN
    assert "the page is in page.html" in capsys.readouterr().err
    # The file says for which, too.
    assert main(["report", "audit.json"]) == ExitCode.DONE
    for page in ("page.html", "audit.html"):
        text = Path(page).read_text("utf-8")
        for option in ("--why NAME", "--output FILE"):
            only = "--only &#39;supermin*,libguestfs&#39;"
            assert f"ppcdeps audit {option} {only} --target centos-stream-10<" in text
        assert "ppcdeps plan supermin supermin-devel --target centos-stream-10" in text


def test_audits_are_written_and_compared_on_a_page(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, audit in (("may", AUDIT), ("june", replace(AUDIT, packages=AUDIT.packages[4:]))):
        Path(f"{name}.json").write_text(dump_audit(audit), "utf-8")
    assert main(["report", "may.json"]) == ExitCode.DONE
    assert "3 of 9 packages can be installed without a build" in capsys.readouterr().out
    text = Path("may.html").read_text("utf-8")
    assert "<title>Audit of el9 (ppc64le)</title>" in text
    assert main(["report", "may.json", "june.json", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["file"] == "may-to-june.html"
    assert "what changed" in Path("may-to-june.html").read_text("utf-8")
    assert main(["report", "may.json", plan_file.name]) == ExitCode.CONFIG
    assert "may.json is an audit, and my plan.json is none" in capsys.readouterr().err
    assert main(["report", "may.json", "--build", "b.json"]) == ExitCode.USAGE
    assert main(["report", plan_file.name, "later.json", "--recipes", "r"]) == ExitCode.USAGE
    assert "are for the page of one plan" in capsys.readouterr().err


@pytest.mark.parametrize("dump", [lambda: dump_plan(PLAN), lambda: dump_audit(AUDIT)], ids=["plan", "audit"])
def test_a_pipe_is_read_once(dump: Callable[[], str], plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = plan_file.with_name("later.json")
    later.write_text(dump(), "utf-8")

    def through_pipe(words: list[str]) -> int:
        ours, theirs = os.pipe()

        def fill() -> None:
            with os.fdopen(theirs, "w", encoding="utf-8") as stream:
                stream.write(dump())

        with os.fdopen(ours, "rb"):
            writer = Thread(target=fill)
            writer.start()
            code = main([word.replace("PIPE", f"/dev/fd/{ours}") for word in words])
            writer.join()
        return code

    assert through_pipe(["report", "PIPE", "-o", "page.html"]) == ExitCode.DONE
    assert "/dev/fd" not in Path("page.html").read_text("utf-8"), "commands cannot read it again"
    assert through_pipe(["report", "PIPE", later.name, "-o", "both.html"]) == ExitCode.DONE
    capsys.readouterr()
    assert through_pipe(["diff", later.name, "PIPE"]) == ExitCode.DONE
    assert "are the same.\n" in capsys.readouterr().out
    assert through_pipe(["verify", "PIPE"]) == ExitCode.CONFIG
    assert "`ppcdeps build /dev/fd" not in capsys.readouterr().err


def test_results_of_another_plan_are_refused(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run: dict[str, object] = {"workload": "other", "target": "el9", "repository": None, "published": 0, "results": []}
    run |= dict.fromkeys(("mode", "buildroot", "engine"), "x")
    Path("build.json").write_text(json.dumps(run), "utf-8")
    assert main(["report", plan_file.name, "--build", "build.json"]) == ExitCode.CONFIG
    assert "build.json is of other on el9, and the plan of cloud on el9" in capsys.readouterr().err
    run["workload"] = "cloud"
    Path("build.json").write_text(json.dumps(run), "utf-8")
    assert main(["report", plan_file.name, "--build", "build.json"]) == ExitCode.DONE
    # That of build --until-closed.
    run["verification"] = {**json.loads(printed_results(PLAN)[1]), "target": "el10"}
    Path("build.json").write_text(json.dumps(run), "utf-8")
    assert main(["report", plan_file.name, "--build", "build.json"]) == ExitCode.CONFIG
    assert "build.json is of cloud on el10, and the plan of cloud on el9" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["-", ""])
def test_what_is_written_has_a_name(plan_file: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().iterdir())
    for words in (
        ["report", plan_file.name, "-o", name],
        *(["audit", option, name] for option in ("-o", "--html")),
        *(["plan", "bash", option, name] for option in ("-o", "--html")),
    ):
        assert main(words) == ExitCode.USAGE
        said = capsys.readouterr().err
        assert ("name a file" if name else "is empty") in said
        assert said.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_where_a_page_or_an_audit_cannot_be_written_is_said_before_anything_is_made(
    plan_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PPCDEPS_CACHE", str(plan_file.with_name("cache")))
    for words, option in (
        (["plan", "supermin", "--html", "nowhere/x"], "--html"),
        (["audit", "--html", "nowhere/x"], "--html"),
        (["audit", "-o", "nowhere/x", "--html", "page.html"], "--output"),
    ):
        assert main(words) == ExitCode.CONFIG
        said = capsys.readouterr().err
        assert f"cannot write nowhere/x: No such file or directory; name another place with {option}\n" in said
        assert said.count("\n") == 1
    assert [one.name for one in Path().iterdir() if one.is_file()] == [plan_file.name]


def test_a_page_takes_the_place_of_no_file_of_its_command(
    plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = plan_file.read_text("utf-8")
    Path("link").symlink_to(plan_file.name)
    Path("plan.html").write_text(text, "utf-8")
    for words in (
        [plan_file.name, "-o", plan_file.name],
        [plan_file.name, "-o", "link"],
        [plan_file.name, "--verify", "v.json", "-o", "./v.json"],
        ["plan.html"],
    ):
        assert main(["report", *words]) == ExitCode.USAGE
        assert "would be written over by the page" in capsys.readouterr().err
    assert main(["plan", "bash", "-o", "same", "--html", "./same"]) == ExitCode.USAGE
    assert main(["audit", "-o", "same", "--html", "same"]) == ExitCode.USAGE
    # Nor of what target and repositories are read from, whatever is written.
    for read in (["--target", "link"], ["--repofile", "link"]):
        for written in ("-o", "--html"):
            assert main(["audit", *read, written, plan_file.name]) == ExitCode.USAGE
            assert main(["plan", "bash", *read, written, plan_file.name]) == ExitCode.USAGE
    assert main(["plan", plan_file.name, "-o", "link"]) == ExitCode.USAGE
    assert plan_file.read_text("utf-8") == Path("plan.html").read_text("utf-8") == text
    assert not Path("same").exists()


def test_an_audit_is_not_taken_for_a_plan_nor_another_targets_for_the_same(
    plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("el9.json").write_text(dump_audit(AUDIT), "utf-8")
    Path("el10.json").write_text(dump_audit(replace(AUDIT, target="el10")), "utf-8")
    assert main(["verify", "el9.json"]) == ExitCode.CONFIG
    assert "el9.json is an audit, not a plan" in capsys.readouterr().err
    assert main(["report", "el9.json", "el10.json"]) == ExitCode.DONE
    shown = capsys.readouterr()
    assert "the audits are not of the same target: el9 and el10" in shown.err
    assert "el9 to el10 (ppc64le): what changed" in shown.out
    Path("moved.json").write_text(dump_plan(replace(PLAN, target="el10")), "utf-8")
    assert main(["report", plan_file.name, "moved.json"]) == ExitCode.DONE
    assert "cloud on el9 to el10 (ppc64le): what changed" in capsys.readouterr().out
