"""What a run has on this machine, written down before it is made, so that a later run can remove it.

One small file a run, in the folder ``leftovers`` of the engines' home. It names the process that owns the run by
number, start time and boot, since numbers are used again.
"""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ppcdeps.base.atomic import write_file
from ppcdeps.engines.engine import Engine, EngineFailedError
from ppcdeps.engines.removal import mounts_below
from ppcdeps.model.reporter import Reporter

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CGROUPS = Path("/sys/fs/cgroup")
_PATIENCE = 30.0
_ORDER = ("container", "process", "cgroup", "image", "folder")
"""In which things are removed: an engine does not like to have its container killed by others."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing on this machine. ``kind``: container, image, folder, cgroup, process; ``name``: what it is called.

    ``command`` is what talks to the program that holds a container or image, such as ``podman --root DIR``.
    """

    kind: str
    name: str
    command: tuple[str, ...] = ()

    def describe(self) -> str:
        """It in a few words."""
        return f"{self.kind} {self.name}"


def started_at(pid: int) -> str | None:
    """When a process began, in ticks since boot; None where there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


class Claim:
    """The things of one run. Every thing is added before it is made; ``release`` when all are gone again."""

    def __init__(self, file: Path, owner: dict[str, Any]) -> None:
        self._file = file
        self._owner = owner
        self._things: list[Leftover] = []
        self._write()

    def add(self, kind: str, name: str | Path, command: Sequence[str] = ()) -> None:
        """Write down a thing that is about to be made."""
        self._things.append(Leftover(kind, str(name), tuple(command)))
        self._write()

    def finish(self) -> None:
        """Remove all that is there of the run, and forget it. What cannot be removed now stays written down."""
        if not _remove_all(self._things, lambda *_: None):
            self._file.unlink(missing_ok=True)

    def release(self) -> None:
        """Forget the run: nothing of it is left."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        document = {**self._owner, "things": [asdict(thing) for thing in self._things]}
        # Not to outlive a loss of power, which ends every process and container of the run.
        write_file(self._file, json.dumps(document), durable=False)


class Leftovers:
    """The register in a folder (the engines' home). Safe for threads and for several processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "leftovers"

    def claim(self, run: str) -> Claim:
        """Begin the entry of the run of that name, owned by this process.

        What a killed run of that name left is removed first. Raises EngineFailedError where one is under way.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for file, things in self.abandoned():
            if file.stem == run:
                # Of a run of the same name that was killed.
                _remove_all(things, lambda *_: None)
                file.unlink(missing_ok=True)
        if (self.folder / f"{run}.json").exists():
            raise EngineFailedError(f"a run named {run} is under way; let it end, or choose another name")
        pid = os.getpid()
        owner = {"run": run, "pid": pid, "started": started_at(pid), "boot": _boot()}
        return Claim(self.folder / f"{run}.json", owner)

    def abandoned(self) -> Iterator[tuple[Path, list[Leftover]]]:
        """The entries whose owners are dead: file, and things in the order in which they were made."""
        if not self.folder.is_dir():
            return
        for file in sorted(self.folder.glob("*.json")):
            try:
                entry = json.loads(file.read_text("utf-8"))
                alive = entry["boot"] == _boot() and started_at(entry["pid"]) == entry["started"]
                things = [Leftover(one["kind"], one["name"], tuple(one["command"])) for one in entry["things"]]
                things = [thing for thing in things if thing.kind in _ORDER]
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError):
                # Nobody writes such a file: each is written whole.
                alive, things = False, []
            if not alive:
                yield file, things


def sweep(folder: Path, engines: Sequence[Engine], reporter: Reporter) -> tuple[Leftover, ...]:  # noqa: ARG001
    """Remove what dead runs of ppcdeps left on this machine. Returns what was removed.

    ``folder`` is the engines' home. What living runs have is not touched, whoever owns it. What cannot be removed
    now (its engine is not there, it belongs to root) stays written down, with a warning.
    """
    removed: list[Leftover] = []
    for file, things in Leftovers(folder).abandoned():

        def complain(thing: Leftover, fault: Exception) -> None:
            reporter.warn(f"could not remove the {thing.describe()} of a run that was killed: {fault}")

        if not _remove_all(things, complain, removed):
            file.unlink(missing_ok=True)
    if removed:
        names = ", ".join(thing.describe() for thing in removed)
        reporter.note(f"removed what a killed run left: {names}")
    return tuple(removed)


def _remove_all(
    things: Sequence[Leftover],
    complain: Callable[[Leftover, Exception], None],
    removed: list[Leftover] | None = None,
) -> list[Leftover]:
    """Remove the things in their order. Returns those that stay."""
    kept = []
    for thing in sorted(things, key=lambda thing: _ORDER.index(thing.kind)):
        try:
            if remove(thing) and removed is not None:
                removed.append(thing)
        except (OSError, subprocess.SubprocessError) as fault:
            kept.append(thing)
            complain(thing, fault)
    return kept


def remove(thing: Leftover) -> bool:
    """Remove one thing. Returns whether it was there. Raises OSError or SubprocessError where it stays."""
    match thing.kind:
        case "container":
            return _remove_container(thing)
        case "image":
            return _tell([*thing.command, "rmi", "-f", thing.name])
        case "folder":
            return remove_tree(Path(thing.name))
        case "cgroup":
            # A container's runtime makes the group in every hierarchy of version 1, not only where a limit is.
            folders = {Path(thing.name), *_CGROUPS.glob(f"*/{Path(thing.name).name}")}
            return sum(remove_cgroup(folder) for folder in folders) > 0
        case "process":
            return _kill(thing.name)
    return False


def _remove_container(thing: Leftover) -> bool:
    there = subprocess.run(
        [*thing.command, "container", "inspect", thing.name],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_PATIENCE,
        start_new_session=True,
    )
    if there.returncode != 0 and b"o such container" in there.stderr:
        return False
    for pause in (0.2, 1.0):
        # It may be ending just now, which podman takes for a fault.
        with contextlib.suppress(OSError):
            return _tell([*thing.command, "rm", "-f", *_no_grace(thing.command), thing.name])
        time.sleep(pause)
    return _tell([*thing.command, "rm", "-f", *_no_grace(thing.command), thing.name])


def _no_grace(command: Sequence[str]) -> list[str]:
    """Podman waits ten seconds for a container to end; docker's rm -f does not, and has no such option."""
    return ["-t", "0"] if "podman" in Path(command[0]).name else []


def _tell(argv: Sequence[str]) -> bool:
    # In a session of its own: a Ctrl-C on the terminal may not stop the removal.
    done = subprocess.run(
        argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, start_new_session=True, text=True
    )
    if done.returncode == 0:
        return True
    if "o such" in done.stderr or "not known" in done.stderr:
        return False
    raise OSError(" ".join(done.stderr.split()) or f"{argv[0]} ended with {done.returncode}")


def remove_tree(folder: Path) -> bool:
    """Remove a folder whatever the modes in it are. Returns whether it was there.

    Follows no symbolic link, and enters no mount: what is mounted below is unmounted. Raises OSError where something
    in it stays.
    """
    if not folder.is_symlink() and not folder.exists():
        return False
    for point in mounts_below(folder):
        _tell(["umount", "--lazy", str(point)])

    def open_up(function: Any, path: str, fault: BaseException) -> None:
        if isinstance(fault, FileNotFoundError):
            return
        for place in (Path(path).parent, Path(path)):
            with contextlib.suppress(OSError):
                if place.is_relative_to(folder) and stat.S_ISDIR(place.lstat().st_mode):
                    place.chmod(0o700)
        if function in (os.open, os.scandir, os.rmdir):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                function(path)

    for pause in (0.0, 0.1, 0.5, 2.0):
        # What was just killed may hold it for a moment longer.
        time.sleep(pause)
        shutil.rmtree(folder, onerror=lambda function, path, info: open_up(function, path, info[1]))
        if not folder.exists():
            return True
    shutil.rmtree(folder)
    return True


def remove_cgroup(folder: Path) -> bool:
    """Kill what is in a cgroup, and remove it with those in it. Returns whether it was there."""
    if not folder.is_dir():
        return False
    for pause in (0.0, 0.02, 0.1, 0.3, 1.0, 3.0):
        time.sleep(pause)
        inner = sorted((Path(path) for path, _, _ in os.walk(folder)), reverse=True)
        for place in inner:
            with contextlib.suppress(OSError, ValueError):
                for pid in (place / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
        for place in inner:
            with contextlib.suppress(OSError):
                place.rmdir()
        if not folder.is_dir():
            return True
    raise OSError(f"processes in the cgroup {folder} do not end")


def _kill(name: str) -> bool:
    pid, _, started = name.partition(":")
    if started_at(int(pid)) != started:
        return False
    # It first: it may not see the others end, and start new ones.
    for one in (int(pid), *descendants_of(int(pid))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    return True


def descendants_of(pid: int) -> list[int]:
    """The processes below a process, of this machine as it is now."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    open_ones = [pid]
    while open_ones:
        below = children.get(open_ones.pop(), [])
        found += below
        open_ones += below
    return found


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
