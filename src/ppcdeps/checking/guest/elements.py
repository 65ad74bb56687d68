"""What of a domain is not judged, elements and attributes, with the reason: those of the host, and unknown ones."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
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
    """What is known below the elements that are judged, as globs of paths (``cpu/model@fallback`` for an attribute).

    ``judged`` are checked; ``unseen`` are not, with the reason; ``same`` mean the same on every machine.
    """

    judged: tuple[str, ...]
    unseen: Mapping[str, str]
    same: tuple[str, ...]
    _known: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """A domain has the same paths over and over."""

    def reason(self, path: str) -> str:
        """Why an element or attribute is not judged; empty where it is, or means the same on every machine."""
        if path not in self._known:
            self._known[path] = self._looked_up(path)
        return self._known[path]

    def _looked_up(self, path: str) -> str:
        if any(fnmatchcase(path, glob) for glob in self.judged):
            return ""
        for glob, why in self.unseen.items():
            if fnmatchcase(path, glob):
                return why
        return "" if any(fnmatchcase(path, glob) for glob in self.same) else _UNKNOWN


@cache
def domain_depth() -> DomainDepth:
    """What ppcdeps knows below the elements of domains."""
    return load_domain_depth(shipped_file(FOLDER, DEPTH))


def load_domain_depth(file: TomlFile) -> DomainDepth:
    """Read the list of what is below elements. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    judged = tuple(top.texts("judged"))
    unseen = top.table("unseen").entries()
    same = top.table("same")
    globs = tuple(glob for reason in same.names() for glob in same.texts(reason))
    top.text("source")
    top.finish()
    raise_faults(top, file, what)
    return DomainDepth(judged, MappingProxyType(unseen), globs)


def unseen_elements(root: Element) -> list[Skipped]:
    """What of a domain nothing judges, each kind of element once, by its first line."""
    known, found = domain_elements(), dict[str, Skipped]()
    listed = _elements(root)
    for path, element in listed:
        if path in known.judged or path in known.plain or path in found or _is_empty(path, element):
            continue
        why = known.unseen.get(path, _UNKNOWN)
        found[path] = Skipped(f"line {element.line}, <{element.tag}>", why)
    for path, element in _below(root, {path for path, _ in listed}):
        if path not in found and (why := domain_depth().reason(path)):
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
                    found.append((f"{child.tag}/{one.tag}:{kind}", one))
    return found


def _below(root: Element, listed: Collection[str]) -> Iterator[tuple[str, Element]]:
    """The attributes, and the elements that the list of elements does not go down to, with their paths.

    What is plain or not seen as a whole is left out.
    """
    for name in root.attributes:
        yield f"domain@{name}", root
    waiting = [(each.tag, each) for each in reversed(root.children)]
    while waiting:
        path, element = waiting.pop()
        if path not in listed:
            yield path, element
        elif path not in domain_elements().judged:
            continue
        yield from ((f"{path}@{name}", element) for name in element.attributes)
        if path in listed or not domain_depth().reason(path):
            waiting += [(f"{path}/{each.tag}", each) for each in reversed(element.children)]


def _is_empty(path: str, element: Element) -> bool:
    """Whether an element says nothing: a device's type that is not of interest, or an unknown one without content."""
    if path in domain_elements().unseen:
        return False
    return ":" in path or not (element.attributes or element.children or element.text)
