"""Scopes: what a name means where it stands, known once all of its scope was read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from ppcdeps.checking.api.module_facts import Binding, BindingKind


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
        """Settle the chains whose root is bound here by one import alone; hand the others outwards."""
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
