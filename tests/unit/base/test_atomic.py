"""Files that the user named: put in place whole, and never in place of a device or a pipe."""

import os
import stat
from pathlib import Path

import pytest

from ppcdeps.base.atomic import check_apart, require_place, write_output
from ppcdeps.model.errors import ConfigError, UsageError


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        require_place(pipe, "--junit")
        write_output(pipe, "<testsuites/>")
        assert os.read(reader, 100) == b"<testsuites/>"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="a device is made by root")
def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    device = tmp_path / "full"
    os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    with pytest.raises(OSError, match="No space left"):
        write_output(device, "text")
    assert stat.S_ISCHR(device.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_a_stream_of_this_process_is_written_to_and_no_link_to_it_is_replaced(tmp_path: Path, name: str) -> None:
    file = tmp_path / "redirected"
    with file.open("wb", buffering=0) as stream:
        stream.write(b"before ")
        link = tmp_path / "link"
        link.symlink_to(f"/proc/self/fd/{stream.fileno()}")
        place = tmp_path / name.format(stream.fileno())
        require_place(place, "--output")
        write_output(place, "text")
        stream.write(b" after")
        assert link.is_symlink()
    assert file.read_text() == "before text after"


def test_a_file_that_is_read_is_not_written_over_and_a_loop_of_links_is_none(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    check_apart(loop, (None, tmp_path / "other"))
    with pytest.raises(UsageError, match="other would be written over by the audit"):
        check_apart(tmp_path / "other", (tmp_path / "x/../other",), "audit")


@pytest.mark.parametrize("name", ["absent/report.xml", "file/report.xml", ".", "loop/report.xml", "x" * 300])
def test_a_place_that_cannot_be_written_to_is_known_before_and_names_its_option(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match="cannot write ") as known:
        require_place(tmp_path / name, "--junit")
    assert known.value.hint == "name another place with --junit"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", tmp_path / "loop"]


def test_a_place_that_is_looked_at_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("before")
    require_place(tmp_path / "report.xml", "--junit")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.xml", "before")]
