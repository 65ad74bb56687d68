"""What an sdist compiles, from its build files."""

# ruff: noqa: E501 - a build file reads better in one piece

import pytest

from ppcdeps.python.purity import Purity, judge
from ppcdeps.python.sdist import SdistContents

SETUP = "from setuptools import setup, Extension\n"


def contents(files: dict[str, str]) -> SdistContents:
    return SdistContents(tuple(sorted(files)), files)


PURE = {
    "plain": {"setup.py": SETUP + "setup(name='x')"},
    "pbr": {
        "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr>=2'], pbr=True)",
        "setup.cfg": "",
    },
    "empty list": {"setup.py": SETUP + "setup(ext_modules=[])"},
    "none": {"setup.py": SETUP + "setup(ext_modules=None)"},
    "c in test data": {"setup.py": SETUP + "setup()", "tests/data/a.c": "", "docs/b.cpp": ""},
    "c that nobody builds": {"setup.py": SETUP + "setup()", "contrib/hook.c": ""},
    "flit": {"pyproject.toml": "[build-system]\nbuild-backend = 'flit_core.buildapi'\nrequires = []"},
    "hatch": {"pyproject.toml": "[build-system]\nbuild-backend = 'hatchling.build'\nrequires = ['hatchling']"},
    "hatch with vcs hook": {
        "pyproject.toml": "[build-system]\nbuild-backend = 'hatchling.build'\nrequires = []\n[tool.hatch.build.hooks.vcs]\nversion-file = 'v.py'"
    },
    "scikit-build without cmake": {
        "pyproject.toml": "[build-system]\nbuild-backend = 'scikit_build_core.build'\n[tool.scikit-build.wheel]\ncmake = false",
        "CMakeLists.txt": "",
    },
    "meson without extension": {
        "pyproject.toml": "[build-system]\nbuild-backend = 'mesonpy'",
        "meson.build": "py.install_sources('a.py')",
    },
    "nothing at all": {},
    "broken pyproject": {"pyproject.toml": "[", "setup.py": SETUP + "setup()"},
}

NATIVE = {
    "extension": ({"setup.py": SETUP + "setup(ext_modules=[Extension('a', ['a.c'])])", "a.c": ""}, ("C",)),
    "c++": ({"setup.py": SETUP + "setup(ext_modules=[Extension('a', ['a.cpp'])])", "a.cpp": ""}, ("C++",)),
    "cython": ({"setup.py": "setup(ext_modules=cythonize('a.pyx'))", "a.pyx": ""}, ("Cython",)),
    "cffi": ({"setup.py": "setup(cffi_modules=['b.py:ffi'])"}, ("cffi",)),
    "rust by setuptools-rust": (
        {"setup.py": "setup(rust_extensions=[RustExtension('a')])", "src/lib.rs": ""},
        ("Rust",),
    ),
    "rust by its table": (
        {
            "setup.py": "setup()",
            "pyproject.toml": "[build-system]\nrequires = ['setuptools-rust']\n[[tool.setuptools-rust.ext-modules]]\ntarget = 'a'",
        },
        ("Rust",),
    ),
    "maturin": ({"pyproject.toml": "[build-system]\nbuild-backend = 'maturin'", "src/lib.rs": ""}, ("Rust",)),
    "scikit-build-core": (
        {
            "pyproject.toml": "[build-system]\nbuild-backend = 'scikit_build_core.build'",
            "CMakeLists.txt": "",
            "a.cpp": "",
        },
        ("CMake", "C++"),
    ),
    "skbuild": ({"setup.py": "from skbuild import setup\nsetup()"}, ("CMake",)),
    "meson": (
        {
            "pyproject.toml": "[build-system]\nbuild-backend = 'mesonpy'",
            "m/meson.build": "py.extension_module('a', 'a.c')",
            "m/a.c": "",
        },
        ("meson", "C"),
    ),
    "poetry build script": (
        {
            "pyproject.toml": "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry.build]\nscript = 'build.py'",
            "a.c": "",
        },
        ("C",),
    ),
    "arguments in a dictionary": (
        {"setup.py": "k = {}\nk['ext_modules'] = e()\nsetup(**k)", "a.c": ""},
        ("C",),
    ),
    "python 2": ({"setup.py": "print 'x'\nsetup(ext_modules=[Extension('a', ['a.c'])])", "a.c": ""}, ("C",)),
    "tables of setuptools": (
        {
            "pyproject.toml": "[build-system]\nrequires=['setuptools']\n[[tool.setuptools.ext-modules]]\nname='a'",
            "a.c": "",
        },
        ("C",),
    ),
    "failure that ends the run": (
        {
            "setup.py": SETUP + "class B(build_ext):\n  def run(self):\n    try:\n      build_ext.run(self)\n"
            "    except Exception:\n      raise SystemExit(1)\nsetup(ext_modules=[Extension('a', ['a.c'])])",
            "a.c": "",
        },
        ("C",),
    ),
}

OPTIONAL = {
    "marked": "setup(ext_modules=[Extension('a', ['a.c'], optional=True)])",
    "marked unless told": "setup(ext_modules=[Extension('a', ['a.c'], optional=not FORCED)])",
    "caught in build_ext": (
        "class B(build_ext):\n  def run(self):\n    try:\n      build_ext.run(self)\n    except Exception as e:\n"
        "      warn(e)\nsetup(ext_modules=[Extension('a', ['a.c'])])"
    ),
    "caught and signalled": (
        "class B(build_ext):\n  def build_extension(self, e):\n    try:\n      build_ext.build_extension(self, e)\n"
        "    except CCompilerError:\n      raise BuildFailed()\nsetup(ext_modules=[Extension('a', ['a.c'])])"
    ),
    "caught on a condition": (
        "class B(build_ext):\n  def run(self):\n    try:\n      build_ext.run(self)\n    except E as e:\n"
        "      if self.optional:\n        warn(e)\n      else:\n        raise\nsetup(ext_modules=[Extension('a', ['a.c'])])"
    ),
    "setup again": (
        "def run_setup(ext):\n  setup(ext_modules=ext)\ntry:\n  run_setup([Extension('a', ['a.c'])])\nexcept BuildFailed:\n"
        "  run_setup([])"
    ),
}


@pytest.mark.parametrize("case", PURE)
def test_pure(case: str) -> None:
    verdict = judge(contents(PURE[case]))
    assert verdict.purity is Purity.PURE, verdict
    assert verdict.builds_from == ()


@pytest.mark.parametrize("case", NATIVE)
def test_native(case: str) -> None:
    files, builds_from = NATIVE[case]
    verdict = judge(contents(files))
    assert (verdict.purity, verdict.builds_from) == (Purity.NATIVE, builds_from)
    assert verdict.evidence


@pytest.mark.parametrize("case", OPTIONAL)
def test_optional(case: str) -> None:
    verdict = judge(contents({"setup.py": SETUP + OPTIONAL[case], "a.c": ""}))
    assert verdict.purity is Purity.OPTIONAL, verdict
    assert any(each.startswith("optional:") for each in verdict.evidence)


def test_unused_sources_are_mentioned() -> None:
    verdict = judge(contents(PURE["c that nobody builds"]))
    assert verdict.evidence == ("contrib/hook.c is in the archive, no build step names it",)


def test_a_condition_that_was_not_evaluated_is_said() -> None:
    script = SETUP + "e = []\nif compile_it():\n    e.append(Extension('a', ['a.c']))\nsetup(ext_modules=e)"
    verdict = judge(contents({"setup.py": script, "a.c": ""}))
    assert verdict.purity is Purity.NATIVE
    assert any("under a condition" in each for each in verdict.evidence)
