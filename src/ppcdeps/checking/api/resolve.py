"""Resolves a use of a name through all distributions: the name is there, it is not, or that is not known."""

import abc
import builtins
from collections.abc import Sequence
from dataclasses import dataclass

from ppcdeps.checking.api.module_facts import Binding, BindingKind, ClassShape, ModuleFacts, Use
from ppcdeps.checking.api.module_tree import Module, ModuleKind, ModuleTree
from ppcdeps.checking.api.removed import PYTHON, RemovedModule, removed_modules

_OF_MODULES = frozenset(dir(type("", (), {}))) | frozenset(
    {"__name__", "__doc__", "__package__", "__loader__", "__spec__", "__path__", "__file__", "__cached__"}
    | {"__builtins__", "__annotations__", "__dict__"}
)
_OF_CLASSES = frozenset(dir(type)) | frozenset(dir(object)) | frozenset(dir(abc.ABCMeta))
_DEEPEST = 60
"""Steps through re-exports and bases that are followed."""


@dataclass(frozen=True, slots=True)
class Missing:
    """``name`` is not in ``place``, the dotted name of a module or class that ``distribution`` has.

    ``position`` is that of the name in what was asked: 0 is the first name behind the module, -1 the module itself.
    """

    distribution: str
    place: str
    name: str
    position: int
    in_class: bool = False
    is_module: bool = False
    """A module of that name was to be imported, and nothing else could be meant."""
    removed: RemovedModule | None = None
    """What is known of it, where no file of the set says it."""

    @property
    def dotted(self) -> str:
        """The full name of what is missing."""
        return f"{self.place}.{self.name}" if self.place else self.name


@dataclass(frozen=True, slots=True)
class _Class:
    home: Module
    path: str
    shape: ClassShape


_Thing = Module | _Class | None
"""None: it is there, and what it is made of is not known."""


class Absent(Exception):  # noqa: N818 - a verdict
    """A name that is certainly not there."""

    def __init__(
        self, home: Module, place: str, name: str, *, in_class: bool = False, is_module: bool = False
    ) -> None:
        super().__init__(place, name)
        self.home, self.place, self.name = home, place, name
        self.in_class, self.is_module = in_class, is_module


class Resolver:
    """Resolves uses in one module tree, each once."""

    def __init__(self, tree: ModuleTree, python: tuple[int, ...]) -> None:
        self.tree = tree
        self._removed = {name: each for name, each in removed_modules().items() if self._holds(each, python)}
        self._removed_tops = {name.partition(".")[0] for name in self._removed}
        self._answers: dict[tuple[str, tuple[str, ...]], Missing | None] = {}

    def missing(self, use: Use) -> Missing | None:
        """The name of the use that is missing; None where all are there, or where that is not known."""
        key = (use.module, use.names)
        if key not in self._answers:
            self._answers[key] = self._given_up(use) or self._resolve(use.module, use.names)
        return self._answers[key]

    def _holds(self, removed: RemovedModule, python: tuple[int, ...]) -> bool:
        """Whether it is missing in this tree: its distribution is there, and no other has the module."""
        tree = self.tree
        if removed.name in tree.modules or tree.is_registered(removed.name):
            return False
        if removed.distribution != PYTHON:
            return removed.distribution in tree.releases
        release = tuple(int(part) for part in removed.removed_in.split("."))
        return python[: len(release)] >= release and removed.unless not in tree.releases

    def _given_up(self, use: Use) -> Missing | None:
        if use.module.partition(".")[0] not in self._removed_tops:
            return None
        parts = use.module.split(".")
        whole = [*parts, *use.names]
        for end in range(1, len(whole) + 1):
            removed = self._removed.get(".".join(whole[:end]))
            if removed is not None:
                place = ".".join(whole[: end - 1])
                position = max(end - len(parts) - 1, -1)
                return Missing(
                    removed.distribution, place, whole[end - 1], position, is_module=position < 0, removed=removed
                )
        return None

    def _resolve(self, module: str, names: Sequence[str]) -> Missing | None:
        position = -1
        try:
            thing: _Thing = self.module(module)
            for position, name in enumerate(names):  # noqa: B007 - read below
                if thing is None:
                    return None
                thing = self._member(thing, name, 0)
        except Absent as fault:
            return Missing(
                fault.home.distribution, fault.place, fault.name, position, fault.in_class, fault.is_module
            )
        except RecursionError:
            return None
        return None

    # Modules -------------------------------------------------------------------------------------------

    def module(self, name: str) -> Module | None:
        """The module of that name; None where that is not known. Raises Absent where it is certainly not there."""
        tree = self.tree
        found = tree.modules.get(name)
        if found is not None:
            return None if tree.is_standard(name) else found
        if not name or tree.is_standard(name):
            return None
        above, _, last = name.rpartition(".")
        if not above or tree.is_registered(name):
            return None
        parent = self.module(above)
        if parent is None or self._may_have_more_modules(parent):
            return None
        facts = parent.facts
        if not parent.is_package and facts is not None and facts.open_package:
            return None
        raise Absent(parent, parent.name, last, is_module=True)

    def _may_have_more_modules(self, module: Module) -> bool:
        if module.source is not ModuleKind.PYTHON or module.shared:
            return True
        facts = module.facts
        if facts is None or facts.open_package or facts.namespace or "__path__" in facts.names:
            return True
        release = self.tree.releases[module.distribution]
        return release.incomplete

    # Members -------------------------------------------------------------------------------------------

    def _member(self, thing: Module | _Class, name: str, depth: int) -> _Thing:
        if depth > _DEEPEST:
            return None
        if isinstance(thing, _Class):
            return self._of_class(thing, name, depth)
        return self._of_module(thing, name, depth, set())

    def _of_module(self, module: Module, name: str, depth: int, seen: set[str]) -> _Thing:
        """What ``name`` in the module is. Raises Absent."""
        facts = module.facts
        if facts is None:
            child = self._child(module, name)
            if child is not None or module.source is not ModuleKind.NAMESPACE:
                return child
            return None
        bindings = facts.names.get(name)
        child = self._child(module, name)
        if bindings is not None:
            if child is not None and not self._is_child(bindings, child):
                return None
            if facts.stars and not self._is_plain(module, facts, name, depth, seen):
                return None
            return child or self._bound(module, name, bindings, depth)
        if child is not None:
            # What a star import, or another module, binds to the name of a submodule hides it.
            return child if self._is_plain(module, facts, name, depth, seen) else None
        return self._unbound(module, facts, name, depth, seen)

    def _is_plain(self, module: Module, facts: ModuleFacts, name: str, depth: int, seen: set[str]) -> bool:
        if facts.open or self.tree.is_patched(module.name, name):
            return False
        seen = {*seen, module.name}
        return all(self._through_star(star, name, depth + 1, seen) is _NOT_THERE for star in facts.stars)

    def _unbound(self, module: Module, facts: ModuleFacts, name: str, depth: int, seen: set[str]) -> _Thing:
        if name in _OF_MODULES or module.closed is None or module.shared:
            return None
        tree = self.tree
        if module.name in tree.registered:
            # Something else may stand in its place.
            return None
        if tree.is_patched(module.name, name) or tree.is_registered(f"{module.name}.{name}"):
            return None
        if facts.open_package or (module.is_package and self.tree.releases[module.distribution].incomplete):
            return None
        found = self._through_stars(module, facts, name, depth, seen)
        if found is not _NOT_THERE:
            return found  # type: ignore[return-value]
        raise Absent(module, module.name, name)

    def _through_stars(self, module: Module, facts: ModuleFacts, name: str, depth: int, seen: set[str]) -> object:
        """What the star imports of a module bring under ``name``; None where it is several things: the last wins,
        and which is last depends on what was imported before.
        """
        seen.add(module.name)
        given = [self._through_star(star, name, depth + 1, seen) for star in facts.stars]
        things = [each for each in given if each is not _NOT_THERE]
        if not things:
            return _NOT_THERE
        return things[0] if all(each is things[0] for each in things) else None

    def _through_star(self, target: str, name: str, depth: int, seen: set[str]) -> object:
        """What ``from target import *`` brings under ``name``; ``_NOT_THERE`` where it brings nothing."""
        if target in seen:
            return _NOT_THERE
        if depth > _DEEPEST:
            return None
        try:
            module = self.module(target)
            if module is None or module.closed is None:
                return None
            facts = module.closed
            if facts.exported is not None and not facts.computed_all and name not in facts.exported:
                return _NOT_THERE
            if facts.exported is None and not facts.computed_all and name.startswith("_"):
                return _NOT_THERE
            return self._of_module(module, name, depth, seen)
        except Absent:
            return _NOT_THERE

    def _child(self, module: Module, name: str) -> Module | None:
        return self.tree.modules.get(f"{module.name}.{name}") if name in module.children else None

    @staticmethod
    def _is_child(bindings: Sequence[Binding], child: Module) -> bool:
        for each in bindings:
            if each.kind is BindingKind.MODULE and each.target == child.name:
                continue
            if each.kind is BindingKind.MEMBER and f"{each.target}.{each.attribute}" == child.name:
                continue
            return False
        return True

    def _bound(self, home: Module, name: str, bindings: Sequence[Binding], depth: int) -> _Thing:
        """What a name is that is bound in one way; None for several."""
        if len(bindings) != 1 or depth > _DEEPEST:
            return None
        binding = bindings[0]
        if binding.shape is not None:
            return _Class(home, f"{home.name}.{name}", binding.shape)
        try:
            match binding.kind:
                case BindingKind.MODULE:
                    return self.module(binding.target)
                case BindingKind.MEMBER:
                    module = self.module(binding.target)
                    return None if module is None else self._of_module(module, binding.attribute, depth + 1, set())
                case BindingKind.ALIAS:
                    return self._read(home, binding.target, depth + 1)
                case _:
                    return None
        except Absent:
            # Its own distribution's import fails: that is a finding of the import.
            return None

    def _read(self, home: Module, text: str, depth: int) -> _Thing:
        """What dotted text means at a module's top. Raises Absent."""
        if not text:
            return None
        root, *names = text.split(".")
        facts = home.facts
        if facts is None or root not in facts.names:
            return None
        thing = self._bound(home, root, facts.names[root], depth)
        for name in names:
            if thing is None:
                return None
            thing = self._member(thing, name, depth + 1)
        return thing

    # Classes -------------------------------------------------------------------------------------------

    def _of_class(self, owner: _Class, name: str, depth: int) -> _Thing:
        """What ``name`` of the class object is. Raises Absent."""
        if name in _OF_CLASSES or name.startswith("__"):
            return None
        found = self._in_class(owner, name, depth, set())
        if found is _NOT_THERE:
            raise Absent(owner.home, owner.path, name, in_class=True)
        return found  # type: ignore[return-value]

    def _in_class(self, owner: _Class, name: str, depth: int, seen: set[str]) -> object:
        if owner.path in seen or depth > _DEEPEST:
            return None
        seen.add(owner.path)
        bindings = owner.shape.members.get(name)
        if bindings is not None:
            if len(bindings) == 1 and bindings[0].shape is not None:
                return _Class(owner.home, f"{owner.path}.{name}", bindings[0].shape)
            return None
        if owner.shape.open or owner.home.closed is None or "*" in owner.shape.members:
            return None
        if self.tree.is_patched(owner.path, name):
            return None
        for base in owner.shape.bases:
            found = self._in_base(owner, base, name, depth + 1, seen)
            if found is not _NOT_THERE:
                return found
        return _NOT_THERE

    def _in_base(self, owner: _Class, base: str, name: str, depth: int, seen: set[str]) -> object:
        facts = owner.home.facts
        if base == "object" and facts is not None and "object" not in facts.names:
            return _NOT_THERE
        if base in _BUILTIN and facts is not None and base not in facts.names:
            return None if hasattr(_BUILTIN[base], name) else _NOT_THERE
        try:
            above = self._read(owner.home, base, depth)
        except Absent:
            return None
        return self._in_class(above, name, depth, seen) if isinstance(above, _Class) else None


_NOT_THERE = object()
_BUILTIN = {name: each for name, each in vars(builtins).items() if isinstance(each, type) and name != "object"}
