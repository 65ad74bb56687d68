"""XML from servers: read without document types, and with clear words for what is broken."""

from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from ppcdeps.base.responses import looks_like_html
from ppcdeps.model.ceilings import CEILINGS, beyond


class UnsafeXmlError(ValueError):
    """The XML brings a document type, and with it entities, which no metadata needs."""


def parse_xml(
    data: bytes,
    start: Callable[[str, dict[str, str]], Any],
    text: Callable[[str], Any],
    end: Callable[[str], Any],
    *,
    doctype: bool = False,
) -> None:
    """Run an XML document through the handlers; names come without prefix, ``xml:base`` as ``base``.

    With ``doctype`` a document type may be named, as comps.xml does, which is not read; it may declare nothing.
    Raises UnsafeXmlError on any other document type declaration, on nesting beyond a ceiling and on an encoding that
    cannot be read, what the handlers raise, and expat.ExpatError on what is not well-formed.
    """
    parser = expat.ParserCreate(namespace_separator="|")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_declarations if doctype else refuse_doctype
    depth = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > CEILINGS.metadata_depth:
            raise UnsafeXmlError(beyond("metadata_depth", "is nested deeper than"))
        start(_local(name), {_local(key): value for key, value in attributes.items()})

    def finish(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(_local(name))

    parser.StartElementHandler = begin
    parser.CharacterDataHandler = text
    parser.EndElementHandler = finish
    try:
        parser.Parse(data, True)
    except (LookupError, ValueError) as fault:
        # An encoding that Python does not know, or one with characters of several bytes, which expat cannot take.
        if type(fault) is not LookupError and type(fault) is not ValueError:
            raise
        raise UnsafeXmlError(f"is not well-formed XML ({fault})") from fault


def refuse_doctype(name: str, *_: object) -> None:
    """Stop at a document type: entities are declared in it, and bombs are made of entities."""
    raise UnsafeXmlError(f"brings a document type declaration ({name[:40]}), which is refused")


def _refuse_declarations(name: str, _system: str | None, _public: str | None, has_subset: bool) -> None:
    if has_subset:
        refuse_doctype(name)


def describe_bad_xml(data: bytes, fault: Exception) -> str:
    """What is wrong with XML that did not parse, in words that name a web page where it is one."""
    if looks_like_html(data):
        return "is a web page (HTML), not repository metadata: a login, error or redirect page answers there"
    if not data.strip():
        return "is empty"
    if isinstance(fault, expat.ExpatError):
        return f"is not well-formed XML ({fault}): truncated or corrupt"
    return str(fault)


class RootReader:
    """Reads XML up to its root element, and no further.

    A document type, which an XML bomb needs, can only stand before the root.
    """

    def __init__(self) -> None:
        self.root = ""
        self._parser: expat.XMLParserType | None = expat.ParserCreate(namespace_separator="|")
        self._parser.StartDoctypeDeclHandler = refuse_doctype
        self._parser.StartElementHandler = self._found

    def feed(self, block: bytes) -> None:
        # The rest of the document is for libsolv, and so are its faults.
        if self._parser is None:
            return
        try:
            self._parser.Parse(block, False)
        except (LookupError, ValueError) as fault:
            if not self.root:
                raise UnsafeXmlError(f"is not well-formed XML ({fault})") from fault
        except expat.ExpatError:
            if not self.root:
                raise
        if self.root:
            self._parser = None

    def _found(self, name: str, _attributes: object) -> None:
        self.root = name.rpartition("|")[2]
        if self._parser is not None:
            # Calls for all further elements of the block take ten times as long as to parse it.
            self._parser.StartElementHandler = None


def _local(name: str) -> str:
    return name.rpartition("|")[2]
