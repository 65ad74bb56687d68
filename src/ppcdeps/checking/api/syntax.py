"""Expressions as they are written: dotted names, and collections of strings."""

import ast
from collections.abc import Iterator, Sequence

_OUTSIDE = frozenset({"ctx", "op", "ops"})
"""Fields that hold no expressions and no names."""


# The two do what `iter_child_nodes` and `walk` of module `ast` do, in less time: scans spend much of theirs there.


def children_of(node: ast.AST) -> list[ast.AST]:
    """The statements and expressions directly in a node, in their order."""
    found: list[ast.AST] = []
    for field in node._fields:
        if field in _OUTSIDE:
            continue
        value = getattr(node, field, None)
        if isinstance(value, list):
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def nodes_in(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all statements and expressions in it."""
    waiting = [node]
    for each in waiting:
        yield each
        waiting += children_of(each)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as written; empty for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def texts_of(node: ast.expr) -> list[str] | None:
    """The strings of a list, tuple, set or sum of them that is written out; None for anything else."""
    match node:
        case ast.List() | ast.Tuple() | ast.Set():
            return _strings(node.elts)
        case ast.BinOp(op=ast.Add()):
            left, right = texts_of(node.left), texts_of(node.right)
            return None if left is None or right is None else left + right
        case ast.Constant(value=str() as text):
            return [text]
    return None


def keys_of(node: ast.expr) -> list[str] | None:
    """The strings of a collection, or the keys of a mapping, that is written out."""
    if not isinstance(node, ast.Dict):
        return texts_of(node) if isinstance(node, ast.List | ast.Tuple | ast.Set) else None
    return _strings(node.keys)


def _strings(nodes: Sequence[ast.expr | None]) -> list[str] | None:
    found = [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return found if len(found) == len(nodes) else None
