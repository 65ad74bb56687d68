"""dnf variables."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.metadata.variables import (
    builtin_variables,
    environment_variables,
    read_variables,
    substitute,
    unset_variables,
)
from ppcdeps.model.errors import ConfigError

VALUES = {"a": "A", "empty": "", "releasever_minor": "1", "long_name": "L"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$a", "A"),
        ("${a}", "A"),
        ("x$a/y", "xA/y"),
        ("$long_name/", "L/"),
        ("$unset", "$unset"),
        ("${unset}", "${unset}"),
        ("${a:-word}", "A"),
        ("${unset:-word}", "word"),
        ("${empty:-word}", "word"),
        ("${a:+word}", "word"),
        ("${unset:+word}", ""),
        ("${empty:+word}|", "|"),
        ("9${releasever_minor:+z}", "9z"),
        ("${unset:-$a}", "A"),
        ("${unset:-${empty:-deep}}", "deep"),
        ("${unset:-x${a:+y$a}z}!", "xyAz!"),
        (r"${unset:-a\}b}", "a}b"),
        (r"${unset:-\$a}", "$a"),
        ("$", "$"),
        ("$$a", "$A"),
        ("$-", "$-"),
        ("${", "${"),
        ("${a", "${a"),
        ("${unset:-open", "${unset:-open"),
        ("${a:?word}", "${a:?word}"),
        ("${unset:-}", ""),
    ],
)
def test_substitution(text: str, result: str) -> None:
    assert substitute(text, VALUES) == result


def test_values_are_not_substituted_again() -> None:
    assert substitute("$a", {"a": "$b", "b": "no"}) == "$b"


@given(st.text(alphabet="ab${}:+-\\ ", max_size=40))
def test_no_text_makes_it_fail_and_text_without_dollar_stays(text: str) -> None:
    result = substitute(text, {"a": "A"})
    if "$" not in text:
        assert result == text


def test_deep_nesting_ends() -> None:
    # 32 levels are substituted, what is deeper stays as it is.
    assert substitute("${u:-" * 32 + "x" + "}" * 32, {}) == "x"
    assert substitute("${u:-" * 500 + "}" * 500, {}) == "${u:-" * 468 + "}" * 468


def test_what_is_unset_is_named_once() -> None:
    assert unset_variables("http://$host/${b}/$host/$a") == ("host", "b", "a")
    assert unset_variables("http://x/") == ()


def test_the_release_is_split_at_its_first_dot() -> None:
    assert builtin_variables("10.1", "ppc64le") == {
        "releasever": "10.1",
        "releasever_major": "10",
        "releasever_minor": "1",
        "arch": "ppc64le",
        "basearch": "ppc64le",
    }
    assert builtin_variables("9", "i686")["basearch"] == "i386"
    assert builtin_variables("9", "i686")["releasever_minor"] == ""


def test_a_vars_directory_gives_first_lines(tmp_path: Path) -> None:
    (tmp_path / "stream").write_text("9-stream\nnot this\n")
    (tmp_path / "blank").write_text("")
    (tmp_path / "not-a-name.rpmnew").write_text("x")
    assert read_variables(tmp_path) == {"stream": "9-stream", "blank": ""}
    assert read_variables(tmp_path / "none") == {}


def test_all_unreadable_variables_are_told(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"\xff\xfe")
    (tmp_path / "two").write_bytes(b"ok\xff")
    with pytest.raises(ConfigError) as caught:
        read_variables(tmp_path)
    assert len(caught.value.faults) == 2
    assert "one: is not UTF-8" in str(caught.value)


def test_the_environment_sets_variables_as_for_dnf() -> None:
    environment = {"DNF0": "zero", "DNF_VAR_stream": "9", "DNF_VAR_": "x", "DNF10": "no", "HOME": "/"}
    assert environment_variables(environment) == {"DNF0": "zero", "stream": "9"}
