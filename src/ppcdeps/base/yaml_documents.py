"""YAML documents from outside, read under ceilings: numbers and dates stay the texts that they are written as."""

from typing import Any, BinaryIO

from ppcdeps.base.compression import DamagedError
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import DocumentError
from ppcdeps.model.visible import visible

# Empty values and merge keys are structure, not text.
_RESOLVED = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"})


def parse_yaml(content: bytes | BinaryIO, *, size: str, depth: str, unique: bool = False) -> list[Any]:
    """The documents of a YAML stream. Every scalar is a text or None: a version ``1.10`` is not the number 1.1.

    ``size`` and ``depth`` are the names of the ceilings that hold for what the aliases of a document stand for, and
    for its nesting. ``unique``: a mapping that has a key twice is refused. Raises DocumentError, and what reading the
    stream raises.
    """
    import yaml

    # The loader on libyaml is ten times as fast; it is not in every build of PyYAML.
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(yaml.load_all(content, Loader=_text_loader(base, size, depth, unique)))
    except (DamagedError, DocumentError):
        raise
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError, LookupError) as fault:
        line = getattr(getattr(fault, "problem_mark", None), "line", None)
        where = f" (line {line + 1})" if line is not None else ""
        raise DocumentError(f"is not well-formed YAML{where}") from fault


def _text_loader(base: Any, size: str, depth: str, unique: bool) -> Any:
    """A safe loader that resolves no numbers, and refuses what its aliases make too large, and keys that stand twice
    where they are to be ``unique``.
    """

    class Loader(base):  # type: ignore[misc]
        def construct_document(self, node: Any) -> Any:
            _check_size(node, size, depth)
            if unique:
                _check_keys(node)
            return super().construct_document(node)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVED]
        for first, resolvers in base.yaml_implicit_resolvers.items()
    }
    return Loader


def _check_size(root: Any, size: str, depth: str) -> None:
    """Raise DocumentError where the document, with what its aliases stand for, is larger than a ceiling allows.

    A few aliases of lists of aliases stand for more than any memory has, and so does one within what it names.
    """
    most, deepest = getattr(CEILINGS, size), getattr(CEILINGS, depth)
    sizes: dict[int, int] = {}
    entered: set[int] = set()
    todo: list[tuple[Any, int, bool]] = [(root, 1, False)]
    while todo:
        node, level, seen = todo.pop()
        below = _children(node)
        if seen:
            entered.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(each)] for each in below)
            if sizes[id(node)] > most:
                raise DocumentError(beyond(size, "with its aliases is larger than"))
            continue
        if id(node) in sizes:
            continue
        if id(node) in entered:
            raise DocumentError("has an alias within what it names")
        if level > deepest:
            raise DocumentError(beyond(depth, "is nested deeper than"))
        if not below:
            sizes[id(node)] = 1 + len(node.value)
            continue
        entered.add(id(node))
        todo.append((node, level, True))
        todo += ((each, level + 1, False) for each in below)


def _check_keys(root: Any) -> None:
    """Raise DocumentError where a mapping has a key twice: all but the last would be passed over."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        todo += _children(node)
        keys = set()
        for entry in node.value:
            # Those of a list are nodes, those of a mapping pairs of nodes, and a text's are characters.
            if isinstance(entry, tuple) and isinstance(key := entry[0].value, str):
                if key in keys:
                    line = entry[0].start_mark.line + 1
                    raise DocumentError(f"has the key {visible(key)[:80]} twice in one mapping (line {line})")
                keys.add(key)


def _children(node: Any) -> list[Any]:
    if isinstance(node.value, str):
        return []
    return [each for entry in node.value for each in (entry if isinstance(entry, tuple) else (entry,))]
