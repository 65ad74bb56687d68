"""Tests that the target decides: the value of ``sys.version_info >= (3, 8)`` is known without running it.

What is known of names comes from their text. ``PY2`` is false wherever it was imported from: a module that
gave it another meaning would break its readers first.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ppcdeps.checking.api.syntax import dotted


class _Unknown:
    def __bool__(self) -> bool:
        raise TypeError("an unknown value has no truth")


UNKNOWN: Final = _Unknown()
"""The value of what the target does not decide. It has no truth value of its own."""

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b,
    ast.IsNot: lambda a, b: a is not b,
}
_PYTHON_2 = frozenset({"PY2", "PYTHON2", "IS_PY2", "IS_PYTHON2", "PY2K", "PY26", "PY27"})
_PYTHON_3 = frozenset({"PY3", "PYTHON3", "IS_PY3", "IS_PYTHON3", "PY3K"})
_HERE = frozenset({"LINUX", "IS_LINUX", "CPYTHON", "IS_CPYTHON"})
_ELSEWHERE = frozenset(
    {
        "WINDOWS",
        "IS_WINDOWS",
        "ON_WINDOWS",
        "WIN",
        "WIN32",
        "IS_WIN32",
        "MACOS",
        "IS_MACOS",
        "OSX",
        "IS_OSX",
        "DARWIN",
    }
    | {"CYGWIN", "PYPY", "IS_PYPY", "JYTHON", "IRONPYTHON", "MYPY", "TYPE_CHECKING"}
)


@dataclass(frozen=True)
class PythonPlatform:
    """The interpreter that the code would run on: its full version and the machine."""

    version: tuple[int, int, int] = (3, 9, 25)
    machine: str = "ppc64le"

    @classmethod
    def of(cls, python: str, machine: str) -> "PythonPlatform":
        """The platform of a version text such as 3.9.25; missing numbers count as 0."""
        numbers = [int(part) for part in re.findall(r"\d+", python)[:3]]
        major, minor, micro = (*numbers, 0, 0, 0)[:3]
        return cls((major, minor, micro), machine)

    @property
    def key(self) -> str:
        """What distinguishes two platforms in the cache."""
        return f"{'.'.join(map(str, self.version))}-{self.machine}"

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Values by the dotted text that names them."""
        major, minor, micro = self.version
        text = f"{major}.{minor}.{micro}"
        info = (major, minor, micro, "final", 0)
        plain: dict[str, Any] = {
            "sys.version_info.major": major,
            "sys.version_info.minor": minor,
            "sys.version_info.micro": micro,
            "sys.version_info": info,
            "version_info": info,
            "sys.hexversion": major << 24 | minor << 16 | micro << 8 | 0xF0,
            "sys.version": f"{text} (main)",
            "sys.platform": "linux",
            "sys.byteorder": "big" if self.machine == "s390x" else "little",
            "sys.implementation.name": "cpython",
            "os.name": "posix",
            "six.PY34": major == 3,
            "typing.TYPE_CHECKING": False,
            "__debug__": True,
        }
        called: dict[str, Any] = {
            "platform.system()": "Linux",
            "platform.machine()": self.machine,
            "platform.python_implementation()": "CPython",
            "platform.python_version()": text,
            "platform.python_version_tuple()": tuple(text.split(".")),
        }
        return plain | called


class Conditions:
    """Evaluates the tests of one module. ``constants`` are names that it bound to decided values."""

    def __init__(self, platform: PythonPlatform) -> None:
        self.constants: dict[str, Any] = {}
        self._facts = platform.facts
        self._major = platform.version[0]

    def learn(self, name: str, node: ast.expr) -> None:
        """Note that the module binds ``name`` to ``node``, if the target decides its value.

        A plain constant is left out: a function may set it to something else later (``global``).
        """
        value = UNKNOWN if isinstance(node, ast.Constant) else self.value(node)
        if name in self.constants and self.constants[name] != value:
            value = UNKNOWN
        self.constants[name] = value

    def truth(self, node: ast.expr) -> bool | None:
        """Whether a test holds on the target; None where the target does not decide."""
        try:
            value = self.value(node)
        except RecursionError:
            return None
        return None if value is UNKNOWN else bool(value)

    def value(self, node: ast.expr) -> Any:
        """The value, or UNKNOWN."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Tuple():
                parts = [self.value(each) for each in node.elts]
                return UNKNOWN if any(each is UNKNOWN for each in parts) else tuple(parts)
            case ast.UnaryOp(op=ast.Not()):
                held = self.truth(node.operand)
                return UNKNOWN if held is None else not held
            case ast.BoolOp():
                return self._combined(node)
            case ast.Compare():
                return self._compared(node)
            case ast.Subscript():
                return self._part(node)
            case ast.Name() | ast.Attribute():
                return self._named(node)
            case ast.Call(func=ast.Attribute(value=held, attr=("startswith" | "lower") as method)):
                return self._text_method(self.value(held), method, node)
            case ast.Call(func=ast.Name(id="bool"), args=[inner]):
                return self.value(inner)
            case ast.Call(args=[], keywords=[]):
                return self._facts.get(f"{dotted(node.func)}()", UNKNOWN)
        return UNKNOWN

    def _combined(self, node: ast.BoolOp) -> Any:
        parts = [self.truth(each) for each in node.values]
        deciding = isinstance(node.op, ast.Or)
        if deciding in parts:
            return deciding
        return UNKNOWN if None in parts else not deciding

    def _compared(self, node: ast.Compare) -> Any:
        values = [self.value(each) for each in (node.left, *node.comparators)]
        if any(each is UNKNOWN for each in values):
            return UNKNOWN
        try:
            pairs = zip(values, values[1:], node.ops, strict=False)
            return all(_COMPARE[type(operator)](left, right) for left, right, operator in pairs)
        except TypeError:
            return UNKNOWN

    def _part(self, node: ast.Subscript) -> Any:
        whole = self.value(node.value)
        if not isinstance(whole, tuple | str):
            return UNKNOWN
        try:
            if isinstance(node.slice, ast.Slice):
                ends = [None if each is None else self.value(each) for each in (node.slice.lower, node.slice.upper)]
                return UNKNOWN if any(each is UNKNOWN for each in ends) else whole[ends[0] : ends[1]]
            return whole[self.value(node.slice)]
        except (TypeError, IndexError):
            return UNKNOWN

    def _named(self, node: ast.expr) -> Any:
        text = dotted(node)
        if text in self._facts:
            return self._facts[text]
        if text in self.constants:
            return self.constants[text]
        name = text.rpartition(".")[2].lstrip("_").upper()
        if name in _PYTHON_2 or name in _PYTHON_3:
            return (name in _PYTHON_2) is (self._major == 2)
        return name in _HERE if name in _HERE or name in _ELSEWHERE else UNKNOWN

    @staticmethod
    def _text_method(held: Any, method: str, node: ast.Call) -> Any:
        if not isinstance(held, str):
            return UNKNOWN
        if method == "lower":
            return held.lower()
        match node.args:
            case [ast.Constant(value=str() as start)]:
                return held.startswith(start)
        return UNKNOWN
