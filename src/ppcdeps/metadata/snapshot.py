"""Snapshots: the dependency facts of a target's repositories, to plan from where there is no network.

A snapshot is a folder (or a tar file of it) with ``snapshot.json`` and one rpm-md tree a repository. It
holds names, versions, architectures, source names, capabilities and paths, in the order in which the
repository has them, so that a solver decides on it as on the original. Prose, people, hosts and sizes are
left out; package ids are serial numbers.
"""

import errno
import os
import re
import shutil
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.base.datafiles import PACKAGE
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.named_files import expanded, followed
from ppcdeps.base.untrusted import open_regular, read_beneath
from ppcdeps.model import names
from ppcdeps.model.ceilings import CEILINGS, beyond, how_to_raise
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.values import dataclass

FORMAT = 1
"""The number of the format of snapshot.json."""

INDEX = "snapshot.json"
_LEVEL = 19
_WINDOW_LOG = 27
_MEMBER = re.compile(
    r"(?:\./)?(?P<path>snapshot\.json|[A-Za-z0-9_][A-Za-z0-9_.:+-]*/repodata/[a-z]+\.(?:xml|yaml)(?:\.zst)?)"
)


@dataclass(frozen=True, slots=True)
class SnapshotRepository:
    """What a snapshot says of one repository: the state it was made from, and what it holds.

    ``date`` is the newest timestamp of the original repomd.xml in seconds since 1970, ``digest`` its SHA-256.
    """

    id: str
    side: Side
    revision: str
    date: int | None
    digest: str
    packages: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is ready to be used. ``configs`` are local repositories, in the order of
    ``repositories``.

    ``absent`` are the ids of optional repositories that did not answer when it was made, ``note`` is what its
    maker says of it.
    """

    name: str
    path: Path
    repositories: tuple[SnapshotRepository, ...]
    configs: tuple[RepoConfig, ...]
    absent: tuple[str, ...] = ()
    note: str = ""

    @property
    def date(self) -> int | None:
        """The newest date of its repositories, in seconds since 1970."""
        return max((r.date for r in self.repositories if r.date is not None), default=None)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())


def shipped_snapshots() -> tuple[str, ...]:
    """The names of the snapshots that came with ppcdeps."""
    folder = PACKAGE / "data" / "snapshots"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.joinpath(INDEX).is_file()))


def use(path_or_name: str | Path, cache: Cache) -> Snapshot:
    """The snapshot in a folder, in a tar file (unpacked into the cache), or of the name of a shipped one.

    Raises UsageError where there is none, ConfigError where it is damaged or of another format.
    """
    path = _located(path_or_name)
    if path.is_dir():
        return info(path)
    return info(_unpacked(path, cache))


def info(path: Path) -> Snapshot:
    """What the snapshot in this folder says of itself. Raises ConfigError where it cannot be read."""
    index = path / INDEX
    try:
        raw = parse_json(read_beneath(path, INDEX, CEILINGS.snapshot_index))
    except FileNotFoundError as fault:
        raise ConfigError(f"{path} is not a snapshot: it has no {INDEX}") from fault
    except OSError as fault:
        raise ConfigError(f"{index} cannot be read: {fault.strerror or fault}") from fault
    except DocumentError as fault:
        raise ConfigError(f"{index} is damaged: it {fault}", hint="make or download the snapshot again") from fault
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT or isinstance(found, bool):
        raise ConfigError(
            f"{index} has format {str(found)[:20]}, this ppcdeps reads {FORMAT}",
            hint="make the snapshot again with `ppcdeps snapshot save PLACE`",
        )
    try:
        document = JsonObject(raw)
        name = document.named("name", names.target_name)
        entries = list(document.objects("repositories"))
        return Snapshot(
            name,
            path,
            tuple(map(_repository_of, entries)),
            tuple(_config_of(entry, path, name) for entry in entries),
            document.all_named("absent", names.repository_id) if "absent" in document else (),
            document.text("note") if "note" in document else "",
        )
    except WrongValueError as fault:
        raise ConfigError(f"{index} is damaged: {fault}", hint="make or download the snapshot again") from fault


def _located(path_or_name: str | Path) -> Path:
    path = expanded(path_or_name)
    if path.exists():
        return path
    names = shipped_snapshots()
    if str(path_or_name) in names:
        return PACKAGE / "data" / "snapshots" / str(path_or_name)
    known = ", ".join(names) or "none"
    raise UsageError(f"there is no snapshot {str(path_or_name)!r}", hint=f"give a path to one; shipped: {known}")


def _unpacked(path: Path, cache: Cache) -> Path:
    import tarfile

    try:
        # A FIFO would wait for ever, a device never end.
        open_regular(followed(path), CEILINGS.snapshot_size).close()
        digest = sha256_of(path)
        return cache.derived_folder(f"snapshot-{digest}", lambda folder: _extract(path, folder))
    except OSError as fault:
        met = f" ({how_to_raise('snapshot_size')})" if fault.errno == errno.EFBIG else ""
        raise ConfigError(f"{path} cannot be read: {fault.strerror or fault}{met}") from fault
    except (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError) as fault:
        raise ConfigError(f"{path} is not a snapshot: not a tar file ({fault})") from fault


def _extract(path: Path, folder: Path) -> None:
    """Unpack the members that a snapshot has: plain files at known places. Anything else is refused."""
    import tarfile

    from ppcdeps.base.tars import BoundedMember

    total = 0
    with tarfile.open(path, "r:", tarinfo=BoundedMember) as tar:
        for count, member in enumerate(tar, start=1):
            # tarfile keeps each that it meets.
            tar.members.clear()  # type: ignore[attr-defined]
            total += member.size
            if count > CEILINGS.snapshot_members:
                raise ConfigError(f"{path} has {beyond('snapshot_members', 'more than')}")
            if total > CEILINGS.snapshot_size:
                raise ConfigError(f"{path} opens to {beyond('snapshot_size', 'more than')}")
            if member.size > CEILINGS.snapshot_member:
                raise ConfigError(f"{path}: its member {member.name[:80]!r} {beyond('snapshot_member')}")
            if member.isdir():
                continue
            found = _MEMBER.fullmatch(member.name)
            if found is None or not member.isreg():
                raise ConfigError(f"{path} is not a snapshot: it has the member {member.name[:80]!r}")
            target = folder / found["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            # None only for members that are not regular files, which are refused above.
            source = tar.extractfile(member)
            assert source is not None
            with source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
                sink.flush()
                # The folder is renamed into the cache next: a loss of power must not leave it there with empty files.
                os.fsync(sink.fileno())


def _repository_of(entry: JsonObject) -> SnapshotRepository:
    return SnapshotRepository(
        entry.named("id", names.repository_id),
        entry.choice("side", Side),
        entry.text("revision"),
        entry.optional_moment("date"),
        entry.named("digest", names.digest),
        entry.count("packages"),
    )


def _config_of(entry: JsonObject, path: Path, name: str) -> RepoConfig:
    identity = entry.named("id", names.repository_id)
    return RepoConfig(
        id=identity,
        side=entry.choice("side", Side),
        name=identity,
        baseurl=(f"{(path.resolve() / identity).as_uri()}/",),
        enabled=entry.truth("enabled"),
        priority=_of_solver(entry, "priority"),
        cost=_of_solver(entry, "cost"),
        excludepkgs=entry.texts("excludepkgs"),
        includepkgs=entry.texts("includepkgs"),
        module_hotfixes=entry.truth("module_hotfixes"),
        origin=f"snapshot {name}",
    )


def _of_solver(entry: JsonObject, key: str) -> int:
    """A number that libsolv can rank by."""
    value = entry.whole(key)
    if abs(value) > 10**9:
        entry.refuse(key, "is out of range")
    return value
