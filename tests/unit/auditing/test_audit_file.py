import json
from dataclasses import replace
from pathlib import Path

import pytest
from audits import Audited

from ppcdeps.auditing.audit_file import as_document, dump_audit, is_audit, load_audit
from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.errors import ConfigError

WORLD = {
    "target": {"app-1-1.ppc64le": {"requires": ["engine"]}, "lost-1-1.ppc64le": {"requires": ["nothing"]}},
    "reference": {"engine-2-1.x86_64": {"from": "motor"}},
}


def test_reading_what_was_written_gives_the_same_audit_and_the_same_bytes(audited: Audited, tmp_path: Path) -> None:
    request = RequestRecord.of((), {"target": ("el9",), "recipes": ("mine",)})
    found = replace(audited(**WORLD), request=request)
    path = tmp_path / "audit.json"
    path.write_text(dump_audit(found))
    assert is_audit(path)
    assert load_audit(path) == found
    assert dump_audit(load_audit(path)) == dump_audit(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "plan"}, "is not an audit"),
        ({"schema": 99}, "an audit of schema 99"),
        ({"packages": [{"nevra": 1}]}, r"packages\[0\].nevra is not a text"),
        ({"built": -1}, "built is less than 0"),
        ({"built": 10**400}, r"built is beyond 1e\+15"),
        ({"steps": [{"sources": ["a"], "opens": 10**16, "so_far": 1}]}, r"steps\[0\].opens is beyond 1e\+15"),
        ({"cycles": "a"}, "cycles is not an array"),
        ({"request": {"words": [], "options": {"output": ["a"]}}}, "request.options has an option"),
        (
            {"repositories": [{"id": "a", "side": "left", "revision": "", "date": None, "packages": 0}]},
            r'repositories\[0\].side is "left", not one of target, reference, source',
        ),
    ],
)
def test_a_damaged_audit_is_refused_with_the_place(
    audited: Audited, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "audit.json"
    path.write_text(json.dumps({**as_document(audited(**WORLD)), **change}))
    with pytest.raises(ConfigError, match=said):
        load_audit(path)


def test_what_is_not_json_or_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    assert not is_audit(path)
    with pytest.raises(ConfigError, match="cannot read the audit"):
        load_audit(path)
    path.write_text("{")
    assert not is_audit(path)
    with pytest.raises(ConfigError, match="is not an audit"):
        load_audit(path)
