"""Scans one source file into its facts: one walk over the syntax tree. Nothing is imported."""

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeGuard

from ppcdeps.checking.api.conditions import Conditions, PythonPlatform
from ppcdeps.checking.api.dynamic import MANIPULATED, Manipulations, names_of_getattr
from ppcdeps.checking.api.guards import ATTRIBUTE, IMPORT, MODULE, SPARE, Guards, catches, caught, finds_out, is_guard
from ppcdeps.checking.api.imports import Imports
from ppcdeps.checking.api.module_facts import VALUE, Binding, BindingKind, ClassShape, ModuleFacts
from ppcdeps.checking.api.scopes import AttributeChain, Exports, ModuleScopes, ScopeKind
from ppcdeps.checking.api.syntax import children_of, dotted, nodes_in, texts_of
from ppcdeps.checking.api.uses import Uses

SOURCE_LIMIT = 3 * 1024**2
"""Bytes of the longest source that is read. Longer ones are tables; their syntax trees take gigabytes."""
_NEWEST = ".".join(map(str, sys.version_info[:2]))
"""The Python whose syntax is read: the one that runs this."""
_HARMLESS_DECORATORS = frozenset(
    {"dataclass", "dataclasses.dataclass", "total_ordering", "functools.total_ordering"}
    | {
        "six.python_2_unicode_compatible",
        "final",
        "typing.final",
        "enum.unique",
        "unique",
        "runtime_checkable",
        "typing.runtime_checkable",
    }
)
_LOADING = frozenset({"load_module", "exec_module", "create_module"})
"""Methods of what makes modules of its own."""
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def scan(source: bytes, module: str, *, is_package: bool, platform: PythonPlatform) -> ModuleFacts:
    """The facts of a source file that would be imported as ``module`` on ``platform``.

    What cannot be read is a module of which nothing is known: its ``fault`` says why. Never raises for what
    the file holds.
    """
    if len(source) > SOURCE_LIMIT:
        return ModuleFacts(fault=f"longer than {SOURCE_LIMIT // 1024**2} MB", open=True, open_package=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return _ModuleWalker(module, is_package, platform).walk(tree)
    except (SyntaxError, ValueError) as fault:
        line = getattr(fault, "lineno", None)
        reason = getattr(fault, "msg", None) or str(fault)
        where = f" (line {line})" if line else ""
        return ModuleFacts(fault=f"it is not Python {_NEWEST}: {reason}{where}", open=True, open_package=True)
    except (RecursionError, MemoryError):
        return ModuleFacts(fault="nested too deeply to be read", open=True, open_package=True)


class _ModuleWalker:
    """Walks the statements and expressions of a module once, and passes what it meets to those who gather it."""

    def __init__(self, module: str, is_package: bool, platform: PythonPlatform) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.conditions = Conditions(platform)
        self.guards = Guards()
        self.uses = Uses()
        self.scopes = ModuleScopes(self.uses.settle)
        self.imports = Imports(self.package, self.scopes, self.uses, self.guards)
        self.exports = Exports()
        self.manipulations = Manipulations()
        self.learned: set[str] = set()
        """Names that were given what was found out about a library, such as its version."""
        self.depth = 0
        """How many conditional blocks surround the statement."""
        self.lazy_annotations = platform.version >= (3, 14)

    def walk(self, tree: ast.Module) -> ModuleFacts:
        """The facts of the whole tree."""
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self.lazy_annotations |= any(each.name == "annotations" for each in node.names)
        self.block(tree.body)
        names = self.scopes.close()
        seen = self.manipulations
        if "__getattr__" in names:
            given = names_of_getattr(tree, self.scopes.is_bound_once)
            seen.open |= given is None
            for name in given or ():
                names.setdefault(name, (VALUE,))
        if seen.hooks and any(name in _LOADING for name in seen.methods):
            seen.registered.add(f"{self.package or self.module}.")
        exported = self.exports.names
        return ModuleFacts(
            names=names,
            stars=tuple(dict.fromkeys(self.imports.stars)),
            exported=None if exported is None else tuple(dict.fromkeys(exported)),
            computed_all=self.exports.computed,
            open=seen.open,
            open_package=seen.open_package or (self.package != self.module and "__path__" in names),
            namespace=seen.namespace,
            uses=self.uses.live(),
            patched=tuple(sorted(self.uses.patched)),
            registered=tuple(sorted(seen.registered)),
            probed=tuple(sorted(seen.probed)),
            tried=tuple(sorted(self.imports.tried)),
        )

    def verdict(self, test: ast.expr) -> tuple[bool | None, bool]:
        """Whether a test holds on the target; where that is not known (None), whether it guards what it leads to."""
        held = self.conditions.truth(test)
        return held, held is None and is_guard(test, self.learned)

    @contextmanager
    def conditional(self, depth: int = 1) -> Iterator[None]:
        """A block that is not certain to be run."""
        self.depth += depth
        yield
        self.depth -= depth

    # Statements ----------------------------------------------------------------------------------------

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Statements one after the other; what follows an early exit is as guarded as the exit's test says."""
        imports, attributes = self.guards.imports, self.guards.attributes
        for statement in body:
            self.statement(statement)
            if isinstance(statement, _LEAVES):
                break
            if isinstance(statement, ast.If) and statement.body and isinstance(statement.body[-1], _LEAVES):
                held, guarded = self.verdict(statement.test)
                if held is True:
                    if self.scopes.at_top and not self.depth:
                        # It cannot be imported here at all: nothing is said of what it would have.
                        self.manipulations.open = True
                    break
                self.guards.imports += guarded
                self.guards.attributes += guarded
        self.guards.imports, self.guards.attributes = imports, attributes

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import():
                self.imports.add(node)
            case ast.ImportFrom():
                self.imports.add_from(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.scopes.bind(node.name)
                self.manipulations.methods.add(node.name)
                self.decorated(node)
                self.function(node)
            case ast.ClassDef():
                self.class_(node)
            case ast.If():
                self.branch(node)
            case ast.Try() | ast.TryStar():
                self.attempt(node)
            case ast.Assign():
                self.assign(node)
            case ast.AnnAssign():
                self.annotated(node)
            case ast.Global() | ast.Nonlocal():
                self.scopes.current.outer.update(node.names)
            case ast.Delete():
                self.delete(node)
            case ast.With() | ast.AsyncWith():
                self.with_(node)
            case _:
                self.compound(node)

    def compound(self, node: ast.stmt) -> None:
        with self.conditional():
            for _, value in ast.iter_fields(node):
                if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                    self.block(value)
                elif isinstance(value, list):
                    for each in value:
                        if isinstance(each, ast.match_case):
                            self.case(each)
                        elif isinstance(each, ast.AST):
                            self.visit(each)
                elif isinstance(value, ast.AST):
                    self.visit(value)
        match node:
            case ast.AugAssign(target=ast.Name(id="__all__")) if self.scopes.at_top:
                self.exports.change(node.value, node.op)

    def case(self, node: ast.match_case) -> None:
        for each in nodes_in(node.pattern):
            match each:
                case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                    self.scopes.bind(name)
                case ast.MatchMapping(rest=str() as name):
                    self.scopes.bind(name)
                case ast.MatchClass(cls=inner) | ast.MatchValue(value=inner):
                    self.visit(inner)
        if node.guard is not None:
            self.visit(node.guard)
        self.block(node.body)

    def branch(self, node: ast.If) -> None:
        self.visit(node.test)
        held, guarded = self.verdict(node.test)
        with self.conditional(held is None), self.guards.raised(imports=guarded, attributes=guarded):
            if held is not False:
                self.block(node.body)
            if held is not True:
                self.block(node.orelse)

    def attempt(self, node: ast.Try | ast.TryStar) -> None:
        imports, modules, attributes = caught(node.handlers)
        with self.conditional():
            with (
                self.imports.tried_block() as tried,
                self.guards.raised(imports=imports, modules=modules, attributes=attributes),
            ):
                self.block(node.body)
            for handler in node.handlers:
                self.handler(handler, tuple(tried) if imports else ())
            self.block(node.orelse)
            self.block(node.finalbody)

    def handler(self, handler: ast.ExceptHandler, tried: tuple[tuple[str, str], ...]) -> None:
        """What is done where something failed: for another version than this one, as a rule.

        Only an import that takes the place of one that failed is looked at.
        """
        if handler.type is not None:
            self.visit(handler.type)
        if handler.name:
            self.scopes.bind(handler.name)
        spare = catches(handler, SPARE)
        takes_over = bool(tried) and not self.imports.instead and catches(handler, MODULE)
        with (
            self.imports.standing_in(tried if takes_over else ()),
            self.guards.raised(imports=spare and not takes_over, attributes=spare),
        ):
            self.block(handler.body)

    def with_(self, node: ast.With | ast.AsyncWith) -> None:
        imports = attributes = False
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
            match item.context_expr:
                case ast.Call(func=function, args=[*kinds]) if dotted(function).endswith("suppress"):
                    names = {dotted(each).rpartition(".")[2] for each in kinds}
                    imports |= bool(names & IMPORT)
                    attributes |= bool(names & ATTRIBUTE)
        with self.conditional(), self.guards.raised(imports=imports, attributes=attributes):
            self.block(node.body)

    def assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        alias = dotted(node.value)
        if finds_out(node.value):
            self.learned.update(
                each.id for target in node.targets for each in nodes_in(target) if isinstance(each, ast.Name)
            )
        is_alias = alias and not self.scopes.in_function
        for target in node.targets:
            if not isinstance(target, ast.Name):
                self.visit(target)
                continue
            self.scopes.bind(target.id, Binding(BindingKind.ALIAS, alias) if is_alias else VALUE)
            if self.scopes.at_top:
                self.conditions.learn(target.id, node.value)
                if target.id == "__all__":
                    self.exports.set(node.value, conditional=bool(self.depth))
            elif target.id == "__slots__" and not self.scopes.in_function:
                for name in texts_of(node.value) or ():
                    self.scopes.bind(name)

    def annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        if not self.lazy_annotations and not self.scopes.in_function:
            self.visit(node.annotation)
        # In a class, a name that is only annotated is often an attribute of the instances, or of a field.
        if isinstance(node.target, ast.Name):
            if node.value is not None or not self.scopes.at_top:
                self.scopes.bind(node.target.id)
            if node.target.id == "__all__" and self.scopes.at_top and node.value is not None:
                self.exports.set(node.value, conditional=bool(self.depth))
        else:
            self.visit(node.target)

    def delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Name):
                self.visit(target)
            elif self.scopes.at_top and not self.depth:
                self.scopes.delete(target.id)
            elif self.scopes.in_function:
                self.scopes.bind(target.id)

    # Functions and classes -----------------------------------------------------------------------------

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        everyone += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        self.visit_all((*arguments.defaults, *arguments.kw_defaults))
        if not isinstance(node, ast.Lambda):
            self.visit_all(node.decorator_list)
            if not self.lazy_annotations:
                self.visit_all((*(each.annotation for each in everyone), node.returns))
        in_class, self.manipulations.in_class = self.manipulations.in_class, False
        owner = self.uses.owner
        if self.scopes.at_top and self.is_private(node):
            self.uses.owner = node.name
        with self.scopes.inside(ScopeKind.FUNCTION):
            for each in everyone:
                self.scopes.bind(each.arg)
            if isinstance(node, ast.Lambda):
                self.visit(node.body)
            else:
                self.block(node.body)
        self.manipulations.in_class = in_class
        self.uses.owner = owner

    @staticmethod
    def is_private(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> TypeGuard[ast.FunctionDef]:
        """Whether it is a function that only its own module would call."""
        if isinstance(node, ast.Lambda) or node.decorator_list:
            return False
        return node.name.startswith("_") and not node.name.startswith("__")

    def decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """A decorator that is given a module's name, a module or a class may put what it decorates there."""
        for decorator in node.decorator_list:
            for argument in decorator.args if isinstance(decorator, ast.Call) else ():
                match argument:
                    case ast.Constant(value=str() as text) if all(map(str.isidentifier, text.split("."))):
                        self.uses.patched.add((text, (), node.name))
                    case ast.Name() | ast.Attribute():
                        # @add_method(Class)
                        self.set_attribute([argument, ast.Constant(node.name)])

    def class_(self, node: ast.ClassDef) -> None:
        self.decorated(node)
        self.visit_all((*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)))
        seen = self.manipulations
        before = seen.in_class, seen.open_class
        seen.in_class, seen.open_class = True, False
        with self.scopes.inside(ScopeKind.CLASS) as inside:
            self.block(node.body)
        changed = seen.open_class
        seen.in_class, seen.open_class = before
        members = {name: tuple(bindings) for name, bindings in inside.names.items()}
        shape = ClassShape(
            bases=tuple(dotted(each) for each in node.bases),
            members=members,
            open=changed or self.is_remade(node) or "__init_subclass__" in members or "__class_getitem__" in members,
        )
        binding = VALUE if self.scopes.in_function else Binding(BindingKind.CLASS, shape=shape)
        self.scopes.bind(node.name, binding)

    @staticmethod
    def is_remade(node: ast.ClassDef) -> bool:
        """Whether a decorator or a metaclass may give the class names that its body does not show."""
        if any(dotted(getattr(each, "func", each)) not in _HARMLESS_DECORATORS for each in node.decorator_list):
            return True
        return any(dotted(each.value).rpartition(".")[2] not in ("ABCMeta", "type") for each in node.keywords)

    # Expressions ---------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Attribute():
                self.attribute(node)
            case ast.Name():
                self.name(node)
            case ast.Constant():
                return
            case ast.Call():
                self.call(node)
            case ast.Lambda():
                self.function(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self.comprehension(node)
            case ast.NamedExpr(target=ast.Name(id=name)):
                self.visit(node.value)
                self.scopes.bind(name)
                # Within a comprehension, it is the scope around it that gets the name.
                (self.scopes.current.parent or self.scopes.current).bind(name, VALUE)
            case ast.IfExp():
                self.choice(node)
            case ast.BoolOp():
                self.joined(node)
            case ast.Subscript() if self.manipulations.subscript(node):
                self.visit(node.slice)
            case ast.Compare():
                self.manipulations.compared(node)
                self.visit_all(children_of(node))
            case _:
                self.visit_all(children_of(node))

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for each in nodes:
            if each is not None:
                self.visit(each)

    def name(self, node: ast.Name) -> None:
        self.uses.mentioned.add(node.id)
        if not isinstance(node.ctx, ast.Load):
            self.scopes.bind(node.id)
        elif node.id in MANIPULATED:
            self.manipulations.mention(node.id, at_module=self.scopes.at_top)

    def attribute(self, node: ast.Attribute) -> None:
        names = [node.attr]
        base = node.value
        while isinstance(base, ast.Attribute):
            names.append(base.attr)
            base = base.value
        if not isinstance(base, ast.Name):
            self.visit(base)
            return
        names.reverse()
        self.uses.mentioned.add(base.id)
        if base.id == "sys" and names[0] in ("modules", "meta_path", "path_hooks"):
            self.manipulations.system(names[0])
        elif base.id in MANIPULATED:
            self.manipulations.mention(base.id, at_module=self.scopes.at_top)
        stored = "" if isinstance(node.ctx, ast.Load) else names.pop()
        read = () if self.guards.attributes else tuple(names)
        if stored or read:
            self.scopes.current.chains.append(AttributeChain(base.id, read, node.lineno, stored, self.uses.owner))
        if stored and not names:
            self.scopes.set_member(base.id, stored)

    def call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id="setattr") if node.args:
                self.set_attribute(node.args)
            case ast.Attribute(value=ast.Name(id="__all__"), attr=method) if self.scopes.at_top:
                self.exports.call(method, node.args)
        if self.manipulations.call(node, dotted(node.func), at_module=not self.scopes.in_function):
            # It reads a name only: globals().get("x").
            self.visit_all(node.args)
        else:
            self.visit_all(children_of(node))

    def set_attribute(self, arguments: Sequence[ast.expr]) -> None:
        """``setattr(target, name, ...)``; any name where it is not written out."""
        name = "*"
        match arguments[1:2]:
            case [ast.Constant(value=str() as text)]:
                name = text
        root, *names = dotted(arguments[0]).split(".")
        if root:
            self.scopes.current.chains.append(AttributeChain(root, tuple(names), 0, name))
            if not names:
                self.scopes.set_member(root, name)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        # The first iterable is evaluated outside.
        self.visit(node.generators[0].iter)
        with self.scopes.inside(ScopeKind.FUNCTION):
            for number, each in enumerate(node.generators):
                self.visit_all((each.iter if number else None, each.target, *each.ifs))
            self.visit_all((node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,))

    def choice(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        held, guarded = self.verdict(node.test)
        with self.guards.raised(attributes=guarded):
            if held is not False:
                self.visit(node.body)
            if held is not True:
                self.visit(node.orelse)

    def joined(self, node: ast.BoolOp) -> None:
        """``test and use``, ``test or use``: what follows is reached as the tests before it allow."""
        before = self.guards.attributes
        for each in node.values:
            self.visit(each)
            held, guarded = self.verdict(each)
            if held is isinstance(node.op, ast.Or):
                break
            self.guards.attributes += guarded
        self.guards.attributes = before
