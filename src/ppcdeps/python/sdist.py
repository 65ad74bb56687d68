"""What lies in a source archive, read as a stream of members: nothing is unpacked, nothing is run."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from ppcdeps.base.tars import BoundedMember
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import PpcdepsError, RepositoryError
from ppcdeps.model.values import dataclass
from ppcdeps.python.zips import open_zip

_HIGHEST_RATIO = 400
_ALWAYS_ALLOWED = 64 * 1024**2

_Member = tuple[str, Callable[[], bytes] | None]
"""A path, and how to read it; None for what is not a regular file."""

_KEPT_AT_TOP = frozenset(
    {"PKG-INFO", "setup.py", "setup.cfg", "pyproject.toml", "Cargo.toml", "meson.build", "CMakeLists.txt"}
)


@dataclass(frozen=True, slots=True)
class SdistContents:
    """The member paths below the archive's one top folder, sorted, and the texts that say how it is built.

    ``texts`` has the top-level build files, ``requires.txt`` of the egg-info and every ``meson.build``, by
    path.
    """

    paths: tuple[str, ...]
    texts: Mapping[str, str]


def read_sdist(path: Path, filename: str) -> SdistContents:
    """Read the archive at ``path``, which its index calls ``filename``.

    Raises RepositoryError where it is damaged, opens to far more than it is (a zip bomb), or has a path
    that is absolute or climbs out of its folder.
    """
    return _collected(archive_members(path, filename))


def build_system_requires(contents: SdistContents) -> tuple[str, ...]:
    """What ``[build-system]`` of the sdist's pyproject.toml requires; nothing where it says nothing."""
    import tomllib

    try:
        declared = tomllib.loads(contents.texts.get("pyproject.toml", "")).get("build-system", {}).get("requires")
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
        return ()
    return tuple(map(str, declared)) if isinstance(declared, list) else ()


def archive_members(path: Path, filename: str) -> Iterator[_Member]:
    """The members of a wheel or an sdist, each with a function that reads it, to be called before the next is
    requested; None in place of the function for what is not a regular file. Long members are read in part.

    Raises RepositoryError as ``read_sdist`` does.
    """
    size = path.stat().st_size
    # Small archives may have a high ratio for good reason: up to this size the ratio does not count.
    limit = min(CEILINGS.archive_opened, max(_ALWAYS_ALLOWED, size * _HIGHEST_RATIO))
    try:
        zipped = filename.endswith((".zip", ".whl"))
        for count, member in enumerate(_zip_members(path, filename, limit) if zipped else _tar_members(path, limit)):
            if count >= CEILINGS.archive_members:
                raise _TooLarge(f"{beyond('archive_members', 'more than')}")
            _forbid_escape(member[0], filename)
            name, read = member
            yield name, None if read is None else partial(_read_member, read, filename)
    except _TooLarge as fault:
        raise RepositoryError(
            f"{filename} has {size} bytes and {fault}: it looks like a decompression bomb and is not read",
            hint="pin another version in the constraints file",
        ) from None
    except PpcdepsError:
        raise
    except MemoryError:
        raise RepositoryError(f"{filename} is a damaged archive (it needs too much memory)") from None
    except Exception as fault:
        # tarfile and the decompressors have no one error, and differ by version in what they let through.
        words = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise RepositoryError(f"{filename} is a damaged archive ({words})") from None


def _read_member(read: Callable[[], bytes], filename: str) -> bytes:
    """The content of a member, whose damage shows only when it is read."""
    try:
        return read()
    except PpcdepsError:
        raise
    except Exception as fault:
        words = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise RepositoryError(f"{filename} is a damaged archive ({words})") from None


class _TooLarge(RepositoryError):  # noqa: N818 - translated where it is raised
    pass


def _forbid_escape(name: str, filename: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise RepositoryError(
            f"{filename} has the path {name!r}, which leads out of its folder: it is not read",
            hint="do not install it; pin another version in the constraints file",
        )


def _collected(members: Iterator[_Member]) -> SdistContents:
    paths: list[str] = []
    texts: dict[str, str] = {}
    for name, read in members:
        path = PurePosixPath(name)
        if read is None or len(path.parts) < 2:
            continue
        inner = "/".join(path.parts[1:])
        paths.append(inner)
        if _is_kept(inner) and inner not in texts:
            texts[inner] = read().decode("utf-8", errors="replace")
    return SdistContents(tuple(sorted(paths)), texts)


def _is_kept(inner: str) -> bool:
    return (
        inner in _KEPT_AT_TOP
        or inner.endswith((".egg-info/requires.txt", "/meson.build"))
        or (inner.count("/") <= 2 and inner.endswith("/Cargo.toml"))
    )


def _tar_members(path: Path, limit: int) -> Iterator[_Member]:
    # Stream mode: headers are met while decompressing, so that the limit holds for false sizes too.
    with path.open("rb") as raw:
        # Not left to tarfile (r|*): the limit has its place between decompression and tarfile.
        opened = _Limited(_decompressed(raw), limit)
        with tarfile.open(fileobj=cast(IO[bytes], opened), mode="r|", tarinfo=BoundedMember) as archive:
            for member in archive:
                if member.size > limit:
                    raise _TooLarge(f"a member of {member.size} bytes")
                if not member.isfile():
                    yield member.name, None
                    continue
                yield member.name, lambda member=member: _tar_text(archive, member)  # type: ignore[misc]


def _tar_text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read(CEILINGS.archive_text) if stream is not None else b""


def _decompressed(raw: BinaryIO) -> BinaryIO:
    import bz2
    import gzip
    import lzma

    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if head.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(raw))
    if head.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, lzma.LZMAFile(raw))
    return raw


class _Limited:
    """A stream that refuses to go on after so many bytes."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _TooLarge(f"opens to more than {self._limit} bytes")
        return data


def _zip_members(path: Path, filename: str, limit: int) -> Iterator[_Member]:
    with path.open("rb") as stream, open_zip(stream, filename, "archive") as archive:
        declared = sum(member.file_size for member in archive.infolist())
        if declared > limit:
            raise _TooLarge(f"opens to {declared} bytes")
        for member in archive.infolist():
            if member.is_dir():
                yield member.filename, None
                continue
            yield member.filename, lambda member=member: _zip_text(archive, member)  # type: ignore[misc]


def _zip_text(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # Never more than the limit: the directory of the archive may be false.
    with archive.open(member) as stream:
        return stream.read(CEILINGS.archive_text)
