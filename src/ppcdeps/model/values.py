"""`dataclass` of the standard library at a quarter of its cost, for modules that most commands import.

A plan imports about a hundred of such classes. For each, the standard decorator writes and compiles six functions,
which takes half a millisecond: in all as long as the solver takes for the plan. Here comparing, hashing and showing
are common to all classes, and only ``__init__`` is made. To mypy this is the standard decorator, and it is mypy that
sees to it that nothing is assigned to a frozen one.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, eq: bool = True, **options: Any
    ) -> type | Callable[[type], type]:
        """The decorator `dataclasses.dataclass`, with its options but ``order`` and ``unsafe_hash``."""
        if cls is None:
            return lambda decorated: dataclass(decorated, frozen=frozen, eq=eq, **options)
        own = set(vars(cls))
        # The standard library would write the signature, which takes as long as all the rest.
        cls.__doc__ = cls.__doc__ or cls.__name__
        made = dataclasses.dataclass(cls, eq=False, repr=False, **options)
        fields = dataclasses.fields(made)
        made.__compared__ = _getter([field.name for field in fields if field.compare])
        made.__shown__ = [field.name for field in fields if field.repr]
        if "__repr__" not in own:
            made.__repr__ = _text
        if eq and "__eq__" not in own:
            made.__eq__ = _is_equal
            if "__hash__" not in own:
                made.__hash__ = _hash if frozen else None
        return made

    def _getter(names: list[str]) -> Callable[[Any], Any]:
        """What gives the values of these attributes, as something that compares and hashes as they do."""
        return attrgetter(*names) if names else type

    def _is_equal(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self.__compared__(self) == self.__compared__(other)

    def _hash(self: Any) -> int:
        return hash(self.__compared__(self))

    def _text(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
        return f"{self.__class__.__qualname__}({shown})"
