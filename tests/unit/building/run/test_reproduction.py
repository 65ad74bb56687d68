"""What a build from a lock gave, compared with what the lock has; and two builds of a package compared."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rpms import Rpm

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage
from ppcdeps.building.run.events import BuildOutcome, TaskResult
from ppcdeps.building.run.reproduction import reproductions
from ppcdeps.building.run.store import PACKAGES, Store
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.model.lock import LockedBuild
from ppcdeps.rpm.comparison import contents_of, differences

pytestmark = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild")
SAMPLE = Rpm(arch="noarch", files={"/usr/share/sample/one": b"1"}, tags=("Requires: other",))
NEVRA = "sample-1.0-1.noarch"


def result(package: Path, cache: Path) -> TaskResult:
    """A finished build that gave this package."""
    built = (BuiltPackage(package.name, sha256_of(package), NEVRA),)
    record = BuildRecord("sample", "1.0", "ppc64le", "emulated", "debian-12", "k", (), 0, 0, "0.1.0", packages=built)

    def fill(folder: Path) -> None:
        (folder / PACKAGES).mkdir()
        shutil.copy(package, folder / PACKAGES)

    stored = Store.of(Cache.open(cache)).add("0" * 64, record, 1.0, {}, fill)
    return TaskResult(Task("sample", "sample", Bridge("w", (), 1)), BuildOutcome.BUILT, stored, None, None, (), 1.0)


def locked(package: Path) -> LockedBuild:
    """The package as a lock has it, built in another buildroot."""
    contents = contents_of(package)
    return LockedBuild(
        NEVRA,
        "sample",
        sha256_of(package),
        *contents.digests,
        contents.build_time,
        "cross",
        "debian-12-cross",
        "0.1.0",
    )


def test_the_same_file_needs_no_reason(tmp_path: Path) -> None:
    package = SAMPLE.build(tmp_path / "one")
    (found,) = reproductions([result(package, tmp_path / "cache")], [locked(package)])
    assert found.is_same
    assert not found.why


def test_what_differs_is_named_with_what_was_another_in_the_build(tmp_path: Path) -> None:
    before = SAMPLE.build(tmp_path / "before")
    after = replace(SAMPLE, files={"/usr/share/sample/one": b"2"}).build(tmp_path / "after")
    (found,) = reproductions([result(after, tmp_path / "cache")], [locked(before)])
    assert not found.is_same
    assert found.differs == ("files",)
    assert found.why == ("mode emulated, not cross", "buildroot debian-12, not debian-12-cross")


def test_a_package_that_the_lock_does_not_have_is_not_compared(tmp_path: Path) -> None:
    package = SAMPLE.build(tmp_path / "one")
    other = replace(locked(package), nevra="other-1-1.noarch")
    assert reproductions([result(package, tmp_path / "cache")], [other]) == ()


def test_two_builds_differ_in_requires_files_and_their_digests(tmp_path: Path) -> None:
    one = contents_of(SAMPLE.build(tmp_path / "one"))
    changed = replace(
        SAMPLE,
        files={"/usr/share/sample/one": b"2", "/usr/share/sample/two": b""},
        tags=("Requires: another", "Provides: more"),
    )
    other = contents_of(changed.build(tmp_path / "other"))
    assert differences(one, one) == ()
    assert differences(one, other) == (
        "/usr/share/sample/one: another digest",
        "/usr/share/sample/two: in the second only",
        "provides more: in the second only",
        "requires another: in the second only",
        "requires other: in the first only",
    )
