"""Source RPMs unpacked: the spec and its sources, as plain files in one folder and nowhere else.

The payload is read here and not by cpio(1), which creates whatever the archive names. Format: `newc` of cpio(5),
as rpm2cpio(8) writes it.
"""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ppcdeps.model.errors import ConfigError, EnvironmentLacksError

UNPACKED_LIMIT = 16 << 30
"""Bytes of all files together. Browsers and toolchains have about 4 GB."""
FILES_LIMIT = 50_000

_MAGIC = (b"070701", b"070702")
_HEADER = 110
_NAME_LIMIT = 4096
_END = "TRAILER!!!"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class UnpackedSrpm:
    """Where the parts of a source RPM lie. ``files`` are the names of all, the spec's included, sorted."""

    folder: Path
    spec: Path
    files: tuple[str, ...]


def unpack_srpm(srpm: Path, folder: Path) -> UnpackedSrpm:
    """Unpack a source RPM into an empty folder, which is created where it is not there.

    Raises ConfigError where it is no source RPM, is damaged, names a file outside of the folder, or has not
    exactly one spec; EnvironmentLacksError where rpm2cpio is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty, and source RPMs are unpacked into an empty folder")
    with _payload(srpm) as stream:
        files = tuple(sorted(unpack_cpio(stream, folder)))
    specs = [name for name in files if name.endswith(".spec")]
    if len(specs) != 1:
        found = ", ".join(specs) or "none"
        raise ConfigError(f"{srpm.name} is to have one spec file, and has {found}", hint="is it a source RPM?")
    return UnpackedSrpm(folder, folder / specs[0], files)


@contextmanager
def _payload(srpm: Path) -> Iterator[BinaryIO]:
    """The payload as a stream. What rpm2cpio has to say is raised when the stream was read to its end."""
    if not srpm.is_file():
        raise ConfigError(f"no such file: {srpm}")
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                ["rpm2cpio", str(srpm.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
            )
        except FileNotFoundError as error:
            raise EnvironmentLacksError(
                "rpm2cpio is not installed, and source RPMs are unpacked with it",
                hint="install the package rpm2cpio (Debian) or rpm (EL, Fedora)",
            ) from error
        assert process.stdout is not None
        fault: ConfigError | None = None
        with process:
            try:
                yield process.stdout  # type: ignore[misc]
                # What follows the archive's end is padding.
                while process.stdout.read(_BLOCK):
                    pass
            except BrokenArchiveError as broken:
                fault = ConfigError(f"{srpm.name} is not unpacked: {broken}")
            finally:
                if process.poll() is None and fault is not None:
                    process.kill()
        if process.returncode > 0:
            errors.seek(0)
            said = errors.read(500).decode("utf-8", "replace").strip().splitlines()
            raise ConfigError(f"{srpm.name} is no source RPM, or damaged: {said[-1] if said else 'rpm2cpio failed'}")
        if fault is not None:
            raise fault


class BrokenArchiveError(Exception):
    """What is wrong with an archive, as a phrase."""


def unpack_cpio(stream: BinaryIO, folder: Path) -> Iterator[str]:
    """Write the files of a cpio archive into the folder, and give the name of each.

    Raises BrokenArchiveError where it is damaged, or holds anything but plain files of the folder itself.
    """
    seen: set[str] = set()
    total = 0
    while True:
        header = _exactly(stream, _HEADER)
        if header[:6] not in _MAGIC:
            raise BrokenArchiveError("its payload is no cpio archive of the kind that rpm writes")
        try:
            mode, size, name_size = (int(header[start : start + 8], 16) for start in (14, 54, 94))
        except ValueError:
            raise BrokenArchiveError("its payload has a damaged header") from None
        if not 1 < name_size <= _NAME_LIMIT:
            raise BrokenArchiveError(f"its payload has a file name of {name_size} bytes")
        raw = _exactly(stream, name_size)[:-1]
        _exactly(stream, -(_HEADER + name_size) % 4)
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise BrokenArchiveError(f"it has a file name that is not UTF-8: {raw!r}") from None
        if name == _END:
            if not seen:
                raise BrokenArchiveError("it holds no files")
            return
        plain = _plain_name(name, mode)
        total += size
        if plain in seen:
            raise BrokenArchiveError(f"it has the file {plain!r} twice")
        if total > UNPACKED_LIMIT or len(seen) >= FILES_LIMIT:
            raise BrokenArchiveError(f"it unpacks to more than {UNPACKED_LIMIT >> 30} GB or {FILES_LIMIT} files")
        seen.add(plain)
        _write(stream, size, folder / plain)
        _exactly(stream, -size % 4)
        yield plain


def _plain_name(name: str, mode: int) -> str:
    """The name, if it is one of a file that lies in the folder itself."""
    plain = name.removeprefix("./")
    if not stat.S_ISREG(mode):
        raise BrokenArchiveError(f"{plain!r} in it is no plain file")
    if plain in ("", ".", "..") or "/" in plain or "\0" in plain or not plain.isprintable():
        raise BrokenArchiveError(f"it has the file {name!r}, and files of a source RPM lie in one folder")
    return plain


def _write(stream: BinaryIO, size: int, path: Path) -> None:
    # "x": never through a link, nor over a file, that somebody else put there.
    with path.open("xb") as file:
        left = size
        while left:
            block = stream.read(min(_BLOCK, left))
            if not block:
                raise BrokenArchiveError("its payload ends too early")
            file.write(block)
            left -= len(block)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise BrokenArchiveError("its payload ends too early")
    return content
