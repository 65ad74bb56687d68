"""Documents from outside: what is wrong with one is one line, and no depth or size brings a parser down."""

import os
from pathlib import Path

import pytest

from ppcdeps.model.documents import DocumentError, parse_json, parse_toml, read_document


def test_a_pipe_that_gave_nothing_is_said_to_be_one_whether_or_not_it_has_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ours, theirs = os.pipe()
    os.close(theirs)
    with os.fdopen(ours, "rb"):
        for pipe in (tmp_path / "pipe", Path(f"/dev/fd/{ours}")):
            with pytest.raises(OSError, match="a pipe that gave nothing"):
                read_document(pipe)


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 101 + "]" * 101, '{"a":' * 5000 + "1" + "}" * 5000])
def test_json_nested_too_deep_names_the_ceiling(text: str) -> None:
    with pytest.raises(DocumentError, match=r"document\.depth"):
        parse_json(text)


@pytest.mark.parametrize("text", ["[" * 99 + "]" * 99, '["' + "[" * 500 + '"]', '{"a": "\\ud83d\\ude00"}'])
def test_brackets_in_texts_and_pairs_of_surrogates_are_fine(text: str) -> None:
    parse_json(text)


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udfff": 1}', "NaN", "-Infinity", "9" * 5000, "", "{", b"\xff"])
def test_json_that_is_none_is_one_fault(text: str | bytes) -> None:
    with pytest.raises(DocumentError):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    ["x=" + "[" * 5000, "x=" + "{a=" * 5000, "a." * 100_000 + "a = 1", "[" + "b." * 100_000 + "b]", "a" * (5 << 20)],
)
def test_toml_beyond_a_ceiling_names_it(text: str) -> None:
    with pytest.raises(DocumentError, match=r"document\.(depth|toml)"):
        parse_toml(text)


@pytest.mark.parametrize("text", ['x = "\\u0000"', 'x = "\\ud800"', "x = " + "9" * 5000, "x", b"\xff"])
def test_toml_that_is_none_is_one_fault(text: str | bytes) -> None:
    with pytest.raises(DocumentError):
        parse_toml(text)
