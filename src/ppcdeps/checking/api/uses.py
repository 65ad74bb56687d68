"""The uses that one module makes of the names of others, and what it sets on them."""

from ppcdeps.checking.api.module_facts import Binding, BindingKind, Use
from ppcdeps.checking.api.scopes import AttributeChain

_Key = tuple[str, tuple[str, ...], bool, tuple[tuple[str, str], ...]]


class Uses:
    """Gathers the uses of a module, each once, at its first line."""

    def __init__(self) -> None:
        self.owner = ""
        """The private function of the module that is read."""
        self.mentioned: set[str] = set()
        """Names that some expression of the module mentions."""
        self.patched: set[tuple[str, tuple[str, ...], str]] = set()
        """Names that are set on other modules: the module, the path in it, the name."""
        self._uses: dict[_Key, Use] = {}
        self._owners: dict[_Key, set[str]] = {}

    def settle(self, chain: AttributeChain, binding: Binding) -> None:
        """Make a use, or a patch, of a chain whose root is an import."""
        first = (binding.attribute,) if binding.kind is BindingKind.MEMBER else ()
        names = first + chain.names
        if chain.stored:
            self.patched.add((binding.target, names, chain.stored))
        if chain.names:
            self._add(Use(binding.target, names, len(first), chain.line), chain.owner)

    def add_import(
        self, module: str, names: tuple[str, ...], line: int, instead: tuple[tuple[str, str], ...]
    ) -> None:
        """Note an import; ``instead`` are the imports whose failure leads to it."""
        self._add(Use(module, names, len(names), line, is_import=True, instead=instead), self.owner)

    def _add(self, use: Use, owner: str) -> None:
        if use.module:
            key = (use.module, use.names, use.is_import, use.instead)
            self._uses.setdefault(key, use)
            self._owners.setdefault(key, set()).add(owner)

    def live(self) -> tuple[Use, ...]:
        """All uses but those in private functions that the module never mentions, and so never calls."""
        owners = {name for names in self._owners.values() for name in names}
        dead = owners - self.mentioned - {""}
        return tuple(use for key, use in self._uses.items() if not self._owners[key] <= dead)
