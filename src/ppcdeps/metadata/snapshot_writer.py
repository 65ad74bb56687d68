"""Saving a snapshot: a target's metadata reduced to dependency facts, in one folder or tar file."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError
from ppcdeps.base.removal import remove_tree
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.snapshot import FORMAT, INDEX, Snapshot, info, use
from ppcdeps.metadata.stripping import StrippedPrimary, filter_filelists, named_paths, strip_modules, strip_primary
from ppcdeps.metadata.sync import ensure
from ppcdeps.model import names
from ppcdeps.model.errors import EnvironmentLacksError, RepositoryError, UsageError
from ppcdeps.model.reporter import Reporter

_LEVEL = 19
_WINDOW_LOG = 27
_SCRATCH = ".snapshot-"


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
        # Beside its place: a rename works only within one file system.
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
            (folder / INDEX).write_text(text, "utf-8")
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
    folder = parent / f"{_SCRATCH}{os.urandom(8).hex()}"
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


def _write_repositories(
    metadata: Iterable[RepoMetadata], folder: Path, advance: Callable[[], None]
) -> list[dict[str, Any]]:
    stripped: list[tuple[RepoMetadata, StrippedPrimary]] = []
    wanted: set[str] = set()
    # All primaries first: a package may require a path that only the file lists of another repository have.
    for one in metadata:
        with _damage_named(one, "primary"):
            primary = strip_primary(one.files["primary"].intact_path())
        wanted |= named_paths(primary.requirements)
        stripped.append((one, primary))
        advance()
    entries = []
    for one, primary in stripped:
        contents = {"primary": ("primary.xml", primary.xml)}
        if "filelists" in one.files:
            with _damage_named(one, "filelists"):
                lists = filter_filelists(one.files["filelists"].intact_path(), wanted, primary)
            contents["filelists"] = ("filelists.xml", lists)
        if "modules" in one.files:
            with _damage_named(one, "modules"):
                modules = strip_modules(one.files["modules"].intact_path())
            contents["modules"] = ("modules.yaml", modules)
        _write_tree(folder / one.config.id / "repodata", contents, one)
        entries.append(_entry_of(one, primary.packages))
        advance()
    return entries


@contextlib.contextmanager
def _damage_named(metadata: RepoMetadata, kind: str) -> Iterator[None]:
    try:
        yield
    except DamagedError as fault:
        raise RepositoryError(
            f"repository {metadata.config.id}: {kind} {fault}", hint="run `ppcdeps sync --refresh`"
        ) from fault


def _write_tree(repodata: Path, contents: Mapping[str, tuple[str, bytes]], metadata: RepoMetadata) -> None:
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
    # It comes from a server, and goes into the XML unescaped.
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
    if not place.is_dir() or (any(place.iterdir()) and not (place / INDEX).is_file()):
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
            # Not gettarinfo: a fresh one has neither owner nor time.
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            member.mode = 0o644
            with path.open("rb") as stream:
                tar.addfile(member, stream)
