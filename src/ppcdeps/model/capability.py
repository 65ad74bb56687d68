"""RPM capabilities as text: plain, versioned, and boolean (rich) dependencies.

Follows rpm's manual on dependencies and on boolean dependencies (rpm.org, "Boolean Dependencies").
"""

from collections.abc import Iterator
from typing import assert_never

from ppcdeps.model.values import dataclass

_RELATIONS = ("<", ">", "=", "<=", ">=")
DEEPEST = 100
"""Levels of parentheses in a boolean dependency: real ones have four, and libsolv and rpm use the stack for each."""


@dataclass(frozen=True, slots=True)
class Capability:
    """A name, perhaps with a relation to a version: ``libvirt-libs >= 9.0``.

    ``relation`` and ``evr`` are empty where the capability has no version.
    """

    name: str
    relation: str = ""
    evr: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.evr}" if self.relation else self.name

    @property
    def is_path(self) -> bool:
        """Whether it names a file."""
        return self.name.startswith("/")


@dataclass(frozen=True, slots=True)
class Rich:
    """A boolean dependency: an operator (and, or, with, if, unless, without) over two or more operands.

    ``otherwise`` is the ``else`` branch of ``if`` and ``unless``.
    """

    operator: str
    operands: tuple["Requirement", ...]
    otherwise: "Requirement | None" = None

    def __str__(self) -> str:
        inner = f" {self.operator} ".join(map(str, self.operands))
        return f"({inner} else {self.otherwise})" if self.otherwise is not None else f"({inner})"


Requirement = Capability | Rich


def parse_requirement(text: str) -> Requirement:
    """Read a requirement as spec files and rpm metadata write it.

    Raises ValueError where a boolean dependency is not well-formed, or nested too deep.
    """
    text = text.strip()
    if not text.startswith("("):
        return _capability(text.split())
    if depth_of(text) > DEEPEST:
        raise ValueError(f"a boolean dependency is nested deeper than {DEEPEST} levels: {text[:60]}...")
    words = _Words(text)
    requirement = _rich(words)
    if words.peek() is not None:
        raise ValueError(f"unexpected {words.peek()!r} in the boolean dependency {text}")
    return requirement


def requirement_of(text: str) -> Requirement:
    """A requirement as a package of a repository has it: what is not well-formed is one name, as for libsolv."""
    try:
        return parse_requirement(text)
    except ValueError:
        return Capability(text)


def depth_of(text: str) -> int:
    """How deep its parentheses are nested at most."""
    depth = deepest = 0
    for char in text:
        if char == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif char == ")":
            depth -= 1
    return deepest


def capabilities_in(requirement: Requirement) -> Iterator[Capability]:
    """Every plain capability that the requirement mentions, conditions included."""
    match requirement:
        case Capability():
            yield requirement
        case Rich(_, operands, otherwise):
            for operand in operands:
                yield from capabilities_in(operand)
            if otherwise is not None:
                yield from capabilities_in(otherwise)
        case _:
            assert_never(requirement)


def paths_in(text: str) -> frozenset[str]:
    """The absolute paths that a requirement names, also inside of a boolean one; none where that is malformed."""
    if text.startswith("/"):
        return frozenset({text})
    if not text.startswith("(") or "/" not in text:
        return frozenset()
    try:
        return frozenset(each.name for each in capabilities_in(parse_requirement(text)) if each.is_path)
    except ValueError:
        return frozenset()


def _capability(words: list[str]) -> Capability:
    match words:
        case [name]:
            return Capability(name)
        case [name, relation, evr] if relation in _RELATIONS:
            return Capability(name, relation, evr)
        case _:
            raise ValueError(f"not a requirement (name, or name, relation and version): {' '.join(words)!r}")


class _Words:
    """The text of a boolean dependency, cut into parentheses and words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = list(_cut(text))
        self._next = 0

    def peek(self) -> str | None:
        return self._words[self._next] if self._next < len(self._words) else None

    def take(self) -> str:
        word = self.peek()
        if word is None:
            raise ValueError(f"the boolean dependency {self.text} ends too early")
        self._next += 1
        return word


def _cut(text: str) -> Iterator[str]:
    """Cut at white space and at the parentheses that group; those inside names stay with the name."""
    word, depth = "", 0
    for char in text:
        if depth == 0 and not word and char == "(":
            yield char
        elif char == "(":
            word, depth = word + char, depth + 1
        elif char == ")" and depth > 0:
            word, depth = word + char, depth - 1
        elif char == ")" or char.isspace():
            if word:
                yield word
                word = ""
            if char == ")":
                yield char
        else:
            word += char
    if word:
        yield word


def _rich(words: _Words) -> Rich:
    if words.take() != "(":
        raise ValueError(f"a boolean dependency starts with a parenthesis: {words.text}")
    operands = [_operand(words)]
    operator = words.take()
    if operator not in {"and", "or", "with", "if", "unless", "without"}:
        raise ValueError(f"unknown operator {operator!r} in the boolean dependency {words.text}")
    operands.append(_operand(words))
    otherwise: Requirement | None = None
    while (word := words.take()) != ")":
        if word == "else" and operator in {"if", "unless"} and otherwise is None:
            otherwise = _operand(words)
        elif word == operator and operator in {"and", "or", "with"}:
            operands.append(_operand(words))
        else:
            raise ValueError(f"unexpected {word!r} in the boolean dependency {words.text}")
    return Rich(operator, tuple(operands), otherwise)


def _operand(words: _Words) -> Requirement:
    if words.peek() == "(":
        return _rich(words)
    parts = [words.take()]
    if words.peek() in _RELATIONS:
        parts += [words.take(), words.take()]
    if parts[0] == ")":
        raise ValueError(f"an operand is missing in the boolean dependency {words.text}")
    return _capability(parts)
