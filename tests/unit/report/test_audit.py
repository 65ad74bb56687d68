import json
from dataclasses import replace
from pathlib import Path

from audits import audited_world

from ppcdeps.auditing.audit import State
from ppcdeps.auditing.explanation import subject_of
from ppcdeps.report.audit import dump_subject, render_audit, render_subject
from ppcdeps.report.audit_difference import audit_difference, audit_difference_document, render_audit_difference

TARGET: dict[str, dict[str, object]] = {
    "app-1-1.ppc64le": {"requires": ["engine"]},
    "lost-1-1.ppc64le": {"requires": ["nothing"]},
    "tool-1-1.ppc64le": {},
}
REFERENCE: dict[str, dict[str, object]] = {
    "engine-2-1.x86_64": {"from": "motor"},
    "tool-1-1.x86_64": {},
}


def test_the_text_has_totals_the_ranking_and_what_is_blocked(tmp_path: Path) -> None:
    text = render_audit(audited_world(tmp_path, target=TARGET, reference=REFERENCE))
    assert "4 packages" in text
    assert "  1  there, and installable\n" in text
    assert (
        "  motor   2           2      0          absent  -       no source repository has the source package motor\n"
        in text
    )
    assert "  nothing provides nothing needed by lost-1-1.ppc64le: 1, lost\n" in text


def test_what_a_repository_says_does_not_control_the_terminal(tmp_path: Path) -> None:
    found = audited_world(tmp_path, target=TARGET, reference=REFERENCE)
    hostile = replace(found.packages[0], reason="\x1b[2Jnothing\nprovides it", state=State.BLOCKED)
    text = render_audit(replace(found, packages=(hostile,)))
    assert "\x1b" not in text
    assert "\\x1b[2Jnothing" in text


def test_a_name_is_explained_in_text_and_as_json(tmp_path: Path) -> None:
    subject = subject_of(audited_world(tmp_path, target=TARGET, reference=REFERENCE), "app")
    assert subject is not None
    text = render_subject(subject)
    assert "waits for motor" in text
    assert "requires engine: would be met by engine-2-1.ppc64le" in text
    document = json.loads(dump_subject(subject))
    assert document["packages"][0]["needs"] == ["motor"]


def test_a_build_that_came_shows_in_the_difference(tmp_path: Path) -> None:
    before = audited_world(tmp_path, target=TARGET, reference=REFERENCE)
    after = audited_world(tmp_path, target={**TARGET, "engine-2-1.ppc64le": {"from": "motor"}}, reference=REFERENCE)
    changed = audit_difference(before, after)
    assert changed
    assert [new.name for _, new in changed.opened] == ["app", "engine"]
    assert [each.name for each in changed.sources_built] == ["motor"]
    text = render_audit_difference(changed)
    assert "+ app-1-1.ppc64le: held-back -> installable" in text
    assert "+ engine-2-1.ppc64le: missing -> installable" in text
    assert json.loads(json.dumps(audit_difference_document(changed)))["same"] is False
    back = audit_difference(after, before)
    assert [old.name for old, _ in back.closed] == ["app", "engine"]
    assert [each.name for each in back.sources_missing] == ["motor"]


def test_an_audit_is_the_same_as_itself(tmp_path: Path) -> None:
    found = audited_world(tmp_path, target=TARGET, reference=REFERENCE)
    same = audit_difference(found, found)
    assert not same
    assert render_audit_difference(same) == "The audits are the same.\n"


def test_names_that_came_went_and_moved_are_told_apart(tmp_path: Path) -> None:
    before = audited_world(tmp_path, target=TARGET, reference=REFERENCE)
    after = audited_world(
        tmp_path,
        target={"app-1-1.ppc64le": {"requires": ["engine"]}, "worse-1-1.ppc64le": {"requires": ["nothing"]}},
        reference={"engine-2-1.x86_64": {"from": "other-motor"}},
    )
    changed = audit_difference(before, after)
    assert [each.name for each in changed.came] == ["worse"]
    assert [each.name for each in changed.went] == ["lost"]
    assert [new.name for _, new in changed.moved] == ["app", "engine"]
    assert [(old.name, new) for old, new in changed.closed] == [("tool", None)]
