"""Runs one program that can start no other, reach no network, change no file and read few: for what others wrote.

rpm expands macros while it reads a spec, and a macro may run a shell or Lua. The text of a spec cannot prove that
it does not: macros build macros. So the kernel keeps it, by the sandbox in which jobs run. A filter of system calls
(seccomp(2)) ends the process with SIGSYS where it starts a program, which is how the attempt is noticed, and refuses
to change files and open sockets. A root file system of its own, or Landlock where no namespace can be made, has
nothing but the program with its libraries and the files that it is given.
"""

import ctypes
import errno
import functools
import math
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.programs import run_program
from ppcdeps.engines.sandbox import SandboxProcess, Setup
from ppcdeps.model.errors import EnvironmentLacksError


@dataclass(frozen=True, slots=True)
class Confined:
    """How a confined program ended.

    It was ended where it tried to start another program (``caught``), took too long (``overdue``), or wrote too much
    (``flooded``).
    """

    code: int
    output: str
    errors: str
    caught: bool = False
    overdue: bool = False
    flooded: bool = False


class UnconfinableError(Exception):
    """The kernel or the machine offers no way to confine a program."""


def run_confined(
    command: Sequence[str],
    *,
    folder: Path,
    readable: Iterable[Path] = (),
    seconds: float = 60,
    memory: int = 1 << 30,
    output: int = 64 << 20,
) -> Confined:
    """Run a program in a folder, confined: it sees that folder, what else is ``readable``, and its own libraries.

    Files and folders are seen by the paths that are given here, and no link leads to others. It may take these
    ``seconds``, and have and write so many bytes of ``memory`` and ``output``.

    Raises UnconfinableError where this kernel cannot do it, FileNotFoundError where there is no such program.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    libraries = _libraries_of(program)
    # Only 63 bits: the argument passes through a signed long.
    key = secrets.randbits(63)
    content, execve = _confining(key)
    setup = Setup(
        (program, *command[1:]),
        folder=str(folder.absolute()),
        # Not HOME: what reads the user's own configuration is to find none. Nor is there a cache of ld.so to read.
        environment={
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": "/nonexistent",
            "LD_LIBRARY_PATH": ":".join(sorted({str(library.parent) for library in libraries})),
        },
        visible=_outermost(Path(program), *libraries, folder, *readable),
        rlimits={"CPU": math.ceil(seconds), "AS": memory, "FSIZE": output},
        filter=content,
        execve=execve,
        key=key,
    )
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        # To files: a program that floods a pipe would fill the memory. RLIMIT_FSIZE limits their size.
        sandbox = SandboxProcess(setup, said, errors)
        overdue = False
        try:
            sandbox.process.wait(seconds)
        except subprocess.TimeoutExpired:
            overdue = True
        finally:
            sandbox.process.kill()
            code = sandbox.process.wait()
            report = sandbox.report()
        if "fault" in report:
            raise UnconfinableError(report["fault"])
        return confined_end(code, said, errors, output, overdue=overdue)


def confined_end(code: int, said: BinaryIO, errors: BinaryIO, output: int, *, overdue: bool = False) -> Confined:
    """How a confined program ended that wrote to these files, and to each at most so many bytes of ``output``."""
    return Confined(
        code,
        _content(said),
        _content(errors),
        caught=code == -signal.SIGSYS,
        overdue=overdue or code in (-signal.SIGXCPU, -signal.SIGKILL),
        flooded=code == -signal.SIGXFSZ or output in (_size(said), _size(errors)),
    )


def _size(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size


def _content(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


@functools.cache
def _libraries_of(program: str) -> tuple[Path, ...]:
    """The shared libraries of a program and what loads them, by the paths at which they are looked for."""
    try:
        done = run_program(["ldd"], operands=[program], seconds=20)
    except EnvironmentLacksError as fault:
        raise UnconfinableError(f"the libraries of {program} are not known: {fault}") from fault
    return tuple(Path(path) for path in re.findall(r"(?:=>|^)\s+(/\S+)", done.text, re.MULTILINE))


def _outermost(*paths: Path) -> tuple[str, ...]:
    """The paths, absolute, without those that lie below another one. Links stay: programs use them by these names."""
    found = sorted({os.path.normpath(path.absolute()) for path in paths})
    return tuple(one for one in found if not any(one.startswith(f"{other}/") for other in found))


# The filter -------------------------------------------------------------------------------------------------

_KILL_PROCESS, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_CLONE_THREAD = 0x00010000
_UNKNOWN = -1

_STARTING = "fork vfork execveat ptrace"
"""The system calls by which a process starts a program, or has another one do so."""
_CHANGING = """
add_key adjtimex bpf chmod chown chroot clock_settime creat delete_module fchmod fchmodat fchown fchownat
finit_module fremovexattr fsetxattr fsopen fspick futimesat init_module io_uring_setup kexec_file_load
kexec_load keyctl kill lchown link linkat lremovexattr lsetxattr mkdir mkdirat mknod mknodat mount move_mount
open_by_handle_at open_tree openat2 perf_event_open pidfd_open pidfd_send_signal pivot_root process_vm_writev
reboot removexattr rename renameat renameat2 request_key rmdir setdomainname sethostname setns settimeofday
setxattr socket socketpair swapoff swapon symlink symlinkat tkill truncate umount2 unlink unlinkat unshare
userfaultfd utime utimensat utimes
"""
"""The system calls that change what lies outside of the process, or reach out of it."""
_FCHMODAT2 = 452
"""Has this number on all machines, and no name in libseccomp before 2.6."""


class _Comparison(ctypes.Structure):
    """``struct scmp_arg_cmp`` of seccomp.h: an argument of a system call compared with one or two values."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class _Filter:
    """A filter of system calls that allows all but what is added, made by libseccomp for this machine.

    A process that uses the numbers of another architecture, such as x32, is killed.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        except OSError as fault:
            raise UnconfinableError("libseccomp is not installed") from fault
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(_ALLOW)))
        if not self._context:
            raise UnconfinableError("libseccomp does not know this machine")

    def number_of(self, name: str) -> int:
        return int(self._library.seccomp_syscall_resolve_name(name.encode()))

    def add(self, action: int, call: str | int, *comparison: int) -> None:
        """Answer a system call by an action, where the comparison holds (argument, operator, value, value)."""
        number = self.number_of(call) if isinstance(call, str) else call
        if number == _UNKNOWN:
            return
        array = (_Comparison * 1)(_Comparison(*comparison))
        count = 1 if comparison else 0
        failed = self._library.seccomp_rule_add_array(self._context, ctypes.c_uint32(action), number, count, array)
        if failed:
            raise UnconfinableError(f"libseccomp cannot filter {call}: {os.strerror(-failed)}")

    def program(self) -> bytes:
        """The filter as the kernel takes it, one ``struct sock_filter`` after the other."""
        with tempfile.TemporaryFile() as file:
            failed = self._library.seccomp_export_bpf(self._context, file.fileno())
            self._library.seccomp_release(self._context)
            if failed:
                raise UnconfinableError(f"libseccomp makes no filter: {os.strerror(-failed)}")
            file.seek(0)
            return file.read()


def _confining(key: int) -> tuple[bytes, int]:
    """The filter of a confined program, and the number of execve on this machine.

    execve passes with ``key`` in its unused sixth argument: that of sandbox_init, and no later one.
    """
    calls = _Filter()
    for name in _STARTING.split():
        calls.add(_KILL_PROCESS, name)
    calls.add(_KILL_PROCESS, "execve", 5, _NOT_EQUAL, key)
    calls.add(_KILL_PROCESS, "clone", 0, _MASKED_EQUAL, _CLONE_THREAD, 0)
    # Its flags lie in memory that a filter cannot see; the C library falls back to clone.
    calls.add(_ERRNO | errno.ENOSYS, "clone3")
    for name in _CHANGING.split():
        calls.add(_ERRNO | errno.EROFS, name)
    calls.add(_ERRNO | errno.EROFS, _FCHMODAT2)
    for name, argument in (("open", 1), ("openat", 2)):
        for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND):
            calls.add(_ERRNO | errno.EROFS, name, argument, _MASKED_EQUAL, flag, flag)
    return calls.program(), calls.number_of("execve")
