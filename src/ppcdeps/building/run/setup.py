"""What all builds of a run have in common: engine, buildroots, sources, store, limits."""

from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.run.failures import FailurePattern
from ppcdeps.building.run.resolver import PackageResolver
from ppcdeps.building.run.sources import TaskSources
from ppcdeps.building.run.store import Store
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.engine import Engine
from ppcdeps.engines.job import NO_LIMITS, Buildroot, Limits


@dataclass(frozen=True, slots=True)
class ProvisionedRoot:
    """A buildroot, and what finds the packages to install in it."""

    root: Buildroot
    resolver: PackageResolver


@dataclass(frozen=True, slots=True)
class BuildSetup:
    """The setup of one run.

    Builds run in ``build_root`` and their smoke tests in ``test_root``: another one where the first cross-compiles,
    None where no program of the target runs on this machine. ``work`` is the folder of the run: its logs/ stay, and
    ``scratch``, where builds work, does not. ``parallel`` is how many processes one build starts.
    """

    engine: Engine
    build_root: ProvisionedRoot
    test_root: ProvisionedRoot | None
    sources: TaskSources
    store: Store
    cache: Cache
    work: Path
    scratch: Path
    patterns: tuple[FailurePattern, ...]
    limits: Limits = NO_LIMITS
    parallel: int = 1
    check: bool = True
    """Whether %check is run."""

    def log_of(self, task: Task) -> Path:
        """The file that the output of a build goes to."""
        return log_of(self.work, task)

    def scratch_of(self, task: Task) -> Path:
        """The folder that a build works in, which is removed after it."""
        return self.scratch / plain(task.name)


def log_of(work: Path, task: Task) -> Path:
    """The file that the output of a build goes to, in the folder of a run."""
    return work / "logs" / f"{plain(task.name)}.log"


def plain(name: str) -> str:
    """A name as a file name, and as container engines accept it."""
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in name).strip("-.")
