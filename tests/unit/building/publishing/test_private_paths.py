"""Texts found in streams, however the stream is cut."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.building.publishing.private_paths import Searcher


def found(content: bytes | Iterable[bytes], *texts: str) -> list[str]:
    return list(Searcher(texts).found_in([content] if isinstance(content, bytes) else content))


@pytest.mark.parametrize(
    ("content", "text", "is_there"),
    [
        (b"-I/home/me/src", "/home/me", True),
        (b"cd /home/me; make", "/home/me", True),
        (b"/home/meg/src", "/home/me", False),
        (b"/home/me", "/home/me/", True),
        (b"built on maple at noon", "maple", True),
        (b"maple", "maple", True),
        (b"maplesyrup", "maple", False),
        (b"sugar-maple", "maple", False),
        (b"built on a vm", "vm", False),
        (b"", "maple", False),
    ],
)
def test_paths_are_found_with_what_is_below_and_names_as_words(content: bytes, text: str, is_there: bool) -> None:
    assert found(content, text) == ([text.rstrip("/")] if is_there else [])


def test_each_text_is_given_once() -> None:
    assert found(b"maple /home/me maple /home/me/x", "/home/me", "maple") == ["maple", "/home/me"]


def test_without_texts_nothing_is_found_and_the_stream_is_read() -> None:
    blocks = iter([b"a", b"b"])
    assert found(blocks) == []
    assert next(blocks, None) is None


@given(
    st.lists(st.sampled_from([b"/home/me", b"maple", b"x", b" ", b"/", b"maples", b"\0"]), max_size=12),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_how_a_stream_is_cut_changes_nothing(parts: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(parts)
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    blocks = [whole[start:end] for start, end in itertools.pairwise(places)]
    assert found(blocks, "/home/me", "maple") == found(whole, "/home/me", "maple")
