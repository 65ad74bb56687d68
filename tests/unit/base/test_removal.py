"""Removing trees: links, mounts, closed folders, files of others."""

import os
import subprocess
from pathlib import Path

import pytest

from ppcdeps.base.removal import remove_tree, size_of
from ppcdeps.model.errors import EnvironmentLacksError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def bind(source: Path, place: Path) -> None:
    if subprocess.run(["mount", "--bind", source, place], capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")


def test_a_tree_without_permissions_goes_and_nothing_above_is_opened(tmp_path: Path) -> None:
    top = tmp_path / "top"
    inner = top / "inner"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (top / "link").symlink_to(tmp_path)
    (tmp_path / "kept").write_text("kept")
    inner.chmod(0)
    top.chmod(0o500)
    tmp_path.chmod(0o755)
    assert remove_tree(top)
    assert not top.exists()
    assert (tmp_path / "kept").read_text() == "kept"
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert not remove_tree(top)


@needs_root
def test_a_user_removes_closed_folders_of_its_own(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    top = tmp_path / "own" / "top"
    (top / "inner").mkdir(parents=True)
    (top / "inner" / "file").write_text("x")
    for path in (tmp_path / "own", top, top / "inner", top / "inner" / "file"):
        os.chown(path, 54321, 54321)
    (top / "inner").chmod(0)
    top.chmod(0o500)
    child = os.fork()
    if child == 0:
        os.setresuid(54321, 54321, 54321)
        try:
            os._exit(0 if remove_tree(top) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not top.exists()


def test_what_a_link_points_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    assert remove_tree(tmp_path / "tree")
    assert remove_tree(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert (kept / "file").read_text() == "x"


def test_a_file_is_removed_and_nothing_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert remove_tree(tmp_path / "file")
    assert not remove_tree(tmp_path / "file")


@needs_root
def test_a_mount_inside_is_not_reached(tmp_path: Path) -> None:
    kept, point = tmp_path / "kept", tmp_path / "a tree" / "point"
    kept.mkdir()
    point.mkdir(parents=True)
    (kept / "file").write_text("x")
    bind(kept, point)
    try:
        with pytest.raises(EnvironmentLacksError, match=r"a tree/point is mounted inside of .*nothing was removed"):
            remove_tree(tmp_path / "a tree")
        assert remove_tree(tmp_path / "a tree", strict=False)
        assert (point / "file").read_text() == "x"
    finally:
        subprocess.run(["umount", point], check=True)
    assert remove_tree(tmp_path / "a tree")
    assert (kept / "file").read_text() == "x"


@needs_root
def test_a_mount_of_ppcdeps_is_unmounted_and_its_content_stays(tmp_path: Path) -> None:
    kept, point = tmp_path / "kept", tmp_path / "top" / "a b"
    kept.mkdir()
    point.mkdir(parents=True)
    (kept / "file").write_text("kept")
    bind(kept, point)
    assert remove_tree(tmp_path / "top", unmount=True)
    assert (kept / "file").read_text() == "kept"
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_size_counts_what_lies_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= size_of(tmp_path) < 200_000
