"""Repository metadata into libsolv, through `.solv` files that spare the next run all XML."""

import gc
import importlib
import os
import signal
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, assert_never

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError, open_stream
from ppcdeps.base.interruption import interruption_held
from ppcdeps.metadata.repository import MetadataFile, RepoMetadata
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.repository import Side
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import new_pool, read_solv, solv_file, writer_of

if TYPE_CHECKING:
    from ppcdeps.rpm.primary import Cut

_CONVERSION = 7
"""Grows whenever the same metadata would give another `.solv` file."""
_SYMBOLS = ".symbols"
_NUMBER = struct.Struct("H")
_WORTH_A_PROCESS = 200_000
"""Bytes of primary.xml, compressed, from which on processes cost less than they save."""


class Role(StrEnum):
    """What the packages of a part are to the solver."""

    TARGET = "target"
    """Built for the target, or noarch, in a target repository."""
    REFERENCE = "reference"
    """Noarch in a reference repository: usable as they are."""
    STANDIN = "standin"
    """Native in a reference repository: what a rebuild of the source would give."""
    SOURCE = "source"


@dataclass(slots=True)
class Part:
    """The packages of one repository that have one role, loaded into a pool.

    ``sources`` maps names of source packages to positions counted from ``start``; ``paths`` are those that
    dependencies of the packages name, ``wanted_symbols`` the names of `ppcdeps.rpm.symbols` that they do. What the
    packages provide of these is in the file ``symbols``, if they provide any.
    """

    role: Role
    metadata: RepoMetadata
    repo: Any
    start: int
    count: int
    sources: dict[str, list[int]]
    paths: list[str]
    wanted_symbols: list[str]
    symbols: Path | None = None

    @property
    def ids(self) -> range:
        """The solvable ids of the part."""
        return range(self.start, self.start + self.count)


def load_parts(
    pool: Any, metadata: RepoMetadata, arch: str, reference_arch: str, cache: Cache, *, variant: str = ""
) -> list[Part]:
    """Load a repository's packages, a part for each role that it can play.

    Of each part the ``variant`` is loaded that `store_variant` stored under that name, where there is one.

    Raises RepositoryError where the repository has no primary.xml or its content is damaged.
    """
    primary = metadata.files.get("primary")
    if primary is None:
        raise RepositoryError(f"repository {metadata.config.id} lists no primary metadata")
    roles = _roles(metadata.config.side, arch, reference_arch)
    keys = {role: _key(primary, role, arch, reference_arch) for role in roles}
    parts = [_load_cached(pool, metadata, role, key, cache, variant) for role, key in keys.items()]
    if all(part is not None for part in parts):
        return [part for part in parts if part is not None]
    # The parser is loaded where there is something to convert.
    from ppcdeps.rpm.primary import cut_primary, select

    with open_stream(primary.intact_path(), limit=primary.open_size) as stream:
        packages = cut_primary(stream, f"repository {metadata.config.id}")
    for part in parts:
        if part is not None:
            part.repo.free()
    return [
        _convert(
            pool,
            metadata,
            role,
            select(packages, arches, translate=role is Role.STANDIN),
            arch,
            reference_arch,
            cache,
        )
        for role, arches in roles.items()
    ]


@contextmanager
def converting(repositories: Iterable[RepoMetadata], arch: str, reference_arch: str, cache: Cache) -> Iterator[None]:
    """Make the `.solv` files that are not there yet on all processors; `load_parts` finds them afterwards.

    They are there when the block is left, and made while its body runs, which may prepare something else. Neither
    libsolv nor Python's regular expressions let other threads run, so that these are processes. What goes wrong in
    one is left to `load_parts`, which meets it again and says what it is.
    """
    todo = [each for each in repositories if _is_to_convert(each, arch, reference_arch, cache)]
    sizes = {id(each): each.files["primary"].path.stat().st_size for each in todo}
    processors = min(len(os.sched_getaffinity(0)), len(todo))
    if processors < 2 or sum(sizes.values()) < _WORTH_A_PROCESS:
        yield
        return
    # Once, and not in each process.
    importlib.import_module("ppcdeps.rpm.primary")
    # Large ones first, each for the process that is free.
    todo.sort(key=lambda each: -sizes[id(each)])
    take, put = os.pipe()
    os.write(put, b"".join(_NUMBER.pack(number) for number in range(len(todo))))
    os.close(put)
    children = []
    try:
        with interruption_held():
            for _ in range(processors):
                try:
                    child = os.fork()
                except OSError:
                    # No more processes are to be had.
                    break
                if not child:
                    _convert_and_end(todo, take, arch, reference_arch, cache)
                children.append(child)
        yield
        while children:
            os.waitpid(children[0], 0)
            children.pop(0)
    finally:
        os.close(take)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _convert_and_end(
    repositories: Sequence[RepoMetadata], take: int, arch: str, reference_arch: str, cache: Cache
) -> NoReturn:
    """Convert the repositories whose numbers this process reads from the descriptor ``take``, and end it."""
    try:
        # The process that waits ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Nothing of what it makes is garbage before it ends, and looking for some takes a fifth of its time.
        gc.disable()
        while number := os.read(take, _NUMBER.size):
            load_parts(new_pool(arch), repositories[_NUMBER.unpack(number)[0]], arch, reference_arch, cache)
    finally:
        os._exit(0)


def are_converted(repositories: Iterable[RepoMetadata], arch: str, reference_arch: str, cache: Cache) -> bool:
    """Whether all `.solv` files of repositories are there."""
    return not any(_is_to_convert(each, arch, reference_arch, cache) for each in repositories)


def _is_to_convert(metadata: RepoMetadata, arch: str, reference_arch: str, cache: Cache) -> bool:
    primary = metadata.files.get("primary")
    return primary is not None and not all(
        cache.derived_path(_key(primary, role, arch, reference_arch), ".solv").exists()
        for role in _roles(metadata.config.side, arch, reference_arch)
    )


def read_metadata(metadata: RepoMetadata, file: MetadataFile) -> bytes:
    """The decompressed content of a metadata file.

    Raises RepositoryError where it cannot be decompressed.
    """
    try:
        with open_stream(file.intact_path(), limit=file.open_size) as stream:
            return stream.read()
    except DamagedError as error:
        raise RepositoryError(
            f"repository {metadata.config.id}: {file.kind} {error}", hint="refresh with `ppcdeps sync`"
        ) from error


def repo_name(metadata: RepoMetadata, role: Role) -> str:
    """The name of a part's repository in the pool."""
    return f"{metadata.config.id}/{role}"


def _roles(side: Side, arch: str, reference_arch: str) -> dict[Role, tuple[str, ...]]:
    """The roles that packages of a side can play, each with the architectures that play it."""
    match side:
        case Side.TARGET:
            return {Role.TARGET: (arch, "noarch")}
        case Side.REFERENCE:
            return {Role.REFERENCE: ("noarch",), Role.STANDIN: (reference_arch,)}
        case Side.SOURCE:
            return {Role.SOURCE: ("src", "nosrc")}
        case _:
            assert_never(side)


def _key(primary: MetadataFile, role: Role, arch: str, reference_arch: str) -> str:
    return f"solv {_CONVERSION} {primary.checksum} {role} {arch} {reference_arch}"


def store_variant(part: Part, variant: str, arch: str, reference_arch: str, cache: Cache) -> None:
    """Store a part as it is in its pool now, beside what its repository says, for `load_parts`."""
    key = _key(part.metadata.files["primary"], part.role, arch, reference_arch)
    cache.store_derived(f"{key} {variant}", ".solv", writer_of(part.repo), durable=False)


def _load_cached(
    pool: Any, metadata: RepoMetadata, role: Role, key: str, cache: Cache, variant: str = ""
) -> Part | None:
    known, solv_path = cache.recall(key), cache.derived_path(f"{key} {variant}", ".solv")
    if not variant or not solv_path.exists():
        solv_path = cache.derived_path(key, ".solv")
    symbols = cache.derived_path(key, _SYMBOLS)
    if known is None or not solv_path.exists() or not _has_size(symbols, known["symbols"]):
        return None
    repo = pool.add_repo(repo_name(metadata, role))
    if not read_solv(repo, str(solv_path)) or repo.nsolvables != known["count"]:
        repo.free()
        return None
    return _part(role, metadata, repo, known, symbols)


def _has_size(file: Path, size: int) -> bool:
    """Whether a file is whole: a loss of power may leave it empty. One of no size need not be there."""
    return not size or (file.exists() and file.stat().st_size == size)


def _convert(
    pool: Any, metadata: RepoMetadata, role: Role, cut: "Cut", arch: str, reference_arch: str, cache: Cache
) -> Part:
    repo = pool.add_repo(repo_name(metadata, role))
    with solv_file(cut.document, "primary.xml") as handle:
        if not repo.add_rpmmd(handle, None):
            raise RepositoryError(
                f"repository {metadata.config.id}: primary.xml is damaged: {pool.errstr}",
                hint="refresh with `ppcdeps sync`",
            )
    _check_packages(repo, cut, metadata.config.id)
    if role is Role.STANDIN:
        for solvable in repo.solvables_iter():
            solvable.arch = arch
    primary = metadata.files["primary"]
    key = _key(primary, role, arch, reference_arch)
    # libsolv refuses one that is empty, and it is made again.
    cache.store_derived(key, ".solv", writer_of(repo), durable=False)
    if cut.symbols:
        cache.store_content(key, _SYMBOLS, cut.symbols)
    known = {
        "count": len(cut.identities),
        "sources": cut.sources,
        "paths": cut.paths,
        "wanted_symbols": cut.wanted_symbols,
        "symbols": len(cut.symbols),
    }
    cache.remember(key, known)
    return _part(role, metadata, repo, known, cache.derived_path(key, _SYMBOLS))


def _part(role: Role, metadata: RepoMetadata, repo: Any, known: dict[str, Any], symbols: Path) -> Part:
    """A part that is loaded, with what was remembered of it."""
    return Part(
        role,
        metadata,
        repo,
        _first_id(repo),
        known["count"],
        known["sources"],
        known["paths"],
        known["wanted_symbols"],
        symbols if known["symbols"] else None,
    )


def _check_packages(repo: Any, cut: "Cut", origin: str) -> None:
    """Whether libsolv, which has another parser, read the packages that were read here."""
    read = [str(solvable) for solvable in repo.solvables_iter()]
    if read == cut.identities:
        return
    pairs = zip(cut.identities, read, strict=False)
    other = next((f": {here} is {there}" for here, there in pairs if here != there), "")
    raise RepositoryError(
        f"repository {origin}: libsolv read {len(read)} packages where primary.xml has {len(cut.identities)}{other}",
        hint="the metadata is damaged: refresh with `ppcdeps sync`",
    )


def _first_id(repo: Any) -> int:
    for solvable in repo.solvables_iter():
        return int(solvable.id)
    return 0


def set_priorities(parts: Iterable[Part]) -> None:
    """Rank the roles above one another, and inside a role by the repositories' own priority and cost.

    libsolv takes from the highest rank that can satisfy a requirement, even if another rank has a newer version.
    """
    rank = {Role.TARGET: 2, Role.REFERENCE: 1, Role.STANDIN: 0, Role.SOURCE: 0}
    for part in parts:
        part.repo.priority = rank[part.role] * 1_000_000 - part.metadata.config.priority
        part.repo.subpriority = -part.metadata.config.cost
