"""Findings, reports and rules."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.base.datafiles import shipped_names
from ppcdeps.checking.findings import Examined, Finding, Report, Severity, Skipped
from ppcdeps.checking.rules import FOLDER, load_rules, rules_of
from ppcdeps.model.errors import ConfigError
from ppcdeps.report.findings import dump_report, render_report

FINDINGS = st.builds(
    Finding,
    rule=st.sampled_from(["env-a", "env-b"]),
    severity=st.sampled_from(Severity),
    message=st.sampled_from(["one", "two"]),
    where=st.sampled_from(["a.py:9", "a.py:10", "b"]),
    fixed_in=st.sampled_from([None, "1.0"]),
)


@given(st.lists(FINDINGS), st.randoms(use_true_random=False))
def test_the_order_of_finding_never_changes_a_report(found: list[Finding], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Report.of("env", "here", shuffled) == Report.of("env", "here", found)


def test_findings_are_in_the_order_of_severity_and_of_line_numbers() -> None:
    def at(where: str, severity: Severity = Severity.ERROR) -> Finding:
        return Finding("env-a", severity, "m", where)

    mixed = [at("a.py:10"), at("z", Severity.ADVICE), at("a.py:9"), at("b", Severity.WARNING)]
    shown = [one.where for one in Report.of("env", "here", mixed).findings]
    assert shown == ["a.py:9", "a.py:10", "b", "z"]


def test_advice_alone_is_clean() -> None:
    advice = Finding("env-a", Severity.ADVICE, "m", "w")
    assert Report.of("env", "here", [advice]).is_clean
    assert not Report.of("env", "here", [advice, Finding("env-a", Severity.WARNING, "m", "w")]).is_clean


def test_the_text_shows_lines_to_copy_whole_and_every_name_printable() -> None:
    command = "pip install " + " ".join(f"'package-{number}==1.0'" for number in range(20))
    found = Finding("env-a", Severity.ERROR, "word " * 60, "odd\nname\udcff", ("evidence",), (command,), "2.0")
    report = Report.of("env", "here", [found], [Examined("files", 3)], [Skipped("the rpmdb", "it is of another rpm")])
    text = render_report(report)
    text.encode("utf-8")
    assert f"      {command}\n" in text
    assert "  odd\\nname\\udcff  [env-a]\n" in text
    assert "fixed in: 2.0" in text
    assert "Not seen\n  the rpmdb: it is of another rpm\n" in text
    assert text.endswith("1 error. Looked at: files 3.\n")
    assert max(len(line) for line in text.splitlines() if command not in line) <= 110


def test_json_has_what_the_text_has() -> None:
    found = Finding("env-a", Severity.WARNING, "message", "w\udcff", fix=("fix it",))
    document = json.loads(dump_report(Report.of("env", "here", [found], [Examined("files", 3)])))
    assert document["counts"] == {"error": 0, "warning": 1, "advice": 0}
    assert document["clean"] is False
    assert document["findings"][0]["fix"] == ["fix it"]
    assert document["examined"] == [{"what": "files", "count": 3}]


def test_an_empty_report_says_so() -> None:
    assert render_report(Report.of("env", "here", [])) == "check env: here\n\nNothing found.\n"


@pytest.mark.parametrize("family", shipped_names(FOLDER))
def test_shipped_rules_can_be_read_and_say_why(family: str) -> None:
    rules = rules_of(family)
    assert rules
    assert all(one.reason and one.sources for one in rules.values())


def test_all_faults_of_a_file_of_rules_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "env.toml"
    file.write_text(
        '[[rule]]\nid = "guest-a"\nseverity = "bad"\nsummary = "s"\nreason = "r"\nsource = "x"\n'
        '[[rule]]\nid = "env-b"\nseverity = "error"\nsumary = "s"\nreason = "r"\n'
    )
    with pytest.raises(ConfigError) as told:
        load_rules("env", file)
    text = str(told.value)
    for fault in ('begin with "env-"', '"severity" is to be one of', '"summary" is missing', '"source" is missing'):
        assert fault in text
