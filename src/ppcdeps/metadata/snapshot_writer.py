"""Saving a snapshot: a target's metadata reduced to dependency facts, in one folder or tar file."""

import hashlib
import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.snapshot import FORMAT, INDEX, SAFE_ID, Snapshot, info, use
from ppcdeps.metadata.stripping import StrippedPrimary, filter_filelists, named_paths, strip_modules, strip_primary
from ppcdeps.metadata.sync import ensure
from ppcdeps.model.errors import EnvironmentLacksError, RepositoryError, UsageError
from ppcdeps.model.reporter import Reporter

_LEVEL = 19
_WINDOW_LOG = 27


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
        if not SAFE_ID.fullmatch(one.config.id):
            raise UsageError(f"the repository id {one.config.id!r} cannot be a folder of a snapshot")
    present = [one for one in ensure(metadata, ("filelists",), cache, reporter, offline=offline) if not one.problem]
    task = f"snapshot {target_name}"
    reporter.begin(task, 2 * len(present))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place: a rename works only within one file system.
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".snapshot-") as scratch:
            folder = Path(scratch) / "snapshot"
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
                packed = Path(scratch) / "snapshot.tar"
                _pack(folder, packed)
                packed.replace(place)
                return use(place, cache)
            _put_folder(folder, place, Path(scratch) / "old")
    except OSError as fault:
        raise EnvironmentLacksError(
            f"the snapshot cannot be written to {place}: {fault.strerror or fault}"
        ) from fault
    finally:
        reporter.end(task)
    return info(place)


def _write_repositories(
    metadata: Iterable[RepoMetadata], folder: Path, advance: Callable[[], None]
) -> list[dict[str, Any]]:
    stripped: list[tuple[RepoMetadata, StrippedPrimary]] = []
    wanted: set[str] = set()
    # All primaries first: a package may require a path that only the file lists of another repository have.
    for one in metadata:
        with _damage_named(one, "primary"):
            primary = strip_primary(one.files["primary"].path)
        wanted |= named_paths(primary.requirements)
        stripped.append((one, primary))
        advance()
    entries = []
    for one, primary in stripped:
        contents = {"primary": ("primary.xml", primary.xml)}
        if "filelists" in one.files:
            with _damage_named(one, "filelists"):
                lists = filter_filelists(one.files["filelists"].path, wanted, primary)
            contents["filelists"] = ("filelists.xml", lists)
        if "modules" in one.files:
            with _damage_named(one, "modules"):
                modules = strip_modules(one.files["modules"].path)
            contents["modules"] = ("modules.yaml", modules)
        _write_tree(folder / one.config.id / "repodata", contents, one)
        entries.append(_entry_of(one, primary.packages))
        advance()
    return entries


@contextmanager
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
