"""What makes a module's names unknowable from its source: globals(), sys.modules, exec, import hooks."""

import ast
from dataclasses import dataclass, field

MANIPULATED = frozenset({"globals", "vars", "locals", "exec", "execfile", "eval", "__import__", "modules"})
"""Plain names whose mention is looked at."""
_NAMESPACES = frozenset({"declare_namespace", "extend_path"})
_READS = frozenset({"get", "keys", "items", "values", "copy"})


@dataclass(slots=True)
class Manipulations:
    """Gathers, while a module is read, what it does to itself and to others beyond plain binding."""

    module: str
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
            case ast.Name(id="__name__"):
                self.open = self.open_package = True
            case ast.JoinedStr(values=[ast.Constant(value=str() as start), *_]) if "." in start:
                self.registered.add(start.rpartition(".")[0] + ".")
            case ast.BinOp(left=ast.Constant(value=str() as start)) if "." in start.partition("%")[0]:
                self.registered.add(start.partition("%")[0].rpartition(".")[0] + ".")
            case ast.BinOp(left=ast.Name(id="__name__")) | ast.JoinedStr():
                self.open = self.open_package = True
            case _:
                self.open = self.open_package = True
