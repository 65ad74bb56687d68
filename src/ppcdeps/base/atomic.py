"""Atomic, crash-safe replacement of files, links and folders: readers see the old content or the new one whole."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.named_files import followed
from ppcdeps.base.removal import remove_tree
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, UsageError

NEW = ".new-"
"""How names begin of what is not in place yet."""

_PRIVATE = 0o600
_SHARED = 0o666
_OF_THE_PLACE = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR),
        *(errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EROFS),
    }
)
"""What the operating system says where a file cannot be in a place, whatever is written there."""


class NewFile:
    """A file being written under a temporary name, until ``put`` gives it its own."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.stream = stream

    def restart(self) -> None:
        """Throw away what was written."""
        self.stream.seek(0)
        self.stream.truncate()

    def put(self, path: Path, *, durable: bool = True) -> None:
        """Give the file its name, replacing what is there at once.

        ``durable``: content and name are on the disk afterwards, so that a loss of power leaves neither half.
        """
        # Python's own buffer first: fsync reaches only what the kernel has already.
        self.stream.flush()
        if durable:
            os.fsync(self.stream.fileno())
        self.path.replace(path)
        if durable:
            # The name is an entry of the folder: without this it can be lost though the content is on the disk.
            flush(path.parent)


@contextlib.contextmanager
def new_file(folder: Path, *, prefix: str = NEW, private: bool = False) -> Iterator[NewFile]:
    """A new file in ``folder`` to write to; it disappears where it was not put in place.

    ``private``: for this user's eyes alone, else as the umask says.
    """
    path = folder / f"{prefix}{os.urandom(8).hex()}"
    # O_EXCL also follows no link (open(2)): one that waits under this name is not written through.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(path, flags, _PRIVATE if private else _SHARED)
    stream = os.fdopen(handle, "w+b")
    try:
        yield NewFile(path, stream)
        stream.close()
    finally:
        # Where the disk is full, to close it fails as well, and would hide the error that is under way.
        with contextlib.suppress(OSError):
            stream.close()
        # Missing where it was put in place: the rename took this name away.
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(parent: Path, *, prefix: str = NEW) -> Iterator[Path]:
    """A new, private folder in ``parent`` to fill and to rename; it is removed where it was not renamed."""
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        yield folder
    finally:
        # Not strict: a failed cleanup must not replace the error that ended the work.
        remove_tree(folder, strict=False)


def write_file(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Put a file in place at once: what was there stays until the new one is whole. Raises OSError."""
    write_files({path: content}, durable=durable)


def write_files(contents: Mapping[Path, str | bytes], *, durable: bool = True) -> None:
    """Put several files in place, or none: all are written aside before the first is put. Raises OSError."""
    with contextlib.ExitStack() as stack:
        drafts = []
        for path, content in contents.items():
            draft = stack.enter_context(new_file(path.parent))
            drafts.append((draft, path))
            with _named(path):
                draft.stream.write(content.encode() if isinstance(content, str) else content)
                # Now, not when it is put: a full disk has to show before any is.
                draft.stream.flush()
        for draft, path in drafts:
            with _named(path):
                draft.put(path, durable=durable)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have an error of writing name the file: the kernel does not say which it was."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def writable(paths: Iterable[Path], option: str) -> Iterator[None]:
    """Have an error that lies with places which the user named with an option be a ConfigError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_PLACE:
            raise
        raise ConfigError(
            f"cannot write {' and '.join(map(str, paths))}: {error.strerror}",
            hint=f"name another place with {option}",
        ) from error


def write_output(path: Path, text: str, option: str = "--output", *, durable: bool = True) -> None:
    """Put a file in place that the user named with an option, or write to the device, pipe or stream of that name.

    A stream is one of this process's own (/dev/stdout, /dev/fd/3), whatever it leads to.

    One that is not ``durable`` is not waited for: a loss of power at that moment may leave it empty. Raises
    ConfigError where the folder cannot be written to; a full disk is raised as it is.
    """
    write_outputs({path: text}, option, durable=durable)


def write_outputs(texts: Mapping[Path, str], option: str = "--output", *, durable: bool = True) -> None:
    """Put several files in place that the user named, or none. Raises as `write_output`."""
    # Half a surrogate, which only a name of a file can have: JSON reads it back from this spelling.
    contents = {path: text.encode("utf-8", "backslashreplace") for path, text in texts.items()}
    streams = {path for path in contents if is_stream(path)}
    with writable(texts, option):
        write_files({path: content for path, content in contents.items() if path not in streams}, durable=durable)
        for path in streams:
            # Never replaced: /dev/null is everybody's.
            descriptor = _descriptor_of(path)
            opened = path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb")
            with _named(path), opened as stream:
                stream.write(contents[path])


def is_stream(path: Path) -> bool:
    """Whether it is a device, a pipe, or a stream of this process's own, which nothing is to replace."""
    return path.is_char_device() or path.is_fifo() or _descriptor_of(path) is not None


def _descriptor_of(path: Path) -> int | None:
    """The descriptor of this process that links like /dev/stdout lead to.

    The file behind it is not to be replaced: standard output would go on into what has no name any more. Nor is the
    link, which is everybody's.
    """
    mine = Path("/proc/self/fd").resolve()
    for _ in range(40):
        if path.name.isdecimal() and os.path.realpath(path.parent) == str(mine):
            return int(path.name) if path.is_symlink() else None
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def check_apart(path: Path, others: Iterable[Path | None], what: str = "page") -> None:
    """Raise UsageError where a file that is to be written is another one that its command reads or writes.

    ``what`` the file is, in a word, for the message.
    """
    place = followed(path)
    for other in others:
        if other is not None and followed(other) == place:
            raise UsageError(f"{path} would be written over by the {what}", hint=f"give the {what} a file of its own")


def require_place(path: Path, option: str) -> None:
    """See that `write_output` will be able to write there, before long work. Raises ConfigError."""
    with writable([path], option):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not is_stream(path):
            with new_file(path.parent):
                pass


def write_program(path: Path, content: bytes, option: str) -> None:
    """Put a new file in place that can be run, whole or not at all. What is there already stays.

    Raises ConfigError where there is something of that name, or the folder cannot be written to; ``option`` is the
    one that names the file. A full disk is raised as it is.
    """
    try:
        with writable([path], option), new_file(path.parent) as draft, _named(path):
            draft.stream.write(content)
            draft.stream.flush()
            os.fsync(draft.stream.fileno())
            mode = os.fstat(draft.stream.fileno()).st_mode
            # Who may read it may run it.
            os.fchmod(draft.stream.fileno(), mode | (mode & 0o444) >> 2)
            # Unlike a rename, a link replaces nothing.
            path.hardlink_to(draft.path)
        flush(path.parent)
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already, and is not written over", hint=f"remove it, or name another file with {option}"
        ) from None


def put_file(path: Path, content: bytes) -> None:
    """Have a file with this content there; one that has it already is left alone."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return
    write_file(path, content)


def link(path: Path, target: str) -> None:
    """Have a symbolic link there, replacing what link is there at once."""
    if path.is_symlink() and str(path.readlink()) == target:
        return
    new = path.with_name(f"{NEW}{path.name}")
    new.unlink(missing_ok=True)
    # symlink(2) replaces nothing, so the new link is made beside the old one and renamed over it.
    new.symlink_to(target)
    new.replace(path)


def same_file(old: Path, new: Path) -> None:
    """Have a file in a second place, by a hard link where that can be."""
    try:
        new.hardlink_to(old)
    except OSError:
        # Some file systems have no hard links.
        shutil.copy2(old, new)


def flush(path: Path) -> None:
    """Bring a file or folder to the disk, before anything refers to it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some file systems refuse to sync a folder.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def is_full(folder: Path) -> bool:
    """Whether less than a megabyte is left where the folder lies, or no file can be made there."""
    state = os.statvfs(folder)
    # File systems without a fixed number of inodes (btrfs) report 0 of 0.
    return state.f_bavail * state.f_frsize < 1 << 20 or (state.f_files > 0 and state.f_favail == 0)


def no_space(folder: Path) -> EnvironmentLacksError:
    """The one line for a disk that is full while something is published."""
    return EnvironmentLacksError(
        f"no space left while publishing to {folder}; what was published before is intact",
        hint="free some space, and publish again",
    )
