"""What podman and docker share: a container is made, watched, asked how it ended, and removed."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ppcdeps.engines.cleanup import Claim, Leftover, remove, started_at
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
from ppcdeps.engines.limits import ControlGroup
from ppcdeps.engines.supervise import Watched, supervise

_TAIL = 4000
_STATE = "{{.State.Status}}|{{.State.ExitCode}}|{{.State.OOMKilled}}|{{.State.Error}}"
_PATIENCE = 60.0
_NEVER_RAN = frozenset({"created", "configured", "initialized", "unknown"})


@dataclass(frozen=True, slots=True)
class Cli:
    """A container program and the options that come before its subcommand: ``podman --root DIR``."""

    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def tell(
        self, *arguments: str, seconds: float = _PATIENCE, check: bool = True, stdin: "int | None" = None
    ) -> str:
        """Run a subcommand to its end. Returns what it said; with ``check``, raises EngineFailedError where it fails.

        It runs in a session of its own: a Ctrl-C on the terminal ends ppcdeps, not the clean-up.
        """
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                start_new_session=True,
                env=self.variables,
            )
        except subprocess.TimeoutExpired as fault:
            raise EngineFailedError(f"{self.name} {arguments[0]} did not answer in {seconds:.0f} s") from fault
        except OSError as fault:
            raise EngineFailedError(f"there is no program {self.command[0]}") from fault
        if check and done.returncode != 0:
            raise EngineFailedError(one_line(done.stderr or done.stdout))
        return done.stdout.strip()

    def succeeds(self, *arguments: str) -> bool:
        """Whether a subcommand ends with 0."""
        done = subprocess.run(
            [*self.command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            start_new_session=True,
            env=self.variables,
        )
        return done.returncode == 0

    @property
    def variables(self) -> dict[str, str]:
        """The program's own environment: it, unlike the container, needs the user's."""
        return {**os.environ, **self.environment}

    @property
    def name(self) -> str:
        """Podman or docker."""
        return Path(self.command[0]).name


class LayerWatch:
    """Whether what a container wrote is more than it may be, as its program counts it: workspace or not."""

    every = 1.0

    def __init__(self, limit: int, cli: Cli, container: str) -> None:
        self._limit = limit
        self._cli = cli
        self._container = container

    def is_over(self) -> bool:
        """Whether it is now."""
        question = ("container", "inspect", "--size", "--format", "{{.SizeRw}}", self._container)
        begun = time.monotonic()
        said = self._cli.tell(*question, check=False)
        self.every = max(1.0, 10 * (time.monotonic() - begun))
        return said.isdigit() and int(said) >= self._limit


def container_options(root: Buildroot, job: Job, mounts: Iterable[Mount]) -> list[str]:
    """The options that podman and docker have in common."""
    options = ["--init", "--name", job.name, "--hostname", "ppcdeps", "--pull=never", "--log-driver=none"]
    options += ["--network=host" if job.network else "--network=none", "-w", job.folder]
    for variable, value in environment_of(root, job).items():
        options += ["-e", f"{variable}={value}"]
    for mount in mounts:
        if ":" in f"{mount.source}{mount.place}":
            raise EngineFailedError(f'"{mount.source}" cannot be mounted: its name has a colon in it')
        options += ["-v", f"{mount.source}:{mount.place}{'' if mount.writable else ':ro'}"]
    if job.limits.disk is not None:
        options += ["--ulimit", f"fsize={job.limits.disk}:{job.limits.disk}", "--ulimit", "core=0:0"]
    return options


def limit_options(job: Job) -> list[str]:
    """The limits as options of podman and docker, where no control group of ours keeps them."""
    limits = job.limits
    options: list[str] = []
    if limits.memory is not None:
        options += ["--memory", str(limits.memory), "--memory-swap", str(limits.memory)]
    if limits.processes is not None:
        options += ["--pids-limit", str(limits.processes)]
    if limits.cpus is not None:
        options += ["--cpus", f"{limits.cpus:g}"]
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
    claim: Claim,
    *,
    watched: Sequence[Watched] = (),
    group: ControlGroup | None = None,
    before_removal: Callable[[], None] = lambda: None,
) -> Ended:
    """Run a subcommand that stays with the container ``job.name`` (run, start -a). Returns how the container ended.

    ``before_removal`` is called where it ran to its end. Raises EngineFailedError where it never began.
    """
    container = Leftover("container", job.name, cli.command)
    tail = bytearray()

    def heard(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-_TAIL]
        output(chunk)

    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            [*cli.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=cli.variables,
        )
    except OSError as fault:
        raise EngineFailedError(f"there is no program {cli.command[0]}") from fault
    claim.add("process", f"{process.pid}:{started_at(process.pid)}")

    def kill() -> None:
        # The container first: killing the client leaves it running.
        # What cannot be removed now is tried again at the end of the run, and stays written down.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            remove(container)
        process.kill()

    seconds = job.limits.seconds
    ending = supervise(process, heard, kill=kill, seconds=seconds, stop=stop, watched=watched)
    took = time.monotonic() - begun
    if ending is not Ending.EXITED:
        return Ended(ending, KILLED, took)
    said = tail.decode(errors="replace")
    state = cli.tell("container", "inspect", "--format", _STATE, job.name, check=False).split("|")
    if len(state) != 4 or state[0] in _NEVER_RAN:
        if "executable file" in said and "not found" in said:
            return Ended(ending, NOT_FOUND, took)
        raise EngineFailedError(one_line(said))
    before_removal()
    if state[2] == "true" or (group is not None and group.ran_out_of_memory()):
        ending = Ending.OUT_OF_MEMORY
    return Ended(ending, int(state[1]), took)
