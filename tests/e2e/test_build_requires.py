"""What a spec asks for before it builds, found out by the buildroot's own rpm."""

from pathlib import Path

import pytest
from buildworld import BuildWorld, Thing
from debianroots import beside, lacks
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
    world.make(Thing("one"), Thing("two", needs=("one",), spec=SPEC, without=("extra",)))
    world.plan("one", "two")
    run = world.program(*world.build_command("--work", "run"))
    assert "two: built" in run.err
    log = (world.folder / "run" / "logs" / "two.log").read_text()
    # Asked twice: the first time what it generates was not there.
    assert log.count("Executing(%generate_buildrequires)") >= 2
    assert "two: unchanged" in world.program(*world.build_command("--work", "run")).err


def test_without_the_condition_what_nobody_has_is_missing(world: BuildWorld) -> None:
    world.make(Thing("one"), Thing("two", needs=("one",), spec=SPEC))
    world.plan("one", "two")
    run = world.program(*world.build_command("--work", "run"), code=10)
    assert "nothing provides what-nobody-has needed by two-1.0 (build)" in run.out
