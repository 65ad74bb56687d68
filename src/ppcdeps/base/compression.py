"""Compressed files as bounded streams: gzip, bzip2, xz, zstd, recognized by their first bytes."""

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from ppcdeps.model.ceilings import CEILINGS, beyond

_BLOCK = 1 << 18
# A file says itself how much memory it takes to open. These are the most that it gets.
_XZ_MEMORY = 512 * 1024**2
_ZSTD_WINDOW = 1 << 27


class DamagedError(ValueError):
    """The file is not what it should be: broken compression, another size, another checksum."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def open_stream(path: Path, *, limit: int | None = None, ceiling: str = "metadata_opened") -> BinaryIO:
    """The decompressed content of ``path``, which may be compressed in any of the known ways or not at all.

    Reading more than ``limit`` bytes, or than the ceiling allows, or meeting damage raises DamagedError.
    """
    raw = path.open("rb")
    try:
        return cast(
            BinaryIO,
            io.BufferedReader(_Bounded(_open_raw(raw), raw, limit, ceiling), _BLOCK),
        )
    except BaseException:
        raw.close()
        raise


def verify_open(
    path: Path,
    *,
    checksum: str | None,
    size: int | None,
    inspect: Callable[[bytes], object] | None = None,
) -> int:
    """Decompress ``path`` once and compare. Returns the open size in bytes.

    ``checksum`` (``algorithm:hex``) and ``size`` are those of the content, as far as they are known;
    ``inspect`` is given each block. Never decompresses more than ``size`` and never holds more than a block.
    Raises DamagedError.
    """
    algorithm, _, wanted = (checksum or "sha256:").partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    total = 0
    with open_stream(path, limit=size) as stream:
        while block := stream.read(_BLOCK):
            total += len(block)
            digest.update(block)
            if inspect is not None:
                inspect(block)
    if size is not None and total != size:
        raise DamagedError(f"opens to {total} bytes instead of {size}")
    if wanted and digest.hexdigest() != wanted:
        raise DamagedError(f"its content has another {algorithm} than the repository says")
    return total


def _open_raw(raw: BinaryIO) -> io.RawIOBase | BinaryIO:
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb"))
    if head.startswith(b"BZh"):
        return _Members(raw, bz2.BZ2Decompressor)
    if head.startswith(b"\xfd7zXZ\x00"):
        # lzma.LZMAFile takes no memory limit, so the members are opened one by one here.
        return _Members(raw, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _open_zstd(raw)
    if head.startswith(b"\x00ZCK1"):
        raise DamagedError("is a zchunk file, which ppcdeps does not read")
    return raw


def _open_zstd(raw: BinaryIO) -> BinaryIO:
    import zstandard

    opener = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    # Without read_across_frames, reading ends silently after the first of several frames.
    return cast(BinaryIO, opener.stream_reader(raw, read_across_frames=True, closefd=True))


class _Members(io.RawIOBase):
    """The concatenated members of a bzip2 or xz file, opened piece by piece in bounded memory."""

    def __init__(self, raw: BinaryIO, make: Callable[[], _Decompressor]) -> None:
        self._raw = raw
        self._make = make
        self._opener = make()
        self._done = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = size if size >= 0 else _BLOCK
        while not self._done:
            if self._opener.eof:
                # The xz format allows zero bytes between members and after the last one (stream padding).
                rest = self._opener.unused_data.lstrip(b"\0") or self._raw.read(_BLOCK)
                if not rest.strip(b"\0"):
                    self._done = True
                    break
                self._opener = self._make()
                data = self._opener.decompress(rest, wanted)
            elif self._opener.needs_input:
                rest = self._raw.read(_BLOCK)
                if not rest:
                    raise EOFError("ends in the middle")
                data = self._opener.decompress(rest, wanted)
            else:
                data = self._opener.decompress(b"", wanted)
            if data:
                return data
        return b""

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than ``limit`` bytes, and raises one error for all kinds of damage."""

    def __init__(self, inner: io.RawIOBase | BinaryIO, raw: BinaryIO, limit: int | None, ceiling: str) -> None:
        self._inner = inner
        self._raw = raw
        most = getattr(CEILINGS, ceiling)
        self._left = most if limit is None else min(limit, most)
        announced = limit is not None and limit <= most
        phrase = "opens to more than"
        self._too_many = f"{phrase} {limit} bytes" if announced else beyond(ceiling, phrase)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            # One byte more than is allowed, to see that there is more.
            data = self._inner.read(min(len(view), self._left + 1)) or b""
        except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as fault:
            raise DamagedError(f"cannot be decompressed: {fault}") from fault
        except OSError as fault:
            # bz2 reports damage as an OSError without errno; one that has it comes from the disk.
            if fault.errno is not None:
                raise
            raise DamagedError(f"cannot be decompressed: {fault}") from fault
        except MemoryError as fault:
            raise DamagedError("needs too much memory to be decompressed") from fault
        except Exception as fault:
            # zstandard is imported only where a zstd file is met, so its error is known by its name.
            if type(fault).__name__ != "ZstdError":
                raise
            raise DamagedError(f"cannot be decompressed: {fault}") from fault
        if len(data) > self._left:
            raise DamagedError(self._too_many)
        self._left -= len(data)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        # A GzipFile leaves the file that it was given open.
        self._raw.close()
        super().close()
