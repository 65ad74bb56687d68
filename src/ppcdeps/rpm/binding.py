"""libsolv's Python binding: its import, and the calls that have traps."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
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


def read_solv(repo: Any, path: str) -> bool:
    """Read a `.solv` file into a repository; returns whether libsolv could. Other threads run meanwhile.

    Nothing else may use the repository's pool until then.
    """
    functions = _functions()
    if functions is None:
        return bool(repo.add_solv(path))
    handle = functions.fopen(os.fsencode(path), b"r")
    if not handle:
        return False
    # With threads, C would lock the file for each byte that libsolv reads of it.
    functions.__fsetlocking(handle, _LOCKED_BY_CALLER)
    try:
        return bool(functions.repo_add_solv(int(repo.this), handle, 0) == 0)
    finally:
        functions.fclose(handle)


def add_file_provides(pool: Any) -> None:
    """Have packages provide the files that dependencies name. Other threads run meanwhile, as in `read_solv`."""
    functions = _functions()
    if functions is None:
        pool.addfileprovides()
    else:
        functions.pool_addfileprovides(int(pool.this))


def index_provides(pool: Any) -> None:
    """Make the index of what packages provide. Other threads run meanwhile, as in `read_solv`."""
    functions = _functions()
    if functions is None:
        pool.createwhatprovides()
    else:
        functions.pool_createwhatprovides(int(pool.this))


def take_memory_in_large_pieces() -> None:
    """Have C's malloc take memory from the kernel seldom, and keep it, for as long as the program runs (mallopt(3)).

    Before there are threads: each time that memory goes back or moves, the kernel stops all processors that run one.
    """
    functions = _functions()
    if functions is not None:
        for setting, value in _MALLOC.items():
            functions.mallopt(setting, value)


@cache
def _functions() -> Any:
    """Functions of libsolv and of C, called without Python's lock, which the binding holds all the time.

    None where the binding does not show them: then its own methods do the same.
    """
    import ctypes

    place = getattr(getattr(_solv, "_solv", None), "__file__", None)
    if place is None:
        return None
    try:
        functions = ctypes.CDLL(place)
        for name, result, arguments in _SIGNATURES:
            function = getattr(functions, name)
            function.restype = getattr(ctypes, result) if result else None
            function.argtypes = [getattr(ctypes, each) for each in arguments]
    except (OSError, AttributeError):
        return None
    return functions


_SIGNATURES = (
    ("mallopt", "c_int", ("c_int", "c_int")),
    ("fopen", "c_void_p", ("c_char_p", "c_char_p")),
    ("fclose", "c_int", ("c_void_p",)),
    ("__fsetlocking", "c_int", ("c_void_p", "c_int")),
    ("repo_add_solv", "c_int", ("c_void_p", "c_void_p", "c_int")),
    ("pool_addfileprovides", "", ("c_void_p",)),
    ("pool_createwhatprovides", "", ("c_void_p",)),
)
"""The functions' names, what they return, what they take."""
_MALLOC = {-8: 1, -1: 1 << 30, -2: 1 << 24}
"""M_ARENA_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h: one heap, which grows by 16 MiB."""
_LOCKED_BY_CALLER = 2
"""FSETLOCKING_BYCALLER of stdio_ext.h."""


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
