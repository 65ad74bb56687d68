"""Build records: written and read back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage, SourceFile
from ppcdeps.model.errors import ConfigError

text = st.text(max_size=8)
records = st.builds(
    BuildRecord,
    *[text] * 6,
    command=st.tuples(text, text),
    started=st.integers(0, 2**40),
    finished=st.integers(0, 2**40),
    ppcdeps_version=text,
    recipe=text,
    recipe_digest=st.none() | text,
    sources=st.lists(st.builds(SourceFile, text, text, text), max_size=2).map(tuple),
    build_requires=st.lists(text, max_size=3).map(tuple),
    packages=st.lists(st.builds(BuiltPackage, text, text, text), max_size=2).map(tuple),
)


@given(records)
def test_what_is_written_is_read(record: BuildRecord) -> None:
    assert BuildRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 99}, "of another version of ppcdeps"),
        ({"source": None}, '"source" is to be a text'),
        ({"started": "now"}, '"started" is to be a whole number'),
        ({"command": "rpmbuild"}, '"command" is to be an array'),
        ({"packages": [{"file": 1}]}, '"file" is to be a text'),
        ({"packages": [{"file": "a"}]}, "missing"),
        ({"sources": [["a"]]}, '"sources" is to be an object'),
    ],
)
def test_what_is_no_record_is_reported(changes: dict[str, Any], reason: str) -> None:
    record = BuildRecord("a", "1", "ppc64le", "cross", "debian-12", "k", ("true",), 1, 2, "0.1.0")
    document = json.loads(record.to_json()) | changes
    with pytest.raises(ConfigError, match=r"result\.json") as caught:
        BuildRecord.from_json(json.dumps(document), "result.json")
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "1"])
def test_what_is_cut_off_is_reported(content: str) -> None:
    with pytest.raises(ConfigError, match="is damaged"):
        BuildRecord.from_json(content)
