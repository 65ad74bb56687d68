"""Runs one program that may start a shell, confined by bubblewrap: a few plain programs, and nothing of the machine.

Some specs ask a shell while rpm reads them (`%(echo %{version} | grep -q ...)`). What it prints is that of the
target's buildroot, not of this machine. So its root has a shell, the programs that work on text and files, and
the files that it is given, all read-only; no network, no /etc, /home and /proc, and no user but one. For what asks
which machine, which date or which other packages there are, ``unknown`` is printed, and a line on standard error
says so. The same spec has the same evaluation on every machine, and on every day.
"""

import functools
import math
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ppcdeps.base.programs import run_program
from ppcdeps.engines.confinement import Confined, UnconfinableError, confined_end
from ppcdeps.engines.job import Ending, Limits
from ppcdeps.engines.sandbox import SandboxProcess, Setup
from ppcdeps.engines.supervise import ProcessWatch
from ppcdeps.model.errors import EnvironmentLacksError

INSTALL = "install bubblewrap"
"""What makes it work where there is no engine for it."""
UNKNOWN_OUTPUT = 'what {} would print is taken to be "unknown"'
"""What is said of a program that is not there, on standard error."""

_PROGRAMS = (
    *("[", "awk", "basename", "bash", "cat", "comm", "cut", "dirname", "echo", "egrep", "env", "expr", "false"),
    *("fgrep", "find", "fold", "grep", "head", "ls", "md5sum", "od", "paste", "printf", "pwd", "readlink"),
    *("realpath", "rev", "sed", "seq", "sha256sum", "sort", "stat", "tac", "tail", "tee", "test", "tr", "true"),
    *("uniq", "wc", "xargs"),
)
"""What of this machine's programs is there: they depend on nothing but what they are given."""
_UNKNOWN = ("git", "hostname", "nproc", "perl", "pkg-config", "pkgconf", "python", "python3", "rpm", "uptime")
"""Programs that specs call by their paths, too, so that a shell's own word on what it does not find is not enough."""
_MOST_PROCESSES = 64
_TICK = 0.02
_MISSING = UNKNOWN_OUTPUT.format("$1")
_HANDLER = "() {  echo unknown; echo '" + _MISSING.replace("$1", "'\"$1\"'") + "' >&2; }"
"""What bash runs in place of a program that is not there."""


def run_confined_with_shell(
    command: Sequence[str],
    *,
    folder: Path,
    arch: str,
    readable: Iterable[Path] = (),
    writable: bool = False,
    seconds: float = 60,
    memory: int = 1 << 30,
    output: int = 64 << 20,
) -> Confined:
    """Run a program in a folder, confined: it sees that folder, what else is ``readable``, and plain programs.

    ``writable`` says whether it may write in the folder.
    `uname -m` prints ``arch``. All its processes together may take these ``seconds``, and have so many bytes of
    ``memory``; each may write so many bytes of ``output``. ``caught`` says that they were too many.

    Raises UnconfinableError where bubblewrap is missing or cannot do it here, FileNotFoundError where there is no
    such program.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise UnconfinableError("bubblewrap (bwrap) is not installed")
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    with tempfile.TemporaryDirectory(prefix="ppcdeps-programs-") as scratch:
        root, libraries = _root(program, Path(scratch), arch)
        places = [(str(path), str(path)) for path in readable]
        own = str(folder.absolute())
        argv = [
            *(bwrap, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
            *("--unshare-cgroup-try", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"),
            *("--hostname", "unknown", "--die-with-parent", "--new-session"),
            *("--dir", "/usr/bin", "--symlink", "usr/bin", "/bin"),
            *(word for source, place in (*root, *places) for word in ("--ro-bind", source, place)),
            *("--bind" if writable else "--ro-bind", own, own),
            *("--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/"),
            *("--chdir", str(folder.absolute()), "--", f"/usr/bin/{Path(program).name}", *command[1:]),
        ]
        setup = Setup(
            tuple(argv),
            environment={
                "PATH": "/usr/bin",
                # That of UTF-8 needs files of the machine, and bash warns where it has none.
                "LC_ALL": "C",
                "TZ": "UTC",
                "HOME": "/nonexistent",
                "LD_LIBRARY_PATH": ":".join(sorted({str(Path(library).parent) for library in libraries})),
                "BASH_FUNC_command_not_found_handle%%": _HANDLER,
            },
            rlimits={"CPU": math.ceil(seconds), "AS": memory, "FSIZE": output},
        )
        return _watched(setup, Limits(processes=_MOST_PROCESSES, memory=memory), seconds, output)


def _watched(setup: Setup, limits: Limits, seconds: float, output: int) -> Confined:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        sandbox = SandboxProcess(setup, said, errors)
        watch = ProcessWatch(limits, sandbox.process.pid)
        deadline = time.monotonic() + seconds
        ending: Ending | None = None
        try:
            while ending is None:
                try:
                    sandbox.process.wait(_TICK)
                    break
                except subprocess.TimeoutExpired:
                    ending = Ending.TIMED_OUT if time.monotonic() > deadline else watch.reached()
        finally:
            # With bubblewrap, the kernel ends all that is in its process namespace.
            sandbox.process.kill()
            code = sandbox.process.wait()
            report = sandbox.report()
        done = confined_end(code, said, errors, output)
        if "fault" in report:
            raise UnconfinableError(report["fault"])
        if ending is None and code and done.errors.startswith("bwrap: "):
            raise UnconfinableError(done.errors.splitlines()[0])
        match ending:
            case None:
                return done
            case Ending.OUT_OF_MEMORY:
                return Confined(code, done.output, f"{done.errors}\nnot enough memory", flooded=done.flooded)
            case Ending.TOO_MANY_PROCESSES:
                return Confined(code, done.output, done.errors, caught=True)
            case _:
                return Confined(code, done.output, done.errors, overdue=True)


def _root(program: str, scratch: Path, arch: str) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """What is shown of this machine and at which place, and the libraries among it."""
    programs, libraries = _plain_programs(program)
    shown = [(source, f"/usr/bin/{name}") for name, source in programs]
    shown += [(library, library) for library in libraries]
    for name, text in _scripts(arch):
        path = scratch / name
        path.write_text(text)
        path.chmod(0o755)
        shown.append((str(path), f"/usr/bin/{name}"))
    return shown, libraries


def _scripts(arch: str) -> Iterator[tuple[str, str]]:
    """Programs that stand in for those of the target's buildroot."""
    unknown = "#!/bin/sh\necho unknown\necho '{}' >&2\n"
    for name in _UNKNOWN:
        yield name, unknown.format(UNKNOWN_OUTPUT.format(name))
    # What is computed from a date is the same every day: without one, it would be the date of the evaluation.
    said = unknown.format(UNKNOWN_OUTPUT.format("date")).removeprefix("#!/bin/sh\n")
    yield "date", f"#!/bin/sh\n{said}"
    cases = f"-m|-p|-i) echo {arch} ;;\n''|-s) echo Linux ;;\n*) {said.replace('date', 'uname')} ;;"
    yield "uname", f'#!/bin/sh\ncase "$*" in\n{cases}\nesac\n'


@functools.cache
def _plain_programs(program: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The programs that are there, by name, and all libraries of them and of ``program``."""
    where = {name: path for name in _PROGRAMS if (path := shutil.which(name, path="/usr/bin:/bin")) is not None}
    if "bash" not in where:
        raise UnconfinableError("bash is not installed")
    where |= {"sh": where["bash"], Path(program).name: program}
    real = {name: str(Path(path).resolve()) for name, path in where.items()}
    try:
        done = run_program(["ldd"], operands=sorted(set(real.values())), seconds=20)
    except EnvironmentLacksError as fault:
        raise UnconfinableError(f"the libraries of programs are not known: {fault}") from fault
    libraries = sorted(set(re.findall(r"(?:=>|^)\s+(/\S+)", done.text, re.MULTILINE)))
    return tuple(sorted(real.items())), tuple(libraries)
