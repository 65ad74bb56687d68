"""Reads one source file into its facts: one walk over the syntax tree."""

import ast
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import TypeGuard

from ppcdeps.checking.api.attributes import given_names
from ppcdeps.checking.api.conditions import Conditions, PythonPlatform, dotted, finds_out, is_guard
from ppcdeps.checking.api.dynamic import MANIPULATED, Manipulations
from ppcdeps.checking.api.module_facts import VALUE, Binding, ClassShape, BindingKind, ModuleFacts, Use
from ppcdeps.checking.api.handlers import ATTRIBUTE, IMPORT, MODULE, SPARE, catches, caught
from ppcdeps.checking.api.literals import keys_of, texts_of
from ppcdeps.checking.api.scopes import AttributeChain, Scope, ScopeKind

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
        return _Reader(module, is_package, platform).read(tree)
    except (SyntaxError, ValueError) as fault:
        line = getattr(fault, "lineno", None)
        reason = getattr(fault, "msg", None) or str(fault)
        where = f" (line {line})" if line else ""
        return ModuleFacts(fault=f"it is not Python {_NEWEST}: {reason}{where}", open=True, open_package=True)
    except (RecursionError, MemoryError):
        return ModuleFacts(fault="nested too deeply to be read", open=True, open_package=True)


_Key = tuple[str, tuple[str, ...], bool, tuple[tuple[str, str], ...]]


class _Reader:
    def __init__(self, module: str, is_package: bool, platform: PythonPlatform) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.platform = platform
        self.conditions = Conditions(platform)
        self.scope = Scope(ScopeKind.MODULE)
        self.top = self.scope
        self.facts = ModuleFacts()
        self.manipulations = Manipulations(module)
        self.uses: dict[_Key, Use] = {}
        self.patched: set[tuple[str, tuple[str, ...], str]] = set()
        self.tried: set[str] = set()
        self.stars: list[str] = []
        self.deleted: set[str] = set()
        self.exported: list[str] | None = None
        self.computed_all = False
        self.learned: set[str] = set()
        """Names that were given what was found out about a library, such as its version."""
        self.owner = ""
        """The private function of the module that is read."""
        self.owners: dict[_Key, set[str]] = {}
        self.mentioned: set[str] = set()
        self.instead: tuple[tuple[str, str], ...] = ()
        """The imports whose failure leads here."""
        self.trying: list[tuple[str, str]] = []
        """The imports of the block that is tried."""
        self.import_guards = 0
        self.module_guards = 0
        """How many of the blocks around catch that a module is not there, but not that a name is not in it."""
        self.attribute_guards = 0
        self.depth = 0
        """How many conditional blocks of the module scope surround the statement."""
        self.lazy_annotations = platform.version >= (3, 14)

    def read(self, tree: ast.Module) -> ModuleFacts:
        """The facts of the whole tree."""
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self.lazy_annotations |= any(each.name == "annotations" for each in node.names)
        self.block(tree.body)
        self.top.close(self.settle)
        found, seen = self.facts, self.manipulations
        found.names = {name: tuple(bindings) for name, bindings in self.top.names.items() if name not in self.deleted}
        found.stars = tuple(dict.fromkeys(self.stars))
        found.exported = None if self.exported is None else tuple(dict.fromkeys(self.exported))
        found.computed_all = self.computed_all
        found.open = seen.open or self.answers_for_more(tree)
        if seen.hooks and any(name in _LOADING for name in seen.methods):
            seen.registered.add(f"{self.package or self.module}.")
        found.open_package = seen.open_package or (self.package != self.module and "__path__" in found.names)
        found.namespace = seen.namespace
        dead = {name for name in self.owners_of_all() if name not in self.mentioned}
        found.uses = tuple(use for key, use in self.uses.items() if not self.owners[key] <= dead)
        found.patched = tuple(sorted(self.patched))
        found.registered = tuple(sorted(seen.registered))
        found.probed = tuple(sorted(seen.probed))
        found.tried = tuple(sorted(self.tried))
        return found

    def answers_for_more(self, tree: ast.Module) -> bool:
        """Whether a ``__getattr__`` may answer for names that cannot be told; those that can are bound."""
        if "__getattr__" not in self.facts.names:
            return False
        defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
        if len(defined) != 1 or len(self.facts.names["__getattr__"]) != 1:
            return True
        texts: dict[str, list[str] | None] = {}
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    texts[name] = None if name in texts or len(self.top.names[name]) != 1 else keys_of(value)
        given = given_names(defined[0], lambda name: texts.get(name))
        if given is None:
            return True
        for name in given:
            self.facts.names.setdefault(name, (VALUE,))
        return False

    # Names ---------------------------------------------------------------------------------------------

    def settle(self, chain: AttributeChain, binding: Binding) -> None:
        """Make a use, or a patch, of a chain whose root is an import."""
        first = (binding.attribute,) if binding.kind is BindingKind.MEMBER else ()
        names = first + chain.names
        if chain.stored:
            self.patched.add((binding.target, names, chain.stored))
        if chain.names:
            self.use(binding.target, names, len(first), chain.line, is_import=False, owner=chain.owner)

    def use(
        self, module: str, names: tuple[str, ...], imported: int, line: int, *, is_import: bool, owner: str
    ) -> None:
        instead = self.instead if is_import else ()
        key = (module, names, is_import, instead)
        if not module:
            return
        if key not in self.uses:
            self.uses[key] = Use(module, names, imported, line, is_import, instead)
        self.owners.setdefault(key, set()).add(owner)

    def owners_of_all(self) -> set[str]:
        """The private functions in which something is used."""
        return {name for names in self.owners.values() for name in names} - {""}

    def bind(self, name: str, binding: Binding = VALUE) -> None:
        self.scope.bind(name, binding)
        if self.scope is self.top:
            self.deleted.discard(name)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module that ``from`` names; empty where it climbs out of the package."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".") if self.package else []
        if node.level - 1 > len(parts) or not parts:
            return ""
        base = parts[: len(parts) - (node.level - 1)]
        return ".".join([*base, node.module] if node.module else base)

    # Statements ----------------------------------------------------------------------------------------

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Statements one after the other; what follows an early exit is as guarded as the exit's test says."""
        imports, attributes = self.import_guards, self.attribute_guards
        for statement in body:
            self.statement(statement)
            if isinstance(statement, _LEAVES):
                break
            if isinstance(statement, ast.If) and statement.body and isinstance(statement.body[-1], _LEAVES):
                held = self.conditions.truth(statement.test)
                if held is True:
                    if self.scope is self.top and not self.depth:
                        # It cannot be imported here at all: what it would have is not to be asked.
                        self.manipulations.open = True
                    break
                if held is None and is_guard(statement.test, self.learned):
                    self.import_guards += 1
                    self.attribute_guards += 1
        self.import_guards, self.attribute_guards = imports, attributes

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Import():
                self.on_import(node)
            case ast.ImportFrom():
                self.on_import_from(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.bind(node.name)
                self.manipulations.methods.add(node.name)
                self.registered(node)
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
                self.scope.outer.update(node.names)
            case ast.Delete():
                self.delete(node)
            case ast.With() | ast.AsyncWith():
                self.with_(node)
            case _:
                self.compound(node)

    def compound(self, node: ast.stmt) -> None:
        self.depth += 1
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
        self.depth -= 1
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.all_changed(node.target.id, node.value, node.op)

    def case(self, node: ast.match_case) -> None:
        for each in ast.walk(node.pattern):
            match each:
                case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                    self.bind(name)
                case ast.MatchMapping(rest=str() as name):
                    self.bind(name)
                case ast.MatchClass(cls=inner) | ast.MatchValue(value=inner):
                    self.visit(inner)
        if node.guard is not None:
            self.visit(node.guard)
        self.block(node.body)

    def on_import(self, node: ast.Import) -> None:
        for each in node.names:
            root = each.name.partition(".")[0]
            target = each.name if each.asname else root
            self.bind(each.asname or root, Binding(BindingKind.MODULE, target))
            self.imported(each.name, (), node.lineno)

    def on_import_from(self, node: ast.ImportFrom) -> None:
        module = self.absolute(node)
        if node.module == "__future__":
            return
        for each in node.names:
            if each.name == "*":
                if self.scope is self.top:
                    self.stars.append(module or "?")
                self.imported(module, (), node.lineno)
                continue
            self.bind(each.asname or each.name, Binding(BindingKind.MEMBER, module, each.name) if module else VALUE)
            if module:
                self.imported(module, (each.name,), node.lineno)

    def imported(self, module: str, names: tuple[str, ...], line: int) -> None:
        if self.import_guards:
            self.tried.add(".".join((module, *names)))
            self.trying.append((module, ".".join(names)))
            return
        if self.module_guards:
            self.tried.add(module)
        if names or not self.module_guards:
            self.use(module, names, len(names), line, is_import=True, owner=self.owner)

    def branch(self, node: ast.If) -> None:
        self.visit(node.test)
        held = self.conditions.truth(node.test)
        guarded = held is None and is_guard(node.test, self.learned)
        self.depth += held is None
        self.import_guards += guarded
        self.attribute_guards += guarded
        if held is not False:
            self.block(node.body)
        if held is not True:
            self.block(node.orelse)
        self.import_guards -= guarded
        self.attribute_guards -= guarded
        self.depth -= held is None

    def attempt(self, node: ast.Try | ast.TryStar) -> None:
        imports, modules, attributes = caught(node.handlers)
        outside, self.trying = self.trying, []
        self.depth += 1
        self.import_guards += imports
        self.module_guards += modules
        self.attribute_guards += attributes
        self.block(node.body)
        self.import_guards -= imports
        self.module_guards -= modules
        self.attribute_guards -= attributes
        tried, self.trying = tuple(self.trying), outside
        for handler in node.handlers:
            self.handler(handler, tried if imports else ())
        self.block(node.orelse)
        self.block(node.finalbody)
        self.depth -= 1

    def handler(self, handler: ast.ExceptHandler, tried: tuple[tuple[str, str], ...]) -> None:
        """What is done where something failed: for another version than this one, as a rule.

        Only an import that takes the place of one that failed is looked at.
        """
        if handler.type is not None:
            self.visit(handler.type)
        if handler.name:
            self.bind(handler.name)
        spare = catches(handler, SPARE)
        takes_over = bool(tried) and not self.instead and catches(handler, MODULE)
        before = self.instead
        if takes_over:
            self.instead = tried
        self.import_guards += spare and not takes_over
        self.attribute_guards += spare
        self.block(handler.body)
        self.import_guards -= spare and not takes_over
        self.attribute_guards -= spare
        self.instead = before

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
        self.depth += 1
        self.import_guards += imports
        self.attribute_guards += attributes
        self.block(node.body)
        self.import_guards -= imports
        self.attribute_guards -= attributes
        self.depth -= 1

    def assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        alias = dotted(node.value)
        if finds_out(node.value):
            self.learned.update(
                each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)
            )
        for target in node.targets:
            if isinstance(target, ast.Name):
                binding = (
                    Binding(BindingKind.ALIAS, alias)
                    if alias and self.scope.kind is not ScopeKind.FUNCTION
                    else VALUE
                )
                self.bind(target.id, binding)
                if self.scope is self.top:
                    self.conditions.learn(target.id, node.value)
                    if target.id == "__all__":
                        self.set_all(node.value)
                elif self.scope.kind is ScopeKind.CLASS and target.id == "__slots__":
                    for name in texts_of(node.value) or ():
                        self.bind(name)
            else:
                self.visit(target)

    def annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        if not self.lazy_annotations and self.scope.kind is not ScopeKind.FUNCTION:
            self.visit(node.annotation)
        # In a class, a name that is only annotated is often an attribute of the instances, or of a field.
        if isinstance(node.target, ast.Name):
            if node.value is not None or self.scope.kind is not ScopeKind.MODULE:
                self.bind(node.target.id)
            if node.target.id == "__all__" and self.scope is self.top and node.value is not None:
                self.set_all(node.value)
        else:
            self.visit(node.target)

    def delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Name):
                self.visit(target)
            elif self.scope is self.top and not self.depth:
                self.deleted.add(target.id)
            elif self.scope.kind is ScopeKind.FUNCTION:
                self.bind(target.id)

    # __all__ -------------------------------------------------------------------------------------------

    def set_all(self, node: ast.expr) -> None:
        names = texts_of(node)
        if names is None or self.depth:
            self.computed_all = True
        self.exported = list(names or ())

    def all_changed(self, name: str, node: ast.expr, operator: ast.operator) -> None:
        if name != "__all__" or self.scope is not self.top:
            return
        names = texts_of(node)
        if names is None or not isinstance(operator, ast.Add):
            self.computed_all = True
        self.exported = [*(self.exported or ()), *(names or ())]

    def all_called(self, method: str, arguments: Sequence[ast.expr]) -> None:
        names: Sequence[str] | None = None
        if method in ("extend", "append") and len(arguments) == 1:
            names = texts_of(arguments[0]) if method == "extend" else texts_of(ast.List(elts=list(arguments)))
        if names is None:
            self.computed_all = True
        self.exported = [*(self.exported or ()), *(names or ())]

    # Functions and classes -----------------------------------------------------------------------------

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        everyone += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        if not isinstance(node, ast.Lambda):
            for decorator in node.decorator_list:
                self.visit(decorator)
            if not self.lazy_annotations:
                for annotation in (*(each.annotation for each in everyone), node.returns):
                    if annotation is not None:
                        self.visit(annotation)
        outside, depth = self.scope, self.depth
        guards = self.import_guards, self.attribute_guards
        in_class, self.manipulations.in_class = self.manipulations.in_class, False
        owner = self.owner
        if outside is self.top and self.is_private(node):
            self.owner = node.name
        self.scope = Scope(ScopeKind.FUNCTION, outside)
        for each in everyone:
            self.scope.bind(each.arg, VALUE)
        if isinstance(node, ast.Lambda):
            self.visit(node.body)
        else:
            self.block(node.body)
        self.scope.close(self.settle)
        self.scope, self.depth = outside, depth
        self.manipulations.in_class = in_class
        self.owner = owner
        self.import_guards, self.attribute_guards = guards

    @staticmethod
    def is_private(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> TypeGuard[ast.FunctionDef]:
        """Whether it is a function that only its own module would call."""
        if isinstance(node, ast.Lambda) or node.decorator_list:
            return False
        return node.name.startswith("_") and not node.name.startswith("__")

    def registered(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """A decorator that is given a module's name, a module or a class may put what it decorates there."""
        for decorator in node.decorator_list:
            for argument in decorator.args if isinstance(decorator, ast.Call) else ():
                match argument:
                    case ast.Constant(value=str() as text) if all(map(str.isidentifier, text.split("."))):
                        self.patched.add((text, (), node.name))
                    case ast.Name() | ast.Attribute():
                        # @add_method(Class)
                        self.set_attribute([argument, ast.Constant(node.name)])

    def class_(self, node: ast.ClassDef) -> None:
        self.registered(node)
        for each in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(each)
        outside, depth, seen = self.scope, self.depth, self.manipulations
        before = seen.in_class, seen.open_class
        seen.in_class, seen.open_class = True, False
        self.scope = Scope(ScopeKind.CLASS, outside)
        self.block(node.body)
        inside = self.scope
        inside.close(self.settle)
        self.scope, self.depth = outside, depth
        members = {name: tuple(bindings) for name, bindings in inside.names.items()}
        changed = seen.open_class
        seen.in_class, seen.open_class = before
        shape = ClassShape(
            bases=tuple(dotted(each) for each in node.bases),
            members=members,
            open=changed or self.is_remade(node) or "__init_subclass__" in members or "__class_getitem__" in members,
        )
        self.bind(
            node.name, Binding(BindingKind.CLASS, shape=shape) if outside.kind is not ScopeKind.FUNCTION else VALUE
        )

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
                self.mentioned.add(node.id)
                if not isinstance(node.ctx, ast.Load):
                    self.bind(node.id)
                elif node.id in MANIPULATED:
                    self.manipulations.mention(node.id, at_module=self.scope is self.top)
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
                self.bind(name)
                self.outside_comprehension().bind(name, VALUE)
            case ast.IfExp():
                self.choice(node)
            case ast.BoolOp(op=ast.And()) | ast.BoolOp(op=ast.Or()):
                self.joined(node)
            case ast.Subscript():
                self.subscript(node)
            case ast.Compare():
                self.manipulations.compared(node)
                self.children(node)
            case _:
                self.children(node)

    def children(self, node: ast.AST) -> None:
        for each in ast.iter_child_nodes(node):
            self.visit(each)

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
        self.mentioned.add(base.id)
        if base.id == "sys" and names[0] in ("modules", "meta_path", "path_hooks"):
            self.manipulations.system(names[0])
        elif base.id in MANIPULATED:
            self.manipulations.mention(base.id, at_module=self.scope is self.top)
        if isinstance(node.ctx, ast.Load):
            if not self.attribute_guards:
                self.scope.chains.append(AttributeChain(base.id, tuple(names), node.lineno, owner=self.owner))
            return
        stored = names.pop()
        read = () if self.attribute_guards else tuple(names)
        self.scope.chains.append(AttributeChain(base.id, read, node.lineno, stored, self.owner))
        if not names:
            # Class.attribute = value, below the class: the class has it as if its body said so.
            self.extend_class(base.id, stored)

    def extend_class(self, name: str, member: str) -> None:
        for number, binding in enumerate(self.top.names.get(name, ())):
            if binding.shape is not None:
                shape = binding.shape
                members = {**shape.members, member: (VALUE,)}
                changed = Binding(
                    BindingKind.CLASS, shape=ClassShape(shape.bases, members, shape.open or member == "*")
                )
                self.top.names[name][number] = changed

    def call(self, node: ast.Call) -> None:
        called = dotted(node.func)
        match node.func:
            case ast.Name(id="setattr") if node.args:
                self.set_attribute(node.args)
            case ast.Attribute(value=ast.Name(id="__all__"), attr=method) if self.scope is self.top:
                self.all_called(method, node.args)
        if self.manipulations.call(node, called, at_module=self.scope.kind is not ScopeKind.FUNCTION):
            # It reads a name only: globals().get("x").
            for each in node.args:
                self.visit(each)
            return
        self.children(node)

    def set_attribute(self, arguments: Sequence[ast.expr]) -> None:
        target = dotted(arguments[0])
        name = "*"
        match arguments[1:2]:
            case [ast.Constant(value=str() as text)]:
                name = text
        if target:
            root, *names = target.split(".")
            self.scope.chains.append(
                AttributeChain(root, (), 0, name) if not names else AttributeChain(root, tuple(names), 0, name)
            )
            if not names:
                self.extend_class(root, name)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        outside = self.scope
        self.visit(node.generators[0].iter)
        self.scope = Scope(ScopeKind.FUNCTION, outside)
        for number, each in enumerate(node.generators):
            if number:
                self.visit(each.iter)
            self.visit(each.target)
            for test in each.ifs:
                self.visit(test)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        if outside.kind is ScopeKind.CLASS and outside.parent is not None:
            self.scope.parent = outside
        self.scope.close(self.settle)
        self.scope = outside

    def outside_comprehension(self) -> Scope:
        scope = self.scope
        return scope.parent if scope.parent is not None else scope

    def choice(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        held = self.conditions.truth(node.test)
        guarded = held is None and is_guard(node.test, self.learned)
        self.attribute_guards += guarded
        if held is not False:
            self.visit(node.body)
        if held is not True:
            self.visit(node.orelse)
        self.attribute_guards -= guarded

    def joined(self, node: ast.BoolOp) -> None:
        """``test and use``, ``test or use``: what follows is reached as the tests before it allow."""
        ending = isinstance(node.op, ast.Or)
        raised = 0
        for each in node.values:
            self.visit(each)
            held = self.conditions.truth(each)
            if held is ending:
                break
            if held is None and is_guard(each, self.learned):
                self.attribute_guards += 1
                raised += 1
        self.attribute_guards -= raised

    def subscript(self, node: ast.Subscript) -> None:
        if self.manipulations.subscript(node):
            self.visit(node.slice)
            return
        self.children(node)
