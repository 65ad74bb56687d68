"""What guards a use of a name: tests for versions and features, and handlers of exceptions."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ppcdeps.checking.api.syntax import dotted, nodes_in

IMPORT = frozenset({"ImportError", "Exception", "BaseException", "StandardError"})
MODULE = IMPORT | {"ModuleNotFoundError"}
ATTRIBUTE = frozenset({"AttributeError", "Exception", "BaseException", "StandardError"})
SPARE = MODULE | ATTRIBUTE | {"NameError"}
"""What is caught where code makes do with an older, or another, version than it was written for."""

_GUARDING = re.compile(r"version|major|minor|(?:^|_)(?:has|have|supports?)(?:_|$)|\d", re.IGNORECASE)
"""Names that often stand for what was found out about a library: its version, or whether it has something."""
_ASKING = frozenset({"hasattr", "getattr", "find_spec", "find_loader", "find_module"})
"""Functions that tell whether a thing is there before it is used."""
_FINDING_OUT = _ASKING - {"getattr"}


@dataclass(slots=True)
class Guards:
    """How many of the blocks around what is read now get over a failure, by its kind.

    ``imports``: an import that fails; ``modules``: a module that is not there, but not a name that is not in it;
    ``attributes``: an attribute that is not there.
    """

    imports: int = 0
    modules: int = 0
    attributes: int = 0

    @contextmanager
    def raised(self, *, imports: bool = False, modules: bool = False, attributes: bool = False) -> Iterator[None]:
        """One guard more of these kinds, while the context lasts."""
        self.imports += imports
        self.modules += modules
        self.attributes += attributes
        yield
        self.imports -= imports
        self.modules -= modules
        self.attributes -= attributes


def is_guard(node: ast.expr, learned: Collection[str] = ()) -> bool:
    """Whether a test that the target does not decide may be about what a library has.

    ``learned`` are names that were given a value of that kind.
    """
    if any(name.isupper() for name in _operands(node)):
        # A constant that is tested for truth is a flag, set where something was found out.
        return True
    for each in nodes_in(node):
        match each:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                if name in _ASKING or name in learned or _GUARDING.search(name):
                    return True
            case ast.Constant(value="__version__" | "version"):
                return True
    return False


def finds_out(node: ast.expr) -> bool:
    """Whether an expression finds out which version of a library is there, or whether it has something."""
    for each in nodes_in(node):
        match each:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                if name in _FINDING_OUT or "version" in name.lower():
                    return True
    return False


def _operands(node: ast.expr) -> Iterator[str]:
    """The names that are tested for truth."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            yield from _operands(inner)
        case ast.BoolOp(values=values):
            for each in values:
                yield from _operands(each)


def caught(handlers: Sequence[ast.ExceptHandler]) -> tuple[bool, bool, bool]:
    """Whether a failing import, an absent module and a failing attribute are caught and got over."""
    enduring = [each for each in handlers if not _raises_again(each)]

    def any_catches(kinds: frozenset[str]) -> bool:
        return any(catches(each, kinds) for each in enduring)

    return any_catches(IMPORT), any_catches(MODULE), any_catches(ATTRIBUTE)


def catches(handler: ast.ExceptHandler, kinds: Iterable[str]) -> bool:
    """Whether a handler names one of the exceptions, or none at all."""
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(dotted(each).rpartition(".")[2] in kinds for each in types)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends by raising: it then reports the fault, and does not get over it."""
    if handler.type is not None and any(
        dotted(each).rpartition(".")[2] in ("ImportError", "ModuleNotFoundError", "AttributeError")
        for each in (handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])
    ):
        # Code that names them expects them: what it raises says what to install.
        return False
    return any(isinstance(each, ast.Raise) for each in handler.body)
