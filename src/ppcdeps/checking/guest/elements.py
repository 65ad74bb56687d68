"""What of a domain is not judged, elements and attributes, with the reason: those of the host, and unknown ones."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import TomlFile, raise_faults, read_toml
from ppcdeps.checking.findings import Skipped
from ppcdeps.checking.guest.xmltext import Element

FOLDER, NAME = "rules", "domain-elements"
DEPTH = "domain-depth"
_INSIDE = ("clock", "cpu", "cputune", "devices", "features", "memoryBacking", "os")
"""Elements whose children are looked at one by one."""
_BY_TYPE = ("disk", "input", "interface", "tpm", "video")
"""Devices of which some types are the host's own."""
_UNKNOWN = "nothing is known of it for POWER guests"
_MOST = 40
_CHOICE = re.compile(r"\{([^{}]*)\}|<([a-z]+)>")
_IN_THEMSELVES = ("backingStore/backingStore", "source/dataStore/source")
"""What of a disk is in itself: each stands for the element that it begins with."""


@dataclass(frozen=True, slots=True)
class DomainElements:
    """What is known of a domain's elements, by path (``devices/disk``).

    ``judged`` are checked; ``plain`` mean the same on every machine; ``unseen`` are not judged, with the reason.
    """

    judged: frozenset[str]
    plain: frozenset[str]
    unseen: Mapping[str, str]

    @property
    def known(self) -> frozenset[str]:
        """All paths that are listed."""
        return self.judged | self.plain | frozenset(self.unseen)


@cache
def domain_elements() -> DomainElements:
    """The elements that ppcdeps knows."""
    return load_domain_elements(shipped_file(FOLDER, NAME))


def load_domain_elements(file: TomlFile) -> DomainElements:
    """Read the list of elements. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    judged, plain = frozenset(top.texts("judged")), frozenset(top.texts("plain"))
    top.text("source")
    unseen = top.table("unseen").entries()
    top.finish()
    raise_faults(top, file, what)
    return DomainElements(judged, plain, MappingProxyType(unseen))


@dataclass(frozen=True, slots=True)
class DomainDepth:
    """What is known below the elements of DomainElements, by path (``cpu/model@fallback`` for an attribute).

    ``refused`` elements are faults with all that is in them; ``free`` ones hold what applications put there;
    ``judged`` are checked; ``unseen`` are not, with the reason; ``same`` mean the same on every machine. ``newer`` is
    what of all these libvirt 9.0 does not know, by the release of which it is known.
    """

    refused: frozenset[str]
    free: frozenset[str]
    judged: frozenset[str]
    unseen: Mapping[str, str]
    same: frozenset[str]
    newer: Mapping[str, frozenset[str]]

    @property
    def whole(self) -> frozenset[str]:
        """The elements that nothing below is looked at of."""
        return self.refused | self.free

    def reason(self, path: str) -> str:
        """Why an element or attribute is not judged; empty where it is, or means the same on every machine."""
        if path in self.same or path in self.judged or path in self.refused:
            return ""
        return self.unseen.get(path, _UNKNOWN)


@cache
def domain_depth() -> DomainDepth:
    """What ppcdeps knows below the elements of domains."""
    return load_domain_depth(shipped_file(FOLDER, DEPTH))


def load_domain_depth(file: TomlFile) -> DomainDepth:
    """Read the list of what is below elements. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    table = top.table("words")
    words = {name: table.texts(name) for name in table.names()}
    refused, free, judged = (_expanded(top.texts(name), words) for name in ("refused", "free", "judged"))
    unseen = {path: why for pattern, why in top.table("unseen").entries().items() for path in expand(pattern, words)}
    table = top.table("same")
    same = [path for name in table.names() for path in _expanded(table.texts(name), words)]
    table = top.table("newer")
    newer = {release: frozenset(_expanded(table.texts(release), words)) for release in table.names()}
    top.text("source")
    top.finish()
    twice = [path for path, count in Counter([*refused, *free, *judged, *unseen, *same]).items() if count > 1]
    for path in twice:
        top.fault(f"{path} is there twice")
    raise_faults(top, file, what)
    return DomainDepth(
        frozenset(refused), frozenset(free), frozenset(judged), MappingProxyType(unseen), frozenset(same), newer
    )


def _expanded(patterns: Iterable[str], words: Mapping[str, Sequence[str]]) -> list[str]:
    return [path for pattern in patterns for path in expand(pattern, words)]


def expand(pattern: str, words: Mapping[str, Sequence[str]]) -> list[str]:
    """The texts that a pattern stands for: ``{a,b}`` is each of both, ``<name>`` is each of the words of that name.

    Words may have patterns in them. Braces do not nest.
    """
    found = _CHOICE.search(pattern)
    if found is None:
        return [pattern]
    before, rest = pattern[: found.start()], expand(pattern[found.end() :], words)
    choices = found[1].split(",") if found[2] is None else words[found[2]]
    return [before + word + end for choice in choices for word in expand(choice, words) for end in rest]


def unseen_elements(root: Element) -> list[Skipped]:
    """What of a domain nothing judges, each kind of element once, by its first line."""
    known, depth, found = domain_elements(), domain_depth(), dict[str, Skipped]()
    listed = _elements(root)
    for path, element in listed:
        if path in known.judged or path in known.plain or path in found:
            continue
        why = known.unseen.get(path, _UNKNOWN)
        found[path] = Skipped(f"line {element.line}, <{element.tag}>", why)
    for path, element in _below(root, {path for path, _ in listed}):
        if path not in found and (why := depth.reason(path)):
            tag, _, attribute = path.rpartition("/")[2].partition("@")
            found[path] = Skipped(f"line {element.line}, <{tag}{' ' * bool(attribute)}{attribute}>", why)
    more = len(found) - _MOST
    rest = [Skipped(f"{more} further kinds of elements", "nothing is known of them")] if more > 0 else []
    return [*list(found.values())[:_MOST], *rest]


def _elements(root: Element) -> list[tuple[str, Element]]:
    found = []
    for child in root.children:
        found.append((child.tag, child))
        if child.tag in _INSIDE:
            for one in child.children:
                found.append((f"{child.tag}/{one.tag}", one))
                if one.tag in _BY_TYPE:
                    # Those of the host by their type.
                    kind = one.get("type") or one.value("backend", "type") or one.value("driver", "name")
                    if (path := f"{child.tag}/{one.tag}:{kind}") in domain_elements().unseen:
                        found.append((path, one))
    return found


def _below(root: Element, listed: Collection[str]) -> Iterator[tuple[str, Element]]:
    """The attributes, and the elements that the list of elements does not go down to, with their paths.

    What is refused, free or not seen as a whole is left out.
    """
    known, depth = domain_elements(), domain_depth()
    expected, whole = known.known, depth.whole | frozenset(known.unseen)
    for name in root.attributes:
        if not _declares(name):
            yield f"domain@{name}", root
    waiting = [(each.tag, each) for each in reversed(root.children)]
    while waiting:
        path, element = waiting.pop()
        if path not in listed:
            yield path, element
            if depth.reason(path):
                continue
        elif path not in expected:
            continue
        if path in whole:
            continue
        yield from ((f"{path}@{name}", element) for name in element.attributes if not _declares(name))
        waiting += [(_path(path, each), each) for each in reversed(element.children)]


def _path(parent: str, element: Element) -> str:
    path = f"{parent}/{element.tag}"
    for again in _IN_THEMSELVES:
        if path.endswith(again):
            return path.removesuffix(again) + again.partition("/")[0]
    return path


def _declares(attribute: str) -> bool:
    """Whether an attribute declares a namespace: it is not one of libvirt's."""
    return attribute == "xmlns" or attribute.startswith("xmlns:")
