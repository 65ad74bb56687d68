"""The cache on disk: objects named by their checksum, and one small state file a repository.

Nothing here is ever changed in place. A file is written under a temporary name, flushed to the disk and
renamed, so that a reader sees the old content or the new one, and an interrupted run leaves the old one.
Objects are only added.
"""

import atexit
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ppcdeps.base.removal import remove_tree
from ppcdeps.model.errors import DISK_FULL, EnvironmentLacksError, PpcdepsError
from ppcdeps.model.reporter import Reporter, Silence

FORMAT = 1
"""The number of the layout. It grows whenever an older ppcdeps could misread what a newer one wrote."""

_OBJECT = re.compile(r"(?P<algorithm>[a-z0-9]+):(?P<hex>[0-9a-f]{32,128})")
_STALE_AFTER = 86400.0
"""Seconds after which a temporary file is surely nobody's: its writer was killed."""
_LOCK_POLL = 0.05


def default_cache_directory() -> Path:
    """Where the cache lies: ``PPCDEPS_CACHE`` if set, else the user's cache folder as XDG says."""
    chosen = os.environ.get("PPCDEPS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("ppcdeps"))


class Cache:
    """Verified repository files, the state of each repository, and what upper layers derive from them.

    Safe for threads and for several processes at once. ``directory`` is what was asked for; ``root`` is
    where the data of this version lies: another version's data beside it is left alone.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / f"v{FORMAT}"
        self._writing: set[Path] = set()
        self._guard = threading.Lock()
        self._abandoned = False

    @classmethod
    def open(cls, directory: Path | None = None, reporter: Reporter | None = None) -> "Cache":
        """Open the cache in ``directory`` (default: ``default_cache_directory()``), creating it where needed.

        A cache of another version is left aside with a warning and a new one is begun. Where the directory
        cannot be written, a temporary one that lives as long as the process takes its place, with a warning.
        """
        told = reporter or Silence()
        place = (directory or default_cache_directory()).expanduser()
        try:
            cls._prepare(place, told)
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise disk_full(place) from fault
            substitute = Path(tempfile.mkdtemp(prefix="ppcdeps-cache-"))
            # Not when the Cache goes: the paths that it gave out are read as long as the process lives.
            atexit.register(remove_tree, substitute, strict=False)
            told.warn(
                f"the cache directory {place} cannot be written ({fault.strerror or fault}): "
                "using a temporary one for this run; set PPCDEPS_CACHE to a writable directory to keep it"
            )
            cls._prepare(substitute, Silence())
            return cls(substitute)
        return cls(place)

    @staticmethod
    def _prepare(place: Path, reporter: Reporter) -> None:
        root = place / f"v{FORMAT}"
        for name in ("objects", "repositories", "derived", "tmp", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)
        if not os.access(root / "tmp", os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(root))
        _remove_stale(root / "tmp")
        stamp = place / "format"
        try:
            found = stamp.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            # Nobody stamped it: a new directory, or one from before the stamp.
            found = ""
        if found == str(FORMAT):
            return
        if found:
            other = found.split()[0][:20]
            reporter.warn(
                f"the cache in {place} was written by another version of ppcdeps (format {other}, this one "
                f"writes {FORMAT}): it is left aside and a new one is begun"
            )
        _replace_file(stamp, f"{FORMAT}\n".encode(), root / "tmp")

    # Objects ------------------------------------------------------------------------------------------------

    def object_path(self, checksum: str) -> Path:
        """Where the object with this ``algorithm:hex`` checksum lies, or would lie."""
        found = _OBJECT.fullmatch(checksum)
        if found is None:
            raise ValueError(f"not a checksum: {checksum!r}")
        return self.root / "objects" / found["algorithm"] / found["hex"][:2] / found["hex"]

    def find_object(self, checksum: str, size: int | None = None) -> Path | None:
        """The object's path, or None where it is not there or has not the recorded size in bytes.

        The content is not hashed again: an object got its name only after it was verified.
        """
        path = self.object_path(checksum)
        try:
            found = path.stat()
        except OSError:
            return None
        return path if size is None or found.st_size == size else None

    def store_object(self, checksum: str, data: bytes) -> Path:
        """Keep ``data``, whose checksum the caller has verified. Returns where."""
        with self.new_object() as draft:
            draft.stream.write(data)
            return draft.publish(checksum)

    @contextlib.contextmanager
    def new_object(self) -> Iterator["Draft"]:
        """A draft to write to and to publish once verified; what is not published disappears.

        Raises EnvironmentLacksError where the disk is full.
        """
        with self._draft() as draft:
            yield draft

    @contextlib.contextmanager
    def _draft(self) -> Iterator["Draft"]:
        temporary: Path | None = None
        try:
            with self._guard:
                if self._abandoned:
                    raise InterruptedError(errno.EINTR, "interrupted")
                handle, name = tempfile.mkstemp(dir=self.root / "tmp", prefix=f"{os.getpid()}-")
                temporary = Path(name)
                self._writing.add(temporary)
            with os.fdopen(handle, "w+b") as stream:
                yield Draft(self, temporary, stream)
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise disk_full(self.directory) from fault
            raise
        finally:
            if temporary is not None:
                with self._guard:
                    self._writing.discard(temporary)
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Remove what is being written just now, and let no unfinished file be published any more.

        For an interrupted run, whose worker threads may never get to clean up.
        """
        with self._guard:
            self._abandoned = True
            for temporary in self._writing:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)

    # The state of a repository ------------------------------------------------------------------------------

    def read_state(self, key: str) -> dict[str, Any] | None:
        """What was recorded for a repository, or None; an unreadable record counts as none."""
        try:
            value = json.loads((self.root / "repositories" / f"{key}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write_state(self, key: str, state: dict[str, Any]) -> None:
        """Record the state of a repository, all at once."""
        data = json.dumps(state, sort_keys=True, indent=1).encode()
        with self._draft() as draft:
            draft.stream.write(data)
            draft.rename_to(self.root / "repositories" / f"{key}.json")

    @contextlib.contextmanager
    def lock(self, name: str, *, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold the lock of a repository: one process fetches it, the others wait and then find it fetched.

        ``stop`` is asked while waiting; where it says so, InterruptedError is raised.
        """
        path = self.root / "locks" / f"{name}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise disk_full(self.directory) from fault
            raise
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if stop():
                        raise InterruptedError(errno.EINTR, "interrupted while waiting for a lock") from None
                    time.sleep(_LOCK_POLL)
                except OSError as fault:
                    if fault.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                        raise
                    # A file system without locks: renames are still atomic, the work is only done twice.
                    break
            yield
        finally:
            # The file stays: removing it would let a third process lock a new one while a second holds this
            # one.
            os.close(handle)

    # Derived files ------------------------------------------------------------------------------------------

    def derived_path(self, key: str, suffix: str) -> Path:
        """Where the file derived under ``key`` lies, whether it exists or not.

        ``key`` is any text that says what the file was made from (digests, versions); ``suffix`` its kind
        (``.solv``).
        """
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.root / "derived" / name[:2] / f"{name}{suffix}"

    def store_derived(self, key: str, suffix: str, write: Callable[[BinaryIO], None]) -> Path:
        """Have ``write`` fill a new file and keep it under ``key``. Returns where.

        Raises EnvironmentLacksError where the disk is full.
        """
        path = self.derived_path(key, suffix)
        with self._draft() as draft:
            write(draft.stream)
            draft.rename_to(path)
        return path

    def derived_folder(self, key: str, fill: Callable[[Path], None]) -> Path:
        """The folder kept under ``key``; where there is none yet, ``fill`` is given an empty one to fill
        first.

        Raises EnvironmentLacksError where the disk is full.
        """
        path = self.derived_path(key, ".d")
        if path.is_dir():
            return path
        scratch = Path(tempfile.mkdtemp(dir=self.root / "tmp", prefix=f"{os.getpid()}-"))
        try:
            fill(scratch)
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                scratch.rename(path)
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise disk_full(self.directory) from fault
            # Another process may have been quicker: its folder has the same content.
            if fault.errno != errno.ENOTEMPTY:
                raise
        finally:
            remove_tree(scratch, strict=False)
        return path

    def _may_publish(self) -> bool:
        with self._guard:
            return not self._abandoned


class Draft:
    """A file being written under a temporary name."""

    def __init__(self, cache: Cache, path: Path, stream: BinaryIO) -> None:
        self._cache = cache
        self.path = path
        self.stream = stream

    def restart(self) -> None:
        """Throw away what was written, for the next mirror to try."""
        self.stream.seek(0)
        self.stream.truncate()

    def publish(self, checksum: str) -> Path:
        """Give the verified content its name in the cache. Returns where it lies now."""
        path = self._cache.object_path(checksum)
        self.rename_to(path)
        return path

    def rename_to(self, path: Path) -> None:
        """Flush the content to the disk and put it at ``path``, replacing what is there at once."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        if not self._cache._may_publish():
            raise InterruptedError(errno.EINTR, "interrupted")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(path)
        _sync_directory(path.parent)


def disk_full(place: Path) -> PpcdepsError:
    """The one line for a full disk."""
    return EnvironmentLacksError(
        f"no space left while writing to {place}",
        hint="free some space or set PPCDEPS_CACHE to a larger disk; what was cached before is intact",
    )


def _replace_file(path: Path, data: bytes, scratch: Path) -> None:
    handle, name = tempfile.mkstemp(dir=scratch, prefix=f"{os.getpid()}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    # Some file systems refuse to sync a directory; the rename itself is done all the same.
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_stale(scratch: Path) -> None:
    limit = time.time() - _STALE_AFTER
    for path in scratch.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= limit:
                continue
            remove_tree(path, strict=False)
