"""A universe made of repositories: their packages loaded, excluded ones and inactive module streams left out."""

from collections.abc import Collection, Iterable, Sequence

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.rpm.binding import libsolv, new_pool
from ppcdeps.rpm.exclusions import excluded_ids
from ppcdeps.rpm.fileprovides import load_with_files
from ppcdeps.rpm.index import PoolIndex
from ppcdeps.rpm.loading import Part, Role, converting, set_priorities
from ppcdeps.rpm.modularity import hidden_ids
from ppcdeps.rpm.own import OwnSource, load_own
from ppcdeps.rpm.paths import FetchFilelists, PathOwners
from ppcdeps.rpm.products import OneArchPackage, not_rebuilt
from ppcdeps.rpm.symbols import SymbolProviders
from ppcdeps.rpm.universe import Universe


def open_universe(
    repositories: Iterable[RepoMetadata],
    arch: str,
    reference_arch: str,
    cache: Cache,
    fetch_filelists: FetchFilelists,
    *,
    module_streams: Sequence[str] = (),
    platform_id: str | None = None,
    one_arch: Iterable[OneArchPackage] = (),
    without: str = "",
    own: Sequence[OwnSource] = (),
) -> Universe:
    """Load the repositories; neither their order nor that of the packages in them changes a closure.

    ``module_streams`` are the enabled ones as ``name:stream``, ``platform_id`` is ``platform:el9`` or the like;
    ``one_arch`` are packages that no rebuild for the target gives; packages whose names begin
    with ``without`` are not considered. ``own`` are the user's own packages: what the reference and the source
    repositories have of these sources is left out.
    Raises RepositoryError where metadata is damaged, UsageError where no repository has an enabled stream,
    EnvironmentLacksError where libsolv is missing.
    """
    # Solvable ids, and with them every choice between equals, follow the order of loading.
    usable = sorted((r for r in repositories if not r.problem), key=lambda r: (r.config.side, r.config.id))
    with converting(usable, arch, reference_arch, cache):
        pool = new_pool(arch)
    parts = load_with_files(pool, usable, arch, reference_arch, cache)
    set_priorities(parts)
    filled = [part for part in parts if part.count]
    modularity = hidden_ids(filled, arch, reference_arch, cache, streams=module_streams, platform_id=platform_id)
    mine = load_own(pool, own)
    excluded = excluded_ids(filled, reference_arch) | modularity.ids | _replaced(filled, {each.name for each in own})
    if without:
        solv = libsolv()
        how = solv.Dataiterator.SEARCH_STRINGSTART
        excluded |= {match.solvid for match in pool.Dataiterator(solv.SOLVABLE_NAME, without, how)}
    reasons = not_rebuilt(filled, excluded, one_arch, cache)
    index = PoolIndex(pool, excluded.union(reasons))
    named_by_own = {path for part in mine for path in part.paths}
    paths = PathOwners(pool, filled, index, cache, fetch_filelists)
    paths.request(named_by_own)
    symbols = SymbolProviders(pool, ((part.start, part.symbols) for part in filled if part.symbols is not None))
    symbols.provide({name for part in (*filled, *mine) for name in part.wanted_symbols})
    return Universe(
        pool,
        arch,
        [*parts, *mine],
        index,
        paths,
        symbols,
        lambda: _duplicates(filled, cache),
        modularity.problems,
        reasons,
    )


def _replaced(parts: Iterable[Part], own: Collection[str]) -> set[int]:
    """What others have of the sources that the user builds from own files."""
    return {
        part.start + position
        for part in parts
        if part.role is not Role.TARGET
        for source in own
        for position in part.sources.get(source, ())
    }


def _duplicates(parts: Sequence[Part], cache: Cache) -> set[int]:
    """Stand-ins that the target's own repositories have in the same version.

    They are worth a thought only where their source is built anyway: then the rebuilt package can stand in for the
    target's, which may have a requirement that nothing satisfies.
    """
    key = "duplicates 1 " + " ".join(f"{part.role} {part.metadata.files['primary'].checksum}" for part in parts)
    known = cache.recall(key)
    if known is None:
        target = {
            (s.nameid, s.evrid) for part in parts if part.role is Role.TARGET for s in part.repo.solvables_iter()
        }
        known = [
            [position for position, s in enumerate(part.repo.solvables_iter()) if (s.nameid, s.evrid) in target]
            if part.role is Role.STANDIN
            else []
            for part in parts
        ]
        cache.remember(key, known)
    return {part.start + at for part, positions in zip(parts, known, strict=True) for at in positions}
