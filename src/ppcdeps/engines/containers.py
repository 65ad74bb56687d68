"""What podman and docker share: a container is made with its limits, watched, inspected at its end, and removed."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.engines.cleanup import Claim, RunResource, remove, started_at
from ppcdeps.engines.engine import (
    KILLED,
    NOT_FOUND,
    EngineFailedError,
    Mount,
    Output,
    environment_of,
    one_line,
)
from ppcdeps.engines.job import Buildroot, Ended, Ending, Job
from ppcdeps.engines.sandbox import Scratch
from ppcdeps.engines.supervise import Watch, supervise

_STATE = "{{.State.Status}}|{{.State.ExitCode}}|{{.State.OOMKilled}}|{{.State.Error}}"
_PATIENCE = 60.0
_NEVER_RAN = frozenset({"created", "configured", "initialized", "unknown"})


@dataclass(frozen=True, slots=True)
class Cli:
    """A container program and the options that come before its subcommand: ``podman --root DIR``."""

    command: tuple[str, ...]

    def run(
        self,
        *arguments: str,
        seconds: float = _PATIENCE,
        check: bool = True,
        stdin: int = subprocess.DEVNULL,
        temporary: Path | None = None,
    ) -> str:
        """Run a subcommand to its end. Returns its output; with ``check``, raises EngineFailedError where it fails.

        It runs in a session of its own: a Ctrl-C on the terminal ends ppcdeps, not the clean-up. ``temporary`` is
        the folder for its temporary files.
        """
        done = self._run(arguments, seconds, stdin, temporary)
        if check and done.returncode != 0:
            raise EngineFailedError(one_line(done.stderr or done.stdout))
        return done.stdout.strip()

    def succeeds(self, *arguments: str) -> bool:
        """Whether a subcommand ends with 0."""
        return self._run(arguments, _PATIENCE, subprocess.DEVNULL).returncode == 0

    def _run(
        self, arguments: Sequence[str], seconds: float, stdin: int, temporary: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [*self.command, *arguments],
                stdin=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                start_new_session=True,
                env=None if temporary is None else os.environ | {"TMPDIR": str(temporary)},
            )
        except subprocess.TimeoutExpired as fault:
            raise EngineFailedError(f"{self.name} {arguments[0]} did not answer in {seconds:.0f} s") from fault
        except OSError as fault:
            raise EngineFailedError(f"there is no program {self.command[0]}") from fault

    @property
    def name(self) -> str:
        """Podman or docker."""
        return Path(self.command[0]).name


class LayerWatch:
    """What a container wrote over its image, as its program counts it."""

    every = 1.0

    def __init__(self, limit: int, cli: Cli, container: str) -> None:
        self._limit = limit
        self._cli = cli
        self._container = container

    def reached(self) -> Ending | None:
        """``DISK_FULL`` or nothing."""
        query = ("container", "inspect", "--size", "--format", "{{.SizeRw}}", self._container)
        begun = time.monotonic()
        size = self._cli.run(*query, check=False)
        self.every = max(1.0, 10 * (time.monotonic() - begun))
        return Ending.DISK_FULL if size.isdigit() and int(size) >= self._limit else None


def container_options(root: Buildroot, job: Job, mounts: Iterable[Mount], flags: Sequence[str] = ()) -> list[str]:
    """The options that podman and docker have in common, limits included. ``flags`` are those of every mount."""
    options = ["--init", "--name", job.name, "--hostname", "ppcdeps", "--pull=never", "--log-driver=none"]
    options += ["--network=host" if job.network else "--network=none", "-w", job.folder]
    for variable, value in environment_of(root, job).items():
        options += ["-e", f"{variable}={value}"]
    for mount in mounts:
        if ":" in f"{mount.source}{mount.place}":
            raise EngineFailedError(f'"{mount.source}" cannot be mounted: its name has a colon in it')
        words = ",".join((*(() if mount.writable else ("ro",)), *flags))
        options += ["-v", f"{mount.source}:{mount.place}{words and ':'}{words}"]
    limits = job.limits
    if limits.memory is not None:
        options += ["--memory", str(limits.memory), "--memory-swap", str(limits.memory)]
    if limits.processes is not None:
        options += ["--pids-limit", str(limits.processes)]
    if limits.cpus is not None:
        options += ["--cpus", f"{limits.cpus:g}"]
    if limits.disk is not None:
        # What is written in all is watched; no single file gets past the limit between two looks.
        options += ["--ulimit", f"fsize={limits.disk}:{limits.disk}", "--ulimit", "core=0:0"]
    return options


def in_one_stream(root: Buildroot, command: Sequence[str]) -> list[str]:
    """The command with standard error in standard output: over two pipes, the order of what is said is lost."""
    if any(os.path.lexists(root.path / place / "sh") for place in ("bin", "usr/bin")):
        return ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *command]
    return list(command)


def attend(
    cli: Cli,
    arguments: Sequence[str],
    job: Job,
    output: Output,
    stop: threading.Event | None,
    scratch: Scratch,
    claim: Claim,
    *,
    watches: Sequence[Watch] = (),
    before_removal: Callable[[], None] = lambda: None,
) -> Ended:
    """Run a subcommand that stays with the container ``job.name`` (run, start -a). Returns how the container ended.

    ``before_removal`` is called where it ran to its end. Raises EngineFailedError where it never began.
    """
    container = RunResource("container", job.name, cli.command)
    try:
        process = subprocess.Popen(
            [*cli.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Before podman 4.4, conmon writes the file "oom" where podman was started, and podman misses it.
            cwd=scratch.folder,
        )
    except OSError as fault:
        raise EngineFailedError(f"there is no program {cli.command[0]}") from fault
    claim.add("process", f"{process.pid}:{started_at(process.pid)}")

    def kill() -> None:
        # The container first: killing the client leaves it running.
        # What cannot be removed now is tried again at the end of the run, and stays recorded.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            remove(container)
        process.kill()

    done = supervise(process, output, kill=kill, seconds=job.limits.seconds, stop=stop, watches=watches)
    ending = done.ending
    if ending is not Ending.EXITED:
        return Ended(ending, KILLED, done.seconds)
    state = cli.run("container", "inspect", "--format", _STATE, job.name, check=False).split("|")
    if len(state) != 4 or state[0] in _NEVER_RAN:
        if "executable file" in done.tail and "not found" in done.tail:
            return Ended(ending, NOT_FOUND, done.seconds)
        raise EngineFailedError(one_line(done.tail))
    before_removal()
    if state[2] == "true" or (scratch.folder / "oom").exists():
        ending = Ending.OUT_OF_MEMORY
    return Ended(ending, int(state[1]), done.seconds)
