"""Running a program under the keeper: what bwrap and proot share."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppcdeps.engines import sandbox_init as keeper
from ppcdeps.engines.cleanup import Claim, Leftovers, remove_tree, started_at
from ppcdeps.engines.emulation import emulation_of, registration
from ppcdeps.engines.engine import KILLED, NOT_FOUND, EngineFailedError, Mount, Output, check_name, one_line
from ppcdeps.engines.job import Buildroot, Ended, Ending, Job, Limits
from ppcdeps.engines.limits import ControlGroup, DiskWatch, MemoryWatch
from ppcdeps.engines.supervise import Watched, supervise

STATUS = "{status}"
"""Stands in a Spec's ``argv`` for the number of the pipe to which a program tells how it fares."""
_TAIL = 2000


@dataclass(frozen=True, slots=True)
class Spec:
    """What the keeper has to make and run.

    ``mode`` is "exec" (become the program, which then keeps its own children) or "wait". Without ``namespaces`` it
    only limits and watches. ``overlay`` has the folders lower, upper, work, merged; ``binds`` are made after it;
    ``processes`` is where the namespace's own /proc is mounted besides.
    """

    argv: tuple[str, ...]
    mode: str
    namespaces: bool = True
    network: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    overlay: dict[str, str] | None = None
    binds: tuple[Mount, ...] = ()
    binfmt: bytes | None = None
    processes: str = ""

    def document(self, limits: Limits, group: ControlGroup | None, status: int) -> dict[str, Any]:
        """It as the keeper reads it."""
        rlimits = {}
        if limits.disk is not None:
            rlimits["FSIZE"] = limits.disk
        if limits.processes is not None and group is None and os.geteuid() != 0:
            rlimits["NPROC"] = limits.processes
        whole = -(-limits.cpus // 1) if limits.cpus is not None and group is None else 0
        return {
            "argv": [str(status) if word == STATUS else word for word in self.argv],
            "mode": self.mode,
            "namespaces": self.namespaces,
            "network": self.network,
            "environment": self.environment,
            "overlay": self.overlay,
            "binds": [(str(one.source), one.place, one.writable) for one in self.binds],
            "binfmt": base64.b64encode(self.binfmt).decode() if self.binfmt else "",
            "processes": self.processes,
            "cgroups": group.entrances if group else [],
            "rlimits": rlimits,
            "cpus": int(whole),
            "status": status,
            "parent": os.getpid(),
        }


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folder of one run: ``upper`` takes what it writes outside its workspace, ``merged`` is its root."""

    folder: Path

    @property
    def upper(self) -> Path:
        """What is written over the root."""
        return self.folder / "upper"

    @property
    def merged(self) -> Path:
        """Where the root with what is written over it is seen, in the namespace only."""
        return self.folder / "root"

    def overlay(self, lower: Path) -> dict[str, str]:
        """The folders of the overlay over ``lower``, made now."""
        work = self.folder / "work"
        for one in (self.upper, work, self.merged):
            one.mkdir()
        # The root's own mode: the upper folder is what / looks like inside.
        self.upper.chmod(0o755)
        return {"lower": str(lower), "upper": str(self.upper), "work": str(work), "merged": str(self.merged)}


@contextlib.contextmanager
def scratch_for(job: Job, home: Path) -> Iterator[tuple[Scratch, Claim]]:
    """The folder and the claim of a run. At the end, however it comes, all that was claimed is removed."""
    check_name(job)
    claim = Leftovers(home).claim(job.name)
    folder = home / "scratch" / job.name
    claim.add("folder", folder)
    try:
        remove_tree(folder)
        folder.mkdir(parents=True, mode=0o700)
    except OSError as fault:
        claim.release()
        raise EngineFailedError(f"cannot make {folder}: {fault.strerror}") from fault
    try:
        yield Scratch(folder), claim
    finally:
        claim.finish()


def private_registration(root: Buildroot) -> bytes | None:
    """What has to be registered in a namespace of the run's own, for this machine to run the root's programs."""
    if os.geteuid() == 0 or emulation_of(root.arch).works:
        return None
    return registration(root.arch)


def run_kept(
    job: Job,
    spec: Spec,
    scratch: Scratch,
    claim: Claim,
    output: Output,
    stop: threading.Event | None,
    *,
    is_missing: Callable[[str], bool],
    code_in: Callable[[str, int], int] = lambda _, code: code,
) -> Ended:
    """Run a program under the keeper, with the job's limits. Returns how it ended.

    ``is_missing`` tells from the end of the output whether the job's command is not there, ``code_in`` what the exit
    code should have been. Raises EngineFailedError where the program could not begin.
    """
    limits = job.limits
    group = ControlGroup.make(job.name, limits, claim)
    reading, writing = os.pipe()
    tail = bytearray()

    def heard(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-_TAIL]
        output(chunk)

    begun = time.monotonic()
    try:
        file = scratch.folder / "spec.json"
        file.write_text(json.dumps(spec.document(limits, group, writing)), "utf-8")
        process = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__, str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            start_new_session=True,
            cwd="/",
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )
        os.close(writing)
        writing = -1
        claim.add("process", f"{process.pid}:{started_at(process.pid)}")
        watched = []
        if limits.memory is not None and group is None:
            watched.append(Watched(MemoryWatch(limits.memory, process.pid), Ending.OUT_OF_MEMORY))
        if limits.disk is not None:
            folders = [scratch.upper if spec.overlay else scratch.merged, job.workspace]
            watched.append(Watched(DiskWatch(limits.disk, folders), Ending.DISK_FULL))

        def kill() -> None:
            # The keeper without namespaces kills the others before it ends; any other takes them with it.
            if spec.namespaces:
                process.kill()
            else:
                process.terminate()

        ending = supervise(process, heard, kill=kill, seconds=limits.seconds, stop=stop, watched=watched)
        if ending is Ending.EXITED and group is not None and group.ran_out_of_memory():
            ending = Ending.OUT_OF_MEMORY
    finally:
        if writing >= 0:
            os.close(writing)
        told = _read_all(reading)
        if group is not None:
            group.close()
    seconds = time.monotonic() - begun
    if ending is not Ending.EXITED:
        return Ended(ending, told.get("exit-code", KILLED) or KILLED, seconds)
    said = tail.decode(errors="replace")
    if "fault" in told:
        raise EngineFailedError(str(told["fault"]))
    code = told.get("exit-code")
    if code is None:
        if process.returncode != 0 and is_missing(said):
            return Ended(ending, NOT_FOUND, seconds)
        if process.returncode < 0:
            # Somebody else killed it.
            return Ended(ending, 128 - process.returncode, seconds)
        raise EngineFailedError(one_line(said))
    if code != 0 and is_missing(said):
        return Ended(ending, NOT_FOUND, seconds)
    return Ended(ending, code_in(said, int(code)), seconds)


def _read_all(pipe: int) -> dict[str, Any]:
    """What the keeper or bwrap told: JSON objects, a line each. Something that got away may hold the pipe open."""
    os.set_blocking(pipe, False)
    whole = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(pipe, 4096):
            whole += chunk
    os.close(pipe)
    told: dict[str, Any] = {}
    for line in whole.splitlines():
        with contextlib.suppress(ValueError):
            told |= json.loads(line)
    return told
