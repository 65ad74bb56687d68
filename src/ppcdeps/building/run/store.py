"""Finished builds in the cache, each under the key of everything that it was made from.

A result is put there by one rename when it is whole, and its files are compared with their digests whenever it is
used: what a crash left is never taken for a result.
"""

import errno
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppcdeps.base.atomic import flush
from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.model.errors import ConfigError

FORMAT = 1
"""Grows whenever results of an older ppcdeps must not be used any more."""

_ABANDONED = 86_400.0
"""Seconds after which a build that is still being stored belongs to a process that is gone."""

RECORD = "result.json"
PACKAGES = "packages"
WHEELS = "wheels"
LOG = "build.log"


@dataclass(frozen=True, slots=True)
class StoredBuild:
    """A build that is whole. ``inspection`` is what was found out about its packages, in JSON's own kinds."""

    key: str
    folder: Path
    record: BuildRecord
    seconds: float
    inspection: Mapping[str, Any]

    @property
    def repository(self) -> Path:
        """The folder that is a repository of the build's packages."""
        return self.folder / PACKAGES

    @property
    def packages(self) -> tuple[Path, ...]:
        """The RPMs, without the source RPM, by name."""
        return tuple(sorted(self.repository.glob("*.rpm")))

    @property
    def wheels(self) -> Path:
        """The folder of the wheels that the build made besides."""
        return self.folder / WHEELS


@dataclass(frozen=True, slots=True)
class Store:
    """The finished builds of one cache."""

    folder: Path

    @classmethod
    def of(cls, cache: Cache) -> "Store":
        """The store in a cache."""
        return cls(cache.root / "builds")

    def find(self, key: str) -> StoredBuild | None:
        """The build of this key; None where there is none that is whole. A damaged one is removed."""
        place = self.folder / key
        try:
            document = json.loads((place / RECORD).read_text("utf-8"))
            if document["format"] != FORMAT or not _is_whole(place, document["files"]):
                raise ValueError("damaged")
            record = BuildRecord.from_json(document["record"], str(place / RECORD))
        except FileNotFoundError:
            remove_tree(place, strict=False)
            return None
        except (OSError, ValueError, KeyError, TypeError, ConfigError):
            remove_tree(place, strict=False)
            return None
        return StoredBuild(key, place, record, float(document["seconds"]), document["inspection"])

    def add(
        self,
        key: str,
        record: BuildRecord,
        seconds: float,
        inspection: Mapping[str, Any],
        fill: Callable[[Path], None],
    ) -> StoredBuild:
        """Store a build: ``fill`` puts its files into an empty folder. What is there whole under the key stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self.folder, prefix=".new-"))
        try:
            fill(scratch)
            files = {
                path.relative_to(scratch).as_posix(): sha256_of(path)
                for path in sorted(scratch.rglob("*"))
                if path.is_file()
            }
            document = {
                "format": FORMAT,
                "record": record.to_json(),
                "seconds": round(seconds, 2),
                "inspection": inspection,
                "files": files,
            }
            (scratch / RECORD).write_text(json.dumps(document, indent=1, sort_keys=True), "utf-8")
            _flush(scratch)
            place = self.folder / key
            scratch.chmod(0o755)
            try:
                scratch.rename(place)
            except OSError as fault:
                if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                # Where locks do not work, another machine may have been quicker, and others read what it stored.
                if (known := self.find(key)) is not None:
                    remove_tree(scratch, strict=False)
                    return known
                remove_tree(place)
                scratch.rename(place)
        except BaseException:
            remove_tree(scratch, strict=False)
            raise
        found = self.find(key)
        assert found is not None
        return found

    def sweep(self, older: float = _ABANDONED) -> None:
        """Remove what was never finished and is ``older`` than so many seconds: storing a build takes minutes."""
        now = time.time()
        for left in self.folder.glob(".new-*"):
            with suppress(FileNotFoundError):
                if now - left.stat().st_mtime >= older:
                    remove_tree(left, strict=False)


def key_of(parts: Mapping[str, Any]) -> str:
    """The key of a build that is made from ``parts``, JSON's kinds only."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_whole(place: Path, files: Mapping[str, str]) -> bool:
    return bool(files) and all(
        (place / name).is_file() and sha256_of(place / name) == sha for name, sha in files.items()
    )


def _flush(folder: Path) -> None:
    """Bring every file below a folder to the disk, so that the rename never comes before the content."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            flush(path)
