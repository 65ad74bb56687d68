import json
from pathlib import Path

import pytest
from universes import case_of, write_case

from ppcdeps.cli.main import main


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options for a small distribution, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    case = case_of(
        [],
        target={"app-1-1.ppc64le": {"requires": ["engine"]}, "tool-1-1.ppc64le": {}},
        reference={"engine-2-1.x86_64": {"from": "motor"}},
    )
    urls = {config.id: config.baseurl[0] for config in write_case(case, tmp_path / "repositories")}
    return [
        *("--repofrompath", f"target,{urls['target']}", "--reference", f"reference,{urls['reference']}"),
        *("--cache-dir", str(tmp_path / "cache"), "--quiet"),
    ]


def test_the_exit_code_says_whether_all_is_usable(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *repositories]) == 1
    assert "1  there, and installable\n" in capsys.readouterr().out
    assert main(["audit", "--only", "tool", *repositories]) == 0


def test_a_written_audit_is_what_json_prints_and_can_be_compared(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--json", "--output", "audit.json", *repositories]) == 1
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads(Path("audit.json").read_text())
    assert main(["diff", "--exit-code", "audit.json", "audit.json"]) == 0
    assert capsys.readouterr().out == "The audits are the same.\n"


def test_an_audit_and_something_else_are_not_compared(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "--output", "audit.json", *repositories])
    Path("other.json").write_text("{}")
    assert main(["diff", "audit.json", "other.json"]) == 3
    assert "audit.json is an audit, and other.json is none" in capsys.readouterr().err


def test_why_explains_a_package_and_refuses_an_unknown_name(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--why", "app", *repositories]) == 1
    assert "waits for motor" in capsys.readouterr().out
    assert main(["audit", "--why", "ap", *repositories]) == 2
    assert "no package or source ap" in capsys.readouterr().err


def test_globs_that_fit_nothing_are_a_usage_error(
    repositories: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--only", "nothing*", *repositories]) == 2
    assert "no package or source is called nothing*" in capsys.readouterr().err
    assert main(["audit", "--only", ",", *repositories]) == 2
