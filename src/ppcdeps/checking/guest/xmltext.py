"""XML as libvirt writes and reads it: a tree that knows where in the text each element is, and edits of that text.

Nothing is expanded and nothing is fetched: a document with a DOCTYPE is refused, which is where entities come from.
What an edit does not touch stays as it is, byte for byte.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from ppcdeps.model.ceilings import CEILINGS, beyond

# Neither goes back over what it has read: tags can have the size of the whole document.
_TAG = re.compile(rb"""<(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(rb"""(?<=\s)([^\s=/>"']++)\s*+=\s*+("[^"]*+"|'[^']*+')""")


class XMLTextError(ValueError):
    """The text is not XML that is read here. Says what is wrong, and on which line."""


@dataclass(slots=True, eq=False)
class Element:
    """An element. ``start``, ``inner``, ``close`` and ``end`` are byte offsets: of its start tag, of what is behind
    that, of its end tag, and of what is behind it.
    """

    tag: str
    attributes: Mapping[str, str]
    line: int
    start: int
    parent: "Element | None" = None
    children: list["Element"] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    inner: int = 0
    close: int = 0
    end: int = 0

    @property
    def text(self) -> str:
        """The text directly in it, without the blanks around it."""
        return "".join(self.parts).strip()

    def get(self, name: str, default: str = "") -> str:
        """The value of an attribute."""
        return self.attributes.get(name, default)

    def all(self, path: str) -> "list[Element]":
        """The elements at a path such as ``devices/disk``, in their order."""
        if not self.children:
            return []  # as most of a domain's elements are
        found = [self]
        for step in path.split("/"):
            found = [child for element in found for child in element.children if child.tag == step]
        return found

    def first(self, path: str) -> "Element | None":
        """The first element at a path, if there is one."""
        found = self.all(path)
        return found[0] if found else None

    def value(self, path: str, attribute: str) -> str:
        """An attribute of the first element at a path; empty where either is missing."""
        found = self.first(path)
        return found.get(attribute) if found else ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document: its bytes, and its root."""

    content: bytes
    root: Element


def parse(content: bytes) -> Document:
    """Read a document. Raises XMLTextError where it is not well-formed, too big, too deep, or has a DOCTYPE."""
    if len(content) > CEILINGS.guest_size:
        raise XMLTextError(f"it {beyond('guest_size')}")
    if not content.strip():
        raise XMLTextError("it is empty")
    builder = _Builder()
    try:
        root = builder.build(content)
    except expat.ExpatError as error:
        raise XMLTextError(f"line {error.lineno}: {expat.errors.messages[error.code]}") from error
    except (LookupError, ValueError) as error:  # an unknown encoding
        raise XMLTextError(str(error)) from error
    return Document(content, root)


class _Builder:
    def __init__(self) -> None:
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = 0

    def build(self, content: bytes) -> Element:
        parser = self._parser = expat.ParserCreate()
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.buffer_text = True
        self._content = content
        parser.Parse(content, True)
        assert self._root is not None
        return self._root

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > CEILINGS.guest_elements:
            raise XMLTextError(f"it has {beyond('guest_elements', 'more than')}")
        if len(self._open) >= CEILINGS.metadata_depth:
            where = f"line {self._parser.CurrentLineNumber}"
            raise XMLTextError(f"{where}: elements are {beyond('metadata_depth', 'nested deeper than')}")
        parent = self._open[-1] if self._open else None
        start = self._parser.CurrentByteIndex
        element = Element(tag, attributes, self._parser.CurrentLineNumber, start, parent)
        element.inner = _end_of_tag(self._content, start)
        if parent is None:
            self._root = element
        else:
            parent.children.append(element)
        self._open.append(element)

    def _end(self, tag: str) -> None:  # noqa: ARG002
        element = self._open.pop()
        place = self._parser.CurrentByteIndex
        if self._content[element.inner - 2 : element.inner] == b"/>":
            element.close = element.end = element.inner
        else:
            element.close = place
            element.end = _end_of_tag(self._content, place)

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].parts.append(text)

    def _doctype(self, *_: object) -> None:
        raise XMLTextError(f"line {self._parser.CurrentLineNumber}: it has a DOCTYPE, which may define entities")


def _end_of_tag(content: bytes, start: int) -> int:
    """The offset behind the tag that begins at ``start``. In attribute values a ``>`` may stand as it is."""
    found = _TAG.match(content, start)
    return found.end() if found else len(content)


class Edits:
    """Changes to the text of a document, collected and then made at once.

    The document is to be in UTF-8, as libvirt's are.
    """

    def __init__(self, document: Document) -> None:
        self._content = document.content
        self._splices: list[tuple[int, int, bytes]] = []
        self._attributes: dict[int, tuple[Element, dict[str, str | None]]] = {}
        self._removed: dict[int, Element] = {}

    def set(self, element: Element, **attributes: str | None) -> None:
        """Give attributes of an element other values, add those it has not, and take away those that are None."""
        _, changes = self._attributes.setdefault(element.start, (element, {}))
        changes.update(attributes)

    def remove(self, element: Element) -> None:
        """Take an element away, with the line that it leaves empty."""
        self._removed[element.start] = element

    def append(self, parent: Element, markup: str) -> None:
        """Put an element, given as markup on one line, at the end of what another one holds."""
        if parent.children:
            last = parent.children[-1]
            self._splices.append((last.end, last.end, b"\n" + self._indent(last) + markup.encode()))
        elif parent.end == parent.inner:
            opened = self._content[parent.start : parent.inner - 2].rstrip() + b">"
            whole = opened + markup.encode() + f"</{parent.tag}>".encode()
            self._splices.append((parent.start, parent.end, whole))
        else:
            self._splices.append((parent.close, parent.close, markup.encode()))

    def apply(self) -> bytes:
        """The text with all changes made. What lies in a removed element is not changed otherwise."""
        splices = [*self._splices, *(self._tag(element, new) for element, new in self._attributes.values())]
        removed: list[tuple[int, int]] = []
        for low, high in sorted(map(self._span, self._removed.values()), key=lambda one: (one[0], -one[1])):
            if not removed or high > removed[-1][1]:
                removed.append((low, high))
        starts = [low for low, _ in removed]
        kept = [*((low, high, b"") for low, high in removed)]
        for splice in splices:
            place = bisect_right(starts, splice[0]) - 1
            if place < 0 or splice[0] >= removed[place][1] or splice[1] > removed[place][1]:
                kept.append(splice)
        parts, end = [], 0
        for low, high, text in sorted(kept, key=lambda one: one[0]):
            parts += [self._content[end:low], text]
            end = max(end, high)
        return b"".join((*parts, self._content[end:]))

    def _span(self, element: Element) -> tuple[int, int]:
        """The element with the blanks before it on its line, and the line's end before these."""
        low = element.start
        while low and self._content[low - 1 : low] in (b" ", b"\t"):
            low -= 1
        if low and self._content[low - 1 : low] == b"\n":
            low -= 1
            return low, element.end
        return element.start, element.end

    def _indent(self, element: Element) -> bytes:
        line = self._content.rfind(b"\n", 0, element.start) + 1
        before = self._content[line : element.start]
        return before if not before.strip() else b""

    def _tag(self, element: Element, changes: Mapping[str, str | None]) -> tuple[int, int, bytes]:
        """The start tag with changed attributes."""
        tag = self._content[element.start : element.inner]
        for name, value in changes.items():
            found = next((one for one in _ATTRIBUTE.finditer(tag) if one[1] == name.encode()), None)
            if found and value is None:
                before = tag[: found.start()].rstrip()
                tag = before + tag[found.end() :]
            elif found and value is not None:
                tag = tag[: found.start(2)] + _quoted(value, found[2][:1]) + tag[found.end(2) :]
            elif value is not None:
                end = len(tag) - (2 if tag.endswith(b"/>") else 1)
                quote = b"'" if b"'" in tag or b'"' not in tag else b'"'
                tag = tag[:end].rstrip() + b" " + name.encode() + b"=" + _quoted(value, quote) + tag[end:]
        return element.start, element.inner, tag


def _quoted(value: str, quote: bytes) -> bytes:
    mark = quote.decode()
    return f"{mark}{escape(value, {mark: '&quot;' if mark == chr(34) else '&apos;'})}{mark}".encode()


def markup(tag: str, attributes: Iterable[tuple[str, str]] = (), inner: str = "") -> str:
    """An element as text on one line, in libvirt's own manner; ``inner`` is markup."""
    written = "".join(" " + name + "=" + _quoted(value, b"'").decode() for name, value in attributes)
    return f"<{tag}{written}>{inner}</{tag}>" if inner else f"<{tag}{written}/>"
