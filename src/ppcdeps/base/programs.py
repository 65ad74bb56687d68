"""Starting other programs: no terminal, messages in English, a limit to their time and to what they write."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from ppcdeps.model.errors import BuildError, EnvironmentLacksError, PpcdepsError
from ppcdeps.model.values import dataclass

SECONDS = 600.0
"""How long a program may run where its caller says nothing else."""
CEILING = 256 << 20
"""Bytes that a program may write: the file list of a whole distribution's RPM database fits in well."""
_BLOCK = 1 << 16
_GRACE = 10.0
"""Seconds between asking a program to end and killing it."""


class MissingProgramError(EnvironmentLacksError):
    """A program that is not on this machine."""


class UnfinishedProgramError(EnvironmentLacksError):
    """A program that was ended because it ran too long or wrote too much."""


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """How a program ended, and what it wrote to its two streams."""

    program: str
    code: int
    output: bytes
    errors: bytes = b""

    @property
    def is_well(self) -> bool:
        """Whether its exit code was 0."""
        return self.code == 0

    @property
    def text(self) -> str:
        """Its output as text."""
        return self.output.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """What it wrote to standard error as text."""
        return self.errors.decode("utf-8", "replace")

    @property
    def reason(self) -> str:
        """The last line that it wrote, to standard error if to that at all; its exit code where it wrote nothing."""
        lines = (self.error_text.strip() or self.text.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"

    def checked(self, error: type[PpcdepsError] = BuildError, hint: str | None = None) -> Self:
        """The same result where it is well. Raises ``error`` with the end of the output where it is not."""
        if not self.is_well:
            raise error(f"{self.program} failed: {self.reason}", hint=hint)
        return self


def run_program(
    command: Sequence[str],
    *,
    operands: Sequence[str] = (),
    given: bytes | str = b"",
    needed_for: str = "",
    install: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str | None] | None = None,
    bare: bool = False,
    seconds: float = SECONDS,
    ceiling: int = CEILING,
    descriptors: Sequence[int] = (),
    merged: bool = False,
    dies_by: signal.Signals | None = None,
) -> ProgramResult:
    """Run a program to its end, whatever its exit code is. Its standard input is ``given`` and ends there.

    ``operands`` come after ``--``, so that one that looks like an option is none. ``needed_for`` and ``install`` are
    what the error says where the program is missing: "packages are signed with it", "the package gnupg". ``merged``:
    what it writes to standard error is in the output, in order. With ``dies_by`` the program and all that it starts
    are a session of their own, which Ctrl-C does not reach: they are ended before the exception goes on, and by this
    signal where ppcdeps is killed. For the rest see `start_program`.

    Raises MissingProgramError where there is no such program, EnvironmentLacksError where it cannot be started, and
    UnfinishedProgramError where it runs longer than ``seconds`` or writes more than ``ceiling`` bytes.
    """
    with contextlib.ExitStack() as stack:
        stdin: IO[bytes] | int = subprocess.DEVNULL
        if given:
            # A file, not a pipe: nothing is to be written while the output is read, and no reader can block it.
            stdin = stack.enter_context(tempfile.TemporaryFile())
            stdin.write(given.encode() if isinstance(given, str) else given)
            stdin.seek(0)
        process = start_program(
            [*command, *(("--", *operands) if operands else ())],
            stdin=stdin,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            needed_for=needed_for,
            install=install,
            folder=folder,
            environment=environment,
            bare=bare,
            descriptors=descriptors,
            dies_by=dies_by,
        )
        try:
            output, errors = _read(process, Path(command[0]).name, seconds, ceiling)
        # Ctrl-C as well: the program must not outlive the call.
        except BaseException:
            _end(process, group=dies_by is not None)
            raise
        finally:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
    return ProgramResult(Path(command[0]).name, process.returncode, output, errors)


def start_program(
    command: Sequence[str],
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.PIPE,
    needed_for: str = "",
    install: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str | None] | None = None,
    bare: bool = False,
    descriptors: Sequence[int] = (),
    dies_by: signal.Signals | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program whose output the caller reads from its ``stdout``, and which the caller ends.

    It has the variables of this process but for the locale, those of ``environment`` on top (None takes one away);
    with ``bare`` only PATH and the locale are handed on. It inherits the file ``descriptors`` and no others. Raises
    MissingProgramError where there is no such program, EnvironmentLacksError where it cannot be started.
    """
    variables = {"PATH": os.environ.get("PATH", os.defpath)} if bare else dict(os.environ)
    variables["LC_ALL"] = "C.UTF-8"
    for name, value in (environment or {}).items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value
    if folder is not None and "PATH" in variables:
        # Relative entries are meant from here, and the program is looked for from its folder.
        entries = variables["PATH"].split(os.pathsep)
        variables["PATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in entries)
    program = Path(command[0]).name
    # Not left to Popen: its FileNotFoundError may also mean that ``folder`` is missing.
    if shutil.which(command[0], path=variables.get("PATH")) is None:
        purpose = f", and {needed_for}" if needed_for else ""
        raise MissingProgramError(
            f"{program} is not installed{purpose}", hint=f"install {install or f'the package that has {program}'}"
        )
    guard: list[str] = []
    if dies_by is not None and shutil.which("setpriv"):
        # A child that outlives a killed ppcdeps would go on in folders that the next run removes.
        guard = ["setpriv", "--pdeathsig", dies_by.name.removeprefix("SIG"), "--"]
    try:
        return subprocess.Popen(
            [*guard, *command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env=variables,
            pass_fds=tuple(descriptors),
            start_new_session=dies_by is not None,
        )
    except OSError as fault:
        raise EnvironmentLacksError(f"{program} cannot be started: {fault.strerror or fault}") from fault


def _read(process: subprocess.Popen[bytes], name: str, seconds: float, ceiling: int) -> tuple[bytes, bytes]:
    """All that a program writes until it ends."""
    deadline = time.monotonic() + seconds
    overdue = UnfinishedProgramError(f"{name} did not end within {seconds:g} s")
    output, errors = bytearray(), bytearray()
    # Both streams at once: reading one to its end would hang as soon as the pipe of the other is full.
    with selectors.DefaultSelector() as selector:
        for stream, said in ((process.stdout, output), (process.stderr, errors)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, said)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                raise overdue
            for key, _ in ready:
                block = os.read(key.fd, _BLOCK)
                if not block:
                    selector.unregister(key.fileobj)
                key.data.extend(block)
                if len(output) + len(errors) > ceiling:
                    raise UnfinishedProgramError(f"{name} wrote more than {ceiling >> 20} MiB")
    try:
        # A program can close its streams and go on running.
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise overdue from None
    return bytes(output), bytes(errors)


def _end(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a program; with ``group`` all that it started as well, which may first clean up after itself."""
    for number in (signal.SIGTERM, signal.SIGKILL) if group else (signal.SIGKILL,):
        with contextlib.suppress(ProcessLookupError):
            if group:
                # The program leads a session of its own, so that its pid is also the number of the group.
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return
