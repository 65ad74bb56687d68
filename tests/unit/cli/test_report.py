"""`ppcdeps report` and `plan --html`: where the page goes, and what is printed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pageplans import PLAN

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
