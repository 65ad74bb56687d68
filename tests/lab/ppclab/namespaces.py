"""One set of namespaces for a whole cloud: ending its first process ends every process and mount of it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ADDRESS = "10.0.2.2"
"""The control plane's address, on the loopback of the cloud's network namespace. QEMU's user network has its host at
this address: the same one holds in a virtual machine.
"""
LAB = Path(__file__).resolve().parent.parent

# Runs with the namespaces made, and the outer file systems still there. $1 is the control plane's root, $2 the
# laboratory's programs, $3 its folder.
_SCRIPT = f"""
set -e
mount --make-rprivate /
# A root that is not a mount has no propagation that could be changed, which `ip netns exec` does.
mount --bind "$1" "$1"
chroot "$1" ip link set lo up
chroot "$1" ip addr add {ADDRESS}/32 dev lo
hostname control
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mkdir -p "$1/lab" "$1/laboratory" "$1/run/lock"
mount --bind -o ro "$2" "$1/lab"
mount --bind "$3" "$1/laboratory"
exec chroot "$1" /bin/sh -c 'while :; do sleep 3600 & wait $!; done'
"""
_ENVIRONMENT = {
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Namespaces:
    """The namespaces of a cloud: network, mounts, processes, host name. The network is the loopback alone."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._pid_file = folder / "namespaces.pid"
        self._outer: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The first process, in this machine's numbers; None where there is none."""
        try:
            pid, started = self._pid_file.read_text().split()
            # A number alone may be another process's by now.
            return int(pid) if _start_of(int(pid)) == started else None
        except (OSError, ValueError):
            return None

    def start(self, *, stays: bool = True) -> None:
        """Make them, unless they are there. Without ``stays`` they end with this process, however it ends.

        Raises RuntimeError where this machine does not let them be made.
        """
        if self.pid is not None:
            return
        bound = [] if stays else ["setpriv", "--pdeathsig", "KILL"]
        log = self._folder / "namespaces.log"
        with log.open("wb") as stream:
            outer = subprocess.Popen(
                [
                    *bound,
                    *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"),
                    *("sh", "-c", _SCRIPT, "sh", str(self._root), str(LAB), str(self._folder)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and outer.poll() is None:
            inner = _text(children).split()
            # Once it has changed its root, all is mounted.
            if inner and _root_of(int(inner[0])) == str(self._root):
                self._pid_file.write_text(f"{inner[0]} {_start_of(int(inner[0]))}")
                self._outer = outer
                return
            time.sleep(0.05)
        outer.kill()
        outer.wait()
        raise RuntimeError(f"no namespaces can be made here: {log.read_text(errors='replace').strip()}")

    def stop(self) -> None:
        """End every process of the cloud, and with them its mounts and its network."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        while _start_of(pid):
            time.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)
        if self._outer is not None:
            self._outer.wait()
            self._outer = None

    def inside(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs a command in all of them, in the control plane's root."""
        values = [f"{name}={value}" for name, value in {**_ENVIRONMENT, **(environment or {})}.items()]
        return [*self._enter("-n", "-m", "-u", "-i", "-p", "-r", "-w"), "env", "-i", *values, *command]

    def beside(self, command: Sequence[str]) -> list[str]:
        """The command line that runs a program of this machine in the cloud's network."""
        return [*self._enter("-n"), *command]

    def _enter(self, *options: str) -> list[str]:
        pid = self.pid
        if pid is None:
            raise RuntimeError("the cloud does not run")
        return ["nsenter", "-t", str(pid), *options]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """When a process began, in clock ticks since the machine's start; empty where it is not there, or a zombie."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if fields and fields[0] != "Z" else ""


def _root_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/root").readlink())
    except OSError:
        return ""
