"""A copied folder, and the first fault that copying it met."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from ppcdeps.base.copying import copy_tree


def test_a_folder_is_copied_with_its_links_or_what_they_lead_to(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "below" / "file").write_text("text")
    (source / "link").symlink_to("below/file")
    copy_tree(source, tmp_path / "links", keep_links=True)
    assert (tmp_path / "links" / "link").readlink() == Path("below/file")
    copy_tree(source, tmp_path / "files")
    assert not (tmp_path / "files" / "link").is_symlink()
    assert (tmp_path / "files" / "link").read_text() == "text"
    with pytest.raises(FileExistsError):
        copy_tree(source, tmp_path / "files")
    (tmp_path / "files" / "more").write_text("")
    copy_tree(source, tmp_path / "files", exist_ok=True)
    assert (tmp_path / "files" / "more").exists()


def test_a_link_to_nothing_is_a_fault_or_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "lost").symlink_to("nothing")
    (source / "kept").symlink_to("file")
    (source / "file").write_text("text")
    with pytest.raises(FileNotFoundError) as raised:
        copy_tree(source, tmp_path / "target")
    assert (raised.value.filename, raised.value.strerror) == (str(source / "lost"), os.strerror(errno.ENOENT))
    copy_tree(source, tmp_path / "without", skip_lost=True)
    assert sorted(path.name for path in (tmp_path / "without").iterdir()) == ["file", "kept"]
    assert not (tmp_path / "without" / "kept").is_symlink()


def test_a_pipe_is_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pipe")
    with pytest.raises(OSError, match=r"pipe: `.*pipe` is a named pipe"):
        copy_tree(source, tmp_path / "target")


def test_a_full_disk_is_said_with_what_was_written(tmp_path: Path) -> None:
    source, full = tmp_path / "source", tmp_path / "full"
    (source / "below").mkdir(parents=True)
    (source / "below" / "file").write_bytes(bytes(100_000))
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", full], check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        with pytest.raises(OSError) as raised:
            copy_tree(source, full / "target")
    finally:
        subprocess.run(["umount", full], check=True)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(full / "target" / "below" / "file"))
