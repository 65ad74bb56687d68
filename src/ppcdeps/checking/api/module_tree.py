"""All distributions of an environment as one tree of modules."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ppcdeps.checking.api.module_facts import ModuleFacts


class ModuleKind(Enum):
    """What a module is made of."""

    PYTHON = auto()
    COMPILED = auto()
    NAMESPACE = auto()


@dataclass(slots=True)
class Module:
    """A module and the distribution that has it. ``row`` is the text of its facts, None for compiled ones.

    ``children`` are the last parts of its submodules' names. ``shared``: several distributions have it.
    """

    name: str
    distribution: str
    source: ModuleKind
    path: str = ""
    row: str | None = None
    is_package: bool = False
    shared: bool = False
    children: set[str] = field(default_factory=set)
    _facts: ModuleFacts | None = None

    @property
    def facts(self) -> ModuleFacts | None:
        """What its source says; None where there is none."""
        if self._facts is None and self.row is not None:
            self._facts = ModuleFacts.of(self.row)
        return self._facts

    @property
    def closed(self) -> ModuleFacts | None:
        """Its facts where they name all that it has; else None."""
        facts = self.facts
        return None if facts is None or facts.open or facts.namespace else facts


@dataclass(frozen=True, slots=True)
class ScannedDistribution:
    """A distribution with the texts of its modules' facts by path, None for what is compiled.

    ``incomplete``: it has modules that are not listed.
    """

    name: str
    version: str
    rows: Mapping[str, str | None]
    incomplete: bool = False
    entry_points: tuple[str, ...] = ()


class ModuleTree:
    """The modules of all releases by dotted name. Of a module that several have, the first release's counts.

    It is complete once ``note`` was called with every module's facts.
    """

    def __init__(self, releases: Iterable[ScannedDistribution]) -> None:
        self.releases = {release.name: release for release in releases}
        self.modules: dict[str, Module] = {}
        self.patched: dict[tuple[str, ...], set[str]] = {}
        """Names that some module sets, by the dotted path of the module or class; ``*`` stands for any."""
        self.registered: set[str] = set()
        self.registered_prefixes: set[str] = set()
        for release in self.releases.values():
            for path, row in release.rows.items():
                self._add(release, path, row)

    def _add(self, release: ScannedDistribution, path: str, row: str | None) -> None:
        name, is_package = module_of(path)
        if not name:
            return
        source = ModuleKind.COMPILED if row is None else ModuleKind.PYTHON
        known = self.modules.get(name)
        if known is None or known.source is ModuleKind.NAMESPACE:
            children = known.children if known is not None else set()
            self.modules[name] = Module(name, release.name, source, path, row, is_package, children=children)
            self._link(name, release.name)
        elif known.distribution != release.name:
            known.shared = True
        elif source is ModuleKind.COMPILED and not known.is_package:
            # A compiled module beside its source wins over it.
            self.modules[name] = Module(name, release.name, source, path, None, children=known.children)
        elif is_package and not known.is_package:
            self.modules[name] = Module(name, release.name, source, path, row, True, children=known.children)

    def _link(self, name: str, distribution: str) -> None:
        parent, _, last = name.rpartition(".")
        while parent:
            above = self.modules.get(parent)
            if above is None:
                above = Module(parent, distribution, ModuleKind.NAMESPACE, is_package=True)
                self.modules[parent] = above
            if last in above.children:
                return
            above.children.add(last)
            parent, _, last = parent.rpartition(".")

    def note(self, facts: ModuleFacts) -> None:
        """Learn what a module does to others."""
        for target, path, name in facts.patched:
            self.patched.setdefault((*target.split("."), *path), set()).add(name)
        for name in facts.registered:
            if name.endswith("."):
                self.registered_prefixes.add(name)
            else:
                self.registered.add(name)

    def is_registered(self, name: str) -> bool:
        """Whether some module puts a module of that dotted name into ``sys.modules``."""
        return name in self.registered or name.startswith(tuple(self.registered_prefixes))

    def is_patched(self, place: str, name: str) -> bool:
        """Whether some module sets ``name`` on the module or class with that dotted path."""
        found = self.patched.get(tuple(place.split(".")))
        return found is not None and (name in found or "*" in found)

    def is_standard(self, module: str) -> bool:
        """Whether the standard library has the module's first part: it comes first on ``sys.path``."""
        return module.partition(".")[0] in _STANDARD


_STANDARD = frozenset(sys.stdlib_module_names) | frozenset(
    {"asynchat", "asyncore", "distutils", "imp", "smtpd", "binhex", "formatter", "parser", "symbol", "macpath"}
)


def module_of(path: str) -> tuple[str, bool]:
    """The dotted name of the module at a path, and whether it is a package. Empty for what cannot be imported."""
    head, _, last = path.rpartition("/")
    stem = last.partition(".")[0]
    parts = head.split("/") if head else []
    if stem == "__init__":
        return ".".join(parts), True
    return ".".join([*parts, stem]), False
