"""The payload of an RPM as a stream of its files: nothing is written to disk.

The payload is read here and not by cpio(1), which creates whatever the archive names. Format: `newc` of cpio(5),
as rpm2cpio(8) writes it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.named_files import open_named
from ppcdeps.base.programs import start_program
from ppcdeps.model.errors import ConfigError

_MAGIC = (b"070701", b"070702")
_STRIPPED = b"07070X"
_HEADER = 110
_NAME_LIMIT = 4096
_END = b"TRAILER!!!"
_BLOCK = 1 << 20
_PADDING = 1 << 20
"""Bytes at most that follow the archive's end: it is filled up to a full block."""


class BrokenArchiveError(Exception):
    """What is wrong with an archive, as a phrase."""


class Member:
    """A file of an archive: its ``name`` as it stands there, its ``mode`` as stat(2) has it, its ``size`` in bytes.

    Its content can be read once, before the next member is asked for.
    """

    def __init__(self, name: bytes, mode: int, size: int, stream: BinaryIO) -> None:
        self.name = name
        self.mode = mode
        self.size = size
        self._stream = stream
        self._left = size

    def blocks(self) -> Iterator[bytes]:
        """The content, in pieces of at most a megabyte. Raises BrokenArchiveError where it is cut off."""
        while self._left:
            block = self._stream.read(min(_BLOCK, self._left))
            if not block:
                raise BrokenArchiveError("its payload ends too early")
            self._left -= len(block)
            yield block


@contextmanager
def open_payload(package: Path, kind: str = "RPM package") -> Iterator[BinaryIO]:
    """The payload as a stream. What rpm2cpio has to say is raised when the stream was read to its end.

    ``kind`` is what messages call the file. Raises ConfigError where it is none, or damaged, and
    EnvironmentLacksError where rpm2cpio is missing.
    """
    open_named(package, "package_size").close()
    # rpm makes a database in the home folder where there is none.
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory(prefix="ppcdeps-rpm-") as home:
        process = start_program(
            ["rpm2cpio", str(package.resolve())],
            stderr=errors,
            needed_for=f"{kind}s are unpacked with it",
            install="the package rpm2cpio (Debian) or rpm (EL, Fedora)",
            environment={"HOME": home},
            bare=True,
        )
        assert process.stdout is not None
        fault: ConfigError | None = None
        with process:
            try:
                yield process.stdout  # type: ignore[misc]
                if len(process.stdout.read(_PADDING + 1)) > _PADDING:
                    raise BrokenArchiveError("its payload goes on after the end of its archive")
            except BrokenArchiveError as broken:
                fault = ConfigError(f"{package.name} is not unpacked: {broken}")
            finally:
                if process.poll() is None and fault is not None:
                    process.kill()
        if process.returncode > 0:
            errors.seek(0)
            said = errors.read(500).decode("utf-8", "replace").strip().splitlines()
            raise ConfigError(f"{package.name} is not a valid {kind}: {said[-1] if said else 'rpm2cpio failed'}")
        if fault is not None:
            raise fault


def members_of(stream: BinaryIO) -> Iterator[Member]:
    """The files of a cpio archive, in its order. Raises BrokenArchiveError where it is damaged.

    Of files that are hard links to each other, all but the last have no content, as rpm writes them.
    """
    while True:
        header = _exactly(stream, _HEADER)
        if header[:6] == _STRIPPED:
            raise BrokenArchiveError("it has files of 4 GB or more, which are not looked into")
        if header[:6] not in _MAGIC:
            raise BrokenArchiveError("its payload is not a cpio archive of the kind that rpm writes")
        try:
            mode, size, name_size = (int(header[start : start + 8], 16) for start in (14, 54, 94))
        except ValueError:
            raise BrokenArchiveError("its payload has a damaged header") from None
        if not 1 < name_size <= _NAME_LIMIT:
            raise BrokenArchiveError(f"its payload has a file name of {name_size} bytes")
        name = _exactly(stream, name_size)[:-1]
        _exactly(stream, -(_HEADER + name_size) % 4)
        if name == _END:
            return
        member = Member(name, mode, size, stream)
        yield member
        for _ in member.blocks():
            pass
        _exactly(stream, -size % 4)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise BrokenArchiveError("its payload ends too early")
    return content
