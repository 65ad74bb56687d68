"""Elements of a domain that are not judged, with the reason: those of the host, and those that are not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import TomlFile, raise_faults, read_toml
from ppcdeps.checking.findings import Skipped
from ppcdeps.checking.guest.xmltext import Element

FOLDER, NAME = "rules", "domain-elements"
_INSIDE = ("clock", "cpu", "cputune", "devices", "features", "memoryBacking", "os")
"""Elements whose children are looked at one by one."""
_BY_TYPE = ("disk", "input", "interface", "tpm", "video")
"""Devices of which some types are the host's own."""
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


def unseen_elements(root: Element) -> list[Skipped]:
    """What of a domain nothing judges, each kind of element once, by its first line."""
    known, found = domain_elements(), dict[str, Skipped]()
    for path, element in _elements(root):
        if path in known.judged or path in known.plain or path in found or _is_empty(path, element):
            continue
        why = known.unseen.get(path, "nothing is known of it for POWER guests")
        found[path] = Skipped(f"line {element.line}, <{element.tag}>", why)
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


def _is_empty(path: str, element: Element) -> bool:
    """Whether an element says nothing: a device's type that is not of interest, or an unknown one without content."""
    if path in domain_elements().unseen:
        return False
    return ":" in path or not (element.attributes or element.children or element.text)
