"""The one interface of all engines, and what they share before a run begins."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ppcdeps.base.cache import default_cache_directory, require_own_cache
from ppcdeps.base.named_files import expanded
from ppcdeps.base.owned import make_private, require_own
from ppcdeps.engines.job import Buildroot, Ended, Job
from ppcdeps.model.errors import EnvironmentLacksError

Output = Callable[[bytes], None]
WORKSPACE = "/build"
"""Where a job's workspace is inside."""
KILLED = 137
"""The exit code of what was killed: 128 and SIGKILL."""
NOT_FOUND = 127
"""The exit code where the command is not in the root, as shells have it."""

_BASE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Engine(Protocol):
    """Runs a job in a root file system that it never changes."""

    @property
    def name(self) -> str:
        """podman, docker or bwrap."""

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        """Run the job to its end, and return how it ended. In every case, nothing of it is left on the machine.

        ``output`` is given standard output and standard error as they come, from this thread. ``stop`` ends the run
        soon after it is set. Raises EngineFailedError where the engine could not start the job at all.
        """


class EngineFailedError(EnvironmentLacksError):
    """An engine could not run a job: not the job's fault. The message has what the engine said in one line."""


def engines_home(directory: Path | None = None) -> Path:
    """The folder where engines keep what they need and what sweep reads.

    $PPCDEPS_ENGINES names it, else it is in the cache ``directory`` or the user's. Raises EnvironmentLacksError where
    others can write in it, or the one of the variable cannot be made.
    """
    named = os.environ.get("PPCDEPS_ENGINES")
    if named:
        place, hint = expanded(named).absolute(), "set PPCDEPS_ENGINES to another folder"
        try:
            make_private(place)
        except OSError as fault:
            raise EnvironmentLacksError(f"cannot make {place}: {fault.strerror}", hint=hint) from fault
        require_own(place, "the folder", hint)
        return place
    place = expanded(directory or default_cache_directory())
    # What sweep reads there is run.
    require_own_cache(place)
    return place / "engines"


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine and its place inside."""

    source: Path
    place: str
    writable: bool = False


def mounts_of(root: Buildroot, job: Job) -> Iterator[Mount]:
    """All that has to be seen inside beside the root, outer places first, so that one may lie within another."""
    read_only = {**root.tools, **job.inputs}
    found = [Mount(source.resolve(), place) for place, source in read_only.items()]
    found.append(Mount(job.workspace.resolve(), WORKSPACE, writable=True))
    for mount in sorted(found, key=lambda mount: mount.place):
        if not mount.source.exists():
            raise EngineFailedError(f"{mount.source}, to be seen as {mount.place} in the root, does not exist")
        yield mount


def own_folder(root: Buildroot) -> Path:
    """The folder of a root that this user can run in a namespace of its own.

    Only this user's number means something there: an overlay cannot copy up what has another owner, not even /tmp.
    """
    path = root.path.resolve()
    if os.geteuid() not in {0, path.stat().st_uid}:
        raise EngineFailedError(f"the root {path} belongs to another user: create the buildroot as this one")
    return path


def environment_of(root: Buildroot, job: Job) -> dict[str, str]:
    """All that is set inside: nothing of this machine's environment."""
    return {**_BASE, **root.environment, **job.environment}


def check_name(job: Job) -> None:
    """Raise EngineFailedError where the job's name does not fit all engines."""
    if not _NAME.fullmatch(job.name):
        raise EngineFailedError(f'"{job.name}" cannot name a run: letters, digits and _.- only, 63 at most')
    if not job.command:
        raise EngineFailedError(f"the run {job.name} has no command")


def one_line(output: str | bytes, limit: int = 300) -> str:
    """The last line of a program's output that is not blank."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    last = re.sub(r"\b[0-9a-f]{64}\b", lambda found: found[0][:12], lines[-1])
    # What went wrong is at the end of a long chain of causes.
    return last if len(last) <= limit else f"... {last[-limit:]}"
