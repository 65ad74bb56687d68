"""The sources of own packages: a source RPM as it is, a spec with what lies beside it, nothing that was changed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from srpms import make_srpm

from ppcdeps.base.digests import sha256_of
from ppcdeps.building.run.sources import SourceCollector
from ppcdeps.building.run.tasks import Task
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import OwnPackages
from ppcdeps.recipebook.book import rebuild_recipe

SPEC = """\
Name: app
Version: 1.0
Release: 1
Summary: A test
License: MIT
BuildArch: noarch
Source0: https://example.org/app.txt
%description
A test.
%install
install -D -m 644 %{SOURCE0} %{buildroot}/usr/share/app/app.txt
%files
/usr/share/app
"""


def no_network(_name: str, _version: str | None) -> tuple[()]:
    raise AssertionError("nothing of an own package is fetched")


def task_of(file: Path, shown: str) -> Task:
    packages = (Nevra.parse("app-1.0-1.noarch"),)
    own = OwnPackages("app", shown, sha256_of(file), packages, ("gcc",), ("app.txt",))
    return Task("app", "app", rebuild_recipe("app", ["app"]), "1.0", own=own)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "app.txt").write_text("mine\n")
    (folder / "app.spec").write_text(SPEC)
    return folder / "app.spec"


def test_a_spec_is_rendered_with_what_lies_beside_it_and_builds(spec: Path, tmp_path: Path) -> None:
    """The path is the plan's own: it begins at the plan's folder where it is not found from the current one."""
    sources = SourceCollector(no_network, plan_folder=tmp_path)
    task = task_of(spec, "mine/app.spec")
    rendered = sources.prepare(task, tmp_path / "out")
    assert (tmp_path / "out/SPECS/app.spec").read_text() == SPEC
    assert (tmp_path / "out/SOURCES/app.txt").read_text() == "mine\n"
    assert [each.file for each in rendered.sources] == ["app.spec", "app.txt"]
    assert sources.build_requires(task) == ("gcc",)
    if shutil.which("rpmbuild") is None:
        pytest.skip("needs rpmbuild for the rest")
    command = ["rpmbuild", "-bb", "--define", f"_topdir {tmp_path / 'out'}", str(tmp_path / "out/SPECS/app.spec")]
    subprocess.run(command, check=True, capture_output=True)
    assert list((tmp_path / "out/RPMS/noarch").glob("app-1.0-1*.rpm"))


@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild")
def test_a_source_rpm_is_unpacked_as_it_is(spec: Path, tmp_path: Path) -> None:
    srpm = make_srpm(spec, tmp_path / "top", {"app.txt": b"inside\n"})
    SourceCollector(no_network).prepare(task_of(srpm, str(srpm)), tmp_path / "out")
    assert (tmp_path / "out/SPECS/app.spec").read_text() == SPEC
    assert (tmp_path / "out/SOURCES/app.txt").read_text() == "inside\n"


def test_what_was_changed_since_the_plan_is_not_built(spec: Path, tmp_path: Path) -> None:
    task = task_of(spec, str(spec))
    spec.write_text(SPEC + "\n")
    with pytest.raises(ConfigError, match=r"was changed since the plan was made; plan again"):
        SourceCollector(no_network).prepare(task, tmp_path / "out")


def test_a_source_that_is_not_there_is_named_with_the_command_that_fetches_it(spec: Path, tmp_path: Path) -> None:
    task = task_of(spec, str(spec))
    (spec.parent / "app.txt").rename(tmp_path / "app.txt")
    with pytest.raises(ConfigError, match=r"names app\.txt, and that is not beside it; .*spectool -g app\.spec"):
        SourceCollector(no_network).prepare(task, tmp_path / "out")
    SourceCollector(no_network, (tmp_path,)).prepare(task, tmp_path / "again")


def test_a_spec_that_is_gone_is_looked_for_in_the_folders_of_sources(spec: Path, tmp_path: Path) -> None:
    task = task_of(spec, "./elsewhere/app.spec")
    with pytest.raises(ConfigError, match="of which app is built, is not there"):
        SourceCollector(no_network).prepare(task, tmp_path / "out")
    SourceCollector(no_network, (spec.parent,)).prepare(task, tmp_path / "again")
