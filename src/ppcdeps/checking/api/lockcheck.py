"""The check of a lock: the very files that it names, fetched, unpacked and read, and nothing of them run."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ppcdeps.checking.api.check import check_api
from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.distribution_scan import Tree
from ppcdeps.checking.api.explain import examined_of, findings_of, unread_of
from ppcdeps.checking.api.locks import LockedRelease, LockInput
from ppcdeps.checking.api.releases import histories_of, tree_of
from ppcdeps.checking.findings import Report, Skipped
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.importable import Importable, importable, unpacked

if TYPE_CHECKING:
    from ppcdeps.python.index import Index

_AT_ONCE = 8
"""Files that are fetched and unpacked at the same time."""


def check_lock(
    lock: LockInput,
    index: "Index",
    reporter: Reporter | None = None,
    *,
    tests: bool = False,
    find_versions: bool = False,
    workers: int | None = None,
) -> Report:
    """The names that the distributions of a lock use of each other and do not have.

    ``tests``: also in the tests that they ship. ``find_versions``: look at other releases for what is missing. What
    cannot be had or read is in the report as not seen. Raises PpcdepsError where nothing of the lock can be had.
    """
    reporter = reporter or Silence()
    trees, skipped = fetch(lock, index, reporter)
    if not trees:
        raise RepositoryError(
            f"none of the {len(lock.releases)} distributions of {lock.subject} can be had: {skipped[0].why}",
            hint="check the index of pip's configuration, or run once without --offline",
        )
    environment = lock.environment
    platform = PythonPlatform.of(environment.python, environment.machine)
    result = check_api(trees, platform, index.cache, reporter, tests=tests, workers=workers)
    histories = histories_of(result, index, environment, reporter) if find_versions else None
    return Report.of(
        "lock",
        f"{lock.subject} (Python {lock.python} on {environment.machine})",
        findings_of(result, lock.python, histories),
        examined_of(result),
        [*skipped, *unread_of(result)],
    )


def fetch(lock: LockInput, index: "Index", reporter: Reporter) -> tuple[list[Tree], list[Skipped]]:
    """The distributions as trees of files, and those that cannot be had, with the reason."""
    task = "fetch distributions"
    trees: list[Tree] = []
    skipped = [Skipped(name, why) for name, why in lock.left_out]
    reporter.begin(task, len(lock.releases))

    def one(release: LockedRelease) -> Importable | Skipped:
        try:
            found = _fetched(release, index, lock.environment)
        except RepositoryError as fault:
            by = f", which the RPM {release.rpm} provides" if release.rpm else ""
            return Skipped(f"{release.name} {release.version}{by}", fault.message)
        finally:
            reporter.advance(task, 1)
        if found.paths:
            return found
        why = f"{found.filename} has no Python module: a build makes it"
        return Skipped(f"{release.name} {release.version}", why)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="unpack") as pool:
        try:
            for found in pool.map(one, lock.releases):
                if isinstance(found, Skipped):
                    skipped.append(found)
                else:
                    trees.append(tree_of(found))
        finally:
            pool.shutdown(cancel_futures=True)
            reporter.end(task)
    return trees, skipped


def _fetched(release: LockedRelease, index: "Index", environment: TargetEnvironment) -> Importable:
    if release.place is not None:
        found = unpacked(index.cache, release.place, release.name, release.version, release.place.name, None)
        if release.digests and found.digest not in release.digests:
            raise RepositoryError(f"{release.place} is not the file that the lock names: its SHA-256 differs")
        return found
    return importable(index, release.name, release.version, environment, digests=release.digests)
