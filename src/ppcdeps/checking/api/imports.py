"""The imports of one module: what each binds, which of them may fail, and which stand in for others."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from ppcdeps.checking.api.guards import Guards
from ppcdeps.checking.api.module_facts import VALUE, Binding, BindingKind
from ppcdeps.checking.api.scopes import ModuleScopes
from ppcdeps.checking.api.uses import Uses

_Imports = tuple[tuple[str, str], ...]
"""Each is a module, and a name of it or nothing."""


class Imports:
    """Gathers the import statements of a module. ``package`` is the one that its relative imports begin in."""

    def __init__(self, package: str, scopes: ModuleScopes, uses: Uses, guards: Guards) -> None:
        self._package = package
        self._scopes = scopes
        self._uses = uses
        self._guards = guards
        self.stars: list[str] = []
        """Modules of which all names are imported at the module's top; ``?`` where it is not known which."""
        self.tried: set[str] = set()
        """Dotted names whose import may fail."""
        self._trying: list[tuple[str, str]] = []
        self.instead: _Imports = ()
        """The imports whose failure leads to what is read now."""

    def add(self, node: ast.Import) -> None:
        """``import a.b as c``."""
        for each in node.names:
            root = each.name.partition(".")[0]
            target = each.name if each.asname else root
            self._scopes.bind(each.asname or root, Binding(BindingKind.MODULE, target))
            self._add(each.name, (), node.lineno)

    def add_from(self, node: ast.ImportFrom) -> None:
        """``from a.b import c as d``."""
        module = self._absolute(node)
        if node.module == "__future__":
            return
        for each in node.names:
            if each.name == "*":
                if self._scopes.at_top:
                    self.stars.append(module or "?")
                self._add(module, (), node.lineno)
                continue
            binding = Binding(BindingKind.MEMBER, module, each.name) if module else VALUE
            self._scopes.bind(each.asname or each.name, binding)
            if module:
                self._add(module, (each.name,), node.lineno)

    def _absolute(self, node: ast.ImportFrom) -> str:
        """The module that ``from`` names; empty where it climbs out of the package."""
        if not node.level:
            return node.module or ""
        parts = self._package.split(".") if self._package else []
        if node.level - 1 > len(parts) or not parts:
            return ""
        base = parts[: len(parts) - (node.level - 1)]
        return ".".join([*base, node.module] if node.module else base)

    def _add(self, module: str, names: tuple[str, ...], line: int) -> None:
        if self._guards.imports:
            self.tried.add(".".join((module, *names)))
            self._trying.append((module, ".".join(names)))
            return
        if self._guards.modules:
            self.tried.add(module)
        if names or not self._guards.modules:
            self._uses.add_import(module, names, line, self.instead)

    @contextmanager
    def tried_block(self) -> Iterator[list[tuple[str, str]]]:
        """The guarded imports of a block that is tried, complete when the context ends."""
        outside, self._trying = self._trying, []
        yield self._trying
        self._trying = outside

    @contextmanager
    def standing_in(self, tried: _Imports) -> Iterator[None]:
        """The imports of a handler that stand in for those that were tried."""
        before = self.instead
        self.instead = tried or before
        yield
        self.instead = before
