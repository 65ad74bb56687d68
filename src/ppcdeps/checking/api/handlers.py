"""What handlers of exceptions get over: imports that fail, attributes that are not there."""

import ast
from collections.abc import Iterable, Sequence

from ppcdeps.checking.api.conditions import dotted

IMPORT = frozenset({"ImportError", "Exception", "BaseException", "StandardError"})
MODULE = IMPORT | {"ModuleNotFoundError"}
ATTRIBUTE = frozenset({"AttributeError", "Exception", "BaseException", "StandardError"})
SPARE = MODULE | ATTRIBUTE | {"NameError"}
"""What is caught where code makes do with an older, or another, version than it was written for."""


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
    """Whether a handler ends by raising: it then tells of the fault, and does not get over it."""
    if handler.type is not None and any(
        dotted(each).rpartition(".")[2] in ("ImportError", "ModuleNotFoundError", "AttributeError")
        for each in (handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])
    ):
        # Whoever names them expects them: the message says what to install.
        return False
    return any(isinstance(each, ast.Raise) for each in handler.body)
