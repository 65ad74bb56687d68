"""PRoot: another root folder by ptrace, where the machine allows no container. Slow, and no wall against malice.

Where the machine lets this user make namespaces, the run has an overlay, no network and processes of its own, as with
bwrap. Where it does not, the run works on a copy of the root, a filter refuses it the network, and the keeper finds
its processes.
"""

import functools
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.engines.emulation import machine_arch, static_qemu
from ppcdeps.engines.engine import EngineFailedError, Mount, Output, environment_of, mounts_of
from ppcdeps.engines.job import Buildroot, Ended, Job
from ppcdeps.engines.ownroot import copy_tree, own_root
from ppcdeps.engines.sandbox import Scratch, Spec, run_kept, scratch_for

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")


@dataclass(frozen=True, slots=True)
class Proot:
    """Runs a job by proot. ``namespaces`` says whether to use them; None: where this user may."""

    home: Path
    namespaces: bool | None = None
    name: str = "proot"

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        """See ``Engine``."""
        program = shutil.which("proot")
        if program is None:
            raise EngineFailedError("there is no program proot")
        namespaces = may_make_namespaces() if self.namespaces is None else self.namespaces
        if not namespaces and os.geteuid() == 0:
            raise EngineFailedError("without namespaces, root in a build would be root of this machine")
        mounts = tuple(mounts_of(root, job))
        with scratch_for(job, self.home) as (scratch, claim):
            overlay = scratch.overlay(own_root(root, self.home)) if namespaces else None
            if not namespaces:
                copy_tree(root.path.resolve(), scratch.merged)
                mounts = tuple(_copies(mounts, scratch))
            argv = [program, "-0", *_kill_on_exit(program), "-r", str(scratch.merged), "-w", job.folder]
            if root.arch != machine_arch():
                # It loads programs itself: what is registered with the kernel does not count.
                argv += ["-q", _qemu_for(root.arch)]
            binds = tuple(_binds(mounts, scratch))
            if namespaces:
                binds = tuple(Mount(one.source, f"{scratch.merged}{one.place}", one.writable) for one in binds)
            else:
                bound = (Mount(Path("/proc"), "/proc"), *binds)
                argv += [word for one in bound for word in ("-b", f"{one.source}:{one.place}")]
            spec = Spec(
                (*argv, *job.command),
                "wait",
                namespaces=namespaces,
                network=job.network,
                environment=environment_of(root, job),
                overlay=overlay,
                binds=binds if namespaces else (),
                processes=f"{scratch.merged}/proc",
            )
            return run_kept(job, spec, scratch, claim, output, stop, is_missing=_is_missing, code_in=_code_in)


def may_make_namespaces() -> bool:
    """Whether this user may make the namespaces that the keeper makes: tried, in a process of its own."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    trial = ["mount", "-t", "proc", "proc", "/proc"]
    done = subprocess.run(
        [unshare, *user, "--mount", "--pid", "--net", "--fork", *trial], capture_output=True, timeout=20
    )
    return done.returncode == 0


@functools.cache
def _kill_on_exit(program: str) -> tuple[str, ...]:
    """The option that lets a run end with its first process; older proots wait for the last one."""
    said = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20).stdout
    return ("--kill-on-exit",) if "--kill-on-exit" in said else ()


def _binds(mounts: Sequence[Mount], scratch: Scratch) -> Iterator[Mount]:
    """What is to be seen inside, by its place there: devices first."""
    memory = scratch.folder / "shm"
    memory.mkdir(exist_ok=True)
    memory.chmod(0o1777)
    yield Mount(memory, "/dev/shm", writable=True)  # noqa: S108
    for device in _DEVICES:
        if Path("/dev", device).exists():
            yield Mount(Path("/dev", device), f"/dev/{device}", writable=True)
    yield from mounts


def _copies(mounts: Sequence[Mount], scratch: Scratch) -> Iterator[Mount]:
    """The mounts, with a copy for each that is read-only, since proot has no such binding."""
    for number, mount in enumerate(mounts):
        if mount.writable:
            yield mount
        else:
            copy = scratch.folder / "inputs" / str(number)
            copy_tree(mount.source, copy)
            yield Mount(copy, mount.place)


def _qemu_for(arch: str) -> str:
    found = static_qemu(arch)
    if found is None:
        raise EngineFailedError(f"there is no qemu-{arch}-static")
    return str(found)


def _code_in(said: str, code: int) -> int:
    """Proot ends with 255 where its program was killed, and says by which signal."""
    if code == 255 and (killed := re.search(r"proot info: pid \d+: terminated with signal (\d+)\s*$", said)):
        return 128 + int(killed[1])
    return code


def _is_missing(said: str) -> bool:
    return "proot error: '" in said and "not found" in said
