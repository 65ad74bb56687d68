"""Pages as their tags and texts, and what holds of each: it is whole, requests nothing, hostile text stays text."""

from collections import Counter
from html.parser import HTMLParser

from pageplans import HOSTILE


class Page(HTMLParser):
    """The tags of a page with their attributes, the text of each kind, and faults of nesting."""

    VOID = ("meta", "link", "input", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: Counter[str] = Counter()
        self.content: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        self.content[inside] = self.content.get(inside, "") + data


def check_whole(text: str) -> None:
    """The page is one file that needs no other; its identifiers are unique, and its own links lead somewhere."""
    page = Page(text)
    assert page.open == []
    tags = Counter(tag for tag, _ in page.tags)
    assert (tags["html"], tags["main"], tags["script"], tags["style"]) == (1, 1, 1, 1)
    assert not tags.keys() & {"img", "iframe", "object", "embed", "form", "base", "video", "audio"}
    for tag, attributes in page.tags:
        assert "src" not in attributes
        assert "style" not in attributes, "the policy refuses it"
        assert tag != "link" or attributes["href"] == "data:,"
        # In text it is no more than text.
        assert all("url(" not in (value or "").replace("url(#arrow)", "") for value in attributes.values())
    assert "url(" not in page.content["style"]
    assert "@import" not in page.content["style"]
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert {link[1:] for link in links if link and link.startswith("#")} <= set(identifiers)


def check_stays_text(clean_text: str, attacked_text: str) -> None:
    """A page with HOSTILE in every text has no tag or attribute that the one without has not."""
    clean, attacked = Page(clean_text), Page(attacked_text)
    # What is there may differ in the number of rows, never in kind.
    assert attacked.open == []
    assert {tag for tag, _ in attacked.tags} <= {tag for tag, _ in clean.tags}
    assert Counter(tag for tag, _ in attacked.tags)["script"] == 1
    assert attacked.content["script"] == clean.content["script"]
    known = {name for _, attributes in clean.tags for name in attributes}
    assert {name for _, attributes in attacked.tags for name in attributes} <= known
    assert not any(name.startswith("on") for name in known)
    text = "".join(attacked.content.values())
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    for one in HOSTILE:
        if not one.isprintable() and one != "\n":
            assert one not in text
            assert not any(one in (value or "") for _, attributes in attacked.tags for value in attributes.values())
    assert r"\u202e" in text
