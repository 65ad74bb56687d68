"""Files that a user names."""

from pathlib import Path

import pytest

from ppcdeps.base.named_files import expanded, followed, open_named, read_named
from ppcdeps.model.errors import ConfigError


def test_a_home_is_put_in_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/pins.txt") == tmp_path / "pins.txt"
    assert expanded(Path("~")) == tmp_path
    assert expanded("~nobody-of-this-name/pins.txt") == Path("~nobody-of-this-name/pins.txt")


def test_a_link_that_leads_to_itself_stays(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(tmp_path)
    assert followed(tmp_path / "link" / "loop" / "file") == tmp_path.resolve() / "loop" / "file"
    with pytest.raises(ConfigError, match=r"cannot read .*loop: Too many levels of symbolic links"):
        open_named(tmp_path / "loop", "pip_size")


def test_a_name_with_a_null_byte_is_a_file_that_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match=r"cannot read the list .*null byte"):
        read_named(Path("a\0b"), "pip_size", what="the list")
    with pytest.raises(ConfigError, match=r"cannot read the list .*null byte"):
        open_named(Path("a\0b"), "pip_size", what="the list")
