"""The metadata of several repositories: from the cache where that is fresh, else fetched side by side."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.parallel import SerializedReporter, run_all
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.state import CachedState
from ppcdeps.model.errors import EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig

if TYPE_CHECKING:
    from ppcdeps.metadata.fetch import RepositoryFetch

DEFAULT_KINDS = ("primary", "modules")
"""What every question needs. File lists are big and seldom needed: ``ensure`` fetches them."""


def fetch_repositories(
    configs: Sequence[RepoConfig],
    cache: Cache,
    reporter: Reporter,
    *,
    refresh: bool = False,
    offline: bool = False,
    kinds: Sequence[str] = DEFAULT_KINDS,
) -> tuple[RepoMetadata, ...]:
    """The metadata of each repository, in the order given, from the cache where that is fresh enough.

    ``refresh`` contacts every repository whatever its age, ``offline`` none. Local repositories (file URLs)
    are always compared with what is cached. A repository that need not answer (``optional``,
    ``skip_if_unavailable``) and does not is returned with its ``problem``; one that must raises
    RepositoryError, all of them at once. Where mirrors do not answer and a cached copy is there, the copy is
    returned and a warning given, unless ``refresh`` is set.
    """
    serial = SerializedReporter(reporter)
    found: list[RepoMetadata | None] = []
    for config in configs:
        state = CachedState.read(cache, config)
        fresh = state is not None and state.may_be_used(config, refresh=refresh, offline=offline)
        found.append(state.complete(config, cache, kinds) if fresh and state is not None else None)
    missing = [(place, config) for place, config in enumerate(configs) if found[place] is None]
    if not missing:
        return tuple(one for one in found if one is not None)

    # All that fetching takes is loaded where something is to be fetched.
    from ppcdeps.metadata.fetch import RepositoryFetch

    faults: list[PpcdepsError] = []
    jobs = {
        place: RepositoryFetch(config, cache, serial, refresh=refresh, offline=offline, kinds=tuple(kinds))
        for place, config in missing
    }
    results = _run({place: job.run for place, job in jobs.items()}, cache, jobs.values())
    for place, config in missing:
        result = results[place]
        if isinstance(result, RepoMetadata):
            found[place] = result
        elif isinstance(result, RepositoryError) and (config.optional or config.skip_if_unavailable):
            found[place] = RepoMetadata(config, problem=str(result))
            if not config.optional:
                serial.warn(f"{result}; skipped (skip_if_unavailable)")
        elif isinstance(result, PpcdepsError):
            faults.append(result)
        else:
            raise result
    if faults:
        raise _joined(faults)
    return tuple(one for one in found if one is not None)


def ensure(
    metadata: Sequence[RepoMetadata],
    kinds: Sequence[str],
    cache: Cache,
    reporter: Reporter,
    *,
    offline: bool = False,
) -> tuple[RepoMetadata, ...]:
    """The same metadata with the files of these kinds too, as far as each repository has them.

    They are of the very state that ``metadata`` describes: where a mirror has moved on and no longer serves
    them, RepositoryError says so. Repositories with a problem are passed through.
    """
    lacking = [
        (place, one)
        for place, one in enumerate(metadata)
        if not one.problem and not all(kind in one.files for kind in kinds)
    ]
    if not lacking:
        return tuple(metadata)
    from ppcdeps.metadata.fetch import RepositoryFetch

    found = list(metadata)
    serial = SerializedReporter(reporter)
    jobs = {}
    for place, one in lacking:
        job = RepositoryFetch(one.config, cache, serial, refresh=False, offline=offline, kinds=tuple(kinds))
        jobs[place] = (job, one)
    tasks = {place: _completion(job, one) for place, (job, one) in jobs.items()}
    results = _run(tasks, cache, [job for job, _ in jobs.values()])
    faults = []
    for place, result in results.items():
        if isinstance(result, RepoMetadata):
            found[place] = result
        elif isinstance(result, PpcdepsError):
            faults.append(result)
        else:
            raise result
    if faults:
        raise _joined(faults)
    return tuple(found)


def _run(
    tasks: Mapping[int, Callable[[], RepoMetadata]], cache: Cache, jobs: "Iterable[RepositoryFetch]"
) -> dict[int, RepoMetadata | BaseException]:
    def interrupt() -> None:
        for job in jobs:
            job.stopping.set()
        cache.abandon()

    return run_all(tasks, interrupt)


def _completion(job: "RepositoryFetch", one: RepoMetadata) -> Callable[[], RepoMetadata]:
    return lambda: job.complete(one)


def _joined(faults: Sequence[PpcdepsError]) -> PpcdepsError:
    """One error for all that failed; a full disk or a missing tool stands alone, as it explains the rest."""
    for fault in faults:
        if isinstance(fault, EnvironmentLacksError):
            return fault
    if len(faults) == 1:
        return faults[0]
    lines = tuple(line for fault in faults for line in str(fault).split("\n"))
    return RepositoryError(f"{len(faults)} repositories could not be read:", faults=lines)
