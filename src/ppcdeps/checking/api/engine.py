"""Checks the use of names across a set of distributions: scan every source once, then follow every use."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ppcdeps.checking.api.conditions import Platform
from ppcdeps.checking.api.facts import Use, uses_of
from ppcdeps.checking.api.gone import PYTHON
from ppcdeps.checking.api.resolve import Missing, Resolver
from ppcdeps.checking.api.world import Release, World, module_of
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.reporter import Reporter, Silence

if TYPE_CHECKING:
    from ppcdeps.metadata.cache import Cache

_FORMAT = 10
_BATCH = 600_000
"""Bytes of source that a worker is given at once."""
_ALONE = 1_500_000
"""Bytes of source below which no worker is started: starting one takes longer."""
_ELSEWHERE = frozenset({"windows", "win32", "darwin", "macos", "osx", "java", "jython", "cygwin"})
"""Names of folders and files, or of a part of a file's name, whose code is for another platform."""
_PYTHON_2 = frozenset({"py2", "python2", "py27", "python27"})
_PYTHON_3 = frozenset({"py3", "python3"})
_TESTS = frozenset({"test", "tests", "_tests", "testsuite", "test_suite"})


@dataclass(frozen=True, slots=True)
class Tree:
    """A distribution's files below ``folder``: ``paths`` of sources, and of compiled modules, which are not read.

    ``digest`` says which files they are: what was read under it is not read again. Empty: it is not kept.
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


@dataclass(frozen=True, slots=True)
class ApiFault:
    """``user`` uses in ``path`` what ``provider`` does not have. ``lines`` are where it does so first, in each way;
    ``wanted`` is the name as the file says it. ``reached``: some module or entry point of the set imports the file.
    """

    user: str
    user_version: str
    path: str
    lines: tuple[int, ...]
    wanted: str
    missing: Missing
    provider: str
    provider_version: str
    reached: bool


@dataclass(frozen=True, slots=True)
class ApiResult:
    """``faults`` in order; ``unread`` are files with the reason; counts of what was looked at."""

    faults: tuple[ApiFault, ...]
    unread: tuple[tuple[str, str, str], ...]
    distributions: int
    files: int
    uses: int


def check_api(
    trees: Sequence[Tree],
    platform: Platform,
    cache: "Cache | None" = None,
    reporter: Reporter | None = None,
    *,
    tests: bool = False,
    workers: int | None = None,
) -> ApiResult:
    """What the distributions use of each other in vain. ``tests``: also in the tests that they ship.

    Nothing is imported. ``workers``: processes at once, as many as the machine has processors by default.
    """
    releases = scan_all(trees, platform, cache, reporter, tests=tests, workers=workers)
    return judge(releases, platform)


def judge(releases: Sequence[Release], platform: Platform) -> ApiResult:
    """The faults among releases that were scanned."""
    world = World(releases)
    resolver = Resolver(world, platform.version)
    reached = _reached(releases)
    faults: list[ApiFault] = []
    unread: list[tuple[str, str, str]] = []
    files = uses = 0
    for release in releases:
        guarded = _guarded(release)
        for path, row in release.rows.items():
            if row is None:
                continue
            files += 1
            if "f" in row:
                unread.append((release.name, path, str(row["f"])))
            found = uses_of(row)
            uses += len(found)
            faults.extend(_of_file(release, path, found, guarded, world, resolver, reached, platform))
    faults.sort(key=lambda fault: (fault.user, fault.path, fault.lines, fault.wanted))
    return ApiResult(tuple(faults), tuple(sorted(unread)), len(world.releases), files, uses)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """What a distribution is prepared for, and the top-level modules that it imports."""

    probed: frozenset[str]
    tried: frozenset[str]
    tops: frozenset[str]


def _guarded(release: Release) -> _Guarded:
    """What a distribution asks for, or tries to import, anywhere: it then knows that it may not be there."""
    probed: set[str] = set()
    tried: set[str] = set()
    tops: set[str] = set()
    for row in release.rows.values():
        if row is not None:
            probed.update(row.get("h", ()))
            tried.update(row.get("i", ()))
            tops.update(use.module.partition(".")[0] for use in uses_of(row))
    tops.update(name.partition(".")[0] for name in tried)
    return _Guarded(frozenset(probed), frozenset(tried), frozenset(tops))


def _of_file(
    release: Release,
    path: str,
    uses: Iterable[Use],
    guarded: _Guarded,
    world: World,
    resolver: Resolver,
    reached: frozenset[str],
    platform: Platform,
) -> Iterator[ApiFault]:
    found: dict[str, tuple[list[int], Missing, str]] = {}
    module = module_of(path)[0]
    own = module.partition(".")[0]
    package = module_of(f"{path.rpartition('/')[0]}/__init__.py")[0]
    for use in uses:
        missing = resolver.missing(use)
        if missing is None or missing.distribution == release.name:
            continue
        if not use.is_import and missing.position < use.imported:
            # The import statement fails first, or is guarded.
            continue
        if platform.version[0] == 2 and f"{package}.{use.module.partition('.')[0]}" in world.modules:
            # Python 2 looks beside the file first.
            continue
        if missing.name in guarded.probed or _is_moot(missing, module in reached, guarded):
            continue
        wanted = ".".join((use.module, *use.names[: missing.position + 1]))
        if missing.dotted in guarded.tried or wanted in guarded.tried:
            continue
        if use.module.partition(".")[0] == own and missing.position < 0 and missing.gone is None:
            # A package that several distributions share, each with a part of its own.
            continue
        known = found.get(missing.dotted)
        if known is None:
            found[missing.dotted] = ([use.line], missing, wanted)
        else:
            known[0].append(use.line)
    for lines, missing, wanted in found.values():
        provider = world.releases.get(missing.distribution)
        yield ApiFault(
            release.name,
            release.version,
            path,
            tuple(sorted(set(lines))),
            wanted,
            missing,
            missing.distribution,
            provider.version if provider is not None else "",
            module in reached,
        )


def _is_moot(missing: Missing, reached: bool, guarded: _Guarded) -> bool:
    """Whether something that Python gave up is not missed: in a file that nobody imports (for an older Python, as a
    rule), or by who also imports the distribution that brings it back.
    """
    if missing.gone is None or missing.distribution != PYTHON:
        return False
    return not reached or missing.gone.unless in guarded.tops


def _reached(releases: Iterable[Release]) -> frozenset[str]:
    """The modules that some other module, or an entry point, imports."""
    found: set[str] = set()
    for release in releases:
        for path, row in release.rows.items():
            own = module_of(path)[0]
            if row is None:
                continue
            for use in uses_of(row):
                parts = [*use.module.split("."), *use.names]
                found.update(name for end in range(1, len(parts) + 1) if (name := ".".join(parts[:end])) != own)
        for module in release.entry_points:
            parts = module.split(".")
            found.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return frozenset(found)


# Scanning ------------------------------------------------------------------------------------------


def scan_all(
    trees: Sequence[Tree],
    platform: Platform,
    cache: "Cache | None" = None,
    reporter: Reporter | None = None,
    *,
    tests: bool = False,
    workers: int | None = None,
) -> list[Release]:
    """The facts of every distribution, from the cache where its files were read before."""
    told = reporter or Silence()
    held: dict[int, dict[str, Any]] = {}
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
    told.begin(task, len(batches))

    def keep(number: int, rows: dict[str, Any]) -> None:
        held[number].update(rows)
        told.advance(task, 1)

    try:
        if total < _ALONE or count < 2:
            for number, tree, paths in batches:
                keep(number, scan_files([(path, tree.place(path)) for path in paths], platform))
        else:
            _in_processes(batches, platform, count, keep)
    finally:
        told.end(task)
    fresh = {number for number, _, _ in batches}
    releases = []
    for number, tree in enumerate(trees):
        if cache is not None and number in fresh:
            _remember(cache, _key(tree, platform, tests), held[number])
        rows = {path: held[number].get(path) for path in tree.paths}
        releases.append(Release(tree.name, tree.version, rows, tree.incomplete, tree.entry_points))
    return releases


def scan_files(files: Iterable[tuple[str, str]], platform: Platform) -> dict[str, Any]:
    """The facts of source files, each given by its path in the distribution and its place, as JSON holds them."""
    from ppcdeps.checking.api.scan import SOURCE_LIMIT, scan

    rows: dict[str, Any] = {}
    for path, place in files:
        module, is_package = module_of(path)
        try:
            # Not to wait at what became a FIFO, and not to follow what became a link.
            handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as stream:
                source = stream.read(SOURCE_LIMIT + 1)
        except OSError as fault:
            rows[path] = {"f": f"it cannot be read: {fault.strerror or fault}", "o": True, "p": True}
            continue
        rows[path] = scan(source, module, is_package=is_package, platform=platform).row()
    return rows


def _in_processes(
    batches: list[tuple[int, Tree, list[str]]],
    platform: Platform,
    count: int,
    keep: Callable[[int, dict[str, Any]], None],
) -> None:
    import multiprocessing

    # Threads may be at work here (the index's): a forked copy of their locks could hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(count, len(batches)), mp_context=context) as pool:
        waiting: dict[Future[dict[str, Any]], int] = {
            pool.submit(scan_files, [(path, tree.place(path)) for path in paths], platform): number
            for number, tree, paths in batches
        }
        try:
            for future in as_completed(waiting):
                keep(waiting.pop(future), future.result())
        except OSError as fault:
            raise PpcdepsError(f"a worker that reads sources died: {fault}") from fault
        finally:
            for future in waiting:
                future.cancel()


def _batches(tree: Tree, platform: Platform, tests: bool) -> Iterator[tuple[list[str], int]]:
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


def is_for_another(path: str, platform: Platform) -> bool:
    """Whether a file says by its name that it is for another platform, or for another Python."""
    *folders, last = path.removesuffix(".py").lower().split("/")
    elsewhere = _ELSEWHERE | (_PYTHON_2 if platform.version[0] > 2 else _PYTHON_3)
    if elsewhere.intersection(folders):
        return True
    words = last.strip("_").split("_")
    return bool(elsewhere.intersection((words[0], words[-1])))


def _key(tree: Tree, platform: Platform, tests: bool) -> str:
    return f"api {_FORMAT} {tree.digest} {platform.key} {tests}" if tree.digest else ""


def _recall(cache: "Cache", key: str) -> dict[str, Any] | None:
    if not key:
        return None
    try:
        value = json.loads(cache.derived_path(key, ".json").read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _remember(cache: "Cache", key: str, rows: Mapping[str, Any]) -> None:
    if not key:
        return
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=True).encode()

    def write(stream: BinaryIO) -> None:
        stream.write(text)

    cache.store_derived(key, ".json", write)
