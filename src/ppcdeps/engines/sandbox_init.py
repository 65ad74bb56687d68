"""The program between ppcdeps and what runs in a sandbox: makes namespace, mounts and limits, and becomes the other.

It is started as ``python -I -S sandbox_init.py`` with a Setup (see sandbox.py) on its standard input, and reports to
the pipe ``status`` what went wrong. It imports nothing of ppcdeps and little else: it runs three times for each spec,
and json alone would double its time. What it mounts is seen in its own mount namespace, and goes with the last
process in it, however those end.
"""

import ctypes
import marshal
import os
import resource
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 1, 22, 38, 2
SIGKILL = 9
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_EXECUTE, LANDLOCK_READ_FILE, LANDLOCK_READ_FOLDER = 1, 4, 8
_VIEW = "/proc"
"""Where the root of a confined program is put together: a folder that every system has, and that it does not see."""

_libc = ctypes.CDLL(None, use_errno=True)


def main(setup: "dict[str, Any]") -> None:
    """Make the place, and become the program."""
    try:
        _check_parent(setup)
        if setup["visible"]:
            _show_only(setup["visible"])
        elif setup["overlay"]:
            _make_namespace()
            _mount_root(setup)
        os.chdir(setup["folder"])
        for name, value in setup["rlimits"].items():
            _limit(getattr(resource, f"RLIMIT_{name}"), value)
        if setup["cpus"]:
            allowed = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, allowed[: setup["cpus"]])
        # Set after all changes of identity, which clear it.
        _call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        _check_parent(setup)
        if setup["filter"]:
            _become_filtered(setup)
        os.set_inheritable(setup["status"], True)
        os.execve(setup["argv"][0], setup["argv"], setup["environment"])  # noqa: S606
    except OSError as fault:
        import json

        os.write(setup["status"], json.dumps({"fault": str(fault)}).encode() + b"\n")
        sys.exit(1)


def _check_parent(setup: "dict[str, Any]") -> None:
    """End where the owner was killed before this process could ask to be killed with it."""
    if os.getppid() != setup["parent"]:
        sys.exit(1)


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    least = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (least, least))


def _make_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if user != 0 else 0))
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            _write(f"/proc/self/{name}", text.encode())
    _mount("none", "/", None, MS_REC | MS_PRIVATE)


def _mount_root(setup: "dict[str, Any]") -> None:
    if setup["binfmt"]:
        # A registry of the namespace's own: this user may not write to the machine's.
        _mount("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc", 0)
        _write("/proc/sys/fs/binfmt_misc/register", setup["binfmt"])
    overlay = setup["overlay"]
    lower, upper, work = (_escaped(overlay[name]) for name in ("lower", "upper", "work"))
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if setup["rootless"]:
        options += ",userxattr"
    _mount("overlay", overlay["merged"], "overlay", MS_NOSUID | MS_NODEV, options)


def _show_only(visible: list[str]) -> None:
    """Let this process see some files and folders alone, read-only: in a root of their own, else by Landlock."""
    try:
        _make_namespace()
        _mount("tmpfs", _VIEW, "tmpfs", MS_NOSUID | MS_NODEV)
    except OSError:
        # In most containers no user may mount. Landlock (Linux 5.13) asks for no privilege.
        _allow_only(visible)
        return
    for source in visible:
        place = _VIEW + source
        os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
        if os.path.isdir(source):  # noqa: PTH112
            os.makedirs(place, exist_ok=True)  # noqa: PTH103
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
        _mount(source, place, None, MS_BIND | MS_REC)
        # A user's namespace may not take these away from a mount that had them.
        had = os.statvfs(place).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        _mount("none", place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | had)
    _mount("none", _VIEW, None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chroot(_VIEW)


def _allow_only(visible: list[str]) -> None:
    """Refuse this process to open, list and run all but some files and folders (landlock(7))."""
    handled = struct.pack("=Q", LANDLOCK_EXECUTE | LANDLOCK_READ_FILE | LANDLOCK_READ_FOLDER)
    rules = _call("syscall", LANDLOCK_CREATE_RULESET, handled, len(handled), 0)
    for path in visible:
        allowed = LANDLOCK_EXECUTE | LANDLOCK_READ_FILE
        if os.path.isdir(path):  # noqa: PTH112
            allowed |= LANDLOCK_READ_FOLDER
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call("syscall", LANDLOCK_ADD_RULE, rules, 1, struct.pack("=Qi", allowed, handle), 0)
        os.close(handle)
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("syscall", LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)


class _FilterProgram(ctypes.Structure):
    """``struct sock_fprog`` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _become_filtered(setup: "dict[str, Any]") -> None:
    """Become the program under a filter of system calls that lets pass only the execve with the key: this one."""
    content = setup["filter"]
    words = [os.fsencode(word) for word in setup["argv"]]
    arguments = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    variables = [os.fsencode(f"{name}={value}") for name, value in setup["environment"].items()]
    environment = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _FilterProgram(len(content) // 8, content)
    _call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    _call("syscall", setup["execve"], words[0], arguments, environment, 0, 0, setup["key"])


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def _mount(source: str, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    try:
        _call(
            "mount",
            os.fsencode(source),
            os.fsencode(place),
            kind.encode() if kind else None,
            flags,
            os.fsencode(options) if options else None,
        )
    except OSError as fault:
        raise OSError(fault.errno, f"cannot mount {kind or source} at {place}: {fault.strerror}") from fault


def _call(name: str, *arguments: object) -> int:
    # Whole registers: syscall(2) takes no shorter numbers.
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result: int = getattr(_libc, name)(*wide)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


if __name__ == "__main__":
    given = marshal.load(sys.stdin.buffer)  # noqa: S302 - from ppcdeps, by the same interpreter
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    main(given)
