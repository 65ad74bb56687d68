"""Wheels and zipped sdists opened under ceilings, whatever their directories announce."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import PpcdepsError, RepositoryError


@contextmanager
def open_zip(stream: BinaryIO, filename: str, what: str = "wheel") -> Iterator[zipfile.ZipFile]:
    """The archive in a stream. Raises RepositoryError where it, or what is read of it meanwhile, is damaged."""
    try:
        with zipfile.ZipFile(cast(BinaryIO, _InPieces(stream))) as archive:
            yield archive
    except PpcdepsError:
        raise
    except MemoryError:
        raise RepositoryError(f"{filename} is a damaged {what} (it needs too much memory)") from None
    except Exception as fault:
        # zipfile lets through what its parts raise: of zlib, lzma, struct, of missing passwords and methods.
        words = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise RepositoryError(f"{filename} is a damaged {what} ({words})") from None


def read_member(archive: zipfile.ZipFile, name: str, ceiling: str, filename: str) -> bytes:
    """A member of which the directory says that it is no larger than the ceiling, and which is not."""
    most = getattr(CEILINGS, ceiling)
    with archive.open(name) as member:
        data = b"" if archive.getinfo(name).file_size > most else member.read(most + 1)
    if archive.getinfo(name).file_size > most or len(data) > most:
        raise RepositoryError(f"{filename}: its {name.rpartition('/')[2]} {beyond(ceiling)}")
    return data


class _InPieces:
    """The stream, of which no piece larger than a directory may be is read at once: zipfile reads that whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size > CEILINGS.wheel_directory:
            raise zipfile.BadZipFile(f"its directory {beyond('wheel_directory')}")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
