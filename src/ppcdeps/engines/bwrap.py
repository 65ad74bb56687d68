"""bubblewrap: a container without a daemon, as root or as any other user."""

import os
import shutil
import threading
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from ppcdeps.engines.emulation import emulation_of, registration
from ppcdeps.engines.engine import EngineFailedError, Output, environment_of, mounts_of, own_folder
from ppcdeps.engines.job import Buildroot, Ended, Job
from ppcdeps.engines.sandbox import STATUS, Setup, rlimits_of, run_job, scratch_for

_CAPABILITIES = (
    # What podman leaves to a container.
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)


@dataclass(frozen=True, slots=True)
class Bwrap:
    """Runs a job by bwrap. ``home`` is the engines' home."""

    home: Path
    name: str = "bwrap"

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        """See ``Engine``."""
        program = shutil.which("bwrap")
        if program is None:
            raise EngineFailedError("there is no program bwrap")
        mounts = tuple(mounts_of(root, job))
        with scratch_for(job, self.home) as (scratch, claim):
            overlay = scratch.overlay(own_folder(root))
            argv = [program, "--json-status-fd", STATUS, "--die-with-parent", "--new-session"]
            argv += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "ppcdeps"]
            argv += [] if job.network else ["--unshare-net"]
            argv += ["--bind", overlay["merged"], "/", "--proc", "/proc", "--dev", "/dev", "--dir", "/tmp"]  # noqa: S108
            # bwrap covers what it finds writable by mode, and overlooks what root may write all the same.
            argv += ["--ro-bind", "/proc/sys", "/proc/sys", "--dir", "/root"]
            for mount in mounts:
                argv += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.place]
            if job.network:
                argv += ["--ro-bind-try", str(Path("/etc/resolv.conf").resolve()), "/etc/resolv.conf"]
            argv += ["--cap-drop", "ALL"]
            for capability in _CAPABILITIES:
                argv += ["--cap-add", f"CAP_{capability}"]
            argv += ["--chdir", job.folder, "--", *job.command]
            setup = Setup(
                tuple(argv),
                environment=environment_of(root, job),
                overlay=overlay,
                binfmt=_private_registration(root.arch),
                rlimits=rlimits_of(job.limits),
                cpus=ceil(job.limits.cpus or 0),
            )
            return run_job(job, setup, scratch, claim, output, stop, is_missing=_is_missing)


def _private_registration(arch: str) -> bytes:
    """What has to be registered in a namespace of the run's own, for this machine to run programs of ``arch``."""
    if os.geteuid() == 0 or emulation_of(arch).works:
        return b""
    return registration(arch) or b""


def _is_missing(text: str) -> bool:
    lines = text.strip().splitlines()
    return bool(lines) and lines[-1].startswith("bwrap: execvp ")
