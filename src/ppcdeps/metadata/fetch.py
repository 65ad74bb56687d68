"""One repository into the cache: its mirrors, its table of contents, its files, each checked before it counts.

The state file of a repository names the objects that make it up. It is written after all of them are verified, so
that an interruption leaves the state that was good.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.parsers import expat

from ppcdeps.base import http as net
from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DamagedError, verify_open
from ppcdeps.base.responses import Validators
from ppcdeps.base.signature import verify_signature
from ppcdeps.base.urls import is_file_url, join_url, refusal, shown_url
from ppcdeps.metadata.altarch import altarch_hint
from ppcdeps.metadata.mirrors import MirrorList, matches, parse_metalink, parse_mirrorlist
from ppcdeps.metadata.repomd import Repomd, RepomdRecord, location_below, parse_repomd
from ppcdeps.metadata.repository import MetadataFile, RepoMetadata
from ppcdeps.metadata.safexml import RootReader, UnsafeXmlError
from ppcdeps.metadata.state import REPOMD, CachedState, local_repomd, state_key
from ppcdeps.metadata.transfer import RepositoryTransfer, UnreachableRepositoryError
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import EnvironmentLacksError, RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig

_PATIENCE = 3.0
"""Seconds of waiting for another process after which the user is shown why nothing happens."""
_MOST_LOOKED_AT = 1000
"""Mirrors of a list of which it is asked whether they may be used."""
_ROOTS = {"primary": "metadata", "filelists": "filelists", "other": "otherdata", "updateinfo": "updates"}
"""The root element of each kind of file that is XML."""


class RepositoryFetch:
    """The work on one repository: find its mirrors, its table of contents, its files, and record them."""

    def __init__(
        self,
        config: RepoConfig,
        cache: Cache,
        reporter: Reporter,
        *,
        refresh: bool,
        offline: bool,
        kinds: tuple[str, ...],
    ) -> None:
        self.config = config
        self.cache = cache
        self.reporter = reporter
        self.refresh = refresh
        self.offline = offline
        self.kinds = kinds
        self.stopping = threading.Event()
        self.begun = time.time()
        self.where = f"repository {config.id}"
        self.transfer = RepositoryTransfer(config, reporter, self.stopping)
        self._noted_waiting = False

    def run(self) -> RepoMetadata:
        """Fetch what is missing or old. Raises RepositoryError or EnvironmentLacksError."""
        return self._guarded(self._run)

    def complete(self, metadata: RepoMetadata) -> RepoMetadata:
        """Fetch the files of the wanted kinds that the state of ``metadata`` names."""
        return self._guarded(lambda: self._complete_files(metadata))

    def _guarded(self, work: Callable[[], RepoMetadata]) -> RepoMetadata:
        """Do the work under the repository's lock; what is wrong with the cache as such is said so."""
        try:
            with self.cache.lock(state_key(self.config), stop=self._must_stop_waiting):
                return work()
        # InterruptedError is an OSError too, and is not a fault of the cache.
        except InterruptedError:
            raise
        except OSError as fault:
            reason = fault.strerror or fault
            raise EnvironmentLacksError(
                f"{self.where}: the cache in {self.cache.directory} cannot be used: {reason}",
                hint="fix its permissions, or set PPCDEPS_CACHE to another directory",
            ) from fault
        finally:
            self.transfer.close()

    def _must_stop_waiting(self) -> bool:
        if not self._noted_waiting and time.time() - self.begun > _PATIENCE:
            self._noted_waiting = True
            self.reporter.note(f"{self.where}: waiting for another ppcdeps, which is fetching it")
        return self.stopping.is_set()

    def _run(self) -> RepoMetadata:
        state = CachedState.read(self.cache, self.config)
        if state is not None and self._just_fetched(state):
            done = state.complete(self.config, self.cache, self.kinds)
            if done is not None:
                return done
        if self.offline and local_repomd(self.config) is None:
            raise RepositoryError(
                f"{self.where}: not in the cache, and no network may be used (offline)",
                hint=altarch_hint(self.config) or "run `ppcdeps sync` where there is network",
            )
        return self._fetch(state)

    def _complete_files(self, metadata: RepoMetadata) -> RepoMetadata:
        repomd, state = self._contents_of(metadata)
        wanted = [repomd.records[k] for k in self.kinds if k in repomd.records and k not in metadata.files]
        mirrors = state.mirrors if state is not None else (metadata.fetched_from,)
        if self.offline and local_repomd(self.config) is None:
            mirrors = ()
        fetched = {r.kind: self._fetch_file(r, mirrors) for r in wanted}
        files = dict(metadata.files)
        for kind, record in fetched.items():
            path = self.cache.object_path(record.checksum)
            files[kind] = MetadataFile(kind, path, record.checksum, record.open_checksum, record.open_size)
        # The repository may have moved on since: the records of two states must not be mixed.
        if state is not None and state.digest == metadata.digest:
            replace(state, records={**state.records, **fetched}).write(self.cache, self.config)
        return replace(metadata, files=files)

    def _contents_of(self, metadata: RepoMetadata) -> tuple[Repomd, CachedState | None]:
        path = self.cache.find_object(f"sha256:{metadata.digest}")
        if path is None:
            raise RepositoryError(f"{self.where}: its repomd.xml left the cache", hint="run `ppcdeps sync`")
        return parse_repomd(path.read_bytes(), self.where), CachedState.read(self.cache, self.config)

    def _just_fetched(self, state: CachedState) -> bool:
        """Whether the state is good enough now: another process may have fetched it while this one waited."""
        if self.refresh and not self.offline and state.checked >= self.begun:
            return True
        return state.may_be_used(self.config, refresh=self.refresh, offline=self.offline)

    def _fetch(self, old: CachedState | None) -> RepoMetadata:
        try:
            state = self._fetch_state(old)
        except UnreachableRepositoryError as fault:
            copy = None
            # A copy from before repo_gpgcheck was set was never verified.
            if old is not None and not self.refresh and (old.signed or not self.config.repo_gpgcheck):
                copy = old.complete(self.config, self.cache, self.kinds)
            if copy is None or old is None:
                raise
            checked = datetime.fromtimestamp(old.checked, UTC)
            self.reporter.warn(f"{fault.message}; using the copy of {checked:%Y-%m-%d %H:%M} UTC")
            return copy
        state.write(self.cache, self.config)
        done = state.complete(self.config, self.cache, self.kinds)
        if done is None:
            raise RepositoryError(f"{self.where}: its files left the cache while it was fetched")
        return done

    def _fetch_state(self, old: CachedState | None) -> CachedState:
        listed = self._mirrors()
        data, base, validators = self._fetch_repomd(listed, old)
        where = f"{self.where}: {shown_url(join_url(base, REPOMD))}"
        if self.config.repo_gpgcheck:
            self._check_signature(data, base, where)
        repomd = parse_repomd(data, where)
        if repomd.weak:
            self.reporter.warn(f"{self.where}: its checksums are SHA-1, which can be forged")
        self.cache.store_object(f"sha256:{repomd.digest}", data)
        # The mirror that gave repomd.xml first: another may still have the files of an older state.
        mirrors = (base, *(mirror for mirror in listed.mirrors if mirror != base))
        records = dict(repomd.records)
        for kind in self.kinds:
            if kind in records:
                records[kind] = self._fetch_file(records[kind], mirrors)
        if old is not None and old.digest == repomd.digest:
            # Sizes that repomd.xml does not announce were learnt when the file was fetched.
            records = {k: r if r.size is not None else old.records.get(k, r) for k, r in records.items()}
        return CachedState(
            digest=repomd.digest,
            revision=repomd.revision,
            date=repomd.date,
            checked=time.time(),
            fetched_from=shown_url(base),
            mirrors=mirrors,
            validators=validators,
            signed=self.config.repo_gpgcheck,
            records=records,
        )

    # Mirrors and the table of contents

    def _mirrors(self) -> MirrorList:
        config = self.config
        if config.metalink:
            data = self._read(config.metalink, "the metalink", "metadata_list")
            where = f"{self.where}: {shown_url(config.metalink)}"
            return _usable(parse_metalink(data, where, local=is_file_url(config.metalink)), config.metalink, where)
        if config.mirrorlist:
            data = self._read(config.mirrorlist, "the mirrorlist", "metadata_list")
            where = f"{self.where}: {shown_url(config.mirrorlist)}"
            listed = parse_mirrorlist(data, where, local=is_file_url(config.mirrorlist))
            return _usable(listed, config.mirrorlist, where)
        if not config.baseurl:
            raise RepositoryError(f"{self.where}: has no baseurl, mirrorlist or metalink ({config.origin})")
        return MirrorList(config.baseurl)

    def _fetch_repomd(self, listed: MirrorList, old: CachedState | None) -> tuple[bytes, str, Validators]:
        path = self.cache.find_object(f"sha256:{old.digest}") if old is not None else None
        known = path.read_bytes() if path is not None else b""
        # What is no longer the recorded state must not be declared current by a server.
        validators = old.validators if old is not None and _sha256(known) == old.digest else None

        def attempt(base: str) -> tuple[bytes, str, Validators]:
            url = join_url(base, REPOMD)
            same = validators is not None and validators.url == shown_url(url)
            # They are recorded without credentials, and the client compares them with the URL that it requests.
            condition = replace(validators, url=url) if validators is not None and same else None
            answer = self.transfer.client.read(url, limit="metadata_repomd", validators=condition)
            data = known if answer.status == 304 else answer.body
            # Also after a 304: the metalink may vouch for a newer state by now.
            if not matches(data, listed.accepted):
                raise net.TransportFault(
                    url, "is another state than the metalink vouches for (old, or tampered with)"
                )
            try:
                parse_repomd(data, "")
            except RepositoryError as fault:
                # Another mirror may have a good one.
                raise net.TransportFault(url, fault.message.removeprefix(": ")) from fault
            return data, base, replace(answer.validators, url=shown_url(url))

        return self.transfer.first(listed.mirrors, attempt, f"{self.where}: repomd.xml")

    def _check_signature(self, data: bytes, base: str, where: str) -> None:
        keys = [self._read(url, "its gpgkey", "metadata_openpgp") for url in self.config.gpgkey]
        signature = self._read(join_url(base, f"{REPOMD}.asc"), "its signature", "metadata_openpgp")
        verify_signature(data, signature, keys, where)

    def _read(self, url: str, what: str, limit: str) -> bytes:
        return self.transfer.read(url, f"{self.where}: {what}", limit=limit)

    # The files

    def _fetch_file(self, record: RepomdRecord, mirrors: Sequence[str]) -> RepomdRecord:
        """Have the file in the cache. Returns its record with the size it has."""
        have = self.cache.find_object(record.checksum, record.size)
        if have is not None:
            return record if record.size is not None else replace(record, size=have.stat().st_size)
        if not mirrors:
            raise RepositoryError(
                f"{self.where}: {record.kind} is not in the cache, and no network may be used (offline)",
                hint="run `ppcdeps sync` where there is network",
            )
        path = self.transfer.fetch_object(
            self.cache,
            [location_below(base, record.location, f"{self.where}: {record.kind}") for base in mirrors],
            f"{self.where}: {record.kind}",
            checksum=record.checksum,
            size=record.size,
            limit="metadata_size",
            task=f"{self.config.id}: {record.kind}",
            inspect=lambda draft: _verify_content(draft, record),
        )
        return replace(record, size=path.stat().st_size)


def _usable(listed: MirrorList, named_by: str, where: str) -> MirrorList:
    """The mirrors that the list may name, up to a ceiling: the first are the preferred ones."""
    refusals = [(mirror, refusal(mirror, named_by, folder="file:///")) for mirror in listed.mirrors[:_MOST_LOOKED_AT]]
    mirrors = tuple(mirror for mirror, reason in refusals if not reason)
    if not mirrors:
        raise RepositoryError(
            f"{where}: names no mirror that may be used: {shown_url(listed.mirrors[0])} {refusals[0][1]}"
        )
    return replace(listed, mirrors=mirrors[: CEILINGS.metadata_mirrors])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _verify_content(path: Path, record: RepomdRecord) -> None:
    """Open the file once, within its announced size. Raises DamagedError.

    What must be XML is looked at up to its root element: a document type, where an XML bomb would lie, comes
    before it.
    """
    root = _ROOTS.get(record.kind)
    reader = RootReader() if root is not None else None
    try:
        verify_open(
            path,
            checksum=record.open_checksum,
            size=record.open_size,
            inspect=reader.feed if reader is not None else None,
        )
    except UnsafeXmlError as fault:
        raise DamagedError(str(fault)) from fault
    except expat.ExpatError as fault:
        raise DamagedError(f"is not well-formed XML ({fault})") from fault
    if reader is not None and reader.root != root:
        raise DamagedError(f"is not {record.kind} metadata: its root is <{reader.root[:40]}> instead of <{root}>")
