"""Compressed files as bounded streams."""

import bz2
import gzip
import hashlib
import lzma
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.base.compression import DamagedError, open_stream, verify_open

CONTENT = b"".join(b"line %d of some text\n" % number for number in range(20_000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}
PACKED = [kind for kind in PACK if kind != "plain"]


@pytest.mark.parametrize("kind", PACK)
def test_each_kind_is_known_by_its_first_bytes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(PACK[kind](CONTENT))
    with open_stream(path) as stream:
        assert stream.read() == CONTENT


@pytest.mark.parametrize("kind", PACK)
def test_an_empty_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[kind](b""))
    assert verify_open(path, checksum=None, size=0) == 0


@pytest.mark.parametrize("kind", PACKED)
def test_members_one_after_the_other_are_one_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[kind](b"one,") + PACK[kind](b"two"))
    with open_stream(path) as stream:
        assert stream.read() == b"one,two"


@pytest.mark.parametrize("kind", PACK)
def test_no_more_is_opened_than_allowed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[kind](b" " * 50_000_000))
    with open_stream(path, limit=1000) as stream, pytest.raises(DamagedError, match="more than 1000 bytes"):
        stream.read()


@pytest.mark.parametrize("kind", PACK)
def test_the_size_and_the_checksum_of_the_content_are_compared(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACK[kind](CONTENT))
    right = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert verify_open(path, checksum=right, size=len(CONTENT)) == len(CONTENT)
    with pytest.raises(DamagedError, match=f"opens to {len(CONTENT)} bytes instead of"):
        verify_open(path, checksum=right, size=len(CONTENT) + 1)
    with pytest.raises(DamagedError, match=f"more than {len(CONTENT) - 1}"):
        verify_open(path, checksum=right, size=len(CONTENT) - 1)
    with pytest.raises(DamagedError, match="another sha256"):
        verify_open(path, checksum="sha256:" + "0" * 64, size=None)


@pytest.mark.parametrize("kind", PACKED)
def test_a_file_that_ends_in_the_middle_is_damaged(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    packed = PACK[kind](CONTENT)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DamagedError):
        verify_open(path, checksum=None, size=len(CONTENT))


@given(st.sampled_from(PACKED), st.data())
def test_a_flipped_byte_is_damage_or_harmless(kind: str, data: st.DataObject) -> None:
    packed = bytearray(PACK[kind](CONTENT))
    place = data.draw(st.integers(0, len(packed) - 1))
    checksum = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    packed[place] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "a")
        path.write_bytes(packed)
        try:
            total = verify_open(path, checksum=checksum, size=len(CONTENT))
        except DamagedError:
            return
        # The header of gzip holds a date and a flag or two that change no content.
        assert total == len(CONTENT)


def test_zchunk_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x00ZCK1" + b"\x00" * 50)
    with pytest.raises(DamagedError, match="zchunk"):
        open_stream(path)


def test_an_xz_file_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    """The block header claims a dictionary of 2 GiB: making such a file honestly would take the memory
    itself.
    """
    path = tmp_path / "a"
    packed = bytearray(lzma.compress(b"x"))
    start = 12
    end = start + (packed[start] + 1) * 4
    packed[packed.index(b"\x21\x01", start) + 2] = 38
    packed[end - 4 : end] = zlib.crc32(packed[start : end - 4]).to_bytes(4, "little")
    path.write_bytes(packed)
    with open_stream(path) as stream, pytest.raises(DamagedError, match=r"[Mm]emory"):
        stream.read()
