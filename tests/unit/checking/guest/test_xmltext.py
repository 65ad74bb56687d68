"""XML in, with places; edits that leave the rest as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.checking.guest.xmltext import Edits, XMLTextError, markup, parse

SAMPLE = b"""<?xml version='1.0' encoding="UTF-8"?>
<!-- kept -->
<a x='1'  y = "two > one">
  <b/>
  <c z='&lt;'>text <d/></c>
</a>
"""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b" \n ", "it is empty"),
        (b"<a>", "line 1: no element found"),
        (b"<a></b>", "line 1: mismatched tag"),
        (b"not xml", "line 1: syntax error"),
        (b"\x00\x01", "line 1: not well-formed"),
        (b"<a>&bomb;</a>", "line 1: undefined entity"),
        (b"<!DOCTYPE a [<!ENTITY l 'lol'>]><a>&l;</a>", "line 1: it has a DOCTYPE"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "line 1: it has a DOCTYPE"),
        (b"<a>" * 101, "nested deeper than 100 levels, the ceiling metadata.depth"),
        (b"<a>" + b"<b/>" * 100_000 + b"</a>", "more than 100000 elements, the ceiling guest.elements"),
        (b"<?xml version='1.0' encoding='nonsense'?><a/>", "unknown encoding"),
        (b"<a>" + b" " * 2**23 + b"</a>", "it is larger than 8388608 bytes, the ceiling guest.size"),
        ("<a>ä</a>".encode("latin-1"), "not well-formed"),
    ],
)
def test_what_is_not_read_is_told(content: bytes, told: str) -> None:
    with pytest.raises(XMLTextError, match=told):
        parse(content)


def test_a_billion_laughs_cost_nothing() -> None:
    levels = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    with pytest.raises(XMLTextError, match="DOCTYPE"):
        parse(f"<!DOCTYPE a [<!ENTITY l0 'lol'>{levels}]><a>&l9;</a>".encode())


def test_elements_know_where_they_are() -> None:
    root = parse(SAMPLE).root
    found = [root, *root.children, *root.all("c/d")]
    assert [(one.tag, one.line) for one in found] == [("a", 3), ("b", 4), ("c", 5), ("d", 5)]
    assert root.get("y") == "two > one"
    assert root.value("c", "z") == "<"
    assert SAMPLE[root.start : root.inner] == b"""<a x='1'  y = "two > one">"""
    (inner,) = root.all("c/d")
    assert SAMPLE[inner.start : inner.end] == b"<d/>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_other_encodings_are_read(encoding: str) -> None:
    root = parse("<a><b c='ä'/><d>ö</d></a>".encode(encoding)).root
    assert root.value("b", "c") == "ä"
    assert root.all("d")[0].text == "ö"


def test_no_edit_changes_nothing() -> None:
    edits = Edits(parse(SAMPLE))
    assert edits.apply() == SAMPLE


def test_an_attribute_is_set_in_its_own_quotes() -> None:
    document = parse(SAMPLE)
    edits = Edits(document)
    edits.set(document.root, x="it's", y="<&>", z="new")
    text = edits.apply().replace(b"\n", b" ")
    assert b"""<a x='it&apos;s'  y = "&lt;&amp;&gt;" z='new'>""" in text
    assert dict(parse(edits.apply()).root.attributes) == {"x": "it's", "y": "<&>", "z": "new"}


def test_an_attribute_goes_with_the_blanks_before_it() -> None:
    document = parse(SAMPLE)
    edits = Edits(document)
    edits.set(document.root, x=None)
    assert b"""<a  y = "two > one">""" in edits.apply()


def test_an_element_goes_with_its_line() -> None:
    document = parse(SAMPLE)
    edits = Edits(document)
    edits.remove(document.root.all("b")[0])
    assert edits.apply() == SAMPLE.replace(b"  <b/>\n", b"")


def test_what_lies_in_a_removed_element_goes_with_it() -> None:
    document = parse(SAMPLE)
    edits = Edits(document)
    outer, inner = document.root.all("c")[0], document.root.all("c/d")[0]
    edits.set(inner, new="1")
    edits.remove(inner)
    edits.remove(outer)
    assert edits.apply() == SAMPLE.replace(b"  <c z='&lt;'>text <d/></c>\n", b"")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<a>\n  <b/>\n</a>", "<a>\n  <b/>\n  <n/>\n  <m/>\n</a>"),
        ("<a></a>", "<a><n/><m/></a>"),
    ],
)
def test_elements_are_appended_in_order(before: str, after: str) -> None:
    document = parse(before.encode())
    edits = Edits(document)
    for tag in ("n", "m"):
        edits.append(document.root, f"<{tag}/>")
    assert edits.apply().decode() == after


def test_an_empty_element_opens_for_what_is_appended() -> None:
    document = parse(b"<a x='1' />")
    edits = Edits(document)
    edits.append(document.root, "<n/>")
    assert edits.apply() == b"<a x='1'><n/></a>"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_a_value_that_is_written_is_read_again(value: str) -> None:
    document = parse(b"""<a q='1' r="2"/>""")
    edits = Edits(document)
    edits.set(document.root, q=value, r=value, s=value)
    assert set(parse(edits.apply()).root.attributes.values()) == {value}
    assert parse(markup("a", [("q", value)], "<b/>").encode()).root.get("q") == value
