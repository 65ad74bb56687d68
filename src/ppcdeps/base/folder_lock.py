"""A folder that one process has alone, as long as it works in it."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


@contextlib.contextmanager
def alone_in(folder: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Make a folder, where it is not there, and have it alone: another process that has it so is waited for.

    ``wait`` is called before that. On a file system without locks nobody waits. What was made for it goes again where
    it stays empty. Raises OSError where the folder cannot be made or opened.
    """
    made = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            remove_empty(made)
            raise
        try:
            _lock(handle, wait)
            # Who had it may have removed it meanwhile.
            if folder.exists() and os.path.samestat(folder.stat(), os.fstat(handle)):
                try:
                    yield
                finally:
                    # Not later: another one may have it then, and have nothing in it yet.
                    remove_empty(made)
                return
        finally:
            os.close(handle)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of the folders that are empty."""
    for one in folders:
        with contextlib.suppress(OSError):
            one.rmdir()


def _lock(handle: int, wait: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
