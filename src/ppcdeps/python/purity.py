"""Whether a source distribution is pure Python, judged from what lies in it: nothing is run.

Build files say what is compiled; the sources beside them say from what. A C file that no build step names
(test data, documentation) makes nothing native.
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from ppcdeps.model.values import dataclass
from ppcdeps.python.sdist import SdistContents


class Purity(StrEnum):
    """What a machine needs to install the distribution from source."""

    PURE = "pure"
    NATIVE = "native"
    OPTIONAL = "optional"
    """It compiles something where it can, and installs as pure Python where it cannot."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``builds_from`` names what is compiled (C, C++, Cython, Rust, CMake, meson, cffi, Fortran);
    ``evidence`` says where in the archive that was seen, one phrase each.
    """

    purity: Purity
    builds_from: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


_LANGUAGES = {
    ".c": "C",
    ".cc": "C++",
    ".cpp": "C++",
    ".cxx": "C++",
    ".pyx": "Cython",
    ".rs": "Rust",
    ".f": "Fortran",
    ".f90": "Fortran",
    ".s": "assembler",
}
_ELSEWHERE = frozenset(
    {
        "test",
        "tests",
        "testing",
        "test cases",
        "doc",
        "docs",
        "examples",
        "example",
        "benchmark",
        "benchmarks",
    }
    # numpy has a copy of meson in it, with all of its test cases.
    | {"fixtures", "vendored-meson"}
)
_EXTENSION_KEYWORDS = ("ext_modules", "cffi_modules", "rust_extensions", "cython_modules")
_EXTENSION_CALLS = frozenset(
    {"Extension", "cythonize", "RustExtension", "Pybind11Extension", "CMakeExtension", "mypycify"}
)
_MESON_EXTENSION = re.compile(r"\.\s*extension_module\s*\(|\bshared_module\s*\(")


def judge(contents: SdistContents) -> Verdict:
    """The verdict on an sdist. What cannot be read (Python 2 syntax) is judged by its words."""
    project = _toml(contents.texts.get("pyproject.toml", ""))
    # Without one, pip builds with setuptools (PEP 517).
    backend = str(_table(project, "build-system").get("build-backend") or "setuptools.build_meta")
    requires = " ".join(str(each).lower() for each in _table(project, "build-system").get("requires") or ())
    sources = _sources(contents.paths)
    if backend.startswith("maturin"):
        return Verdict(Purity.NATIVE, ("Rust",), (f"build-backend {backend}", *_seen(sources, ("Rust",))))
    if backend.startswith(("mesonpy", "mesonpep517")):
        return _meson(contents, backend, sources)
    if backend.startswith(("scikit_build_core", "skbuild", "py_build_cmake")):
        return _cmake(contents, project, backend, sources)
    if backend.startswith("sipbuild"):
        return Verdict(Purity.NATIVE, ("C++",), (f"build-backend {backend}",))
    if (
        backend.startswith("setuptools")
        or "setup.py" in contents.texts
        or "backend-path" in str(_table(project, "build-system"))
    ):
        return _setuptools(contents, project, requires, sources)
    return _declarative(project, backend, requires, sources)


# Build systems -------------------------------------------------------------------------------------


def _setuptools(
    contents: SdistContents, project: Mapping[str, Any], requires: str, sources: Mapping[str, tuple[str, ...]]
) -> Verdict:
    evidence: list[str] = []
    builds: list[str] = []
    script = _script(contents.texts.get("setup.py", ""))
    evidence.extend(f"setup.py: {each}" for each in script.compiles)
    builds.extend(script.languages)
    tool = _table(project, "tool")
    if _table(tool, "setuptools").get("ext-modules"):
        evidence.append("pyproject.toml: tool.setuptools.ext-modules")
    rust = _table(tool, "setuptools-rust")
    rust_modules = [each for key in ("ext-modules", "bins") for each in rust.get(key) or ()]
    if rust_modules:
        evidence.append("pyproject.toml: tool.setuptools-rust")
        builds.append("Rust")
    if re.search(r"(?m)^\s*ext_modules\s*=", contents.texts.get("setup.cfg", "")) or re.search(
        r"(?m)^\[(?:build_ext|extension)[=:]", contents.texts.get("setup.cfg", "")
    ):
        evidence.append("setup.cfg: extension modules")
    if "scikit-build" in requires and "CMakeLists.txt" in contents.paths:
        evidence.append("CMakeLists.txt with scikit-build")
        builds.append("CMake")
    if not evidence:
        return Verdict(Purity.PURE, (), _unused(sources))
    languages = _in_order(builds, sources)
    optional = script.optional or (bool(rust_modules) and all(_is_optional(each) for each in rust_modules))
    if optional:
        evidence.append(f"optional: {script.optional or 'every Rust module is marked so'}")
    found = tuple(dict.fromkeys((*evidence, *_seen(sources, languages))))
    return Verdict(Purity.OPTIONAL if optional else Purity.NATIVE, languages, found)


def _meson(contents: SdistContents, backend: str, sources: Mapping[str, tuple[str, ...]]) -> Verdict:
    files = [
        path
        for path, text in contents.texts.items()
        if path.endswith("meson.build")
        and not _ELSEWHERE.intersection(PurePosixPath(path).parts[:-1])
        and _MESON_EXTENSION.search(text)
    ]
    if not files:
        return Verdict(Purity.PURE, (), (f"build-backend {backend}, no meson.build with an extension module",))
    languages = _in_order(["meson"], sources)
    return Verdict(Purity.NATIVE, languages, (f"{min(files)}: extension_module", *_seen(sources, languages)))


def _cmake(
    contents: SdistContents, project: Mapping[str, Any], backend: str, sources: Mapping[str, tuple[str, ...]]
) -> Verdict:
    settings = _table(_table(project, "tool"), "scikit-build")
    if _table(settings, "wheel").get("cmake") is False or "CMakeLists.txt" not in contents.paths:
        return Verdict(Purity.PURE, (), (f"build-backend {backend}, without CMake",))
    languages = _in_order(["CMake"], sources)
    return Verdict(Purity.NATIVE, languages, (f"build-backend {backend}", *_seen(sources, languages)))


def _declarative(
    project: Mapping[str, Any],
    backend: str,
    requires: str,
    sources: Mapping[str, tuple[str, ...]],
) -> Verdict:
    tool = _table(project, "tool")
    hooks = []
    if _table(tool, "poetry").get("build"):
        hooks.append("pyproject.toml: tool.poetry.build")
    hatch = _table(_table(_table(tool, "hatch"), "build"), "hooks")
    wheel_hooks = _table(_table(_table(_table(_table(tool, "hatch"), "build"), "targets"), "wheel"), "hooks")
    hooks.extend(
        f"pyproject.toml: hatch build hook {name}"
        for name in sorted({*hatch, *wheel_hooks})
        if name in ("custom", "cython", "mypyc", "cmake", "cffi")
    )
    if _table(_table(tool, "pdm"), "build").get("run-setuptools"):
        hooks.append("pyproject.toml: tool.pdm.build.run-setuptools")
    # A hook may do anything; with nothing to compile, it compiles nothing.
    compiled = any(word in requires for word in ("cython", "cffi", "hatch-cython", "mypyc", "rust")) or any(
        sources.values()
    )
    if hooks and compiled:
        languages = _in_order([], sources)
        return Verdict(Purity.NATIVE, languages, (*hooks, *_seen(sources, languages)))
    return Verdict(Purity.PURE, (), (f"build-backend {backend}", *_unused(sources)))


# setup.py ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Script:
    compiles: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    optional: str = ""


def _script(text: str) -> _Script:
    if not text.strip():
        return _Script()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _by_words(text)
    compiles: list[str] = []
    languages: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = _called(node)
        # Projects derive classes of their own from Extension.
        if called in _EXTENSION_CALLS or called.endswith("Extension"):
            compiles.append(f"{called}()")
            languages.extend(_language_of_call(called))
        for keyword in node.keywords:
            if keyword.arg in _EXTENSION_KEYWORDS and not _is_empty(keyword.value):
                compiles.append(f"{keyword.arg}=")
                languages.extend({"cffi_modules": ["cffi"], "rust_extensions": ["Rust"]}.get(keyword.arg, []))
            if keyword.arg == "distclass" and _called_name(keyword.value) == "BinaryDistribution":
                compiles.append("distclass=BinaryDistribution")
    for node in ast.walk(tree):
        # kwargs["ext_modules"] = ..., and dict(ext_modules=...) spelled as a literal
        if isinstance(node, ast.Constant) and node.value in _EXTENSION_KEYWORDS:
            compiles.append(f"{node.value!r}")
            languages.extend(["cffi"] if node.value == "cffi_modules" else [])
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            if any(module.split(".")[0] == "skbuild" for module in modules):
                compiles.append("skbuild")
                languages.append("CMake")
            if any(module.startswith("numpy.distutils") for module in modules):
                compiles.append("numpy.distutils")
    if compiles and _only_under_conditions(tree):
        compiles.append("only under a condition of setup.py, which was not evaluated")
    optional = _optional(tree) if compiles else ""
    return _Script(tuple(dict.fromkeys(compiles)), tuple(dict.fromkeys(languages)), optional)


def _only_under_conditions(tree: ast.Module) -> bool:
    """Whether the list of extensions begins empty and is filled under an ``if`` only."""
    named = {
        keyword.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "ext_modules" and isinstance(keyword.value, ast.Name)
    }
    if not named:
        return False
    plain = [
        statement for statement in tree.body if not isinstance(statement, ast.If | ast.FunctionDef | ast.ClassDef)
    ]
    for statement in plain:
        filled = isinstance(statement, ast.Assign) and not _is_empty(statement.value)
        filled = filled or isinstance(statement, ast.AugAssign)
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if filled and any(isinstance(target, ast.Name) and target.id in named for target in targets):
            return False
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            of = statement.value.func
            if isinstance(of, ast.Attribute) and isinstance(of.value, ast.Name) and of.value.id in named:
                return False
    return any(isinstance(statement, ast.If) for statement in tree.body)


def _by_words(text: str) -> _Script:
    words = [word for word in (*_EXTENSION_KEYWORDS, "Extension(", "cythonize(") if word in text]
    return _Script(tuple(f"{word} (not valid Python 3, read by its words)" for word in words))


def _language_of_call(called: str) -> list[str]:
    known = {
        "cythonize": "Cython",
        "RustExtension": "Rust",
        "Pybind11Extension": "C++",
        "CMakeExtension": "CMake",
    }
    return [known[called]] if called in known else ["mypyc"] if called == "mypycify" else []


def _optional(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "optional" and not _is_empty(keyword.value):
                    sure = isinstance(keyword.value, ast.Constant)
                    return "an extension is marked optional" + ("" if sure else ", unless setup.py is told otherwise")
        if isinstance(node, ast.ClassDef) and any("build_ext" in _called_name(base).lower() for base in node.bases):
            for inside in ast.walk(node):
                if isinstance(inside, ast.Try) and _calls_build(inside) and not _ends_the_run(inside):
                    return f"{node.name} carries on when compiling fails"
    # setup() or a function around it is called in a try, and again in its except.
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and (again := _calls(node.body) & _calls_in_handlers(node)):
            retried = sorted(name for name in again if "setup" in name.lower())
            if retried:
                return f"{retried[0]}() is called again when the first call fails"
    return ""


def _calls_build(node: ast.Try) -> bool:
    return any(
        name in ("run", "build_extension", "build_extensions", "_build_extension") for name in _calls(node.body)
    )


def _ends_the_run(node: ast.Try) -> bool:
    """Whether every handler gives up: raises plainly or exits, rather than naming a failure to fall
    back on.
    """
    return bool(node.handlers) and all(
        any(_gives_up(statement) for statement in handler.body) for handler in node.handlers
    )


def _gives_up(statement: ast.stmt) -> bool:
    # Only what is done without a condition: `if optional: warn() else: raise` carries on.
    if isinstance(statement, ast.Raise):
        # `raise BuildFailed()` is how setup.py files make their own except clause try without.
        return not _is_fallback_signal(statement)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _called(statement.value) in ("exit", "_exit")
    return False


def _is_fallback_signal(node: ast.Raise) -> bool:
    name = _called_name(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
    return "fail" in name.lower()


def _calls(nodes: Iterable[ast.AST]) -> set[str]:
    return {_called(inside) for node in nodes for inside in ast.walk(node) if isinstance(inside, ast.Call)}


def _calls_in_handlers(node: ast.Try) -> set[str]:
    return _calls([*node.handlers])


def _called(node: ast.Call) -> str:
    return _called_name(node.func)


def _called_name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_empty(node: ast.AST) -> bool:
    if isinstance(node, ast.List | ast.Tuple):
        return not node.elts
    return isinstance(node, ast.Constant) and not node.value


# Sources -------------------------------------------------------------------------------------------


def _sources(paths: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for text in paths:
        path = PurePosixPath(text)
        language = _LANGUAGES.get(path.suffix.lower())
        if language and not _ELSEWHERE.intersection(part.lower() for part in path.parts[:-1]):
            found.setdefault(language, []).append(text)
    return {language: tuple(sorted(each)) for language, each in found.items()}


def _in_order(builds: Iterable[str], sources: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    languages = dict.fromkeys(builds)
    languages |= dict.fromkeys(
        language for language in ("Cython", "Rust", "C++", "C", "Fortran") if sources.get(language)
    )
    return tuple(languages)


def _seen(sources: Mapping[str, tuple[str, ...]], languages: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        f"{files[0]}" + (f" and {len(files) - 1} more {language} files" if len(files) > 1 else "")
        for language in languages
        if (files := sources.get(language))
    )


def _unused(sources: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    files = sorted(file for each in sources.values() for file in each)
    return (f"{files[0]} is in the archive, no build step names it",) if files else ()


# TOML ----------------------------------------------------------------------------------------------


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError, LookupError, TypeError):
        return {}


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}


def _is_optional(module: object) -> bool:
    return isinstance(module, Mapping) and module.get("optional") is True
