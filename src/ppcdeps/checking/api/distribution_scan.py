"""Scans all sources of all distributions: in several processes, and cached by digest."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ppcdeps.base.interruption import interruption_held
from ppcdeps.base.untrusted import open_regular
from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.module_facts import ModuleFacts
from ppcdeps.checking.api.module_tree import ScannedDistribution, module_of
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Reporter, Silence

if TYPE_CHECKING:
    from ppcdeps.base.cache import Cache

_FORMAT = 4
_BATCH = 600_000
"""Bytes of source that a worker is given at once."""
_ALONE = 1_500_000
"""Bytes of source below which no worker is started: starting one takes longer."""
_ELSEWHERE = frozenset({"windows", "win32", "darwin", "macos", "macosx", "osx", "java", "jython", "cygwin"})
"""Names of folders and files, or of a part of a file's name, whose code is for another platform."""
_PYTHON_2 = frozenset({"py2", "python2", "py27", "python27"})
_PYTHON_3 = frozenset({"py3", "python3"})
_TESTS = frozenset({"test", "tests", "_tests", "testsuite", "test_suite"})


@dataclass(frozen=True, slots=True)
class Tree:
    """A distribution's files below ``folder``: ``paths`` of sources, and of compiled modules, which are not read.

    ``digest`` says which files they are: what was read under it is not read again. Empty: it is not cached.
    ``incomplete``: there are modules that ``paths`` does not name.
    """

    name: str
    version: str
    folder: Path
    paths: tuple[str, ...]
    digest: str = ""
    incomplete: bool = False
    entry_points: tuple[str, ...] = ()
    """Modules that its entry points name."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where files lie that are not at their path below ``folder``."""

    def place(self, path: str) -> str:
        """The file of a path."""
        return self.places.get(path) or str(self.folder / path)


def scan_all(
    trees: Sequence[Tree],
    platform: PythonPlatform,
    cache: "Cache | None" = None,
    reporter: Reporter | None = None,
    *,
    tests: bool = False,
    workers: int | None = None,
) -> list[ScannedDistribution]:
    """The facts of every distribution, from the cache where its files were read before."""
    reporter = reporter or Silence()
    held: dict[int, dict[str, str]] = {}
    batches: list[tuple[int, Tree, list[str]]] = []
    total = 0
    for number, tree in enumerate(trees):
        known = _recall(cache, _key(tree, platform, tests)) if cache is not None else None
        if known is not None:
            held[number] = known
            continue
        held[number] = {}
        for paths, size in _batches(tree, platform, tests):
            batches.append((number, tree, paths))
            total += size
    count = workers or len(os.sched_getaffinity(0))
    task = "read sources"
    reporter.begin(task, len(batches))

    def keep(number: int, rows: dict[str, str]) -> None:
        held[number].update(rows)
        reporter.advance(task, 1)

    try:
        if total < _ALONE or count < 2:
            for number, tree, paths in batches:
                keep(number, scan_files([(path, tree.place(path)) for path in paths], platform))
        else:
            _in_processes(batches, platform, count, keep)
    finally:
        reporter.end(task)
    fresh = {number for number, _, _ in batches}
    releases = []
    for number, tree in enumerate(trees):
        if cache is not None and number in fresh:
            _remember(cache, _key(tree, platform, tests), held[number])
        rows = {path: held[number].get(path) for path in tree.paths}
        releases.append(ScannedDistribution(tree.name, tree.version, rows, tree.incomplete, tree.entry_points))
    return releases


def scan_files(files: Iterable[tuple[str, str]], platform: PythonPlatform) -> dict[str, str]:
    """The facts of source files, each given by its path in the distribution and its place, as JSON texts by path."""
    from ppcdeps.checking.api.module_scan import SOURCE_LIMIT, scan

    rows: dict[str, str] = {}
    for path, place in files:
        module, is_package = module_of(path)
        try:
            with open_regular(place) as stream:
                source = stream.read(SOURCE_LIMIT + 1)
        except OSError as fault:
            unread = f"it cannot be read: {fault.strerror or fault}"
            rows[path] = ModuleFacts(fault=unread, open=True, open_package=True).text()
            continue
        rows[path] = scan(source, module, is_package=is_package, platform=platform).text()
    return rows


def _in_processes(
    batches: list[tuple[int, Tree, list[str]]],
    platform: PythonPlatform,
    count: int,
    keep: Callable[[int, dict[str, str]], None],
) -> None:
    import multiprocessing

    # Threads may be at work here (the index's): a forked copy of their locks could hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(count, len(batches)), mp_context=context) as pool:
        # Workers inherit the mask from their first instruction on: Ctrl-C is for this process alone, which ends them.
        # The pool is made before: what it starts then unblocks the signal again.
        with interruption_held():
            waiting: dict[Future[dict[str, str]], int] = {
                pool.submit(scan_files, [(path, tree.place(path)) for path in paths], platform): number
                for number, tree, paths in batches
            }
        try:
            for future in as_completed(waiting):
                keep(waiting.pop(future), future.result())
        except BrokenExecutor as fault:
            raise EnvironmentLacksError(
                "a process that reads sources was killed",
                hint="it may have lacked memory: the kernel's log says so (dmesg)",
            ) from fault
        finally:
            for future in waiting:
                future.cancel()


def _batches(tree: Tree, platform: PythonPlatform, tests: bool) -> Iterator[tuple[list[str], int]]:
    batch: list[str] = []
    size = 0
    for path in tree.paths:
        if not path.endswith(".py") or is_for_another(path, platform) or (not tests and is_test(path)):
            continue
        batch.append(path)
        try:
            size += os.lstat(tree.place(path)).st_size
        except OSError:
            continue
        if size > _BATCH:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size


def is_test(path: str) -> bool:
    """Whether a file is one of the tests that a distribution ships."""
    *folders, last = path.split("/")
    return bool(_TESTS.intersection(folders)) or last == "conftest.py" or last.startswith("test_")


def is_for_another(path: str, platform: PythonPlatform) -> bool:
    """Whether a file says by its name that it is for another platform, or for another Python."""
    *folders, last = path.removesuffix(".py").lower().split("/")
    elsewhere = _ELSEWHERE | (_PYTHON_2 if platform.version[0] > 2 else _PYTHON_3)
    if elsewhere.intersection(folders):
        return True
    words = last.strip("_").split("_")
    return bool(elsewhere.intersection((words[0], words[-1])))


def _key(tree: Tree, platform: PythonPlatform, tests: bool) -> str:
    return f"api {_FORMAT} {tree.digest} {platform.key} {tests}" if tree.digest else ""


def _recall(cache: "Cache", key: str) -> dict[str, str] | None:
    """What the cache has: a line for each file, its path as a JSON text and its facts, with a tab between them."""
    if not key:
        return None
    try:
        lines = cache.derived_path(key, ".facts").read_text("ascii").splitlines()
        return {json.loads(path): row for path, _, row in (line.partition("\t") for line in lines)}
    except (OSError, ValueError):
        return None


def _remember(cache: "Cache", key: str, rows: Mapping[str, str]) -> None:
    if not key:
        return
    text = "".join(f"{json.dumps(path)}\t{row}\n" for path, row in rows.items()).encode("ascii")

    def write(stream: BinaryIO) -> None:
        stream.write(text)

    cache.store_derived(key, ".facts", write)
