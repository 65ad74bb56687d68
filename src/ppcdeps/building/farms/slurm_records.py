"""The records of a build run on Slurm, in the shared folder: which jobs were submitted, and how they went.

A run is the builds of one plan, submitted from one folder. Its records are files that are appended to or put in
place by a rename, which every shared file system does.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ppcdeps.base.atomic import write_file
from ppcdeps.base.cache import Cache
from ppcdeps.base.jsonvalues import value_from
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.untrusted import read_beneath
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.run.build_run import PlannedBuilds
from ppcdeps.building.run.events import BuildOutcome
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.building.run.setup import plain
from ppcdeps.building.run.store import Store, StoredBuild
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.documents import parse_json
from ppcdeps.model.plan import Plan

FOLDER = "slurm"
RECORD = "jobs.jsonl"
SCRIPT = "job.sh"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class StepResult:
    """How the build of one task went on a node.

    ``job`` is the id of the job, ``key`` the build's in the store where there are packages. ``started`` and
    ``finished`` are seconds since 1970 by the node's clock, ``memory`` the peak in bytes.
    """

    task: str
    job: str
    outcome: BuildOutcome
    node: str
    started: float
    finished: float
    key: str | None = None
    mode: str = ""
    buildroot: str = ""
    memory: int | None = None
    cause: FailureCause | None = None
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A job as it was submitted.

    ``inputs`` is the digest of all that decides on the build, ``settings`` of the options by which it is run: what
    the job may take, and its engine. Both are empty of a job that an older ppcdeps submitted. ``submitted`` is in
    seconds since 1970.
    """

    id: str
    inputs: str
    settings: str
    submitted: float


@dataclass(slots=True)
class RunRecords:
    """The records of one run in its folder.

    ``jobs`` are those that were submitted by task, the last of each.
    """

    folder: Path
    id: str = ""
    jobs: dict[str, SubmittedJob] = field(default_factory=dict)
    is_finished: bool = True
    plan: Path = Path()
    """The file that it builds."""

    @classmethod
    def of(cls, work: Path, digest: str) -> "RunRecords":
        """Those of the plan with this digest in the work folder, as far as it was recorded."""
        return cls._read(work / FOLDER / digest[:16])

    @classmethod
    def others(cls, work: Path, digest: str) -> Iterator["RunRecords"]:
        """Those of other plans in the work folder that are not finished."""
        for folder in sorted((work / FOLDER).glob("*/")):
            found = cls._read(folder)
            if folder.name != digest[:16] and not found.is_finished:
                yield found

    @classmethod
    def _read(cls, folder: Path) -> "RunRecords":
        records = cls(folder)
        try:
            lines = read_beneath(folder, RECORD, CEILINGS.document_size).decode().splitlines()
        except (OSError, UnicodeDecodeError):
            return records
        for line in lines:
            try:
                said = parse_json(line.encode())
                if "run" in said and said["schema"] == _SCHEMA:
                    records.id, records.is_finished = str(said["run"]), False
                    records.plan = Path(str(said["plan"]))
                elif "job" in said:
                    digests = str(said.get("inputs", "")), str(said.get("settings", ""))
                    records.jobs[str(said["task"])] = SubmittedJob(
                        str(said["job"]), *digests, float(said["submitted"])
                    )
                elif "finished" in said:
                    records.is_finished = True
            except (ValueError, KeyError, TypeError):
                # The last line of a submitter that was killed.
                continue
        return records

    @property
    def output(self) -> Path:
        """The folder of what the jobs say besides the logs of their builds."""
        return self.folder / "output"

    def begin(self, plan: Path) -> None:
        """Begin to build the plan in this file anew: what an earlier run of the same plan left is removed."""
        remove_tree(self.folder)
        self.folder.mkdir(mode=0o700, parents=True)
        for name in ("results", "output"):
            (self.folder / name).mkdir(mode=0o700)
        self.id, self.is_finished = uuid.uuid4().hex, False
        self.jobs, self.plan = {}, plan.absolute()
        self._append({"run": self.id, "plan": str(self.plan), "schema": _SCHEMA})

    def submit(self, task: str, job: SubmittedJob) -> None:
        """Record that a job was submitted."""
        self.jobs[task] = job
        digests = {"inputs": job.inputs, "settings": job.settings}
        self._append({"task": task, "job": job.id, **digests, "submitted": job.submitted})

    def finish(self, when: float) -> None:
        """Record that it is over."""
        self._append({"finished": when})
        self.is_finished = True

    def put(self, result: StepResult) -> None:
        """Put the result of a task in place."""
        document = json.dumps(asdict(result), sort_keys=True)
        write_file(self.folder / _result(result.task), document)

    def forget(self, task: str) -> None:
        """Remove the result of an earlier job of a task, which the jobs of what needs it are not to find."""
        (self.folder / _result(task)).unlink(missing_ok=True)

    def names(self) -> frozenset[str]:
        """The names of the results that are there."""
        # Listing a folder makes a network file system look at it anew.
        return frozenset(path.name for path in (self.folder / "results").iterdir())

    def result(self, task: str) -> StepResult | None:
        """The result of a task; None where there is none that can be read."""
        try:
            document = read_beneath(self.folder, _result(task), CEILINGS.document_size)
            return value_from(StepResult, parse_json(document))
        except (OSError, ValueError):
            return None

    def _append(self, said: Mapping[str, object]) -> None:
        line = json.dumps(said).encode() + b"\n"
        # In front of it as well, to end a line that a killed submitter left half written.
        handle = os.open(self.folder / RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, b"\n" + line)
        finally:
            os.close(handle)


def _result(task: str) -> str:
    """The file of a task's result in the folder of a run."""
    return f"results/{plain(task)}.json"


def visible_key(run: str) -> str:
    """The key under which the cache remembers a run: a node that does not see it has another cache."""
    return f"slurm run {run}"


@dataclass(frozen=True, slots=True)
class KnownBuilds:
    """Builds by all that can be known of them without a node: their rendered sources, and what they need.

    What is found was built in a buildroot that is in the cache as it was, from the same metadata. ``lock`` is the
    digest of the lock that they are built from, None for builds without one.
    """

    cache: Cache
    store: Store
    plan: Plan
    options: BuildOptions
    lock: str | None = None

    @classmethod
    def of(cls, builds: PlannedBuilds) -> "KnownBuilds":
        """Those of a plan."""
        basis = builds.basis
        lock = basis.locked.digest if basis.locked is not None else None
        return cls(basis.cache, builds.store, builds.plan, builds.options, lock)

    def inputs(self, material: str, before: Sequence[str]) -> str:
        """The digest of a build's inputs: rendered sources, and what says which the builds ``before`` it are."""
        options = self.options
        known = {
            "material": material,
            "before": list(before),
            "target": self.plan.target,
            "metadata": {one.id: one.digest for one in self.plan.repositories if one.enabled},
            "buildroot": [options.buildroot, options.mode, list(map(str, options.buildroot_folders))],
            "check": options.check,
            "lock": self.lock,
        }
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()

    def find(self, material: str, before: Sequence[StoredBuild], roots: Mapping[str, str]) -> StoredBuild | None:
        """The build of rendered sources with this digest, where ``roots`` has its buildroot (folder and key)."""
        known = self.cache.recall(self._key(material, before))
        if not isinstance(known, dict) or roots.get(str(known.get("folder"))) != known.get("root"):
            return None
        key = known.get("key")
        return self.store.find(key) if isinstance(key, str) else None

    def add(self, material: str, before: Sequence[StoredBuild], stored: StoredBuild, root: Buildroot) -> None:
        """Remember a build that was made in a buildroot."""
        if root.mode is not BuildMode.ACCELERATED:  # the compiler of the node's own is part of that
            value = {"key": stored.key, "folder": root.path.parent.name, "root": root.key}
            self.cache.remember(self._key(material, before), value)

    def roots(self) -> dict[str, str]:
        """The keys of the buildroots in the cache by their folders."""
        return {one.folder.name: one.key for one in Buildroots(self.cache).created()}

    def _key(self, material: str, before: Sequence[StoredBuild]) -> str:
        return f"slurm build {self.inputs(material, [one.key for one in before])}"


@dataclass(frozen=True, slots=True)
class MemoryPeaks:
    """The most memory in bytes that the builds of a target took as jobs, as the cache remembers it."""

    cache: Cache
    target: str

    def of(self, task: str) -> int | None:
        """That of a task; None where it is not known."""
        known = self.cache.recall(self._key(task))
        return known if isinstance(known, int) and known > 0 else None

    def add(self, task: str, memory: int) -> None:
        """Remember what a build took."""
        if memory > (self.of(task) or 0):
            self.cache.remember(self._key(task), memory)

    def forget(self, task: str) -> None:
        """Forget it: it was not enough."""
        self.cache.remember(self._key(task), None)

    def _key(self, task: str) -> str:
        return f"slurm memory {self.target} {task}"
