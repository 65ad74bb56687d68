"""Specs that recipes render, built in Debian roots: cross-compiled by every build system, and compared with emulated
builds; what comes out is installed into the emulated root by rpm, and run there.
"""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import debianroots
import pytest

from ppcdeps.engines.job import Buildroot
from ppcdeps.model.recipe import BuildSystem, Language, Recipe, RecipeKind, Source, Upstream
from ppcdeps.recipebook.book import sdist_recipe
from ppcdeps.recipebook.rendering import render

C = """#include <zlib.h>
#include <stdio.h>
int main(void) { printf("greeting with zlib %s\\n", zlibVersion()); return 0; }
"""
CMAKE = """cmake_minimum_required(VERSION 3.16)
project(greeting C)
find_package(ZLIB REQUIRED)
add_executable(greeting greeting.c)
target_link_libraries(greeting ZLIB::ZLIB)
install(TARGETS greeting DESTINATION bin)
"""
MESON = """project('greeting', 'c')
assert(host_machine.cpu_family() == 'ppc64')
executable('greeting', 'greeting.c', dependencies: dependency('zlib'), install: true)
"""
CONFIGURE = """AC_INIT([greeting], [1.0])
AM_INIT_AUTOMAKE([foreign])
AC_PROG_CC
PKG_CHECK_MODULES([ZLIB], [zlib])
AC_FUNC_MALLOC
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
"""
AUTOMAKE = """bin_PROGRAMS = greeting
greeting_SOURCES = greeting.c
greeting_CFLAGS = $(ZLIB_CFLAGS)
greeting_LDADD = $(ZLIB_LIBS)
"""
MAKE = """greeting: greeting.c
\t$(CC) $(CFLAGS) -o $@ greeting.c -lz
install:
\tinstall -D greeting $(DESTDIR)$(PREFIX)/bin/greeting
"""
FILES = {
    "greeting.c": C,
    "CMakeLists.txt": CMAKE,
    "meson.build": MESON,
    "configure.ac": CONFIGURE,
    "Makefile.am": AUTOMAKE,
    "Makefile": MAKE,
}

SETUP = """from setuptools import Extension, setup
setup(name="greet", version="1.2rc1", packages=["greet"], ext_modules=[Extension("greet._c", ["c.c"])])
"""
MODULE = """#include <Python.h>
static PyObject *greet(PyObject *self, PyObject *ignored) { return PyLong_FromSize_t(sizeof(void *)); }
static PyMethodDef methods[] = {{"greet", greet, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_c", "", -1, methods};
PyMODINIT_FUNC PyInit__c(void) { return PyModule_Create(&module); }
"""


def packed(path: Path, files: Mapping[str, str], version: str) -> Source:
    """A tar.gz of the files under one folder, and the source that names it."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return Source(
        version, f"https://example.org/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest(), path.name
    )


def program(source: Source, system: BuildSystem) -> Recipe:
    tools = ("autoconf", "automake", "pkgconfig") if system is BuildSystem.AUTOTOOLS else ()
    return Recipe(
        source="greeting",
        kind=RecipeKind.COMPILE,
        summary="Greets",
        reason="a test",
        links=(),
        folder=Path("greeting"),
        sources=(source,),
        upstream=Upstream("greeting", "Greets", "MIT", "https://example.org/", "Greets.", system, check="./greeting"),
        packages=("greeting",),
        build_requires=("pkgconfig(zlib)", *tools),
        smoke_test="greeting",
    )


def built(buildroot: Buildroot, recipe: Recipe, tarball: Path, workspace: Path) -> Path:
    rendering = render(recipe, workspace, sources=(tarball,))
    done = debianroots.rpmbuild(buildroot, workspace, rendering.spec.name)
    assert done.code == 0, done.output
    (package,) = (workspace / "RPMS/ppc64le").glob("*.rpm")
    return package


def queried(package: Path, what: str) -> set[str]:
    command = ["rpm", "-qp", "--nosignature", what, str(package)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def run_installed(debian_root: Buildroot, package: Path, command: str) -> str:
    """What a command says in a copy of the root with the package in it: rpm checks its requirements there."""
    # Debian's rpm has much to say against being used.
    script = f"rpm --install /build/{package.name} 2>/build/said || {{ cat /build/said; exit 1; }}; {command}"
    done = debianroots.run_in(debian_root, package.parent, "sh", "-ec", script)
    assert done.code == 0, done.output
    return done.output


@pytest.mark.parametrize("system", list(BuildSystem))
def test_a_program_is_cross_compiled_and_runs_where_it_is_installed(
    system: BuildSystem, debian_root: Buildroot, debian_cross_root: Buildroot, tmp_path: Path
) -> None:
    tarball = tmp_path / "greeting-1.0.tar.gz"
    package = built(debian_cross_root, program(packed(tarball, FILES, "1.0"), system), tarball, tmp_path / "top")
    assert "libz.so.1()(64bit)" in queried(package, "--requires")
    assert "/usr/bin/greeting" in queried(package, "--list")
    if not debianroots.emulates():
        pytest.skip("cross-compiled, and not run: this machine runs no ppc64le programs")
    assert run_installed(debian_root, package, "greeting") == "greeting with zlib 1.2.13\n"


def test_an_extension_module_is_the_same_cross_compiled_and_emulated(
    debian_root: Buildroot, debian_cross_root: Buildroot, tmp_path: Path
) -> None:
    tarball = tmp_path / "greet-1.2rc1.tar.gz"
    files = {"setup.py": SETUP, "c.c": MODULE, "greet/__init__.py": ""}
    recipe = sdist_recipe("greet", packed(tarball, files, "1.2rc1"), [Language.C])
    package = built(debian_cross_root, recipe, tarball, tmp_path / "cross")
    place = "/usr/lib/python3.11/dist-packages/greet"
    assert f"{place}/_c.cpython-311-powerpc64le-linux-gnu.so" in queried(package, "--list")
    provides = queried(package, "--provides")
    assert {"python3dist(greet) = 1.2~rc1", "python3.11dist(greet) = 1.2~rc1"} <= provides
    assert "python(abi) = 3.11" in queried(package, "--requires")
    if not debianroots.emulates():
        pytest.skip("cross-compiled, and not run: this machine runs no ppc64le programs")
    said = run_installed(debian_root, package, "python3 -c 'import greet._c as c; print(c.__file__, c.greet())'")
    assert said == f"{place}/_c.cpython-311-powerpc64le-linux-gnu.so 8\n"
    emulated = built(debian_root, recipe, tarball, tmp_path / "emulated")
    for what in ("--requires", "--provides", "--list"):
        assert queried(emulated, what) == queried(package, what), what
