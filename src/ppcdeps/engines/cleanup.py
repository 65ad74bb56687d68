"""What a run has on this machine, recorded before it is made, so that a later run can remove it.

One small file a run, in the folder ``runs`` of the engines' home. It names the process that owns the run by number,
start time and boot, since numbers are used again, and the machine, as several may have one home.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ppcdeps.base.atomic import NEW, write_file
from ppcdeps.base.removal import remove_tree
from ppcdeps.engines.engine import EngineFailedError
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Reporter

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PATIENCE = 30.0
TUNNEL = "ppcdeps-podman.sock"
"""The name of a socket that leads to another machine's podman for one run. The machine cleans up after that run."""
_ORDER = ("container", "process", "folder")
"""In which things are removed: an engine does not like to have its container killed by others."""
_FAULTS = (OSError, subprocess.SubprocessError, EnvironmentLacksError)


@dataclass(frozen=True, slots=True)
class RunResource:
    """One thing of a run on this machine. ``kind``: container, folder or process; ``name``: what it is called.

    ``command`` is what talks to the program that holds a container, such as ``podman --root DIR``.
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


def boot_id() -> str:
    """What names this boot of the machine."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


class Claim:
    """The things of one run. Every thing is added before it is made; ``release`` when all are removed."""

    def __init__(self, file: Path, owner: dict[str, Any]) -> None:
        self._file = file
        self._owner = owner
        self._things: list[RunResource] = []
        self._write()

    def add(self, kind: str, name: str | Path, command: Sequence[str] = ()) -> None:
        """Record a thing that is about to be made."""
        self._things.append(RunResource(kind, str(name), tuple(command)))
        self._write()

    def finish(self) -> None:
        """Remove all that is there of the run, and forget it. What cannot be removed now stays recorded."""
        if not _remove_all(self._things):
            self.release()

    def release(self) -> None:
        """Forget the run: nothing of it is left."""
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        document = {**self._owner, "things": [asdict(thing) for thing in self._things]}
        # Not to outlive a loss of power, which ends every process and container of the run.
        write_file(self._file, json.dumps(document), durable=False)


class RunRegister:
    """The claims in a folder (the engines' home). Safe for threads and for several processes at once."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "runs"

    def claim(self, run: str) -> Claim:
        """Begin the entry of the run of that name, owned by this process.

        What a killed run of that name left is removed first. Raises EngineFailedError where one is under way.
        """
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for file, things in self.abandoned():
            if file.stem == run:
                _remove_all(things)
                file.unlink(missing_ok=True)
        if (self.folder / f"{run}.json").exists():
            raise EngineFailedError(f"a run named {run} is under way; let it end, or choose another name")
        pid = os.getpid()
        machine = os.uname().nodename
        owner = {"run": run, "pid": pid, "started": started_at(pid), "boot": boot_id(), "machine": machine}
        return Claim(self.folder / f"{run}.json", owner)

    def abandoned(self) -> Iterator[tuple[Path, list[RunResource]]]:
        """The entries of this machine whose owners are dead: file, and things in the order of their making."""
        for file in sorted(self.folder.glob("*.json")):
            if file.name.startswith(NEW):
                continue
            try:
                entry = json.loads(file.read_text("utf-8"))
                here = entry["boot"] == boot_id()
                alive = started_at(entry["pid"]) == entry["started"] if here else _is_of_another_machine(entry)
                things = [RunResource(one["kind"], one["name"], tuple(one["command"])) for one in entry["things"]]
                things = [thing for thing in things if thing.kind in _ORDER]
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError):
                # Not a claim: each is written whole.
                alive, things = False, []
            if not alive:
                yield file, things


def _is_of_another_machine(entry: dict[str, Any]) -> bool:
    """Whether an entry of another boot is not of this machine before it was started again: that one alone knows."""
    mine = os.uname().nodename
    return bool(entry.get("machine", mine) != mine)


def sweep(home: Path, reporter: Reporter) -> tuple[RunResource, ...]:
    """Remove what dead runs of ppcdeps left on this machine. Returns what was removed.

    ``home`` is the engines' home. What living runs have is not touched, whichever process owns them. What cannot be
    removed now (its engine is not there, it belongs to root) stays recorded, with a warning.
    """
    removed: list[RunResource] = []
    for file, things in RunRegister(home).abandoned():

        def complain(thing: RunResource, fault: Exception) -> None:
            reporter.warn(f"could not remove the {thing.describe()} of a run that was killed: {fault}")

        if not _remove_all(things, complain, removed):
            file.unlink(missing_ok=True)
    if removed:
        names = ", ".join(thing.describe() for thing in removed)
        reporter.note(f"removed what a killed run left: {names}")
    return tuple(removed)


def _remove_all(
    things: Sequence[RunResource],
    complain: Callable[[RunResource, Exception], None] = lambda *_: None,
    removed: list[RunResource] | None = None,
) -> list[RunResource]:
    """Remove the things in their order. Returns those that stay."""
    staying = []
    for thing in sorted(things, key=lambda thing: _ORDER.index(thing.kind)):
        try:
            if remove(thing) and removed is not None:
                removed.append(thing)
        except _FAULTS as fault:
            staying.append(thing)
            complain(thing, fault)
    return staying


def remove(thing: RunResource) -> bool:
    """Remove one thing. Returns whether it was there. Raises one of _FAULTS where it stays."""
    match thing.kind:
        case "container":
            return _remove_container(thing)
        case "process":
            return _kill(thing.name)
        case _:
            return remove_tree(Path(thing.name), unmount=True)


def _remove_container(thing: RunResource) -> bool:
    inspected = _run([*thing.command, "container", "inspect", thing.name])
    if inspected.returncode != 0 and "o such container" in inspected.stderr:
        return False
    if inspected.returncode != 0 and thing.command[-1].endswith(f"/{TUNNEL}") and "onnect" in inspected.stderr:
        return False
    # podman waits ten seconds for a container to end; docker's rm -f does not, and has no such option.
    grace = ["-t", "0"] if "podman" in Path(thing.command[0]).name else []
    # It may be ending just now, which podman takes for a fault: then once more.
    for pause in (0.0, 0.2, 1.0):
        time.sleep(pause)
        done = _run([*thing.command, "rm", "-f", *grace, thing.name])
        if done.returncode == 0:
            return True
        if "o such" in done.stderr or "not known" in done.stderr:
            return False
    raise OSError(" ".join(done.stderr.split()) or f"{thing.command[0]} ended with {done.returncode}")


def _run(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    # In a session of its own: a Ctrl-C on the terminal may not stop the removal.
    return subprocess.run(
        argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, start_new_session=True, text=True
    )


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
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found
