"""What gives a module names that its source does not bind: globals, sys.modules, exec, hooks, __getattr__."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ppcdeps.checking.api.syntax import keys_of

MANIPULATED = frozenset({"globals", "vars", "locals", "exec", "execfile", "eval", "__import__", "modules"})
"""Plain names whose mention is looked at."""
_NAMESPACES = frozenset({"declare_namespace", "extend_path"})
_READS = frozenset({"get", "keys", "items", "values", "copy"})
_HARMLESS = frozenset({"AttributeError", "warn", "warnings.warn", "warn_deprecated", "str", "repr", "format"})


@dataclass(slots=True)
class Manipulations:
    """Gathers, while a module is read, what it does to itself and to others beyond plain binding."""

    open: bool = False
    open_package: bool = False
    in_class: bool = False
    """Whether what is read now is the body of a class: there, locals() are the class's names."""
    open_class: bool = False
    namespace: bool = False
    hooks: bool = False
    """Whether it puts something into the machinery of imports."""
    methods: set[str] = field(default_factory=set)
    registered: set[str] = field(default_factory=set)
    probed: set[str] = field(default_factory=set)

    def mention(self, name: str, *, at_module: bool) -> None:
        """A name of ``MANIPULATED`` stands where nothing better is known of what is done with it."""
        if name in ("vars", "locals", "eval", "__import__", "modules"):
            return
        if name == "globals":
            self.open = True
        elif at_module:
            self._open_here()

    def system(self, attribute: str) -> None:
        """``sys.modules`` as a whole, ``sys.meta_path`` or ``sys.path_hooks`` is in use."""
        if attribute != "modules":
            self.open = self.open_package = self.hooks = True

    def compared(self, node: ast.Compare) -> None:
        """``"x" in dir(module)`` asks for a name."""
        match node.left:
            case ast.Constant(value=str() as text):
                if any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops):
                    self.probed.add(text)

    def call(self, node: ast.Call, called: str, *, at_module: bool) -> bool:
        """Judge a call. Whether its function needs no further look."""
        match node:
            case ast.Call(func=ast.Name(id="hasattr" | "getattr"), args=[_, ast.Constant(value=str() as text), *_]):
                self.probed.add(text)
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="globals"), args=[]), attr=method)) if (
                method in _READS
            ):
                return True
            case ast.Call(func=ast.Name(id=("exec" | "execfile")), args=[_, *rest]):
                if not rest and at_module:
                    self._open_here()
                return not rest or "globals" not in ast.dump(rest[0])
            case ast.Call(func=ast.Name(id=("locals" | "vars"))) if at_module and self._is_written(node):
                self._open_here()
            case ast.Call(func=ast.Name(id="setattr"), args=[target, *_]) if self._is_system(target):
                self._register(target)
            case ast.Call(func=ast.Attribute(value=ast.Attribute() as whole, attr=method)) if self._is_table(whole):
                if method in ("setdefault", "update", "__setitem__", "pop"):
                    self._registered_by(node.args[0] if node.args else None)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else called
        if last in _NAMESPACES:
            self.namespace = True
        elif called.endswith(("lazy_loader.attach", "attach_stub", "lazy.attach", "lazy_module")):
            self.open = self.open_package = True
        return False

    def subscript(self, node: ast.Subscript) -> bool:
        """Judge ``x[...]``. Whether ``x`` needs no further look."""
        whole = node.value
        stored = not isinstance(node.ctx, ast.Load)
        match whole:
            case ast.Call(func=ast.Name(id=("globals" | "vars" | "locals") as called), args=[]):
                if stored and called == "globals":
                    self.open = True
                elif stored:
                    self._open_here()
                return True
            case ast.Attribute() if self._is_table(whole):
                if stored:
                    self._registered_by(node.slice)
                elif "__name__" in ast.dump(node.slice):
                    # The module as an object: its class or its names may be set through it.
                    self.open = True
                return True
            case ast.Name(id="modules") if stored:
                self._registered_by(node.slice)
        return False

    def _open_here(self) -> None:
        if self.in_class:
            self.open_class = True
        else:
            self.open = True

    @staticmethod
    def _is_table(node: ast.Attribute) -> bool:
        return node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id in ("sys", "_sys")

    @staticmethod
    def _is_written(node: ast.Call) -> bool:
        # locals() alone is read as a rule, for formatting; what is done with vars() at a module's top is not.
        return isinstance(node.func, ast.Name) and node.func.id == "vars" and not node.args

    def _is_system(self, node: ast.expr) -> bool:
        match node:
            case ast.Subscript(value=ast.Attribute() as whole):
                return self._is_table(whole)
        return False

    def _register(self, node: ast.expr) -> None:
        if isinstance(node, ast.Subscript):
            self._registered_by(node.slice)

    def _registered_by(self, key: ast.expr | None) -> None:
        """A module is put into ``sys.modules`` under ``key``."""
        match key:
            case ast.Constant(value=str() as name):
                self.registered.add(name)
            case ast.JoinedStr(values=[ast.Constant(value=str() as start), *_]) if "." in start:
                self.registered.add(start.rpartition(".")[0] + ".")
            case ast.BinOp(left=ast.Constant(value=str() as start)) if "." in start.partition("%")[0]:
                self.registered.add(start.partition("%")[0].rpartition(".")[0] + ".")
            case _:
                # __name__ among them: the module puts something else in its own place.
                self.open = self.open_package = True


def names_of_getattr(tree: ast.Module, is_bound_once: Callable[[str], bool]) -> list[str] | None:
    """The names that a module's ``__getattr__`` (PEP 562) answers for; None where that cannot be told.

    Most pass a few old names on, and refuse all others. ``is_bound_once`` says so of a name of the module.
    """
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    if len(defined) != 1 or not is_bound_once("__getattr__"):
        return None
    constants: dict[str, list[str] | None] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                constants[name] = keys_of(value) if is_bound_once(name) and name not in constants else None
    return _given_names(defined[0], constants.get)


def _given_names(function: ast.FunctionDef, constants: Callable[[str], list[str] | None]) -> list[str] | None:
    """The names that a module's ``__getattr__`` answers for; None where that cannot be told.

    It can be told where the function ends by raising AttributeError, and does nothing with the requested name
    but compare it and put it into messages. ``constants`` gives the strings of a list, set or
    mapping that the module binds.
    """
    if len(function.args.args) != 1 or function.args.vararg or not function.body or not _refuses(function.body[-1]):
        return None
    requested = function.args.args[0].arg
    found: list[str] = []
    harmless: set[int] = set()
    for node in ast.walk(function):
        match node:
            case ast.Compare(left=ast.Name(id=name) as left, ops=[ast.Eq() | ast.In()], comparators=[against]):
                texts = _texts(against, constants) if name == requested else None
                if texts is not None:
                    found.extend(texts)
                    harmless.add(id(left))
            case ast.JoinedStr() | ast.BinOp(op=ast.Mod(), left=ast.Constant()):
                harmless.update(_mentions(node, requested))
            case ast.Call(func=called) if ast.unparse(called).rpartition(".")[2] in _HARMLESS:
                harmless.update(_mentions(node, requested))
            case ast.Raise():
                harmless.update(_mentions(node, requested))
    return found if all(each in harmless for each in _mentions(function, requested)) else None


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
