"""Text from outside, as a terminal is to show it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.visible import visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("libfoo.so.1()(64bit) >= 2:1.0~rc1", "libfoo.so.1()(64bit) >= 2:1.0~rc1"),
        ("Größe → 日本語 🙂", "Größe → 日本語 🙂"),
        ("a\tb", "a\tb"),
        ("a\nb\r\n", r"a\nb\r\n"),
        ("\x1b]0;title\x07\x7f\0", r"\x1b]0;title\x07\x7f\x00"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\u202egnp\u2066\u2069\u200e\u061c", r"\u202egnp\u2066\u2069\u200e\u061c"),
        ("a\u200bb\u2060\ufeff\u00ad", r"a\u200bb\u2060\ufeff\xad"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("a\U000e0041\U000e0100\ufe0f\u3164", r"a\U000e0041\U000e0100\ufe0f\u3164"),
        ("name\udcff", r"name\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


@given(some.text(some.characters(exclude_categories=()), max_size=40))
def test_whatever_the_text_it_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert not [one for one in shown if one != "\t" and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert visible_lines(text).count("\n") == text.count("\n")


def test_an_error_has_no_lines_but_its_own() -> None:
    evil = "x\nppcdeps: error: forged"
    error = ConfigError(f"{evil} is bad", hint=f"mend {evil}", faults=(f"line 1: {evil}", "line 2"))
    assert str(error).split("\n") == [
        r"x\nppcdeps: error: forged is bad; mend x\nppcdeps: error: forged",
        r"  line 1: x\nppcdeps: error: forged",
        "  line 2",
    ]
    assert str(RepositoryError(evil)) == r"x\nppcdeps: error: forged"
