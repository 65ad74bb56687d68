"""dnf variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.metadata.variables import (
    builtin_variables,
    distribution_variables,
    environment_variables,
    substitute,
    unset_variables,
)

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
    assert substitute("${u:-" * 32 + "x" + "}" * 32, {}) == "x"
    # Beyond that depth the text stays as it is written.
    assert substitute("${u:-" * 500 + "x" + "}" * 500, {}) == "${u:-" * 468 + "x" + "}" * 468


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


def test_the_environment_sets_variables_as_for_dnf() -> None:
    environment = {"DNF0": "zero", "DNF_VAR_stream": "9", "DNF_VAR_": "x", "DNF10": "no", "HOME": "/"}
    assert environment_variables(environment) == {"DNF0": "zero", "stream": "9"}


@pytest.mark.parametrize(
    ("releasever", "arch", "text", "result"),
    [
        ("7", "ppc64le", "http://mirror.centos.org/$contentdir/7/?infra=$infra", "http://mirror.centos.org/altarch/7/?infra=stock"),
        ("7.9.2009", "x86_64", "/$contentdir/", "/centos/"),
        ("9", "ppc64le", "repo=centos-baseos-$stream", "repo=centos-baseos-9-stream"),
        ("9", "ppc64le", "/$contentdir/", "/$contentdir/"),
    ],
)  # fmt: skip
def test_variables_that_packages_of_distributions_set(releasever: str, arch: str, text: str, result: str) -> None:
    assert substitute(text, distribution_variables(releasever, arch)) == result
