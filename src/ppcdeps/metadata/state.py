"""The state of a repository as the cache records it: which objects make it up, and when it was last compared."""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.responses import Validators
from ppcdeps.base.urls import is_file_url, join_url, path_of
from ppcdeps.metadata.repomd import RepomdRecord
from ppcdeps.metadata.repository import MetadataFile, RepoMetadata
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.values import dataclass

REPOMD = "repodata/repomd.xml"
"""Where the table of contents lies in every repository."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class CachedState:
    """The table of contents that a repository last had, and when it was fetched or found unchanged.

    ``checked`` is in seconds since 1970; ``validators`` have the URL without credentials.
    """

    digest: str
    revision: str
    date: int | None
    checked: float
    fetched_from: str
    mirrors: tuple[str, ...]
    validators: Validators
    signed: bool
    records: Mapping[str, RepomdRecord]

    @classmethod
    def read(cls, cache: Cache, config: RepoConfig) -> "CachedState | None":
        """The recorded state; None where there is none, or it has another shape than this version writes."""
        raw = cache.read_state(state_key(config))
        if raw is None or type(raw.get("state")) is not int or raw["state"] != _FORMAT:
            return None
        try:
            records = {str(kind): _record_of(kind, fields) for kind, fields in raw["records"].items()}
            # No repomd.xml without it was ever accepted.
            _ = records["primary"]
            for record in records.values():
                # Raises ValueError for what is not a checksum.
                cache.object_path(record.checksum)
            cache.object_path(f"sha256:{raw['digest']}")
            return cls(
                digest=str(raw["digest"]),
                revision=str(raw["revision"]),
                date=None if raw["date"] is None else int(_moment(raw["date"])),
                checked=_moment(raw["checked"]),
                fetched_from=str(raw["fetched_from"]),
                mirrors=tuple(str(one) for one in raw["mirrors"]),
                validators=Validators(*(str(one) for one in raw["validators"])),
                signed=bool(raw["signed"]),
                records=records,
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None

    def write(self, cache: Cache, config: RepoConfig) -> None:
        cache.write_state(
            state_key(config),
            {
                "state": _FORMAT,
                "repository": config.id,
                "digest": self.digest,
                "revision": self.revision,
                "date": self.date,
                "checked": self.checked,
                "fetched_from": self.fetched_from,
                "mirrors": list(self.mirrors),
                "validators": [self.validators.url, self.validators.etag, self.validators.last_modified],
                "signed": self.signed,
                "records": {
                    r.kind: [r.location, r.checksum, r.size, r.open_checksum, r.open_size, r.timestamp]
                    for r in self.records.values()
                },
            },
            durable=False,
        )

    def may_be_used(self, config: RepoConfig, *, refresh: bool, offline: bool) -> bool:
        """Whether the repository need not be contacted, or may not."""
        if local_repomd(config) is not None:
            return self.is_fresh(config)
        if offline:
            return self.signed or not config.repo_gpgcheck
        return not refresh and self.is_fresh(config)

    def is_fresh(self, config: RepoConfig) -> bool:
        """Whether the repository need not be contacted. A local one is always compared: it costs one small read."""
        if config.repo_gpgcheck and not self.signed:
            return False
        local = local_repomd(config)
        if local is not None:
            try:
                return local.stat().st_size <= CEILINGS.metadata_repomd and sha256_of(local) == self.digest
            except OSError:
                return False
        age = time.time() - self.checked
        # Negative where the clock was set back: the age is unknown then.
        return age >= 0 and (config.metadata_expire is None or age < config.metadata_expire)

    def complete(self, config: RepoConfig, cache: Cache, kinds: Iterable[str]) -> RepoMetadata | None:
        """The state as metadata, or None where an object of these kinds is missing or has lost its size."""
        files = {}
        for kind, record in self.records.items():
            path = cache.find_object(record.checksum, record.size, compare=False)
            if path is not None:
                files[kind] = MetadataFile(kind, path, record.checksum, record.open_checksum, record.open_size)
        if any(kind in self.records and kind not in files for kind in kinds):
            return None
        return RepoMetadata(config, self.revision, self.date, self.digest, self.fetched_from, files)


def state_key(config: RepoConfig) -> str:
    """The name of the repository's state: the same for the same id and addresses, independent of other options."""
    addresses = json.dumps([config.id, config.baseurl, config.mirrorlist, config.metalink])
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", config.id)[:60].lstrip(".")
    return f"{readable or 'repository'}-{hashlib.sha256(addresses.encode()).hexdigest()[:16]}"


def local_repomd(config: RepoConfig) -> Path | None:
    """The table of contents of a repository on this machine; None where it is elsewhere."""
    if not config.baseurl or config.metalink or config.mirrorlist or not is_file_url(config.baseurl[0]):
        return None
    return path_of(join_url(config.baseurl[0], REPOMD))


def _record_of(kind: str, fields: Any) -> RepomdRecord:
    location, checksum, size, open_checksum, open_size, timestamp = fields
    if not isinstance(location, str) or not isinstance(open_checksum, str | None):
        raise TypeError(kind)
    return RepomdRecord(
        kind, location, str(checksum), _whole(size), open_checksum, _whole(open_size), _whole(timestamp)
    )


def _moment(value: Any) -> float:
    """Seconds since 1970 that a date can be made of."""
    if not 0 <= value < 1e11:
        raise ValueError(value)
    return float(value)


def _whole(value: object) -> int | None:
    if not isinstance(value, int | None):
        raise TypeError(value)
    return value
