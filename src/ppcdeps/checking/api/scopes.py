"""Scopes: what a name means where it stands, known once all of its scope was read; and what a module exports."""

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

from ppcdeps.checking.api.module_facts import VALUE, Binding, BindingKind, ClassShape
from ppcdeps.checking.api.syntax import texts_of


class ScopeKind(Enum):
    """Scopes of classes are not seen from the functions inside them."""

    MODULE = auto()
    CLASS = auto()
    FUNCTION = auto()


@dataclass(frozen=True, slots=True)
class AttributeChain:
    """``root.names`` as written, and what is to be done once ``root`` is known.

    ``stored`` is a name that is set on it. ``owner`` is the private function of the module in which it stands.
    """

    root: str
    names: tuple[str, ...]
    line: int
    stored: str = ""
    owner: str = ""


@dataclass(slots=True)
class Scope:
    """Names bound here, and the chains that begin with a name and wait for its meaning."""

    kind: ScopeKind
    parent: "Scope | None" = None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    chains: list[AttributeChain] = field(default_factory=list)
    outer: set[str] = field(default_factory=set)
    """Names that ``global`` or ``nonlocal`` gives to a scope outside."""

    def bind(self, name: str, binding: Binding) -> None:
        """Note one more way in which ``name`` gets a value here, or in the scope that ``global`` names."""
        scope = self
        while name in scope.outer and scope.parent is not None:
            scope = scope.parent
        known = scope.names.setdefault(name, [])
        if binding not in known:
            known.append(binding)

    def close(self, settle: Callable[[AttributeChain, Binding], None]) -> None:
        """Settle the chains whose root is bound here by one import alone; pass the others on outwards."""
        for chain in self.chains:
            bindings = self.names.get(chain.root)
            if bindings is None or chain.root in self.outer:
                outside = self._seen_from_here()
                if outside is not None:
                    outside.chains.append(chain)
            elif len(bindings) == 1 and bindings[0].kind in (BindingKind.MODULE, BindingKind.MEMBER):
                settle(chain, bindings[0])
        self.chains.clear()

    def _seen_from_here(self) -> "Scope | None":
        outside = self.parent
        while outside is not None and outside.kind is ScopeKind.CLASS:
            outside = outside.parent
        return outside


class ModuleScopes:
    """The scopes of a module while it is walked. ``settle`` is called as by ``Scope.close``."""

    def __init__(self, settle: Callable[[AttributeChain, Binding], None]) -> None:
        self.top = self.current = Scope(ScopeKind.MODULE)
        self._settle = settle
        self._deleted: set[str] = set()

    @property
    def at_top(self) -> bool:
        """Whether it is the module's own scope that is walked."""
        return self.current is self.top

    @property
    def in_function(self) -> bool:
        """Whether it is the scope of a function, a lambda or a comprehension."""
        return self.current.kind is ScopeKind.FUNCTION

    @contextmanager
    def inside(self, kind: ScopeKind) -> Iterator[Scope]:
        """A scope within the current one, which is closed at the end."""
        outside = self.current
        self.current = inner = Scope(kind, outside)
        yield inner
        inner.close(self._settle)
        self.current = outside

    def bind(self, name: str, binding: Binding = VALUE) -> None:
        """Note one more way in which ``name`` gets a value in the current scope."""
        self.current.bind(name, binding)
        if self.at_top:
            self._deleted.discard(name)

    def delete(self, name: str) -> None:
        """Note that the module deletes a name at its top, unconditionally."""
        self._deleted.add(name)

    def set_member(self, owner: str, member: str) -> None:
        """``Class.member = value`` below the class: the class has it as if its body said so."""
        for number, binding in enumerate(self.top.names.get(owner, ())):
            if binding.shape is not None:
                shape = binding.shape
                members = {**shape.members, member: (VALUE,)}
                changed = ClassShape(shape.bases, members, shape.open or member == "*")
                self.top.names[owner][number] = Binding(BindingKind.CLASS, shape=changed)

    def is_bound_once(self, name: str) -> bool:
        """Whether the module binds the name at its top, in one way."""
        return len(self.top.names.get(name, ())) == 1

    def close(self) -> dict[str, tuple[Binding, ...]]:
        """What the module's names are bound to, now that all of it was walked."""
        self.top.close(self._settle)
        return {name: tuple(each) for name, each in self.top.names.items() if name not in self._deleted}


@dataclass(slots=True)
class Exports:
    """``__all__``: its names as far as they are written out, None without one. ``computed``: it has others, too."""

    names: list[str] | None = None
    computed: bool = False

    def set(self, node: ast.expr, *, conditional: bool) -> None:
        """``__all__ = node``."""
        self.names = []
        self._add(None if conditional else texts_of(node), texts_of(node))

    def change(self, node: ast.expr, operator: ast.operator) -> None:
        """``__all__ += node``, or another operator."""
        names = texts_of(node)
        self._add(names if isinstance(operator, ast.Add) else None, names)

    def call(self, method: str, arguments: Sequence[ast.expr]) -> None:
        """``__all__.method(arguments)``."""
        names: Sequence[str] | None = None
        if method in ("extend", "append") and len(arguments) == 1:
            names = texts_of(arguments[0]) if method == "extend" else texts_of(ast.List(elts=list(arguments)))
        self._add(names, names)

    def _add(self, certain: Sequence[str] | None, names: Sequence[str] | None) -> None:
        self.computed |= certain is None
        self.names = [*(self.names or ()), *(names or ())]
