from pathlib import Path

import pytest

from ppcdeps.base.toml import Table, closest, raise_faults, read_toml
from ppcdeps.model.errors import ConfigError


def test_values_come_out_as_they_were_written() -> None:
    table = Table({"name": "x", "roots": ["a", "b"], "one": "a", "flag": True, "count": 3, "wait": 0.5}, [])
    assert table.text("name") == "x"
    assert table.texts("roots") == ("a", "b")
    assert table.texts("one") == ("a",)
    assert table.flag("flag") is True
    assert table.integer("count") == 3
    assert table.number("wait") == 0.5
    table.finish()
    assert table.faults == []


def test_what_is_absent_takes_its_default_or_is_a_fault() -> None:
    table = Table({}, [])
    assert table.optional_text("title") is None
    assert table.texts("roots") == ()
    assert table.flag("flag") is False
    assert table.faults == []
    assert table.text("name") == ""
    assert table.integer("count", least=1) == 1
    assert table.faults == ['"name" is missing', '"count" is missing']


@pytest.mark.parametrize(
    ("read", "value", "fault"),
    [
        ("text", 3, '"key" is to be a text, not the number 3'),
        ("text", " ", '"key" is to be a text, not an empty text'),
        ("optional_text", ["a"], '"key" is to be a text, not an array'),
        ("texts", ["a", 1], '"key" is to be an array of texts, not an array'),
        ("texts", ["a", "a"], '"key" names "a" twice'),
        ("flag", "yes", '"key" is to be true or false, not the text "yes"'),
        ("integer", True, '"key" is to be a whole number from 0 on, not the boolean true'),
        ("integer", -1, '"key" is to be a whole number from 0 on, not the number -1'),
        ("number", 0, '"key" is to be a number greater than 0, not the number 0'),
        ("table", "x", '"key" is to be a table, not the text "x"'),
    ],
)
def test_a_value_of_the_wrong_kind_is_a_fault_that_says_which(read: str, value: object, fault: str) -> None:
    table = Table({"key": value}, [])
    getattr(table, read)("key")
    assert table.faults == [fault]


def test_an_unknown_key_is_a_fault_with_the_nearest_known_one() -> None:
    table = Table({"nmae": "x", "zzz": 1}, [], where="[python]")
    table.optional_text("name")
    table.finish(known=("title",))
    assert table.faults == [
        '[python]: unknown key "nmae", did you mean "name"?',
        '[python]: unknown key "zzz"',
    ]


def test_tables_of_an_array_are_named_by_their_id_or_place() -> None:
    top = Table({"repositories": [{"id": "baseos"}, {"id": 7}]}, [])
    for table in top.tables("repositories"):
        table.text("id")
    assert top.faults == ['[[repositories]] number 2: "id" is to be a text, not the number 7']


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("a = 1\nb = 2\n")
    top = read_toml(file, "target file")
    top.text("a")
    top.finish()
    with pytest.raises(ConfigError) as told:
        raise_faults(top, file, "target file")
    assert told.value.faults == ('"a" is to be a text, not the number 1', 'unknown key "b"')
    assert str(told.value).splitlines()[0] == f"target file {file} has 2 faults:"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = ", "is not TOML: Invalid value (at end of document)"),
        (b"a = 1\na = 2\n", "is not TOML: Cannot overwrite a value (at line 2, column 6)"),
        (b"a = '\xff'", "is not UTF-8 text (byte 5)"),
    ],
)
def test_what_is_no_toml_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as told:
        read_toml(file, "workload file")
    assert str(told.value) == f"workload file {file} {message}"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read target file .*: Is a directory"):
        read_toml(tmp_path, "target file")


def test_the_closest_name_is_offered_only_where_one_is_near() -> None:
    assert closest("nova-compte", ["nova-compute", "cinder-volume"]) == 'did you mean "nova-compute"?'
    assert closest("x", ["nova-compute"]) == ""
