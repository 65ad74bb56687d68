"""METADATA of a wheel: as the index serves it beside the wheel (PEP 658), or from the wheel, by byte ranges."""

import hashlib
import io
import re
from pathlib import Path
from typing import Any

from ppcdeps.base.http import HttpResponse
from ppcdeps.base.urls import is_file_url, shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.coremetadata import MetadataSource
from ppcdeps.python.distfiles import IndexFile
from ppcdeps.python.index import Index
from ppcdeps.python.zips import open_zip, read_member

_WHOLE = 96 * 1024
"""Bytes up to which a wheel is read in one piece: a second request would cost more."""
_TAIL = 48 * 1024


def wheel_metadata_text(index: Index, file: IndexFile) -> tuple[bytes, MetadataSource]:
    """The text of METADATA, from the index's own copy of it, or from the wheel.

    Raises RepositoryError where neither can be had, or is damaged, or not what its hash says.
    """
    known = index.local_file(file) if is_file_url(file.url) else index.find_local(file)
    if known is not None:
        found = metadata_in(known, file)
        # The same is said whether the wheel is at hand or not.
        is_served = file.metadata_hash is not None and _other_digest(found, file.metadata_hash) is None
        return found, MetadataSource.INDEX if is_served else MetadataSource.WHEEL
    index.refuse_offline(f"the metadata of {file.filename}")
    if file.metadata_hash is not None:
        text = _served_metadata(index, file)
        if text is not None:
            return text, MetadataSource.INDEX
    return _from_ranges(index, file), MetadataSource.WHEEL


def _served_metadata(index: Index, file: IndexFile) -> bytes | None:
    url = f"{file.url}.metadata"
    answer = index.client.read(url, limit="wheel_metadata", accept=(200, 404, 410), packed=True)
    if answer.status != 200:
        index.warn_once(f"{file.filename}: the index announces its metadata and does not have it; the wheel is read")
        return None
    if other := _other_digest(answer.body, file.metadata_hash or ""):
        raise RepositoryError(
            f"the metadata of {file.filename} is not what its index says: {other} ({shown_url(url)})",
            hint="it was replaced or damaged on the way: ask the index's owner",
        )
    return answer.body


def _other_digest(text: bytes, announced: str) -> str | None:
    """How the digest of a text differs from the announced one (``algorithm=hex``, of which either may be missing);
    None where it does not.
    """
    algorithm, _, digest = announced.partition("=")
    # The digests of SHAKE have no length of their own.
    if not digest or algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
        return None
    found = hashlib.new(algorithm, text).hexdigest()
    return None if found == digest.lower() else f"{algorithm} {found[:16]}… instead of {digest[:16]}…"


def _from_ranges(index: Index, file: IndexFile) -> bytes:
    if file.size is not None and file.size <= _WHOLE:
        return metadata_in(index.local_file(file), file)
    # A zip file's directory is at its end, and PEP 427 recommends to have .dist-info there too.
    first = _piece(index, file, f"-{_TAIL}")
    total = _total(first.headers.get("content-range", ""))
    if first.status != 206 or total is None:
        # The server has no ranges, or the wheel is smaller than the range.
        return metadata_in(index.local_file(file), file)
    sparse = _Sparse(index, file, total)
    sparse.add(total - len(first.body), first.body)
    return _metadata_member(io.BufferedReader(sparse, 1 << 14), file)


def metadata_in(path: Path, file: IndexFile) -> bytes:
    with path.open("rb") as stream:
        return _metadata_member(stream, file)


def _metadata_member(stream: Any, file: IndexFile) -> bytes:
    with open_zip(stream, file.filename) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        # A wheel has one; vendored ones would lie deeper.
        if len(names) != 1:
            raise RepositoryError(f"{file.filename} has {len(names) or 'no'} METADATA files: it is not a wheel")
        return read_member(archive, names[0], "wheel_metadata", file.filename)


class _Sparse(io.RawIOBase):
    """A remote file of which only the parts that are read are fetched."""

    def __init__(self, index: Index, file: IndexFile, size: int) -> None:
        super().__init__()
        self._index = index
        self._file = file
        self._size = size
        self._at = 0
        self._parts: list[tuple[int, bytes]] = []

    def add(self, start: int, data: bytes) -> None:
        self._parts.append((start, data))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        start, data = next((part for part in self._parts if part[0] <= self._at < part[0] + len(part[1])), (0, b""))
        if not data:
            # More than is wanted just now: zipfile reads on in small pieces, and each request costs a round trip.
            start, data = self._at, self._fetched(self._at, max(wanted, _TAIL))
            self.add(start, data)
        piece = data[self._at - start : self._at - start + wanted]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetched(self, start: int, length: int) -> bytes:
        end = min(start + length, self._size) - 1
        answer = _piece(self._index, self._file, f"{start}-{end}")
        if answer.status != 206 or len(answer.body) != end - start + 1:
            raise RepositoryError(f"{shown_url(self._file.url)}: the server stopped giving byte ranges")
        return answer.body


def _piece(index: Index, file: IndexFile, span: str) -> HttpResponse:
    headers = {"Range": f"bytes={span}"}
    return index.client.read(file.url, limit="wheel_directory", headers=headers, accept=(200, 206, 416))


def _total(header: str) -> int | None:
    found = re.fullmatch(r"bytes \d+-\d+/(\d+)", header.strip())
    return int(found[1]) if found else None
