"""Which names a module is held to have: what may be there is never missed."""

from pathlib import Path

import pytest
from apitrees import Files, checked, wrong

APP = {"app.py": "from lib import name"}

MAY_HAVE_IT: Files = {
    "one branch of a condition": "if unknown():\n    name = 1",
    "a handler": "try:\n    pass\nexcept ValueError:\n    name = 1",
    "a loop's name": "for name in (): pass",
    "a with's name": "with f() as name: pass",
    "unpacking": "(a, [name, *b]) = f()",
    "a walrus": "print(name := 1)",
    "a global of a function": "def f():\n    global name\n    name = 1",
    "globals as a mapping": "globals()['na' + 'me'] = 1",
    "globals updated": "globals().update(f())",
    "globals passed on": "fill(globals())",
    "vars of the module": "vars()['name'] = 1",
    "locals of the module": "locals()['name'] = 1",
    "exec": "exec(code)",
    "exec into globals": "def f():\n    exec(code, globals())",
    "the module as an object": "import sys\nsys.modules[__name__].__dict__['name'] = 1",
    "the module replaced by name": "import sys\nsys.modules['lib'] = other",
    "the module replaced": "import sys\nsys.modules[__name__] = Wrapper()",
    "setattr on the module": "import sys\nsetattr(sys.modules[__name__], 'name', 1)",
    "a __getattr__": "def __getattr__(key):\n    return load(key)",
    "a __getattr__ from elsewhere": "import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach(x, y)",
    "a __getattr__ for the name": (
        "def __getattr__(key):\n    if key == 'name':\n        return 1\n    raise AttributeError(f'no {key}')"
    ),
    "a __getattr__ with a table": (
        "OLD = {'name': 1}\ndef __getattr__(k):\n    if k in OLD:\n        return 1\n    raise AttributeError(k)"
    ),
    "a __getattr__ that looks it up": (
        "def __getattr__(key):\n    if key in computed:\n        return 1\n    raise AttributeError(key)"
    ),
    "a star import of what is not there": "from absent import *",
    "a star import of the standard library": "from socket import *",
    "a star import from a handler": "try:\n    from lib.more import *\nexcept ImportError: pass",
    "a computed __all__": "from lib.computed import *",
    "an extended __all__": "from lib.extended import *",
    "syntax of Python 2": "print 'name'",
    "no UTF-8": "x = '\xe9'".encode("latin-1"),
    "a zero byte": b"name = 1\0",
    "a namespace": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
}
MORE = {
    "lib/more.py": "name = 1",
    "lib/computed.py": "_x = 1\nname = 1\n__all__ = [n for n in dir()]",
    "lib/extended.py": "__all__ = ['other']\n__all__ += ['name']\nname = other = 1",
}

HAS_IT_NOT: Files = {
    "nothing": "",
    "the branch for another Python": "import sys\nif sys.version_info < (3,):\n    name = 1",
    "type checking": "import typing\nif typing.TYPE_CHECKING:\n    from x import name",
    "a local name": "def f():\n    name = 1",
    "a class's name": "class C:\n    name = 1\n    locals()['x'] = 1",
    "a name that is deleted": "name = 1\ndel name",
    "an annotation alone": "name: int",
    "a comprehension's name": "x = [name for name in y]",
    "reading globals": "x = globals()['other']\ny = globals().get('name')",
    "a __getattr__ for others": (
        "def __getattr__(key):\n    if key in ('a', 'b'):\n        return 1\n    raise AttributeError(f'no {key}')"
    ),
    "a private name by a star": "from lib.private import *",
    "a name that __all__ leaves out": "from lib.limited import *",
    "another module in sys.modules": "import sys\nx = sys.modules['os']",
}
PRIVATE = {"lib/private.py": "_name = 1", "lib/limited.py": "__all__ = ['a']\na = name = 1\n__all__.append('b')"}


@pytest.mark.parametrize("case", MAY_HAVE_IT)
def test_may_have_the_name(tmp_path: Path, case: str) -> None:
    assert wrong(tmp_path, library={"lib/__init__.py": MAY_HAVE_IT[case], **MORE}, app=APP) == []


@pytest.mark.parametrize("case", HAS_IT_NOT)
def test_has_not_the_name(tmp_path: Path, case: str) -> None:
    library = {"lib/__init__.py": HAS_IT_NOT[case], **PRIVATE}
    assert wrong(tmp_path, library=library, app=APP) == ["app:1 lib.name"]


MODULES: dict[str, tuple[Files, str]] = {
    "compiled": ({"lib/__init__.py": "", "lib/name.cpython-39-x.so": b""}, "import lib.name\nlib.name.anything"),
    "compiled beside its source": (
        {"lib/__init__.py": "", "lib/name.py": "a = 1", "lib/name.so": b""},
        "from lib.name import b",
    ),
    "a compiled package": ({"lib.so": b""}, "from lib import anything"),
    "a namespace without __init__": ({"lib/other.py": ""}, "import lib.name"),
    "a namespace of pkg_resources": (
        {"lib/__init__.py": "__import__('pkg_resources').declare_namespace(__name__)", "lib/a.py": ""},
        "import lib.name",
    ),
    "a module with a path": ({"lib.py": "__path__ = []"}, "import lib.moves.urllib"),
    "registered by name": ({"lib/__init__.py": "import sys\nsys.modules['lib.name'] = x"}, "import lib.name"),
    "registered by a pattern": (
        {"lib/__init__.py": "import sys\nfor m in x:\n    sys.modules['lib.' + m] = y"},
        "import lib.name",
    ),
    "registered from a format": (
        {"lib/__init__.py": "", "lib/x.py": "import sys\nsys.modules[f'lib.{m}'] = y"},
        "import lib.name",
    ),
    "an import hook with a loader": (
        {"lib/__init__.py": "", "lib/h.py": "import sys\ndef load_module(): pass\nsys.meta_path.append(x)"},
        "import lib.name\nfrom lib import other",
    ),
    "an import hook": ({"lib/__init__.py": "import sys\nsys.meta_path.append(x)"}, "import lib.name"),
}


@pytest.mark.parametrize("case", MODULES)
def test_may_have_the_module(tmp_path: Path, case: str) -> None:
    library, source = MODULES[case]
    assert wrong(tmp_path, library=library, app={"app.py": source}) == []


def test_two_distributions_of_one_package_may_have_more(tmp_path: Path) -> None:
    one, two = {"lib/__init__.py": "", "lib/a.py": ""}, {"lib/__init__.py": "", "lib/b.py": ""}
    assert wrong(tmp_path, one=one, two=two, app={"app.py": "import lib.c\nfrom lib import d"}) == []
    assert wrong(tmp_path, one=one, app={"app.py": "import lib.c"}) == ["app:1 lib.c"]


CLASSES = {
    "an unknown base": "from absent import Base\nclass C(Base): pass",
    "a computed base": "class C(make()): pass",
    "a metaclass": "class C(metaclass=Meta): pass",
    "a decorator": "@register\nclass C: pass",
    "its dictionary": "class C:\n    locals()['name'] = 1",
    "set from outside": "class C: pass\nC.name = 1",
    "setattr": "class C: pass\nsetattr(C, key, 1)",
    "a decorator that adds to it": "class C: pass\n@add_method(C)\ndef name(self): pass",
    "slots": "class C:\n    __slots__ = ('name',)",
    "annotated": "class C:\n    name: int",
    "a base of the standard library": "import enum\nclass C(enum.Enum): pass",
    "__init_subclass__": "class B:\n    def __init_subclass__(cls): pass\nclass C(B): pass",
    "defined twice": "if x:\n    class C: pass\nelse:\n    class C:\n        a = 1",
    "not a class at all": "C = make()",
}


@pytest.mark.parametrize("case", CLASSES)
def test_a_class_may_have_the_member(tmp_path: Path, case: str) -> None:
    assert wrong(tmp_path, library={"lib.py": CLASSES[case]}, app={"app.py": "import lib\nlib.C.name"}) == []


@pytest.mark.parametrize("base", ["object", "dict", "Base", "other.Base", "Exception"])
def test_a_class_has_not_the_member_where_all_its_bases_are_known(tmp_path: Path, base: str) -> None:
    library = {"lib.py": f"import other\nclass Base: pass\nclass C({base}):\n    def f(self): self.name = 1"}
    other = {"other.py": "class Base:\n    a = 1"}
    found = wrong(tmp_path, library=library, other=other, app={"app.py": "import lib\nlib.C.name"})
    assert found == ["app:2 lib.C.name"]


def test_a_submodule_that_a_star_import_hides_is_not_taken_for_the_module(tmp_path: Path) -> None:
    library = {"lib/__init__.py": "from lib.all import *", "lib/all.py": "from absent import *", "lib/x.py": ""}
    assert wrong(tmp_path, library=library, app={"app.py": "import lib\nlib.x.method"}) == []


def test_what_a_decorator_adds_to_a_class_of_elsewhere_is_there(tmp_path: Path) -> None:
    adding = "import lib.a\n@add(lib.a.C)\ndef name(): pass"
    library = {"lib/__init__.py": "", "lib/a.py": "class C: pass", "lib/b.py": adding}
    app = {"app.py": "import lib.a\nlib.a.C.name\nlib.a.C.other"}
    assert wrong(tmp_path, library=library, app=app) == ["app:3 lib.a.C.other"]


def test_of_several_star_imports_any_may_be_the_one_that_counts(tmp_path: Path) -> None:
    library = {
        "lib/__init__.py": "from lib.one import *\nfrom lib.two import *\nfrom lib.one import same as kept",
        "lib/one.py": "import lib.x as thing\nimport lib.x as same",
        "lib/two.py": "import lib.y as thing\nimport lib.x as same",
        "lib/x.py": "",
        "lib/y.py": "name = 1",
    }
    app = {"app.py": "import lib\nlib.thing.name\nlib.same.gone\nlib.kept.gone2"}
    assert wrong(tmp_path, library=library, app=app) == ["app:3 lib.x.gone", "app:4 lib.x.gone2"]


def test_a_module_that_refuses_this_platform_is_not_asked_for_its_names(tmp_path: Path) -> None:
    library = {"lib.py": "import sys\nif sys.platform != 'darwin':\n    raise ImportError\nfrom x import name"}
    assert wrong(tmp_path, library=library, app={"app.py": "from lib import name"}) == []


def test_what_a_decorator_may_put_into_a_module_is_there(tmp_path: Path) -> None:
    library = {"lib/__init__.py": "", "lib/a.py": "", "lib/b.py": "@put_into('lib.a')\nclass name: pass"}
    assert wrong(tmp_path, library=library, app={"app.py": "from lib.a import name"}) == []


def test_what_others_set_on_a_module_is_there(tmp_path: Path) -> None:
    app = {"app.py": "import lib\nlib.name"}
    assert wrong(tmp_path, library={"lib.py": ""}, app=app) == ["app:2 lib.name"]
    assert wrong(tmp_path, library={"lib.py": ""}, app=app, patch={"patch.py": "import lib\nlib.name = 1"}) == []


UNREADABLE = {
    "parentheses": "(" * 3000 + ")" * 3000,
    "signs": "x = " + "-" * 20000 + "1",
    "attributes": "x" + ".a" * 20000,
    "calls": "f" + "()" * 20000,
    "5 MB": "x = '" + "a" * 5_000_000,
    "Python 2": "print 'x'",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_told_and_stops_nothing(tmp_path: Path, case: str) -> None:
    result = checked(tmp_path, library={"lib.py": UNREADABLE[case]}, app=APP)
    assert result.faults == ()
    assert result.files == 2
    assert [(name, path) for name, path, why in result.unread if why] == [("library", "lib.py")]


def test_circles_of_imports_end(tmp_path: Path) -> None:
    library = {
        "lib/__init__.py": "from lib.a import *\nfrom lib.a import x",
        "lib/a.py": "from lib.b import *\nfrom lib import x\nclass C(D): pass\nD = C",
        "lib/b.py": "from lib.a import *\nfrom lib import *",
    }
    app = {"app.py": "from lib import name\nimport lib.a\nlib.a.C.gone\nlib.x.y"}
    assert wrong(tmp_path, library=library, app=app) == ["app:1 lib.name"]
