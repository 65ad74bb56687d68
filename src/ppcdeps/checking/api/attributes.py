"""Reads a module's ``__getattr__`` (PEP 562): most only pass a few old names on, and refuse all others."""

import ast
from collections.abc import Callable, Iterator

_HARMLESS = frozenset({"AttributeError", "warn", "warnings.warn", "warn_deprecated", "str", "repr", "format"})


def given_names(function: ast.FunctionDef, constants: Callable[[str], list[str] | None]) -> list[str] | None:
    """The names that a module's ``__getattr__`` answers for; None where that cannot be told.

    It can be told where the function ends by raising AttributeError, and does nothing with the name that it is
    asked for but compare it and put it into messages. ``constants`` gives the strings of a list, set or
    mapping that the module binds.
    """
    if len(function.args.args) != 1 or function.args.vararg or not function.body or not _refuses(function.body[-1]):
        return None
    asked = function.args.args[0].arg
    found: list[str] = []
    harmless: set[int] = set()
    for node in ast.walk(function):
        match node:
            case ast.Compare(left=ast.Name(id=name) as left, ops=[ast.Eq() | ast.In()], comparators=[against]):
                texts = _texts(against, constants) if name == asked else None
                if texts is not None:
                    found.extend(texts)
                    harmless.add(id(left))
            case ast.JoinedStr() | ast.BinOp(op=ast.Mod(), left=ast.Constant()):
                harmless.update(_mentions(node, asked))
            case ast.Call(func=called) if ast.unparse(called).rpartition(".")[2] in _HARMLESS:
                harmless.update(_mentions(node, asked))
            case ast.Raise():
                harmless.update(_mentions(node, asked))
    return found if all(each in harmless for each in _mentions(function, asked)) else None


def _refuses(last: ast.stmt) -> bool:
    match last:
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name)) | ast.Name(id=name)):
            return name == "AttributeError"
    return False


def _mentions(node: ast.AST, name: str) -> Iterator[int]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id == name:
            yield id(each)


def _texts(node: ast.expr, constants: Callable[[str], list[str] | None]) -> list[str] | None:
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            parts = [_texts(each, constants) for each in elements]
            return None if None in parts else [text for part in parts if part is not None for text in part]
        case ast.Name(id=name):
            return constants(name)
    return None
