"""Finished builds, and what a crash leaves of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.run.store import PACKAGES, RECORD, Store, StoredBuild, key_of


def record() -> BuildRecord:
    return BuildRecord("yajl", "2.1.0", "ppc64le", "cross", "debian-12-cross", "0", ("rpmbuild",), 1, 2, "0.1.0")


def fill(folder: Path) -> None:
    (folder / PACKAGES / "repodata").mkdir(parents=True)
    (folder / PACKAGES / "yajl-2.1.0-1.ppc64le.rpm").write_bytes(b"package")
    (folder / PACKAGES / "repodata" / "repomd.xml").write_text("<repomd/>")


def kept(store: Store, key: str = "k" * 64) -> StoredBuild:
    return store.add(key, record(), 1.5, {"glibc": "2.17"}, fill)


def test_a_build_is_found_as_it_was_stored(tmp_path: Path) -> None:
    store = Store(tmp_path / "builds")
    kept(store)
    found = store.find("k" * 64)
    assert found is not None
    assert found.record == record()
    assert found.inspection == {"glibc": "2.17"}
    assert [path.name for path in found.packages] == ["yajl-2.1.0-1.ppc64le.rpm"]
    assert store.find("other") is None


@pytest.mark.parametrize("damage", ["short", "other", "gone", "record", "other version"])
def test_a_build_that_is_not_whole_is_not_taken(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path / "builds")
    build = kept(store)
    (package,) = build.packages
    match damage:
        case "short":
            package.write_bytes(b"pack")
        case "other":
            package.write_bytes(b"PACKAGE")
        case "gone":
            package.unlink()
        case "record":
            (build.folder / RECORD).write_text("{")
        case "other version":
            text = (build.folder / RECORD).read_text()
            (build.folder / RECORD).write_text(text.replace('"format": 1', '"format": 0'))
    assert store.find(build.key) is None
    assert not build.folder.exists()


def test_what_was_killed_while_it_was_stored_is_not_a_build(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ppcdeps.building.publishing.records import BuildRecord\n"
        "from ppcdeps.building.run.store import Store\n"
        "def fill(folder):\n"
        "    (folder / 'packages').mkdir(); (folder / 'packages' / 'a.rpm').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "record = BuildRecord('a', '1', 'ppc64le', 'cross', 'd', '0', ('x',), 1, 2, '0')\n"
        "Store(Path(sys.argv[1])).add('k', record, 1.0, {}, fill)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path / "builds"], check=False).returncode == -9
    store = Store(tmp_path / "builds")
    assert store.find("k") is None
    assert len(list((tmp_path / "builds").iterdir())) == 1
    store.sweep()
    assert len(list((tmp_path / "builds").iterdir())) == 1  # it might be somebody's who is at it
    store.sweep(older=0)
    assert list((tmp_path / "builds").iterdir()) == []


def test_a_second_result_leaves_the_first_in_its_place(tmp_path: Path) -> None:
    store = Store(tmp_path / "builds")
    kept(store)
    again = store.add("k" * 64, record(), 9.0, {}, fill)
    assert again.seconds == 1.5
    assert len(list((tmp_path / "builds").iterdir())) == 1


def test_the_key_is_of_the_parts_and_not_of_their_order() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1, "b": [2]}) != key_of({"a": 1, "b": [3]})
