"""Repositories into the cache: each checked, all at once, and never half-replaced.

A repository's state file names the objects that make it up. It is written after all of them are verified, so
that whatever happens before leaves the state that was good.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from xml.parsers import expat

from ppcdeps.base import http as net
from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import DEFAULT_LIMIT, DamagedError, verify_open
from ppcdeps.metadata.mirrors import LIST_LIMIT, MirrorList, matches, parse_metalink, parse_mirrorlist
from ppcdeps.metadata.repomd import (
    REPOMD_LIMIT,
    Repomd,
    RepomdRecord,
    UnsafeXmlError,
    parse_repomd,
    refuse_doctype,
)
from ppcdeps.metadata.repository import MetadataFile, RepoMetadata
from ppcdeps.model.errors import EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig

DEFAULT_KINDS = ("primary", "modules")
"""What every question needs. File lists are big and seldom needed: ``ensure`` fetches them."""

_STATE = 1
_WORKERS = 8
_PATIENCE = 3.0
"""Seconds of waiting for another process after which the user is told why nothing happens."""
_REPOMD = "repodata/repomd.xml"
_ROOTS = {"primary": "metadata", "filelists": "filelists", "other": "otherdata", "updateinfo": "updates"}


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

    ``refresh`` asks every repository whatever its age, ``offline`` asks none. Local repositories (file URLs)
    are always compared with what is cached. A repository that need not answer (``optional``,
    ``skip_if_unavailable``) and does not is returned with its ``problem``; one that must raises
    RepositoryError, all of them at once. Where mirrors do not answer and a cached copy is there, the copy is
    returned and a warning given, unless ``refresh`` was asked for.
    """
    told = _Serialised(reporter)
    found: list[RepoMetadata | None] = []
    for config in configs:
        state = _State.read(cache, config)
        fresh = state is not None and state.may_be_used(config, refresh=refresh, offline=offline)
        found.append(_complete(state, config, cache, kinds) if fresh and state is not None else None)
    missing = [(place, config) for place, config in enumerate(configs) if found[place] is None]
    if not missing:
        return tuple(one for one in found if one is not None)

    faults: list[PpcdepsError] = []
    jobs = {
        place: _Job(config, cache, told, refresh=refresh, offline=offline, kinds=tuple(kinds))
        for place, config in missing
    }
    results = _run_all({place: job.run for place, job in jobs.items()}, cache, jobs.values())
    for place, config in missing:
        result = results[place]
        if isinstance(result, RepoMetadata):
            found[place] = result
        elif isinstance(result, RepositoryError) and (config.optional or config.skip_if_unavailable):
            found[place] = RepoMetadata(config, problem=str(result))
            if not config.optional:
                told.warn(f"{result}; skipped (skip_if_unavailable)")
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
    found = list(metadata)
    told = _Serialised(reporter)
    jobs = {}
    for place, one in enumerate(metadata):
        if one.problem or all(kind in one.files for kind in kinds):
            continue
        job = _Job(one.config, cache, told, refresh=False, offline=offline, kinds=tuple(kinds))
        jobs[place] = (job, one)
    tasks = {place: _completion(job, one) for place, (job, one) in jobs.items()}
    results = _run_all(tasks, cache, [job for job, _ in jobs.values()]) if tasks else {}
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


def available_kinds(metadata: RepoMetadata, cache: Cache) -> frozenset[str]:
    """The kinds that the repository has, fetched or not."""
    state = _State.read(cache, metadata.config)
    return frozenset(metadata.files) | (frozenset(state.records) if state else frozenset())


def _completion(job: "_Job", one: RepoMetadata) -> Callable[[], RepoMetadata]:
    return lambda: job.complete(one)


def _joined(faults: Sequence[PpcdepsError]) -> PpcdepsError:
    """One error for all that failed; a full disk or a missing tool is told alone, as it explains the rest."""
    for fault in faults:
        if isinstance(fault, EnvironmentLacksError):
            return fault
    if len(faults) == 1:
        return faults[0]
    lines = "\n".join(f"  {fault}" for fault in faults)
    return RepositoryError(f"{len(faults)} repositories could not be read:\n{lines}")


# The recorded state -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _State:
    """What the cache recorded of a repository: the table of contents it last had, and when it was asked."""

    digest: str
    revision: str
    date: int | None
    checked: float
    fetched_from: str
    mirrors: tuple[str, ...]
    validators: net.Validators
    signed: bool
    records: Mapping[str, RepomdRecord]

    @classmethod
    def read(cls, cache: Cache, config: RepoConfig) -> "_State | None":
        raw = cache.read_state(state_key(config))
        if raw is None or raw.get("state") != _STATE:
            return None
        try:
            records = {kind: RepomdRecord(kind, *fields) for kind, fields in raw["records"].items()}
            for record in records.values():
                cache.object_path(record.checksum)
            return cls(
                digest=str(raw["digest"]),
                revision=str(raw["revision"]),
                date=raw["date"],
                checked=float(raw["checked"]),
                fetched_from=str(raw["fetched_from"]),
                mirrors=tuple(raw["mirrors"]),
                validators=net.Validators(*raw["validators"]),
                signed=bool(raw["signed"]),
                records=records,
            )
        except (KeyError, TypeError, ValueError):
            return None

    def write(self, cache: Cache, config: RepoConfig) -> None:
        cache.write_state(
            state_key(config),
            {
                "state": _STATE,
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
        )

    def may_be_used(self, config: RepoConfig, *, refresh: bool, offline: bool) -> bool:
        """Whether the repository need not be asked, or may not."""
        if _local_repomd(config) is not None:
            return self.is_fresh(config)
        if offline:
            return self.signed or not config.repo_gpgcheck
        return not refresh and self.is_fresh(config)

    def is_fresh(self, config: RepoConfig) -> bool:
        """Whether the repository need not be asked. A local one is asked always: it costs one small read."""
        if config.repo_gpgcheck and not self.signed:
            return False
        local = _local_repomd(config)
        if local is not None:
            try:
                return local.stat().st_size <= REPOMD_LIMIT and _sha256(local.read_bytes()) == self.digest
            except OSError:
                return False
        age = time.time() - self.checked
        return age >= 0 and (config.metadata_expire is None or age < config.metadata_expire)


def state_key(config: RepoConfig) -> str:
    """The name of the repository's state: the same for the same id and addresses, whatever else is
    configured.
    """
    addresses = json.dumps([config.id, config.baseurl, config.mirrorlist, config.metalink])
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", config.id)[:60].lstrip(".")
    return f"{readable or 'repository'}-{_sha256(addresses.encode())[:16]}"


def _local_repomd(config: RepoConfig) -> Path | None:
    if not config.baseurl or config.metalink or config.mirrorlist or not net.is_file_url(config.baseurl[0]):
        return None
    return net.path_of(net.join_url(config.baseurl[0], _REPOMD))


def _complete(state: _State, config: RepoConfig, cache: Cache, kinds: Iterable[str]) -> RepoMetadata | None:
    """The state as metadata, or None where a needed object is missing or has lost its size."""
    files = {}
    for kind, record in state.records.items():
        path = cache.find_object(record.checksum, record.size)
        if path is not None:
            files[kind] = MetadataFile(kind, path, record.checksum, record.open_checksum, record.open_size)
    if any(kind in state.records and kind not in files for kind in kinds):
        return None
    return RepoMetadata(config, state.revision, state.date, state.digest, state.fetched_from, files)


# One repository ---------------------------------------------------------------------------------------------


class _Job:
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
        self.net = net.Transport(config, reporter, self.stopping)
        self._told_waiting = False

    def run(self) -> RepoMetadata:
        """Fetch what is missing or old. Raises RepositoryError or EnvironmentLacksError."""
        return self._guarded(self._run)

    def complete(self, metadata: RepoMetadata) -> RepoMetadata:
        """Fetch the files of the wanted kinds that the state of ``metadata`` names."""
        return self._guarded(lambda: self._complete_files(metadata))

    def _guarded(self, work: Callable[[], RepoMetadata]) -> RepoMetadata:
        """Do the work under the repository's lock, and tell what is wrong with the cache as such."""
        try:
            with self.cache.lock(state_key(self.config), stop=self._must_stop_waiting):
                return work()
        except InterruptedError:
            raise
        except OSError as fault:
            reason = fault.strerror or fault
            raise EnvironmentLacksError(
                f"{self.where}: the cache in {self.cache.directory} cannot be used: {reason}",
                hint="mend its permissions, or set PPCDEPS_CACHE to another directory",
            ) from fault
        finally:
            self.net.close()

    def _must_stop_waiting(self) -> bool:
        if not self._told_waiting and time.time() - self.begun > _PATIENCE:
            self._told_waiting = True
            self.reporter.note(f"{self.where}: waiting for another ppcdeps, which is fetching it")
        return self.stopping.is_set()

    def _run(self) -> RepoMetadata:
        state = _State.read(self.cache, self.config)
        if state is not None and self._just_fetched(state):
            done = _complete(state, self.config, self.cache, self.kinds)
            if done is not None:
                return done
        if self.offline and _local_repomd(self.config) is None:
            raise RepositoryError(
                f"{self.where}: not in the cache, and no network may be used (offline)",
                hint="run `ppcdeps sync` where there is network",
            )
        return self._fetch(state)

    def _complete_files(self, metadata: RepoMetadata) -> RepoMetadata:
        repomd, state = self._contents_of(metadata)
        wanted = [repomd.records[k] for k in self.kinds if k in repomd.records and k not in metadata.files]
        mirrors = state.mirrors if state is not None else (metadata.fetched_from,)
        if self.offline and _local_repomd(self.config) is None:
            mirrors = ()
        fetched = {r.kind: self._fetch_file(r, mirrors) for r in wanted}
        files = dict(metadata.files)
        for kind, record in fetched.items():
            path = self.cache.object_path(record.checksum)
            files[kind] = MetadataFile(kind, path, record.checksum, record.open_checksum, record.open_size)
        if state is not None and state.digest == metadata.digest:
            replace(state, records={**state.records, **fetched}).write(self.cache, self.config)
        return replace(metadata, files=files)

    def _contents_of(self, metadata: RepoMetadata) -> tuple[Repomd, _State | None]:
        path = self.cache.find_object(f"sha256:{metadata.digest}")
        if path is None:
            raise RepositoryError(f"{self.where}: its repomd.xml left the cache", hint="run `ppcdeps sync`")
        return parse_repomd(path.read_bytes(), self.where), _State.read(self.cache, self.config)

    def _just_fetched(self, state: _State) -> bool:
        """Whether the state is good enough now: another process may have fetched it while this one waited."""
        if self.refresh and not self.offline and state.checked >= self.begun:
            return True
        return state.may_be_used(self.config, refresh=self.refresh, offline=self.offline)

    def _fetch(self, old: _State | None) -> RepoMetadata:
        try:
            state = self._fetch_state(old)
        except _UnreachableError as fault:
            kept = None
            if old is not None and not self.refresh and (old.signed or not self.config.repo_gpgcheck):
                kept = _complete(old, self.config, self.cache, self.kinds)
            if kept is None or old is None:
                raise
            asked = datetime.fromtimestamp(old.checked, UTC)
            self.reporter.warn(f"{fault.message}; using the copy of {asked:%Y-%m-%d %H:%M} UTC")
            return kept
        state.write(self.cache, self.config)
        done = _complete(state, self.config, self.cache, self.kinds)
        if done is None:
            raise RepositoryError(f"{self.where}: its files left the cache while it was fetched")
        return done

    def _fetch_state(self, old: _State | None) -> _State:
        listed = self._mirrors()
        data, base, validators = self._fetch_repomd(listed, old)
        where = f"{self.where}: {net.shown_url(net.join_url(base, _REPOMD))}"
        if self.config.repo_gpgcheck:
            self._check_signature(data, base, where)
        repomd = parse_repomd(data, where)
        if repomd.weak:
            self.reporter.warn(f"{self.where}: its checksums are SHA-1, which can be forged")
        self.cache.store_object(f"sha256:{repomd.digest}", data)
        mirrors = (base, *(mirror for mirror in listed.mirrors if mirror != base))
        records = dict(repomd.records)
        for kind in self.kinds:
            if kind in records:
                records[kind] = self._fetch_file(records[kind], mirrors)
        if old is not None and old.digest == repomd.digest:
            # Sizes that repomd.xml does not announce were learnt when the file was fetched.
            records = {k: r if r.size is not None else old.records.get(k, r) for k, r in records.items()}
        return _State(
            digest=repomd.digest,
            revision=repomd.revision,
            date=repomd.date,
            checked=time.time(),
            fetched_from=net.shown_url(base),
            mirrors=mirrors,
            validators=validators,
            signed=self.config.repo_gpgcheck,
            records=records,
        )

    # Mirrors and the table of contents

    def _mirrors(self) -> MirrorList:
        config = self.config
        if config.metalink:
            data = self._fetch_list(config.metalink, "metalink")
            where = f"{self.where}: {net.shown_url(config.metalink)}"
            return parse_metalink(data, where, local=net.is_file_url(config.metalink))
        if config.mirrorlist:
            data = self._fetch_list(config.mirrorlist, "mirrorlist")
            where = f"{self.where}: {net.shown_url(config.mirrorlist)}"
            return parse_mirrorlist(data, where, local=net.is_file_url(config.mirrorlist))
        if not config.baseurl:
            raise RepositoryError(f"{self.where}: has no baseurl, mirrorlist or metalink ({config.origin})")
        return MirrorList(config.baseurl)

    def _fetch_list(self, url: str, what: str) -> bytes:
        try:
            answer = net.try_mirrors(
                [url],
                lambda one: self.net.read(one, limit=LIST_LIMIT),
                retries=self.config.retries,
                stopping=self.stopping,
            )
        except net.AllMirrorsFailed as failure:
            raise self._told(failure, f"the {what}") from failure
        return answer.data or b""

    def _fetch_repomd(self, listed: MirrorList, old: _State | None) -> tuple[bytes, str, net.Validators]:
        known: bytes | None = None
        validators = None
        if old is not None:
            path = self.cache.find_object(f"sha256:{old.digest}")
            known = path.read_bytes() if path is not None else None
            if known is not None and _sha256(known) == old.digest:
                validators = old.validators

        def attempt(base: str) -> tuple[bytes, str, net.Validators]:
            url = net.join_url(base, _REPOMD)
            same = validators if validators is not None and validators.url == net.shown_url(url) else None
            asked = net.Validators(url, same.etag, same.last_modified) if same is not None else None
            answer = self.net.read(url, limit=REPOMD_LIMIT, validators=asked)
            data = answer.data if answer.data is not None else known
            assert data is not None
            if not matches(data, listed.accepted):
                raise net.TransportFault(
                    url, "is another state than the metalink vouches for (old, or tampered with)"
                )
            try:
                parse_repomd(data, "")
            except RepositoryError as fault:
                # Another mirror may have a good one.
                raise net.TransportFault(url, fault.message.removeprefix(": ")) from fault
            fresh = answer.validators
            return data, base, net.Validators(net.shown_url(url), fresh.etag, fresh.last_modified)

        try:
            return net.try_mirrors(listed.mirrors, attempt, retries=self.config.retries, stopping=self.stopping)
        except net.AllMirrorsFailed as failure:
            raise self._told(failure, "repomd.xml") from failure

    def _check_signature(self, data: bytes, base: str, where: str) -> None:
        from ppcdeps.base.signature import KEY_LIMIT, verify_signature

        keys = [self._fetch_small(url, "its gpgkey", KEY_LIMIT) for url in self.config.gpgkey]
        signature = self._fetch_small(net.join_url(base, f"{_REPOMD}.asc"), "its signature", KEY_LIMIT)
        verify_signature(data, signature, keys, where)

    def _fetch_small(self, url: str, what: str, limit: int) -> bytes:
        try:
            answer = net.try_mirrors(
                [url],
                lambda one: self.net.read(one, limit=limit),
                retries=self.config.retries,
                stopping=self.stopping,
            )
        except net.AllMirrorsFailed as failure:
            raise self._told(failure, what) from failure
        return answer.data or b""

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
        task = f"{self.config.id}: {record.kind}"
        with self.cache.new_object() as draft:

            def attempt(base: str) -> int:
                draft.restart()
                url = net.join_url(base, record.location)
                size = self.net.save(
                    url,
                    draft.stream,
                    checksum=record.checksum,
                    size=record.size,
                    limit=DEFAULT_LIMIT,
                    task=task,
                )
                draft.stream.flush()
                try:
                    _verify_content(draft.path, record)
                except DamagedError as fault:
                    raise net.TransportFault(url, str(fault)) from fault
                return size

            try:
                size = net.try_mirrors(mirrors, attempt, retries=self.config.retries, stopping=self.stopping)
            except net.AllMirrorsFailed as failure:
                raise self._told(failure, record.kind) from failure
            draft.publish(record.checksum)
        return replace(record, size=size)

    def _told(self, failure: net.AllMirrorsFailed, what: str) -> RepositoryError:
        message = f"{self.where}: {what} could not be fetched: {failure}"
        if failure.unreachable:
            return _UnreachableError(message, hint="check the network, the proxy and the address")
        return RepositoryError(message, hint=self._advice())

    def _advice(self) -> str:
        if self.config.origin:
            return f"check its address in {self.config.origin}, or try again later"
        return "check its address, or try again later"


class _UnreachableError(RepositoryError):
    """Nobody answered: the cached copy is as good as it was."""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _verify_content(path: Path, record: RepomdRecord) -> None:
    """Open the file once, within its announced size. Raises DamagedError.

    What must be XML is looked at up to its root element: a document type, where an XML bomb would lie, comes
    before it.
    """
    root = _ROOTS.get(record.kind)
    prolog = _Prolog() if root is not None else None
    try:
        verify_open(
            path,
            checksum=record.open_checksum,
            size=record.open_size,
            inspect=prolog.feed if prolog is not None else None,
        )
    except UnsafeXmlError as fault:
        raise DamagedError(str(fault)) from fault
    except expat.ExpatError as fault:
        raise DamagedError(f"is not well-formed XML ({fault})") from fault
    if prolog is not None and prolog.root != root:
        raise DamagedError(f"is no {record.kind} metadata: its root is <{prolog.root[:40]}> instead of <{root}>")


class _Prolog:
    """Reads XML up to its root element, and no further."""

    def __init__(self) -> None:
        self.root = ""
        self._parser: expat.XMLParserType | None = expat.ParserCreate(namespace_separator="|")
        self._parser.StartDoctypeDeclHandler = refuse_doctype
        self._parser.StartElementHandler = self._found

    def feed(self, block: bytes) -> None:
        # The block with the root goes on with the document, which libsolv will read: its faults are not told
        # here.
        if self._parser is None:
            return
        try:
            self._parser.Parse(block, False)
        except expat.ExpatError:
            if not self.root:
                raise
        if self.root:
            self._parser = None

    def _found(self, name: str, _attributes: object) -> None:
        if not self.root:
            self.root = name.rpartition("|")[2]


# Many repositories ------------------------------------------------------------------------------------------


def _run_all(
    tasks: Mapping[int, Callable[[], RepoMetadata]], cache: Cache, jobs: Iterable[_Job]
) -> dict[int, RepoMetadata | BaseException]:
    """Run the tasks side by side and collect what each returned or raised.

    The threads are daemons: an interrupted run need not wait for a mirror that hangs. What they were writing
    is removed before the interrupt goes on.
    """
    # Imported here: it brings the logging package, and a warm cache needs no threads.
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    futures: dict[int, Future[RepoMetadata]] = {place: Future() for place in tasks}
    waiting = list(tasks)
    guard = threading.Lock()

    def work() -> None:
        while True:
            with guard:
                if not waiting:
                    return
                place = waiting.pop(0)
            try:
                futures[place].set_result(tasks[place]())
            except BaseException as fault:
                futures[place].set_exception(fault)

    threads = [
        threading.Thread(target=work, name=f"ppcdeps-fetch-{number}", daemon=True)
        for number in range(min(_WORKERS, len(tasks)))
    ]
    try:
        for thread in threads:
            thread.start()
        pending = set(futures.values())
        while pending:
            # Short waits: a thread that waits without limit may take its Ctrl-C late.
            _, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
    except BaseException:
        with guard:
            waiting.clear()
        for job in jobs:
            job.stopping.set()
        cache.abandon()
        raise
    for thread in threads:
        thread.join()
    return {place: future.exception() or future.result() for place, future in futures.items()}


class _Serialised:
    """A reporter for many threads: one message at a time reaches the real one."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._guard = threading.Lock()

    def note(self, message: str) -> None:
        with self._guard:
            self._reporter.note(message)

    def warn(self, message: str) -> None:
        with self._guard:
            self._reporter.warn(message)

    def begin(self, task: str, total: int | None) -> None:
        with self._guard:
            self._reporter.begin(task, total)

    def advance(self, task: str, amount: int) -> None:
        with self._guard:
            self._reporter.advance(task, amount)

    def end(self, task: str) -> None:
        with self._guard:
            self._reporter.end(task)
