"""The process between ppcdeps and what bwrap or proot runs: makes the place for it, and lets nothing outlive it.

Run as a program by the interpreter alone (``python -I keeper.py SPEC``), so it imports nothing of ppcdeps. It makes a
user namespace where it is not root, a mount namespace, an overlay over the root, and binds what has to be seen
inside: all of it is gone with the last process in the namespace, whoever is killed, and in whatever order. SPEC is a
JSON file, see ``Spec`` in kept.py.
"""

import base64
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NEWIPC = 0x08000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31})
"""What is left to root in a run, as podman leaves it: chown, dac_override, fowner, fsetid, kill, setgid, setuid,
setpcap, net_bind_service, sys_chroot, setfcap (their numbers are in capability.h)."""

_libc = ctypes.CDLL(None, use_errno=True)


def main(spec: Mapping[str, Any]) -> None:
    """Make the place, and become the program (``exec``) or wait for it (``wait``). Faults go to the status pipe."""
    status = spec["status"]
    try:
        _check_parent(spec)
        _join(spec["cgroups"])
        if spec["namespaces"]:
            _unshare(spec)
        _set_limits(spec)
        if spec["mode"] == "exec":
            # Set after all changes of identity, which clear it.
            _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _check_parent(spec)
            os.set_inheritable(status, True)
            os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606
        code = _keep_in_namespace(spec) if spec["namespaces"] else _keep(spec)
    except OSError as fault:
        os.write(status, json.dumps({"fault": f"{fault}"}).encode() + b"\n")
        sys.exit(1)
    os.write(status, json.dumps({"exit-code": code}).encode() + b"\n")
    sys.exit(code)


def _check_parent(spec: Mapping[str, Any]) -> None:
    """End where the owner was killed before it could be asked to tell."""
    if os.getppid() != spec["parent"]:
        sys.exit(1)


def _join(entrances: list[str]) -> None:
    for entrance in entrances:
        with contextlib.suppress(OSError):
            Path(entrance).write_text(str(os.getpid()))


def _unshare(spec: Mapping[str, Any]) -> None:
    user, group = os.geteuid(), os.getegid()
    kinds = CLONE_NEWNS
    if user != 0:
        kinds |= CLONE_NEWUSER
    if spec["mode"] == "wait":
        # bwrap makes these itself.
        kinds |= CLONE_NEWPID | CLONE_NEWIPC | (0 if spec["network"] else CLONE_NEWNET)
    _call("unshare", kinds)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    if spec["binfmt"]:
        # A registry of the namespace's own: this user may not write to the machine's.
        _mount("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc", 0)
        Path("/proc/sys/fs/binfmt_misc/register").write_bytes(base64.b64decode(spec["binfmt"]))
    overlay = spec["overlay"]
    if overlay:
        options = f"lowerdir={_escaped(overlay['lower'])},upperdir={_escaped(overlay['upper'])}"
        options += f",workdir={_escaped(overlay['work'])}"
        if user != 0:
            options += ",userxattr"
        _mount("overlay", overlay["merged"], "overlay", MS_NODEV, options)
    for source, place, writable in spec["binds"]:
        _bind(Path(source), Path(place), writable=writable)


def _bind(source: Path, place: Path, *, writable: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        place.mkdir(exist_ok=True)
    elif not place.exists():
        place.touch()
    _mount(str(source), str(place), None, MS_BIND | MS_REC)
    if not writable:
        flags = MS_REMOUNT | MS_BIND | MS_RDONLY
        # A user namespace may not take away what the mount had before.
        had = os.statvfs(place).f_flag
        for flag in (os.ST_NOSUID, os.ST_NODEV, os.ST_NOEXEC):
            flags |= (
                {os.ST_NOSUID: MS_NOSUID, os.ST_NODEV: MS_NODEV, os.ST_NOEXEC: MS_NOEXEC}[flag] if had & flag else 0
            )
        for name, bit in ((os.ST_NOATIME, 1024), (os.ST_NODIRATIME, 2048), (os.ST_RELATIME, 1 << 21)):
            flags |= bit if had & name else 0
        _mount("none", str(place), None, flags)


def _set_limits(spec: Mapping[str, Any]) -> None:
    for name, value in {**spec["rlimits"], "CORE": 0}.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (least, least))
    if spec["cpus"]:
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[: max(1, spec["cpus"])])


def _keep_in_namespace(spec: Mapping[str, Any]) -> int:
    """Run the program below a first process of the process namespace, with which all others are killed."""
    child = os.fork()
    if child == 0:
        try:
            _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if not spec["network"]:
                _bring_up_loopback()
            for place in ("/proc", spec["processes"]):
                Path(place).mkdir(exist_ok=True)
                _mount("proc", place, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
                for part in ("sys", "sysrq-trigger", "irq", "bus"):
                    if Path(place, part).exists():
                        _bind(Path(place, part), Path(place, part), writable=False)
            _drop_capabilities()
            code = _keep_children(_start(spec))
        except OSError as fault:
            os.write(spec["status"], json.dumps({"fault": f"{fault}"}).encode() + b"\n")
            os._exit(1)
        os._exit(code)
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _check_parent(spec)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def _keep(spec: Mapping[str, Any]) -> int:
    """Run the program with no namespace: every process below is found and killed at the end."""
    _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: _end_all())
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    _check_parent(spec)
    code = _keep_children(_start(spec))
    _kill_below()
    return code


def _start(spec: Mapping[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if not spec["namespaces"] and not spec["network"]:
            _refuse_network()
        os.close(spec["status"])
        os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606
    except OSError as fault:
        os.write(2, f"{spec['argv'][0]}: {fault.strerror}\n".encode())
    os._exit(127)


def _keep_children(first: int) -> int:
    """Wait for the first child, and bury the others that end meanwhile. Returns its exit code."""
    while True:
        pid, status = os.wait()
        if pid == first:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_all() -> None:
    _kill_below()
    os._exit(137)


def _kill_below() -> None:
    """Kill every process below this one. New ones may come while the others go: until none is left."""
    while True:
        below = _below(os.getpid())
        if not below:
            return
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
                if fields[0] not in "ZX" or int(fields[1]) == pid:
                    children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    open_ones = [pid]
    while open_ones:
        found += (below := children.get(open_ones.pop(), []))
        open_ones += below
    return found


def _drop_capabilities() -> None:
    """Let root, once it has become another program, have what a container's root has."""
    for number in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        if number not in CAPABILITIES:
            _call("prctl", PR_CAPBSET_DROP, number, 0, 0, 0)


def _refuse_network() -> None:
    """Let socket() fail for all but local sockets, by a seccomp filter, which needs no privilege.

    For the machine's own system calls: under emulation the guest's become these. Those of another word size, which
    have other numbers, are all refused.
    """
    # Architecture (linux/audit.h), socket, and the older socketcall where there is one: what it asks for is not seen.
    none = 0xFFFFFFFF
    numbers = {
        "x86_64": (0xC000003E, 41, none),
        "aarch64": (0xC00000B7, 198, none),
        "ppc64le": (0xC0000015, 326, 102),
    }
    if os.uname().machine not in numbers:
        return
    architecture, call, older = numbers[os.uname().machine]
    load, equal, give = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 101  # ENETUNREACH
    program = [
        (load, 0, 0, 4),
        (equal, 0, 5, architecture),
        (load, 0, 0, 0),
        (equal, 3, 0, older),
        (equal, 0, 3, call),
        (load, 0, 0, 16),
        (equal, 1, 0, socket.AF_UNIX),
        (give, 0, 0, refuse),
        (give, 0, 0, allow),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", PR_SET_SECCOMP, 2, ctypes.c_char_p(filter_), 0, 0)


def _bring_up_loopback() -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def _mount(source: str, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    try:
        _call(
            "mount",
            os.fsencode(source),
            os.fsencode(place),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            os.fsencode(options) if options else None,
        )
    except OSError as fault:
        raise OSError(fault.errno, f"cannot mount {kind or source} at {place}: {fault.strerror}") from fault


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
