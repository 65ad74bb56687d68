"""What engines and buildroots have in common: a root file system, what is to run in it, and how that ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class BuildMode(StrEnum):
    """How code for the target is made on this machine."""

    NATIVE = "native"
    """The machine is of the target's architecture."""
    EMULATED = "emulated"
    """Every program of the root runs under qemu-user."""
    ACCELERATED = "accelerated"
    """Emulated, but the compiler is the machine's own cross compiler."""
    CROSS = "cross"
    """The root is of the machine's architecture and compiles for the target's."""


@dataclass(frozen=True, slots=True)
class Buildroot:
    """A root file system, whole and never changed by what runs in it.

    ``path`` is its top folder. ``arch`` is that of its programs, ``target`` the one that it builds for: they
    differ where it cross-compiles. ``key`` names everything that it is made from. ``tools`` are folders of this
    machine that have to be seen in it, read-only, by their place inside: the accelerated mode's compiler.
    """

    name: str
    mode: BuildMode
    path: Path
    arch: str
    target: str
    key: str
    tools: Mapping[str, Path] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    """What has to be set for programs in it, such as PATH."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; None is no limit.

    ``seconds`` of the clock, ``memory`` and ``disk`` in bytes (``disk``: what it may write in all), ``cpus`` as a
    share of cores (1.5), ``processes`` at a time.
    """

    seconds: float | None = None
    memory: int | None = None
    disk: int | None = None
    cpus: float | None = None
    processes: int | None = 4096


NO_LIMITS = Limits()
"""What a program of the machine itself may use, but for the number of processes."""


@dataclass(frozen=True, slots=True)
class Job:
    """A program to run in a buildroot as its root user, without network unless ``network``.

    ``workspace`` is a folder of this machine that is /build inside, and the one place where changes stay: whatever
    else it writes is removed with the run. ``inputs`` are files and folders to be seen read-only, by their place
    inside. ``name`` is the engine's name for the run, unique on this machine.
    """

    name: str
    command: tuple[str, ...]
    workspace: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/build"
    network: bool = False
    limits: Limits = NO_LIMITS


class Ending(StrEnum):
    """Why a run is over."""

    EXITED = "exited"
    """By itself, well or not."""
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    """It or a program of it was killed at ``Limits.memory``, or because the machine had no more."""
    DISK_FULL = "disk-full"
    """It wrote ``Limits.disk``, and was ended. Where the machine's disk is full, it sees ENOSPC and exits itself."""
    TOO_MANY_PROCESSES = "too-many-processes"
    """It had more than ``Limits.processes``, and was ended, under an engine that cannot refuse it the next one."""
    STOPPED = "stopped"
    """ppcdeps was asked to stop it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. ``code`` is the program's exit code, 128 and the number for a signal."""

    ending: Ending
    code: int
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether it ran to its end and says that all is well."""
        return self.ending is Ending.EXITED and self.code == 0
