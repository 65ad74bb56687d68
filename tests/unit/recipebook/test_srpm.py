"""Source RPMs unpacked, and archives that try to write elsewhere."""

import io
from pathlib import Path

import pytest
from trapsrpms import MISSING, SPECS, build_rpms, build_srpm

from ppcdeps.model.errors import ConfigError
from ppcdeps.recipebook.srpm import unpack_cpio, unpack_srpm
from ppcdeps.rpm.payload import BrokenArchiveError

FILE, LINK, FOLDER = 0o100644, 0o120777, 0o040755


def entry(name: str, content: bytes = b"x", mode: int = FILE, magic: bytes = b"070701") -> bytes:
    raw = name.encode() + b"\0"
    numbers = [1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0]
    head = magic + b"".join(b"%08x" % number for number in numbers) + raw
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


END = entry("TRAILER!!!", b"", 0)


def unpack(archive: bytes, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    return list(unpack_cpio(io.BytesIO(archive), folder))


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    archive = entry("a.spec", b"Name: a\n") + entry("./b.patch", b"") + entry("c", b"12345") + END + b"\0" * 99
    assert unpack(archive, tmp_path / "to") == ["a.spec", "b.patch", "c"]
    assert (tmp_path / "to" / "a.spec").read_bytes() == b"Name: a\n"
    assert (tmp_path / "to" / "b.patch").read_bytes() == b""
    assert (tmp_path / "to" / "c").read_bytes() == b"12345"


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (entry("../evil") + END, "files of a source RPM lie in one folder"),
        (entry("/etc/evil") + END, "files of a source RPM lie in one folder"),
        (entry("sub/evil") + END, "files of a source RPM lie in one folder"),
        (entry("..") + END, "files of a source RPM lie in one folder"),
        (entry("a\nb") + END, "files of a source RPM lie in one folder"),
        (entry("evil", b"/etc", LINK) + END, "'evil' in it is no plain file"),
        (entry("evil", b"", FOLDER) + END, "'evil' in it is no plain file"),
        (entry("a") + entry("./a") + END, "it has the file 'a' twice"),
        (entry("a", magic=b"070707") + END, "not a cpio archive of the kind"),
        (entry("a")[:-3], "ends too early"),
        (entry("a"), "ends too early"),
        (b"", "ends too early"),
        (END, "it holds no files"),
        (entry("a").replace(b"00000001", b"0000000z", 1) + END, None),
        (entry("x" * 5000) + END, "a file name of 5001 bytes"),
    ],
)
def test_what_is_no_plain_archive_is_refused(archive: bytes, reason: str | None, tmp_path: Path) -> None:
    if reason is None:
        assert unpack(archive, tmp_path / "to") == ["a"], "numbers that are of no use are not read"
        return
    with pytest.raises(BrokenArchiveError, match=reason):
        unpack(archive, tmp_path / "to")
    assert not (tmp_path / "evil").exists()


def test_nothing_is_written_over_or_through_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        unpack(entry("a") + END, tmp_path / "to")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
class TestRealPackages:
    def test_a_source_rpm_gives_its_spec_and_sources(self, tmp_path: Path) -> None:
        sources = {"trap_dynamic-1.0.tar.gz": b"content"}
        srpm = build_srpm(SPECS / "trap-dynamic.spec", tmp_path / "top", sources)
        unpacked = unpack_srpm(srpm, tmp_path / "to")
        assert unpacked.files == ("trap-dynamic.spec", "trap_dynamic-1.0.tar.gz")
        assert unpacked.spec.read_bytes() == (SPECS / "trap-dynamic.spec").read_bytes()
        with pytest.raises(ConfigError, match="is not empty"):
            unpack_srpm(srpm, tmp_path / "to")

    def test_a_binary_package_is_no_source_rpm(self, tmp_path: Path) -> None:
        rpm = build_rpms(SPECS / "trap-epoch.spec", tmp_path / "top")[0]
        with pytest.raises(ConfigError, match=r"is not unpacked: it holds no files|to have one spec file"):
            unpack_srpm(rpm, tmp_path / "to")

    def test_a_damaged_one_is_reported(self, tmp_path: Path) -> None:
        srpm = build_srpm(SPECS / "trap-epoch.spec", tmp_path / "top")
        content = srpm.read_bytes()
        broken = tmp_path / "broken.src.rpm"
        for kept in (0, 50, len(content) // 2, len(content) - 40):
            broken.write_bytes(content[:kept])
            with pytest.raises(ConfigError, match=r"broken\.src\.rpm is"):
                unpack_srpm(broken, tmp_path / f"to-{kept}")
        with pytest.raises(ConfigError, match="no such file"):
            unpack_srpm(tmp_path / "none.src.rpm", tmp_path / "to")
