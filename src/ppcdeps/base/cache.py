"""The cache on disk: objects named by their checksum, and one small state file a repository.

Nothing here is ever changed in place. A file is written under a temporary name and renamed, so that a reader sees the
old content or the new one, and an interrupted run leaves the old one. What cannot be fetched or made again, or whose
reader would not notice that a loss of power damaged it, is flushed to the disk before. Objects are only added.
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

from ppcdeps.base.atomic import NewFile, new_file, new_folder, write_file
from ppcdeps.base.digests import digest_of
from ppcdeps.base.named_files import expanded
from ppcdeps.base.owned import make_private, require_own
from ppcdeps.base.removal import remove_tree
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import DISK_FULL, EnvironmentLacksError, PpcdepsError
from ppcdeps.model.reporter import Reporter, Silence

FORMAT = 1
"""The number of the layout. It grows whenever an older ppcdeps could misread what a newer one wrote."""

_OBJECT = re.compile(r"(?P<algorithm>[a-z0-9]+):(?P<hex>[0-9a-f]{32,128})")
_STALE_AFTER = 86400.0
"""Seconds after which a temporary file was left by a writer that was killed."""
_LOCK_POLL = 0.05


def default_cache_directory() -> Path:
    """Where the cache lies: ``PPCDEPS_CACHE`` if set, else the user's cache folder as XDG says."""
    chosen = os.environ.get("PPCDEPS_CACHE")
    if chosen:
        return expanded(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("ppcdeps"))


def require_own_cache(directory: Path) -> None:
    """Raise EnvironmentLacksError where another user could have written in the cache, from which programs are run."""
    require_own(
        directory,
        "the cache",
        "make it this user's alone (chown, chmod -R go-w), remove it, or set PPCDEPS_CACHE to another directory",
    )


class Cache:
    """Verified repository files, the state of each repository, and what upper layers derive from them.

    Safe for threads and for several processes at once. ``directory`` is the configured one; ``root`` is
    where the data of this version lies: another version's data beside it is left alone.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / f"v{FORMAT}"
        self._writing: set[Path] = set()
        self._compared: set[Path] = set()
        self._guard = threading.Lock()
        self._abandoned = False

    @classmethod
    def open(cls, directory: Path | None = None, reporter: Reporter | None = None) -> "Cache":
        """Open the cache in ``directory`` (default: ``default_cache_directory()``), creating it where needed.

        A cache of another version is left aside with a warning and a new one is begun. Where the directory
        cannot be written, or the home that it lies in does not exist, a temporary one that lives as long as the
        process takes its place, with a warning.
        """
        reporter = reporter or Silence()
        place = expanded(directory or default_cache_directory())
        require_own_cache(place)
        try:
            _require_home(place)
            cls._prepare(place, reporter)
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise disk_full(place) from fault
            substitute = Path(tempfile.mkdtemp(prefix="ppcdeps-cache-"))
            # Not when the Cache goes: the paths that it gave out are read as long as the process lives.
            atexit.register(remove_tree, substitute, strict=False)
            reporter.warn(
                f"the cache directory {place} cannot be written ({fault.strerror or fault}): "
                "using a temporary one for this run; set PPCDEPS_CACHE to a writable directory to keep it"
            )
            cls._prepare(substitute, Silence())
            return cls(substitute)
        return cls(place)

    @staticmethod
    def _prepare(place: Path, reporter: Reporter) -> None:
        root = place / f"v{FORMAT}"
        make_private(place)
        make_private(root)
        for name in ("objects", "repositories", "derived", "tmp", "locks"):
            make_private(root / name)
        # mkdir passes over folders that exist: those of another user would be noticed only at the first write.
        if not os.access(root / "tmp", os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(root))
        _remove_stale(root / "tmp")
        stamp = place / "format"
        try:
            found = stamp.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            # Not stamped: a new directory, or one from before the stamp.
            found = ""
        if found == str(FORMAT):
            return
        if found:
            other = found.split()[0][:20]
            reporter.warn(
                f"the cache in {place} was written by another version of ppcdeps (format {other}, this one "
                f"writes {FORMAT}): it is left aside and a new one is begun"
            )
        write_file(stamp, f"{FORMAT}\n")

    # Objects ------------------------------------------------------------------------------------------------

    def object_path(self, checksum: str) -> Path:
        """Where the object with this ``algorithm:hex`` checksum lies, or would lie."""
        found = _OBJECT.fullmatch(checksum)
        if found is None:
            raise ValueError(f"not a checksum: {checksum!r}")
        return self.root / "objects" / found["algorithm"] / found["hex"][:2] / found["hex"]

    def find_object(self, checksum: str, size: int | None = None, *, compare: bool = True) -> Path | None:
        """The object's path, or None where it is not there or has not the recorded size in bytes.

        An object whose content has changed is removed. It is compared when a run first asks for it; without
        ``compare`` the caller has `is_intact` do so before it reads the object.
        """
        path = self.object_path(checksum)
        try:
            found = path.stat()
        except OSError:
            return None
        if size is not None and found.st_size != size:
            return None
        return path if not compare or self.is_intact(checksum) else None

    def is_intact(self, checksum: str) -> bool:
        """Whether an object has the content that its name says. One that has not is removed."""
        path = self.object_path(checksum)
        if path in self._compared:
            return True
        algorithm, _, wanted = checksum.partition(":")
        try:
            if digest_of(path, algorithm) == wanted:
                self._compared.add(path)
                return True
            path.unlink()
        except (OSError, ValueError):
            pass
        return False

    def store_object(self, checksum: str, data: bytes) -> Path:
        """Store ``data``, whose checksum the caller has verified. Returns where."""
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
        if not self._may_publish():
            raise InterruptedError(errno.EINTR, "interrupted")
        with (
            _full_disk_named(self.directory),
            # In the cache itself and not in /tmp: a rename works only within one file system.
            new_file(self.root / "tmp", prefix=f"{os.getpid()}-", private=True) as new,
        ):
            with self._guard:
                self._writing.add(new.path)
            try:
                yield Draft(new, self)
            finally:
                with self._guard:
                    self._writing.discard(new.path)

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
        """What was recorded for a repository, or None, also where the record cannot be read."""
        try:
            value = parse_json((self.root / "repositories" / f"{key}.json").read_bytes())
        except (OSError, DocumentError):
            return None
        return value if isinstance(value, dict) else None

    def write_state(self, key: str, state: dict[str, Any], *, durable: bool = True) -> None:
        """Record the state of a repository, all at once.

        A loss of power may leave one that is not ``durable`` empty: then there is none.
        """
        data = json.dumps(state, sort_keys=True, indent=1).encode()
        with self._draft() as draft:
            draft.stream.write(data)
            draft.put(self.root / "repositories" / f"{key}.json", durable=durable)

    @contextlib.contextmanager
    def lock(self, name: str, *, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold the lock of a repository: one process fetches it, the others wait and then find it fetched.

        ``stop`` is called while waiting; where it returns True, InterruptedError is raised.
        """
        path = self.root / "locks" / f"{name}.lock"
        with _full_disk_named(self.directory):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while True:
                try:
                    # Not the blocking form: that one would not end when ``stop`` says so.
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
        # A key may be of any length and have any characters, which a file name may not.
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.root / "derived" / name[:2] / f"{name}{suffix}"

    def store_derived(
        self, key: str, suffix: str, write: Callable[[BinaryIO], None], *, durable: bool = True
    ) -> Path:
        """Have ``write`` fill a new file and store it under ``key``. Returns where.

        A loss of power may leave one that is not ``durable`` empty, which its reader must notice. Raises
        EnvironmentLacksError where the disk is full.
        """
        path = self.derived_path(key, suffix)
        with self._draft() as draft:
            write(draft.stream)
            draft.put(path, durable=durable)
        return path

    def store_content(self, key: str, suffix: str, content: bytes) -> None:
        """Have a derived file with this content; one that has it is left alone. A loss of power may leave it empty.

        Raises EnvironmentLacksError where the disk is full.
        """
        with contextlib.suppress(OSError):
            # To replace a file takes longer: the kernel begins to write the new one to the disk at once.
            if self.derived_path(key, suffix).read_bytes() == content:
                return

        def write(stream: BinaryIO) -> None:
            stream.write(content)

        self.store_derived(key, suffix, write, durable=False)

    def recall(self, key: str) -> Any:
        """What was remembered under ``key``; None where nothing was, or it cannot be read."""
        try:
            return json.loads(self.derived_path(key, ".json").read_bytes())
        # A damaged file may nest deeper than json can follow.
        except (OSError, ValueError, RecursionError):
            return None

    def remember(self, key: str, value: Any) -> None:
        """Store a value of JSON's own kinds. Raises EnvironmentLacksError where the disk is full."""
        self.store_content(key, ".json", json.dumps(value, separators=(",", ":")).encode())

    def derived_folder(self, key: str, fill: Callable[[Path], None]) -> Path:
        """The folder stored under ``key``; where there is none yet, ``fill`` is given an empty one to fill
        first.

        Raises EnvironmentLacksError where the disk is full.
        """
        path = self.derived_path(key, ".d")
        if path.is_dir():
            return path
        with (
            _full_disk_named(self.directory),
            new_folder(self.root / "tmp", prefix=f"{os.getpid()}-") as scratch,
        ):
            fill(scratch)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                scratch.rename(path)
            except OSError as fault:
                # Another process may have been quicker: its folder has the same content.
                if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        return path

    def _may_publish(self) -> bool:
        with self._guard:
            return not self._abandoned


class Draft(NewFile):
    """A file that is on its way into the cache."""

    def __init__(self, new: NewFile, cache: Cache) -> None:
        super().__init__(new.path, new.stream)
        self._cache = cache

    def publish(self, checksum: str) -> Path:
        """Give the verified content its name in the cache. Returns where it lies now."""
        path = self._cache.object_path(checksum)
        # Not durable: it is compared with its checksum before it is read, and fetched again where it differs.
        self.put(path, durable=False)
        self._cache._compared.add(path)
        return path

    def put(self, path: Path, *, durable: bool = True) -> None:
        """Give the file its name, unless the run was interrupted."""
        if not self._cache._may_publish():
            raise InterruptedError(errno.EINTR, "interrupted")
        path.parent.mkdir(parents=True, exist_ok=True)
        super().put(path, durable=durable)


@contextlib.contextmanager
def _full_disk_named(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in DISK_FULL:
            raise disk_full(place) from fault
        raise


def _require_home(place: Path) -> None:
    """Raise FileNotFoundError where the place is in a home that does not exist: root could make one for anybody."""
    home = os.environ.get("HOME")
    if home == "":
        # Then ~/.cache is a folder of the root.
        if not any(os.environ.get(name) for name in ("PPCDEPS_CACHE", "XDG_CACHE_HOME")) and (
            place == default_cache_directory()
        ):
            raise FileNotFoundError(errno.ENOENT, "HOME is empty", str(place))
        return
    try:
        folder = Path(home or Path.home())
    except RuntimeError:
        # A user number without an entry in the list of users.
        return
    if folder in place.absolute().parents and not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"the home {folder} does not exist", str(place))


def disk_full(place: Path) -> PpcdepsError:
    """The one line for a full disk."""
    return EnvironmentLacksError(
        f"no space left while writing to {place}",
        hint="free some space or set PPCDEPS_CACHE to a larger disk; what was cached before is intact",
    )


def _remove_stale(scratch: Path) -> None:
    limit = time.time() - _STALE_AFTER
    for path in scratch.iterdir():
        # Another process may remove it at the same time.
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= limit:
                continue
            remove_tree(path, strict=False)
