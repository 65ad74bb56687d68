"""What a spec asks for before it builds, found out by the buildroot's own rpm."""

import os
import subprocess
from pathlib import Path

import pytest
from buildworld import MAKEFILE, BuildWorld, Thing
from debianroots import beside, lacks
from indexes import pkg_info, sdist, serving
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import Buildroot

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")

SPEC = """\
%bcond_without extra
Name: two
Version: {{ version }}
Release: 1%{?dist}
Summary: A package that asks for others
License: MIT
Source0: {{ sources[0].url }}
BuildArch: noarch
BuildRequires: make
%if %{with extra}
BuildRequires: what-nobody-has
%endif

%description
A package that asks for others.

%generate_buildrequires
echo 'one >= 1.0'

%build
test -e /usr/share/one/hello

%install
mkdir -p %{buildroot}/usr/share/two
cp /usr/share/one/hello %{buildroot}/usr/share/two

%files
/usr/share/two
"""


@pytest.fixture
def world(tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot) -> BuildWorld:
    folder = tmp_path / "world"
    folder.mkdir()
    program = Program(folder, {"PPCDEPS_CACHE": str(beside(debian_cache, tmp_path / "cache"))}, patience=600)
    return BuildWorld(program, debian_cross_root.path.parent / "repository")


def test_build_conditions_of_the_recipe_decide_and_what_is_generated_is_installed(world: BuildWorld) -> None:
    settings = "\tmkdir -p $(DESTDIR)/etc && echo a=b >$(DESTDIR)/etc/one.conf\n"
    world.make(
        Thing("one", makefile=MAKEFILE.format(name="one") + settings),
        Thing("two", needs=("one",), spec=SPEC, without=("extra",)),
    )
    world.plan("one", "two")
    run = world.program(*world.build_command("--work", "run"))
    assert "two: built" in run.err
    log = (world.folder / "run" / "logs" / "two.log").read_text()
    # Asked twice: the first time what it generates was not there.
    assert log.count("Executing(%generate_buildrequires)") >= 2
    (package,) = world.folder.rglob("one-1.0-*.rpm")
    asked = subprocess.run(["rpm", "-qp", "--configfiles", package], capture_output=True, text=True, check=True)
    assert asked.stdout == "/etc/one.conf\n"
    assert "two: unchanged" in world.program(*world.build_command("--work", "run")).err


def test_without_the_condition_what_nobody_has_is_missing(world: BuildWorld) -> None:
    world.make(Thing("one"), Thing("two", needs=("one",), spec=SPEC))
    world.plan("one", "two")
    run = world.program(*world.build_command("--work", "run"), code=10)
    assert "nothing provides what-nobody-has needed by two-1.0 (build)" in run.out


MODULE = """\
#include <Python.h>
static struct PyModuleDef it = {PyModuleDef_HEAD_INIT, "_c", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__c(void) { return PyModule_Create(&it); }
"""
SETUP = """\
from setuptools import Extension, setup
setup(name="greet", version="1.0", packages=["greet"], ext_modules=[Extension("greet._c", ["c.c"])])
"""
BUILD_SYSTEM = """\
[build-system]
requires = ["setuptools>=61", "wheel>=99", "a-backend-that-nobody-has"]
build-backend = "setuptools.build_meta"
"""


def test_what_an_sdist_requires_of_the_buildroot_is_noted_before_it_is_built(world: BuildWorld) -> None:
    """pip builds without isolation and does not compare: without the note, the log says nothing of it."""
    world.make(Thing("one"))
    files = {"setup.py": SETUP, "c.c": MODULE, "greet/__init__.py": "", "pyproject.toml": BUILD_SYSTEM}
    with serving() as shop:
        shop.add("greet", sdist("greet", "1.0", {"PKG-INFO": pkg_info("greet", "1.0"), **files}))
        program = Program(
            world.folder,
            {**world.program.variables, "PIP_INDEX_URL": shop.url, "PIP_CONFIG_FILE": os.devnull},
            patience=600,
        )
        program("plan", "one", "pypi:greet", *world.place, "-o", "plan.json", code=1)
        run = program(*world.build_command("--work", "run"))
    assert "greet: built" in run.err
    log = (world.folder / "run" / "logs" / "greet.log").read_text()
    noted = [line.partition(": ")[2] for line in log.splitlines() if line.startswith("build-system.requires: ")]
    assert [text.partition(",")[0] for text in noted] == ["wheel>=99", "a-backend-that-nobody-has"]
    assert noted[1].endswith("the buildroot has none")
    assert log.index("build-system.requires: ") < log.index("Executing(%build)")
