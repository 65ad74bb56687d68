"""Which uses of another distribution's names are faults, and which are not."""

from pathlib import Path

import pytest
from apitrees import checked, wrong

from ppcdeps.checking.api.conditions import PythonPlatform

LIBRARY = {
    "lib/__init__.py": "from lib.core import *\nfrom lib import sub as alias\n__version__ = '1'\n",
    "lib/core.py": (
        "__all__ = ['public', 'Thing']\n"
        "def public(): pass\n"
        "def hidden(): pass\n"
        "class Base:\n    inherited = 1\n"
        "class Thing(Base):\n    class Inner:\n        deep = 1\n    def method(self): pass\n"
    ),
    "lib/sub.py": "name = 1\n",
}

FAULTS = {
    "a name imported from a module": ("from lib.core import gone", "lib.core.gone"),
    "an attribute of a module": ("import lib.core\nlib.core.gone()", "lib.core.gone"),
    "an attribute of an alias": ("import lib.core as c\ndef f():\n    return c.gone", "lib.core.gone"),
    "an import inside a function": ("def f():\n    from lib import core\n    core.gone", "lib.core.gone"),
    "a module that is not there": ("import lib.gone", "lib.gone"),
    "a module or name from a package": ("from lib import gone", "lib.gone"),
    "a name that the star import leaves out": ("from lib import hidden", "lib.hidden"),
    "a member of a class": ("from lib import Thing\nThing.gone()", "lib.core.Thing.gone"),
    "a member of an inner class": ("import lib\nlib.Thing.Inner.gone", "lib.core.Thing.Inner.gone"),
    "through a re-export": ("import lib\nlib.alias.gone", "lib.sub.gone"),
    "in a decorator": ("import lib.core\n@lib.core.gone\ndef f(): pass", "lib.core.gone"),
    "in a default": ("import lib.core\ndef f(x=lib.core.gone): pass", "lib.core.gone"),
    "in a base": ("import lib.core\nclass C(lib.core.gone): pass", "lib.core.gone"),
    "in an annotation that is evaluated": ("import lib.core\ndef f(x: lib.core.gone): pass", "lib.core.gone"),
    "in a comprehension": ("import lib.core\nx = [lib.core.gone(y) for y in z]", "lib.core.gone"),
    "in a lambda": ("import lib.core\nf = lambda x: lib.core.gone(x)", "lib.core.gone"),
    "in a format string": ("import lib.core\nx = f'{lib.core.gone}'", "lib.core.gone"),
    "in a with": ("import lib.core\nwith lib.core.gone() as f: pass", "lib.core.gone"),
    "in a match": ("import lib.core\nmatch x:\n    case lib.core.gone: pass", "lib.core.gone"),
    "after a try for something else": (
        "import lib.core\ntry:\n    lib.core.gone\nexcept ValueError: pass",
        "lib.core.gone",
    ),
    "where the handler raises again": (
        "import lib.core\ntry:\n    lib.core.gone\nexcept Exception:\n    log()\n    raise",
        "lib.core.gone",
    ),
    "a name where only a module's absence is caught": (
        "try:\n    from lib import gone\nexcept ModuleNotFoundError: pass",
        "lib.gone",
    ),
    "a fallback where both fail": (
        "try:\n    from lib.core import new\nexcept ImportError:\n    from lib.core import gone",
        "lib.core.gone",
    ),
    "in the branch for this Python": (
        "import sys, lib.core\nif sys.version_info >= (3, 9):\n    lib.core.gone",
        "lib.core.gone",
    ),
    "a private function that is called": ("import lib.core\ndef _f(): lib.core.gone\n_f()", "lib.core.gone"),
    "a public function": ("import lib.core\ndef f(): lib.core.gone", "lib.core.gone"),
    "an attribute in a try that catches imports": (
        "import lib.core\ntry:\n    lib.core.gone\nexcept ImportError: pass",
        "lib.core.gone",
    ),
}

NO_FAULTS = {
    "a name that is there": "from lib.core import public, hidden",
    "a name through a star import": "import lib\nlib.public()",
    "an inherited member": "from lib import Thing\nThing.inherited\nThing.method\nThing.Inner.deep\nThing.__name__",
    "a module's own attributes": "import lib\nlib.__file__, lib.__path__, lib.__dict__",
    "a submodule without its import": "import lib\nlib.core.public",
    "a try around the import": "try:\n    from lib import gone\nexcept ImportError:\n    gone = None",
    "a bare handler": "try:\n    from lib import gone\nexcept:\n    pass",
    "a fallback for what is not in the set": "try:\n    import absent\nexcept ImportError:\n    import lib.gone",
    "a fallback that is tried in turn": (
        "try:\n    import lib.a\nexcept ImportError:\n    try:\n        import lib.b\n    except ImportError: pass"
    ),
    "a fallback that is not needed": "try:\n    import lib.core\nexcept ImportError:\n    import lib.gone",
    "the use of what was tried": "try:\n    import lib.gone\nexcept ImportError: pass\ndef f(): return lib.gone.x",
    "a try around the attribute": "import lib\ntry:\n    lib.gone\nexcept AttributeError:\n    pass",
    "suppress": "import contextlib\nwith contextlib.suppress(ImportError):\n    from lib import gone",
    "the name in another scope": "import lib\ndef f(lib):\n    return lib.gone",
    "a local assignment": "import lib\ndef f():\n    lib = g()\n    return lib.gone",
    "a comprehension's own name": "import lib\nx = [lib.gone for lib in y]",
    "an except's own name": "import lib\ntry: pass\nexcept ValueError as lib:\n    lib.gone",
    "a walrus": "import lib\nif (lib := f()):\n    lib.gone",
    "a name bound anew at the top": "import lib\nlib = lib.wrap(lib) if 0 else g()\nlib.gone",
    "the other Python": "import sys, lib\nif sys.version_info[0] == 2:\n    lib.gone",
    "the other Python, by six": "import six, lib\nif six.PY2:\n    lib.gone",
    "the other Python, by a constant": "import sys, lib\nPY2 = sys.version_info < (3,)\nx = lib.gone if PY2 else 1",
    "the other platform": "import os, lib\nif os.name == 'nt':\n    lib.gone",
    "code after an exit here": "import sys, lib\nif sys.platform != 'win32':\n    raise ImportError\nlib.gone",
    "type checking": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lib import gone",
    "an annotation as text": "from __future__ import annotations\nimport lib\ndef f(x: lib.gone) -> lib.gone: pass",
    "an annotation of a local": "import lib\ndef f():\n    x: lib.gone = 1",
    "hasattr": "import lib\nif hasattr(lib, 'gone'):\n    lib.gone()",
    "hasattr elsewhere": "import lib\nHAS = hasattr(lib, 'gone')\ndef f():\n    if HAS:\n        lib.gone()",
    "hasattr and": "import lib\nx = hasattr(lib, 'gone') and lib.gone",
    "getattr": "import lib\nx = getattr(lib, 'gone', None) or lib.gone",
    "dir": "import lib\nif 'gone' in dir(lib):\n    lib.gone",
    "a version guard": "import lib\nif lib.__version__ >= '2':\n    lib.gone",
    "a version guard by a flag": "import lib\nif HAS_LIB_2:\n    lib.gone",
    "an exit by a version guard": "import lib\ndef f():\n    if LIB_VERSION < (2,):\n        return\n    lib.gone",
    "a store": "import lib\nlib.gone = 1\nlib.gone",
    "setattr": "import lib\nsetattr(lib, 'gone', 1)\nlib.gone",
    "an instance": "import lib\nthing = lib.Thing()\nthing.gone",
    "an attribute of a function": "import lib\nlib.public.cache_clear()",
    "a relative import": "from . import lib",
    "a library that is not there": "import absent.thing\nabsent.thing.gone",
    "what shadows the library": "from .other import lib\nlib.gone",
    "dead code": "import lib\nif False:\n    lib.gone\ndef f():\n    return\n    lib.gone",
    "a flag from elsewhere": "import lib\nfrom .other import NEW_LIB\nif not NEW_LIB:\n    lib.gone",
    "what a version was found to be": (
        "import lib, metadata\na, b = metadata.version('lib').split('.')\nif a == '1':\n    lib.gone"
    ),
    "a private function that nobody calls": "def _for_finders():\n    import lib.gone",
    "a fallback for a builtin": "import lib\ntry:\n    callable\nexcept NameError:\n    lib.gone",
}


@pytest.mark.parametrize("case", FAULTS)
def test_is_found(tmp_path: Path, case: str) -> None:
    source, missing = FAULTS[case]
    found = wrong(tmp_path, library=LIBRARY, app={"app/__init__.py": "", "app/main.py": source})
    assert [each.partition(" ")[2] for each in found] == [missing]


@pytest.mark.parametrize("case", NO_FAULTS)
def test_is_no_fault(tmp_path: Path, case: str) -> None:
    app = {"app/__init__.py": "", "app/main.py": NO_FAULTS[case], "app/lib.py": "", "app/other.py": "lib = 1"}
    assert wrong(tmp_path, library=LIBRARY, app=app) == []


def test_lines_of_one_name_are_told_together_and_a_file_that_nobody_imports_is_marked(tmp_path: Path) -> None:
    source = "import lib.core as c\n\nc.gone\nc.gone()\n"
    app = {"app/__init__.py": "import app.main", "app/main.py": source, "app/alone.py": source}
    faults = {fault.path: fault for fault in checked(tmp_path, library=LIBRARY, app=app).faults}
    assert faults["app/main.py"].lines == (3,)  # one use a name and file is kept: the first
    assert faults["app/main.py"].reached
    assert not faults["app/alone.py"].reached
    assert faults["app/main.py"].wanted == "lib.core.gone"


def test_tests_are_read_only_where_that_is_asked_for(tmp_path: Path) -> None:
    app = {"app/tests/test_a.py": "from lib import gone", "app/conftest.py": "from lib import gone"}
    assert checked(tmp_path, library=LIBRARY, app=app).faults == ()
    assert len(checked(tmp_path, library=LIBRARY, app=app, tests=True).faults) == 2


def test_code_for_other_platforms_is_left_aside(tmp_path: Path) -> None:
    names = ("app/windows/a.py", "app/_win32.py", "app/compat_py2.py", "app/darwin.py")
    assert wrong(tmp_path, library=LIBRARY, app=dict.fromkeys(names, "from lib import gone")) == []
    assert wrong(tmp_path, library=LIBRARY, app={"app/windowing.py": "from lib import gone"}) != []


def test_a_distribution_may_lack_names_of_its_own(tmp_path: Path) -> None:
    own = {"app/__init__.py": "", "app/a.py": "from app import gone\nimport app.gone2"}
    assert wrong(tmp_path, app=own) == []


def test_the_faults_of_the_standard_library_follow_the_target_python(tmp_path: Path) -> None:
    source = "import asyncore, collections, inspect\ncollections.Mapping\ninspect.getargspec\nimport distutils.log"
    app = {"app.py": source, "main.py": "import app"}
    assert wrong(tmp_path, PythonPlatform((3, 9, 25)), app=app) == []
    assert wrong(tmp_path, PythonPlatform((3, 10, 0)), app=app) == ["app:2 collections.Mapping"]
    on_312 = wrong(tmp_path, PythonPlatform((3, 12, 9)), app=app)
    assert on_312 == ["app:1 asyncore", "app:2 collections.Mapping", "app:3 inspect.getargspec", "app:4 distutils"]
    with_setuptools = {"setuptools/__init__.py": "", "pkg_resources/__init__.py": ""}
    back = wrong(tmp_path, PythonPlatform((3, 12, 9)), app=app, setuptools=with_setuptools, more={"asyncore.py": ""})
    assert back == ["app:2 collections.Mapping", "app:3 inspect.getargspec"]
    # Who imports setuptools has distutils from it, or fails for another reason; a file that nobody imports is old.
    ours = {"app.py": "import distutils.log", "main.py": "import app\nimport setuptools"}
    assert wrong(tmp_path, PythonPlatform((3, 12, 9)), app=ours) == []
    assert wrong(tmp_path, PythonPlatform((3, 12, 9)), app={"app/alone.py": source}) == []


def test_a_module_that_its_distribution_gave_up_is_missed_only_where_the_distribution_is(tmp_path: Path) -> None:
    app = {"app.py": "import pkg_resources", "other.py": "try:\n    import pkg_resources\nexcept ImportError: pass"}
    assert wrong(tmp_path, app={"app.py": "import pkg_resources"}) == []
    assert wrong(tmp_path, app={"app.py": "import pkg_resources"}, setuptools={"setuptools/__init__.py": ""}) == [
        "app:1 pkg_resources"
    ]
    # Whoever tries it once knows that it may not be there.
    assert wrong(tmp_path, app=app, setuptools={"setuptools/__init__.py": ""}) == []
    old = {"setuptools/__init__.py": "", "pkg_resources/__init__.py": ""}
    assert wrong(tmp_path, app={"app.py": "import pkg_resources"}, setuptools=old) == []
