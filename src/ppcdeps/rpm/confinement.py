"""Runs one program that can start no other, reach no network and change no file: for parsing what others wrote.

rpm expands macros while it reads a spec, and a macro may run a shell or Lua. The text of a spec cannot prove that
it does not: macros build macros. So the kernel is asked (seccomp(2)): starting a program ends the process with
SIGSYS, which is how the attempt is found out; changing files and opening sockets is refused. Reading is not: the
process sees the files that the user sees, but nobody to tell them to.

The module is its own launcher. It imports nothing of ppcdeps, as it runs in a bare interpreter.
"""

import ctypes
import errno
import os
import platform
import resource
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

UNCONFINABLE = 91
"""Exit code of the launcher where the kernel refuses to confine."""

_SECONDS = 60
_CPU_SECONDS = 30
_MEMORY = 1 << 30
_OUTPUT = 64 << 20

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_CLONE_THREAD = 0x00010000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Confined:
    """How a confined program ended. ``caught``: it tried to start another program, and was ended for it."""

    code: int
    output: str
    errors: str
    caught: bool = False
    overdue: bool = False


class UnconfinableError(Exception):
    """The kernel or the machine offers no way to confine a program."""


def run_confined(command: Sequence[str], *, folder: Path, environment: dict[str, str] | None = None) -> Confined:
    """Run a program in a folder, confined. ``environment`` is all of its environment but PATH and the locale.

    Raises UnconfinableError where this kernel cannot do it, FileNotFoundError where there is no such program.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    launcher = [sys.executable, "-I", "-S", "-B", str(Path(__file__).resolve()), program, *command[1:]]
    # Not HOME: what reads the user's own configuration is to find none.
    told = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **(environment or {})}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        # To files: a program that floods a pipe would fill the memory. The launcher limits their size.
        child = subprocess.Popen(
            launcher, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=folder, env=told
        )
        overdue = False
        try:
            code = child.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            overdue = True
        finally:
            child.kill()
            code = child.wait()
        said, complaints = _content(output), _content(errors)
    if code == UNCONFINABLE:
        raise UnconfinableError(complaints.strip())
    overdue |= code in (-signal.SIGXCPU, -signal.SIGXFSZ, -signal.SIGKILL)
    return Confined(code, said, complaints, caught=code == -signal.SIGSYS, overdue=overdue)


def _content(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read(_OUTPUT).decode("utf-8", "replace")


# The filter -------------------------------------------------------------------------------------------------


_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "ppc64le": 0xC0000015}
"""AUDIT_ARCH_* of linux/audit.h."""

_CALLS = """
what    call                 x86_64  aarch64  ppc64le
own     execve                   59      221       11
own     clone                    56      220      120
own     clone3                  435      435      435
own     open                      2        -        5
own     openat                  257       56      286
start   fork                     57        -        2
start   vfork                    58        -      189
start   execveat                322      281      362
start   ptrace                  101      117       26
change  add_key                 248      217      269
change  adjtimex                159      171      124
change  bpf                     321      280      361
change  chmod                    90        -       15
change  chown                    92        -      181
change  chroot                  161       51       61
change  clock_settime           227      112      245
change  creat                    85        -        8
change  delete_module           176      106      129
change  fchmod                   91       52       94
change  fchmodat                268       53      297
change  fchmodat2               452      452      452
change  fchown                   93       55       95
change  fchownat                260       54      289
change  finit_module            313      273      353
change  fremovexattr            199       16      220
change  fsetxattr               190        7      211
change  fsopen                  430      430      430
change  fspick                  433      433      433
change  futimesat               261        -      290
change  init_module             175      105      128
change  io_uring_setup          425      425      425
change  kexec_file_load         320      294      382
change  kexec_load              246      104      268
change  keyctl                  250      219      271
change  kill                     62      129       37
change  lchown                   94        -       16
change  link                     86        -        9
change  linkat                  265       37      294
change  lremovexattr            198       15      219
change  lsetxattr               189        6      210
change  mkdir                    83        -       39
change  mkdirat                 258       34      287
change  mknod                   133        -       14
change  mknodat                 259       33      288
change  mount                   165       40       21
change  move_mount              429      429      429
change  open_by_handle_at       304      265      346
change  open_tree               428      428      428
change  openat2                 437      437      437
change  perf_event_open         298      241      319
change  pidfd_open              434      434      434
change  pidfd_send_signal       424      424      424
change  pivot_root              155       41      203
change  process_vm_writev       311      271      352
change  reboot                  169      142       88
change  removexattr             197       14      218
change  rename                   82        -       38
change  renameat                264       38      293
change  renameat2               316      276      357
change  request_key             249      218      270
change  rmdir                    84        -       40
change  setdomainname           171      162      121
change  sethostname             170      161       74
change  setns                   308      268      350
change  settimeofday            164      170       79
change  setxattr                188        5      209
change  socket                   41      198      326
change  socketcall                -        -      102
change  socketpair               53      199      333
change  swapoff                 168      225      115
change  swapon                  167      224       87
change  symlink                  88        -       83
change  symlinkat               266       36      295
change  tkill                   200      130      208
change  truncate                 76       45       92
change  umount2                 166       39       52
change  unlink                   87        -       10
change  unlinkat                263       35      292
change  unshare                 272       97      282
change  userfaultfd             323      282      364
change  utime                   132        -       30
change  utimensat               280       88      304
change  utimes                  235        -      251
"""
"""The numbers of system calls. ``start``: it starts a program, ``change``: it changes what lies outside of the
process, ``own``: it depends on the arguments. Source: the kernel's system call tables.
"""


def calls_of(machine: str, kind: str) -> dict[str, int]:
    """The numbers of a kind of calls (own, start, change) on a machine, by name; those that it does not have are
    left out.
    """
    head, *rows = (line.split() for line in _CALLS.strip().splitlines())
    column = head.index(machine)
    return {row[1]: int(row[column]) for row in rows if row[0] == kind and row[column] != "-"}


def _filter(machine: str, key: int) -> bytes:
    """The filter as classic BPF: ``struct sock_filter`` after ``struct sock_filter``.

    execve passes with ``key`` in its unused sixth argument: the launcher's own, and no later one.
    """
    load, equal, masked, jump_ge, give = 0x20, 0x15, 0x45, 0x35, 0x06
    number_at, arch_at, arguments_at = 0, 4, 16
    own = calls_of(machine, "own")
    code: list[tuple[int, int, int, int]] = []

    def add(operation: int, value: int, yes: int = 0, no: int = 0) -> None:
        code.append((operation, yes, no, value))

    def closure(value: int) -> None:
        add(give, value)

    add(load, arch_at)
    add(equal, _AUDIT[machine], 1, 0)
    closure(_KILL)
    add(load, number_at)
    # The x32 numbers of x86_64, a second way to say the same calls.
    add(jump_ge, 0x40000000, 0, 1)
    closure(_KILL)
    for number in calls_of(machine, "start").values():
        add(equal, number, 0, 1)
        closure(_KILL)
    for number in calls_of(machine, "change").values():
        add(equal, number, 0, 1)
        closure(_ERRNO | errno.EROFS)
    # Its flags lie in memory that a filter cannot see; the C library falls back to clone.
    add(equal, own["clone3"], 0, 1)
    closure(_ERRNO | errno.ENOSYS)
    add(equal, own["clone"], 0, 4)
    add(load, arguments_at)
    add(masked, _CLONE_THREAD, 1, 0)
    closure(_KILL)
    closure(_ALLOW)
    for name, argument in (("open", 1), ("openat", 2)):
        if name in own:
            add(equal, own[name], 0, 4)
            add(load, arguments_at + 8 * argument)
            add(masked, _WRITING, 0, 1)
            closure(_ERRNO | errno.EROFS)
            closure(_ALLOW)
    add(equal, own["execve"], 0, 6)
    add(load, arguments_at + 8 * 5)
    add(equal, key & 0xFFFFFFFF, 0, 3)
    add(load, arguments_at + 8 * 5 + 4)
    add(equal, key >> 32, 0, 1)
    closure(_ALLOW)
    closure(_KILL)
    closure(_ALLOW)
    return b"".join(struct.pack("=HBBI", *each) for each in code)


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _launch(command: Sequence[str]) -> NoReturn:
    """Confine this process, and become the program."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT:
        _give_up(f"no filter for {sys.platform} on {machine}")
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, _OUTPUT),
    ):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    libc = ctypes.CDLL(None, use_errno=True)
    # Only 63 bits: the argument passes through a signed long.
    key = secrets.randbits(63)
    content = _filter(machine, key)
    program = _Program(len(content) // 8, content)
    no_new_privileges, set_seccomp, by_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0):
        _give_up(f"prctl: {os.strerror(ctypes.get_errno())}")
    arguments = (ctypes.c_char_p * (len(command) + 1))(*(os.fsencode(word) for word in command), None)
    variables = [os.fsencode(f"{name}={value}") for name, value in os.environ.items()]
    environment = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)
    path = os.fsencode(command[0])
    if libc.prctl(set_seccomp, by_filter, ctypes.byref(program), 0, 0):
        _give_up(f"seccomp: {os.strerror(ctypes.get_errno())}")
    libc.syscall(
        ctypes.c_long(calls_of(machine, "own")["execve"]),
        ctypes.c_char_p(path),
        arguments,
        environment,
        ctypes.c_long(0),
        ctypes.c_long(0),
        ctypes.c_long(key),
    )
    _give_up(f"{command[0]}: {os.strerror(ctypes.get_errno())}")


def _give_up(reason: str) -> NoReturn:
    os.write(2, f"{reason}\n".encode())
    os._exit(UNCONFINABLE)


if __name__ == "__main__":
    _launch(sys.argv[1:])
