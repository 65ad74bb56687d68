"""Snapshots: the dependency facts of a target's repositories, to plan from where there is no network.

A snapshot is a folder (or a tar file of it) with ``snapshot.json`` and one rpm-md tree a repository. It
holds names, versions, architectures, source names, capabilities and paths, in the order in which the
repository has them, so that a solver decides on it as on the original. Prose, people, hosts and sizes are
left out; package ids are serial numbers.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ppcdeps.base.cache import Cache
from ppcdeps.base.ceilings import CEILINGS, beyond, how_to_raise
from ppcdeps.base.compression import DamagedError
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.documents import DocumentError, parse_json
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.tars import BoundedMember
from ppcdeps.base.untrusted import open_regular, read_beneath
from ppcdeps.metadata.facts import (
    StrippedPrimary,
    filter_filelists,
    named_paths,
    strip_modules,
    strip_primary,
)
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import ensure
from ppcdeps.model import names
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, RepositoryError, UsageError
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side

FORMAT = 1
"""The number of the format of snapshot.json."""

_INDEX = "snapshot.json"
_SCRATCH = ".snapshot-"
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
    folder = files("ppcdeps").joinpath("data", "snapshots")
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.joinpath(_INDEX).is_file()))


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
    index = path / _INDEX
    try:
        raw = parse_json(read_beneath(path, _INDEX, CEILINGS.snapshot_index))
    except FileNotFoundError as fault:
        raise ConfigError(f"{path} is not a snapshot: it has no {_INDEX}") from fault
    except OSError as fault:
        raise ConfigError(f"{index} cannot be read: {fault.strerror or fault}") from fault
    except DocumentError as fault:
        raise ConfigError(f"{index} is damaged: it {fault}", hint="make or download the snapshot again") from fault
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT or isinstance(found, bool):
        raise ConfigError(
            f"{index} has format {str(found)[:20]}, this ppcdeps reads {FORMAT}",
            hint="make the snapshot again with `ppcdeps snapshot save`",
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


def save(
    metadata: Sequence[RepoMetadata],
    target_name: str,
    place: Path,
    cache: Cache,
    reporter: Reporter,
    *,
    note: str = "",
    offline: bool = False,
) -> Snapshot:
    """Write a snapshot of these repositories to a folder, or to a tar file where ``place`` ends in ``.tar``.

    File lists that are not in the cache yet are fetched. The bytes depend on the metadata, the repositories'
    options and the zstd library alone. An older snapshot at ``place`` is replaced once the new one is
    complete; anything else there is left alone with UsageError. Returns what was written.
    """
    _check_place(place)
    for one in metadata:
        names.repository_id(one.config.id)
    present = [one for one in ensure(metadata, ("filelists",), cache, reporter, offline=offline) if not one.problem]
    task = f"snapshot {target_name}"
    reporter.begin(task, 2 * len(present))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _scratch_folder(place.parent) as scratch:
            folder = scratch / "snapshot"
            folder.mkdir()
            entries = _write_repositories(present, folder, lambda: reporter.advance(task, 1))
            index = {
                "format": FORMAT,
                "name": target_name,
                "note": note,
                "repositories": entries,
                "absent": sorted(one.config.id for one in metadata if one.problem),
            }
            text = json.dumps(index, indent=1, sort_keys=True) + "\n"
            (folder / _INDEX).write_text(text, "utf-8")
            if place.suffix == ".tar":
                packed = scratch / "snapshot.tar"
                _pack(folder, packed)
                packed.replace(place)
                return use(place, cache)
            _put_folder(folder, place, scratch / "old")
    except OSError as fault:
        raise EnvironmentLacksError(
            f"the snapshot cannot be written to {place}: {fault.strerror or fault}"
        ) from fault
    finally:
        reporter.end(task)
    return info(place)


@contextlib.contextmanager
def _scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder to write a snapshot in, held by a lock; those of saves that were killed are removed."""
    folder = parent / f"{_SCRATCH}{secrets.token_hex(8)}"
    with contextlib.ExitStack() as held:
        with _locked(parent) as alone:
            if alone:
                _remove_abandoned(parent)
            folder.mkdir(mode=0o700)
            held.callback(remove_tree, folder, strict=False)
            held.enter_context(_locked(folder))
        yield folder


def _remove_abandoned(parent: Path) -> None:
    for path in parent.iterdir():
        if not re.fullmatch(rf"{re.escape(_SCRATCH)}[0-9a-f]{{16}}", path.name) or path.is_symlink():
            continue
        with contextlib.suppress(OSError):
            if path.stat().st_uid != os.geteuid():
                continue
            with _locked(path) as abandoned:
                if abandoned:
                    remove_tree(path, strict=False)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether this process holds the lock of the folder meanwhile: another may, and some file systems have none."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except OSError:
            alone = False
        yield alone
    finally:
        os.close(handle)


# Writing ----------------------------------------------------------------------------------------------------


def _write_repositories(
    metadata: Iterable[RepoMetadata], folder: Path, advance: Callable[[], None]
) -> list[dict[str, Any]]:
    stripped: list[tuple[RepoMetadata, StrippedPrimary]] = []
    wanted: set[str] = set()
    for one in metadata:
        with _translated(one, "primary"):
            primary = strip_primary(one.files["primary"].intact_path())
        wanted |= named_paths(primary.requirements)
        stripped.append((one, primary))
        advance()
    entries = []
    for one, primary in stripped:
        contents = {"primary": ("primary.xml", primary.xml)}
        if "filelists" in one.files:
            with _translated(one, "filelists"):
                lists = filter_filelists(one.files["filelists"].intact_path(), wanted, primary)
            contents["filelists"] = ("filelists.xml", lists)
        if "modules" in one.files:
            with _translated(one, "modules"):
                modules = strip_modules(one.files["modules"].intact_path())
            contents["modules"] = ("modules.yaml", modules)
        _write_tree(folder / one.config.id / "repodata", contents, one)
        entries.append(_entry_of(one, primary.packages))
        advance()
    return entries


class _translated:  # noqa: N801 - read as a word where it is used
    """Tells damage met while stripping as the repository's fault."""

    def __init__(self, metadata: RepoMetadata, kind: str) -> None:
        self._where = f"repository {metadata.config.id}: {kind}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, DamagedError):
            raise RepositoryError(f"{self._where} {fault}", hint="run `ppcdeps sync --refresh`") from fault


def _write_tree(repodata: Path, contents: Mapping[str, tuple[str, bytes]], metadata: RepoMetadata) -> None:
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, window_log=_WINDOW_LOG, enable_ldm=True, write_content_size=True, threads=0
    )
    repodata.mkdir(parents=True)
    records = []
    for kind, (name, opened) in sorted(contents.items()):
        packed = zstandard.ZstdCompressor(compression_params=parameters).compress(opened)
        (repodata / f"{name}.zst").write_bytes(packed)
        records.append(
            f'<data type="{kind}">\n'
            f'<checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>\n'
            f'<open-checksum type="sha256">{hashlib.sha256(opened).hexdigest()}</open-checksum>\n'
            f'<location href="repodata/{name}.zst"/>\n'
            f"<timestamp>{metadata.date or 0}</timestamp>\n"
            f"<size>{len(packed)}</size>\n<open-size>{len(opened)}</open-size>\n</data>\n"
        )
    revision = re.sub(r"[^A-Za-z0-9_.:+-]", "", metadata.revision)
    (repodata / "repomd.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo">\n'
        f"<revision>{revision}</revision>\n{''.join(records)}</repomd>\n",
        "utf-8",
    )


def _entry_of(metadata: RepoMetadata, packages: int) -> dict[str, Any]:
    config = metadata.config
    return {
        "id": config.id,
        "side": str(config.side),
        "revision": metadata.revision,
        "date": metadata.date,
        "digest": metadata.digest,
        "packages": packages,
        "enabled": config.enabled,
        "priority": config.priority,
        "cost": config.cost,
        "excludepkgs": list(config.excludepkgs),
        "includepkgs": list(config.includepkgs),
        "module_hotfixes": config.module_hotfixes,
    }


def _check_place(place: Path) -> None:
    if not place.exists():
        return
    if place.suffix == ".tar":
        if not place.is_file():
            raise UsageError(f"{place} is there and is not a file")
        return
    if not place.is_dir() or (any(place.iterdir()) and not (place / _INDEX).is_file()):
        raise UsageError(f"{place} is there and is not a snapshot", hint="name another place, or remove it first")


def _put_folder(folder: Path, place: Path, aside: Path) -> None:
    """Put the finished folder at its place. The old one is moved away, and removed with the scratch
    folder.
    """
    if not place.exists():
        folder.rename(place)
        return
    place.rename(aside)
    try:
        folder.rename(place)
    except BaseException:
        aside.rename(place)
        raise


def _pack(folder: Path, target: Path) -> None:
    """A tar file whose bytes depend on the content alone."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            member.mode = 0o644
            with path.open("rb") as stream:
                tar.addfile(member, stream)


# Reading ----------------------------------------------------------------------------------------------------


def _located(path_or_name: str | Path) -> Path:
    path = Path(path_or_name).expanduser()
    if path.exists():
        return path
    names = shipped_snapshots()
    if str(path_or_name) in names:
        return Path(str(files("ppcdeps").joinpath("data", "snapshots", str(path_or_name))))
    known = ", ".join(names) or "none"
    raise UsageError(f"there is not a snapshot {str(path_or_name)!r}", hint=f"give a path to one; shipped: {known}")


def _unpacked(path: Path, cache: Cache) -> Path:
    try:
        # A FIFO would wait for ever, a device never end.
        open_regular(path.resolve(), CEILINGS.snapshot_size).close()
        digest = sha256_of(path)
        return cache.derived_folder(f"snapshot-{digest}", lambda folder: _extract(path, folder))
    except OSError as fault:
        met = f" ({how_to_raise('snapshot_size')})" if fault.errno == errno.EFBIG else ""
        raise ConfigError(f"{path} cannot be read: {fault.strerror or fault}{met}") from fault
    except (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError) as fault:
        raise ConfigError(f"{path} is not a snapshot: not a tar file ({fault})") from fault


def _extract(path: Path, folder: Path) -> None:
    """Unpack the members that a snapshot has: plain files at known places. Anything else is refused."""
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
            source = tar.extractfile(member)
            assert source is not None
            with source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
                sink.flush()
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
