"""Starting a program in a sandbox of this machine's kernel, which sandbox_init makes: jobs of bwrap, and specs."""

import contextlib
import json
import marshal
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from ppcdeps.base.removal import remove_tree
from ppcdeps.engines import sandbox_init
from ppcdeps.engines.cleanup import Claim, RunRegister, started_at
from ppcdeps.engines.engine import KILLED, NOT_FOUND, EngineFailedError, Output, check_name, one_line
from ppcdeps.engines.job import Ended, Ending, Job, Limits
from ppcdeps.engines.supervise import DiskWatch, ProcessWatch, Watch, supervise

STATUS = "{status}"
"""Stands in a Setup's ``argv`` for the number of the pipe to which a program says how it fares."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What sandbox_init has to make, and the program that it then becomes.

    Either ``overlay`` (the folders lower, upper, work, merged) is mounted, for a program that takes it as its root;
    or only the files and folders ``visible`` can be read, by absolute paths without links or dots; or, without both,
    the program makes its own root. ``filter`` is a filter of system calls that lets pass an ``execve`` (its number)
    with ``key`` as sixth argument.
    """

    argv: tuple[str, ...]
    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    overlay: Mapping[str, str] | None = None
    binfmt: bytes = b""
    visible: tuple[str, ...] = ()
    rlimits: Mapping[str, int] = field(default_factory=dict)
    cpus: int = 0
    filter: bytes = b""
    execve: int = 0
    key: int = 0

    def dump(self, status: int) -> bytes:
        """The setup as sandbox_init reads it."""
        document = {
            **asdict(self),
            "argv": [str(status) if word == STATUS else word for word in self.argv],
            "rlimits": {"CORE": 0, **self.rlimits},
            "rootless": os.geteuid() != 0,
            "parent": os.getpid(),
            "status": status,
        }
        return marshal.dumps(document)


class SandboxProcess:
    """A program that runs in a sandbox, and what it reports by its status pipe."""

    def __init__(self, setup: Setup, stdout: int | IO[bytes], stderr: int | IO[bytes]) -> None:
        self._reading, writing = os.pipe()
        try:
            # In memory: it may be longer than a pipe takes, and need not be seen on the disk.
            with os.fdopen(os.memfd_create("setup"), "w+b") as stdin:
                stdin.write(setup.dump(writing))
                stdin.seek(0)
                self.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", sandbox_init.__file__],
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(writing,),
                    start_new_session=True,
                    cwd="/",
                    env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                )
        finally:
            os.close(writing)

    def report(self) -> dict[str, Any]:
        """What was reported until now: JSON objects, a line each. To be called once, at the end.

        What escaped may hold the pipe open, so its end is not awaited.
        """
        os.set_blocking(self._reading, False)
        whole = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._reading, 4096):
                whole += chunk
        os.close(self._reading)
        found: dict[str, Any] = {}
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                found |= json.loads(line)
        return found


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folder of one run: ``upper`` takes what it writes outside its workspace, ``merged`` is its root."""

    folder: Path

    @property
    def upper(self) -> Path:
        """What is written over the root."""
        return self.folder / "upper"

    def overlay(self, lower: Path) -> dict[str, str]:
        """The folders of the overlay over ``lower``, made now. It is seen at ``merged``, in the namespace only."""
        work, merged = self.folder / "work", self.folder / "root"
        for one in (self.upper, work, merged):
            one.mkdir()
        # The root's own mode: the upper folder is what / looks like inside.
        self.upper.chmod(0o755)
        return {"lower": str(lower), "upper": str(self.upper), "work": str(work), "merged": str(merged)}


@contextlib.contextmanager
def scratch_for(job: Job, home: Path) -> Iterator[tuple[Scratch, Claim]]:
    """The folder and the claim of a run. At the end, in every case, all that was claimed is removed."""
    check_name(job)
    claim = RunRegister(home).claim(job.name)
    folder = home / "scratch" / job.name
    claim.add("folder", folder)
    try:
        remove_tree(folder, unmount=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
    except OSError as fault:
        claim.release()
        raise EngineFailedError(f"cannot make {folder}: {fault.strerror}") from fault
    try:
        yield Scratch(folder), claim
    finally:
        claim.finish()


def rlimits_of(limits: Limits) -> dict[str, int]:
    """The limits that the kernel keeps for each process or user, as setrlimit(2) names them."""
    found = {}
    if limits.disk is not None:
        found["FSIZE"] = limits.disk
    if limits.processes is not None and os.geteuid() != 0:
        # Root of the machine is free of it.
        found["NPROC"] = limits.processes
    return found


def run_job(
    job: Job,
    setup: Setup,
    scratch: Scratch,
    claim: Claim,
    output: Output,
    stop: threading.Event | None,
    *,
    is_missing: Callable[[str], bool],
) -> Ended:
    """Run a job by a program in a sandbox with an overlay, which reports the job's exit code. Returns how it ended.

    ``is_missing`` says from the end of the output whether the job's command is not there. Raises EngineFailedError
    where the program could not begin.
    """
    limits = job.limits
    sandbox = SandboxProcess(setup, subprocess.PIPE, subprocess.STDOUT)
    process = sandbox.process
    try:
        claim.add("process", f"{process.pid}:{started_at(process.pid)}")
        watches: list[Watch] = [ProcessWatch(limits, process.pid)]
        if limits.disk is not None:
            watches.append(DiskWatch(limits.disk, (scratch.upper, job.workspace)))
        # With the program, the kernel kills all that is in its process namespace.
        done = supervise(process, output, kill=process.kill, seconds=limits.seconds, stop=stop, watches=watches)
    finally:
        report = sandbox.report()
    if done.ending is not Ending.EXITED:
        return Ended(done.ending, report.get("exit-code", KILLED) or KILLED, done.seconds)
    if "fault" in report:
        raise EngineFailedError(str(report["fault"]))
    code = report.get("exit-code")
    if (code or process.returncode) != 0 and is_missing(done.tail):
        return Ended(done.ending, NOT_FOUND, done.seconds)
    if code is None and process.returncode < 0:
        # Something else on this machine killed it.
        code = 128 - process.returncode
    if code is None:
        raise EngineFailedError(one_line(done.tail))
    return Ended(done.ending, int(code), done.seconds)
