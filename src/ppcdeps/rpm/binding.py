"""libsolv's Python binding: its import, and the calls that have traps."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from ppcdeps.model.errors import EnvironmentLacksError

try:
    import solv as _solv
except ImportError as error:  # reported when libsolv is first used, so that --help works without it
    _solv = None
    _missing: ImportError | None = error
else:
    _missing = None


def libsolv() -> Any:
    """The module ``solv``.

    Raises EnvironmentLacksError where it is missing or does not load.
    """
    if _solv is None:
        raise EnvironmentLacksError(
            f"libsolv's Python binding is missing ({_missing})",
            hint="install python3-solv from the distribution, or build it with `pip install solv`"
            " (docs/install.md says how on a POWER host)",
        )
    return _solv


def new_pool(arch: str) -> Any:
    """An empty pool for an architecture. Raises EnvironmentLacksError where libsolv is missing."""
    solv = libsolv()
    pool = solv.Pool()
    # Builds of libsolv differ in their default. By Debian's rules an unversioned provide satisfies no versioned
    # requirement; by rpm's it does.
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch(arch)
    return pool


@contextmanager
def solv_file(content: bytes, name: str) -> Iterator[Any]:
    """Content as an open file of libsolv's.

    The binding opens plain and gzip files only, so the content comes decompressed, through a descriptor.
    ``name`` gives libsolv the format by its ending, and must not be None: that crashes the binding.
    """
    with os.fdopen(os.memfd_create(name), "w+b") as plain:
        plain.write(content)
        plain.flush()
        plain.seek(0)
        handle = libsolv().xfopen_fd(name, plain.fileno())
        try:
            yield handle
        finally:
            handle.close()


def disable(pool: Any, packages: Iterable[int]) -> None:
    """Make exactly these packages invisible to what comes next: indexing, a run of the solver."""
    # libsolv (0.7.39 and before) leaves solvables added since the last list disabled, unless the map is made anew.
    pool.set_disabled_list([])
    pool.set_disabled_list(list(packages))


def writer_of(repo: Any) -> Callable[[BinaryIO], None]:
    """A function that writes a repository in libsolv's own format to an open file."""

    def write(file: BinaryIO) -> None:
        handle = libsolv().xfopen_fd("repo.solv", file.fileno(), "w")
        repo.write(handle)
        handle.flush()
        handle.close()

    return write
