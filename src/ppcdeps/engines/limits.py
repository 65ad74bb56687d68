"""How the limits of a run are kept: by a control group where this user may make one, else by watching.

Version 1 and version 2 of control groups, as admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst of the
kernel's documentation have them.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from ppcdeps.engines.cleanup import Claim, descendants_of, remove_cgroup
from ppcdeps.engines.job import Limits

_MOUNT = Path("/sys/fs/cgroup")
_PERIOD = 100_000
"""Microseconds over which the share of the processors is counted."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ControlGroup:
    """The control groups of one run, one a controller in version 1. ``folders`` are those that exist."""

    def __init__(self, name: str, limits: Limits, folders: dict[str, Path], *, unified: bool) -> None:
        self.name = name
        self.folders = folders
        self.unified = unified
        self._event: int | None = None
        self._apply(limits)

    @classmethod
    def make(cls, name: str, limits: Limits, claim: Claim) -> "ControlGroup | None":
        """The control group of a run; None where this user may make none, or the machine has none."""
        if os.geteuid() != 0:
            return None
        unified = (_MOUNT / "cgroup.controllers").exists()
        parents = {"": _MOUNT} if unified else {one: _MOUNT / one for one in ("memory", "pids", "cpu")}
        folders = {kind: parent / f"ppcdeps-{name}" for kind, parent in parents.items() if parent.is_dir()}
        if "memory" not in folders and not unified:
            return None
        for folder in folders.values():
            claim.add("cgroup", folder)
        try:
            if unified:
                # Without this the folder would have no memory.max.
                (_MOUNT / "cgroup.subtree_control").write_text("+memory +pids +cpu")
            for folder in folders.values():
                folder.mkdir(exist_ok=True)
            return cls(name, limits, folders, unified=unified)
        except OSError:
            for folder in folders.values():
                with contextlib.suppress(OSError):
                    remove_cgroup(folder)
            return None

    @property
    def entrances(self) -> list[str]:
        """The files into which a process writes its number to be limited."""
        return [str(folder / "cgroup.procs") for folder in self.folders.values()]

    @property
    def parent(self) -> str:
        """The name by which podman's ``--cgroup-parent`` knows it."""
        return f"/ppcdeps-{self.name}"

    def ran_out_of_memory(self) -> bool:
        """Whether something in it was killed for want of memory."""
        if self.unified:
            return _counter(self.folders[""] / "memory.events", "oom_kill") > 0
        if _counter(self.folders["memory"] / "memory.oom_control", "oom_kill") > 0:
            return True
        if self._event is not None:
            # The counter is of the group in which the process was: of a container's own group, below this.
            with contextlib.suppress(OSError):
                return os.eventfd_read(self._event) > 0
        return False

    def close(self) -> None:
        """Listen no more. The group itself goes with the claim."""
        if self._event is not None:
            os.close(self._event)
            self._event = None

    def _apply(self, limits: Limits) -> None:
        if self.unified:
            folder = self.folders[""]
            if limits.memory is not None:
                (folder / "memory.max").write_text(str(limits.memory))
                with contextlib.suppress(OSError):
                    (folder / "memory.swap.max").write_text("0")
            if limits.processes is not None:
                (folder / "pids.max").write_text(str(limits.processes))
            if limits.cpus is not None:
                (folder / "cpu.max").write_text(f"{int(limits.cpus * _PERIOD)} {_PERIOD}")
            return
        if limits.memory is not None:
            folder = self.folders["memory"]
            (folder / "memory.limit_in_bytes").write_text(str(limits.memory))
            with contextlib.suppress(OSError):
                (folder / "memory.memsw.limit_in_bytes").write_text(str(limits.memory))
            self._listen(folder)
        if limits.processes is not None and "pids" in self.folders:
            (self.folders["pids"] / "pids.max").write_text(str(limits.processes))
        if limits.cpus is not None and "cpu" in self.folders:
            with contextlib.suppress(OSError):
                (self.folders["cpu"] / "cpu.cfs_period_us").write_text(str(_PERIOD))
                (self.folders["cpu"] / "cpu.cfs_quota_us").write_text(str(int(limits.cpus * _PERIOD)))

    def _listen(self, folder: Path) -> None:
        with contextlib.suppress(OSError):
            event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            control = os.open(folder / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                (folder / "cgroup.event_control").write_text(f"{event} {control}")
            finally:
                os.close(control)
            self._event = event


class MemoryWatch:
    """Whether the processes below one use more memory than they may, where no control group says so."""

    every = 0.2

    def __init__(self, limit: int, pid: int) -> None:
        self._limit = limit
        self._pid = pid

    def is_over(self) -> bool:
        """Whether they do now. Pages that two share count twice: qemu's and libraries, some megabytes a process."""
        return sum(map(_resident, (self._pid, *descendants_of(self._pid)))) > self._limit


class DiskWatch:
    """Whether more was written below some folders than may be. What was there before does not count."""

    def __init__(self, limit: int, folders: Iterable[Path]) -> None:
        self._limit = limit
        self._folders = tuple(folders)
        self._before = self._used()
        self.every = 0.5

    def is_over(self) -> bool:
        """Whether it is now. A file that is removed again counts no more."""
        begun = time.monotonic()
        over = self._used() - self._before >= self._limit
        # Looking takes at most a twentieth of the time.
        self.every = max(0.5, 20 * (time.monotonic() - begun))
        return over

    def _used(self) -> int:
        return sum(_size_of(folder) for folder in self._folders)


def _size_of(folder: Path) -> int:
    total = 0
    open_ones = [os.fspath(folder)]
    try:
        device = folder.stat().st_dev
    except OSError:
        return 0
    while open_ones:
        try:
            with os.scandir(open_ones.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        if status.st_dev != device:
                            # The overlay itself, where it is mounted in sight: what is below it is not written.
                            continue
                        total += status.st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            open_ones.append(entry.path)
        except OSError:
            # Gone, or closed to this user.
            continue
    return total


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _counter(file: Path, name: str) -> int:
    try:
        lines = dict(line.split() for line in file.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(lines.get(name, "0"))
