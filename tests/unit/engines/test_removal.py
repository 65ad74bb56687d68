import os
import subprocess
from pathlib import Path

import pytest

from ppcdeps.engines.removal import remove_tree, size_of
from ppcdeps.model.errors import EnvironmentLacksError


def test_a_tree_without_permissions_goes(tmp_path: Path) -> None:
    inner = tmp_path / "tree" / "closed"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_what_a_link_points_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(kept)
    remove_tree(tmp_path / "tree")
    assert (kept / "file").read_text() == "x"


def test_nothing_there_is_fine(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_mount_inside_is_not_reached(tmp_path: Path) -> None:
    kept, point = tmp_path / "kept", tmp_path / "a tree" / "point"
    kept.mkdir()
    point.mkdir(parents=True)
    (kept / "file").write_text("x")
    if subprocess.run(["mount", "--bind", kept, point], capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        with pytest.raises(EnvironmentLacksError, match=r"a tree/point is mounted inside of .*nothing was removed"):
            remove_tree(tmp_path / "a tree")
        assert (kept / "file").read_text() == "x"
    finally:
        subprocess.run(["umount", point], check=True)
    remove_tree(tmp_path / "a tree")
    assert (kept / "file").read_text() == "x"


def test_size_counts_what_lies_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= size_of(tmp_path) < 200_000
