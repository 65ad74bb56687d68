"""Module facts: the names that one source file binds, and the names of other modules that it uses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class BindingKind(StrEnum):
    """What a name is bound to."""

    MODULE = "m"
    """``import a.b as name``: the module ``target``."""
    MEMBER = "f"
    """``from a.b import c as name``: what ``attribute`` of the module ``target`` is."""
    CLASS = "c"
    ALIAS = "a"
    """``name = x.y.z``: the dotted text ``target``, to be read in the same module."""
    VALUE = "v"
    """Anything else: a function, a number, the result of a call. What it has in turn is not known."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One way in which a name gets its value."""

    kind: BindingKind
    target: str = ""
    attribute: str = ""
    shape: "ClassShape | None" = None

    def row(self) -> list[Any]:
        """As JSON holds it."""
        if self.shape is not None:
            return ["c", self.shape.row()]
        return [self.kind.value, self.target, self.attribute] if self.target else [self.kind.value]

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Binding":
        """What ``row`` wrote."""
        if row[0] == "c":
            return cls(BindingKind.CLASS, shape=ClassShape.of(row[1]))
        return cls(BindingKind(row[0]), *row[1:])


VALUE = Binding(BindingKind.VALUE)


@dataclass(frozen=True, slots=True)
class ClassShape:
    """A class: its bases as dotted texts (empty: not to be read), and the names that its body binds.

    ``open``: it may have names that its body does not show.
    """

    bases: tuple[str, ...]
    members: Mapping[str, tuple[Binding, ...]]
    open: bool

    def row(self) -> list[Any]:
        """As JSON holds it."""
        members = {name: [each.row() for each in bindings] for name, bindings in self.members.items()}
        return [list(self.bases), members, self.open]

    @classmethod
    def of(cls, row: Sequence[Any]) -> "ClassShape":
        """What ``row`` wrote."""
        members = {name: tuple(Binding.of(each) for each in rows) for name, rows in row[1].items()}
        return cls(tuple(row[0]), members, row[2])


@dataclass(frozen=True, slots=True)
class Use:
    """``names`` are taken from ``module``, one of the other; the first ``imported`` of them by an import.

    ``instead``: it is done only where one of these imports fails, each a module and a name of it or nothing.
    """

    module: str
    names: tuple[str, ...]
    imported: int
    line: int
    is_import: bool = False
    instead: tuple[tuple[str, str], ...] = ()

    def row(self) -> list[Any]:
        """As JSON holds it."""
        whole: list[Any] = [self.module, list(self.names), self.imported, self.line, self.is_import]
        return [*whole, [list(each) for each in self.instead]] if self.instead else whole

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Use":
        """What ``row`` wrote."""
        module, names, imported, line, is_import, *rest = row
        instead = tuple((first, name) for first, name in rest[0]) if rest else ()
        return cls(module, tuple(names), imported, line, is_import, instead)


@dataclass(slots=True)
class ModuleFacts:
    """All that is recorded of a source file.

    ``exported`` is ``__all__`` where it is written out, None where there is none, and the empty tuple with
    ``computed_all`` where it is computed. ``open``: names may appear that the source does not show.
    ``open_package``: submodules may appear that have no file. ``registered`` are modules put into
    ``sys.modules`` by name; one that ends in ``.`` stands for all that begin so. ``probed`` are names looked for
    with ``hasattr`` or ``getattr``; ``tried`` are dotted names whose import may fail. ``patched`` are names set
    on other modules: the module, the path in it, the name (``*``: any). ``fault`` says why nothing is known.
    """

    names: dict[str, tuple[Binding, ...]] = field(default_factory=dict)
    stars: tuple[str, ...] = ()
    exported: tuple[str, ...] | None = None
    computed_all: bool = False
    open: bool = False
    open_package: bool = False
    namespace: bool = False
    uses: tuple[Use, ...] = ()
    patched: tuple[tuple[str, tuple[str, ...], str], ...] = ()
    registered: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    fault: str = ""

    def text(self) -> str:
        """As JSON on one line; what is empty is left out."""
        return json.dumps(self._row(), separators=(",", ":"), ensure_ascii=True)

    def _row(self) -> dict[str, Any]:
        whole: dict[str, Any] = {
            "n": {name: [each.row() for each in bindings] for name, bindings in self.names.items()},
            "s": list(self.stars),
            "a": None if self.exported is None else list(self.exported),
            "c": self.computed_all,
            "o": self.open,
            "p": self.open_package,
            "k": self.namespace,
            "u": [use.row() for use in self.uses],
            "t": [[module, list(path), name] for module, path, name in self.patched],
            "r": list(self.registered),
            "h": list(self.probed),
            "i": list(self.tried),
            "f": self.fault,
        }
        return {key: value for key, value in whole.items() if value or (key == "a" and value is not None)}

    @classmethod
    def of(cls, text: str) -> "ModuleFacts":
        """What ``text`` wrote."""
        row = json.loads(text)
        exported = row.get("a")
        return cls(
            names={name: tuple(map(Binding.of, rows)) for name, rows in row.get("n", {}).items()},
            stars=tuple(row.get("s", ())),
            exported=None if exported is None else tuple(exported),
            computed_all=row.get("c", False),
            open=row.get("o", False),
            open_package=row.get("p", False),
            namespace=row.get("k", False),
            uses=tuple(map(Use.of, row.get("u", ()))),
            patched=tuple((module, tuple(path), name) for module, path, name in row.get("t", ())),
            registered=tuple(row.get("r", ())),
            probed=tuple(row.get("h", ())),
            tried=tuple(row.get("i", ())),
            fault=row.get("f", ""),
        )
