"""Which engine works on this machine: found out by running ``uname -m`` with it, and remembered for a while."""

import contextlib
import functools
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ppcdeps.base.atomic import write_file
from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.toml import closest, raise_faults, read_toml
from ppcdeps.engines.bwrap import Bwrap
from ppcdeps.engines.cleanup import boot_id, started_at
from ppcdeps.engines.container_image import forget_removed
from ppcdeps.engines.docker import Docker
from ppcdeps.engines.emulation import emulation_of, ensure_emulation, machine_arch
from ppcdeps.engines.engine import Engine, EngineFailedError, Output, engines_home
from ppcdeps.engines.job import Buildroot, Ended, Ending, Job, Limits
from ppcdeps.engines.podman import FIXES, Podman
from ppcdeps.engines.tinyroot import make_tiny_root
from ppcdeps.model.errors import EnvironmentLacksError, UsageError
from ppcdeps.model.reporter import Reporter, Silence

ENGINES = ("podman", "docker", "bwrap")
"""In the order in which they are tried."""

_COMMAND = ("uname", "-m")
_SECONDS = 60.0
_REMEMBERED = 86400.0
_FORMAT = 2
_PACKAGES = {
    "podman": "install podman",
    "docker": "install docker (docker.io on Debian), or use another engine",
    "bwrap": "install bubblewrap",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of trying one engine. ``ran`` is what was run in which root; ``said`` what came back, in one line.

    Where it ``works``, ``fixes`` are what it needs beyond its defaults, which ppcdeps gives it. Else ``reason`` says
    why it is refused, and ``fix`` what to do about it.
    """

    engine: str
    works: bool
    ran: str
    said: str = ""
    reason: str = ""
    fix: str = ""
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure that was met: how it reads, what it means, the fix, and the Podman.fixes that get around it."""

    says: re.Pattern[str]
    reason: str
    fix: str
    around: tuple[str, ...]


@functools.cache
def known_failures() -> tuple[KnownFailure, ...]:
    """The failures in data/engines/failures.toml, in their order."""
    file, what = shipped_file("engines", "failures"), "list of engine failures"
    top = read_toml(file, what)
    found = []
    for table in top.tables("failure"):
        pattern = re.compile(table.text("says"))
        found.append(KnownFailure(pattern, table.text("reason"), table.text("fix"), table.texts("around")))
        table.finish()
    raise_faults(top, file, what)
    return tuple(found)


def engine_named(
    name: str, home: Path | None = None, *, connection: str | None = None, fixes: tuple[str, ...] = ()
) -> Engine:
    """The engine of that name. Raises UsageError where there is none."""
    place = home or engines_home()
    match name:
        case "podman":
            return Podman(place, connection, fixes)
        case "docker":
            return Docker(place)
        case "bwrap":
            return Bwrap(place)
    hint = closest(name, ENGINES) or f"known: {', '.join(ENGINES)}"
    raise UsageError(f'there is no engine "{name}"', hint=hint)


def probe_all(
    root: Buildroot | None = None,
    *,
    home: Path | None = None,
    connection: str | None = None,
    reporter: Reporter | None = None,
) -> tuple[Probe, ...]:
    """Try every engine in ``root``, or in a tiny one made for it. In the order in which they are chosen.

    With a ``connection``, podman alone, on that machine. What is found is remembered.
    """
    names = ENGINES if connection is None else ("podman",)
    place = home or engines_home()
    ensure_emulation(root.arch if root else "ppc64le", reporter or Silence())
    return tuple(_probe_and_remember(name, root, place, connection) for name in names)


def choose_engine(
    root: Buildroot | None = None,
    wanted: str | None = None,
    connection: str | None = None,
    *,
    home: Path | None = None,
    reporter: Reporter | None = None,
) -> Engine:
    """The engine that runs builds in ``root``: the ``wanted`` one, or the first that works.

    What worked on this machine within a day is taken without being tried again; an engine that then fails is
    forgotten. Raises EnvironmentLacksError, with each engine's reason and a fix, where none works (or the wanted one
    does not), and UsageError where there is no engine of that name.
    """
    place = home or engines_home()
    reporter = reporter or Silence()
    if wanted is not None:
        engine_named(wanted, place)
    if connection is not None and wanted not in {None, "podman"}:
        raise UsageError(f"{wanted} knows no connections", hint="leave --engine out, or say --engine podman")
    names = ENGINES if wanted is None else (wanted,)
    if connection is not None:
        names = ("podman",)
    ensure_emulation(root.arch if root else "ppc64le", reporter)
    refused: list[Probe] = []
    for name in names:
        probe = _remembered(name, place, connection) or _probe_and_remember(name, root, place, connection)
        if probe.works:
            return _ChosenEngine(
                engine_named(name, place, connection=connection, fixes=probe.fixes),
                lambda name=name: _forget(name, place, connection),  # type: ignore[misc]
            )
        refused.append(probe)
    raise _none_works(refused, only=wanted or (connection and "podman"))


def _none_works(refused: list[Probe], only: str | None) -> EnvironmentLacksError:
    if only is not None:
        probe = refused[0]
        return EnvironmentLacksError(f"{only} does not work here: {probe.reason}", hint=probe.fix)
    reasons = "; ".join(f"{probe.engine}: {probe.reason}" for probe in refused)
    fix = next((probe.fix for probe in refused if probe.engine == "bwrap"), refused[0].fix)
    return EnvironmentLacksError(
        f"no container engine works here ({reasons})", hint=f"{fix}; `ppcdeps buildroot doctor` has the details"
    )


class _ChosenEngine:
    """An engine that was chosen, and is tried anew before it is chosen again once it failed."""

    def __init__(self, engine: Engine, forget: Callable[[], None]) -> None:
        self.engine = engine
        self._forget = forget

    @property
    def name(self) -> str:
        return self.engine.name

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        try:
            return self.engine.run(root, job, output, stop)
        except EngineFailedError:
            self._forget()
            raise


def _probe_and_remember(name: str, root: Buildroot | None, home: Path, connection: str | None) -> Probe:
    probe = probe_engine(name, root, home=home, connection=connection)
    if probe.works:
        _remember(probe, home, connection)
    else:
        _forget(name, home, connection)
    return probe


def probe_engine(
    name: str, root: Buildroot | None = None, *, home: Path | None = None, connection: str | None = None
) -> Probe:
    """Try one engine by running ``uname -m`` with it. Remembers nothing, and never raises for what does not work."""
    place = home or engines_home()
    arch = root.arch if root else "ppc64le"
    ran = f"{' '.join(_COMMAND)} in {root.name if root else f'a tiny {arch} root'} by {name}"
    if connection is not None:
        ran += f" ({connection})"
    if shutil.which(name) is None:
        return Probe(name, False, ran, reason=f"there is no program {name}", fix=_PACKAGES[name])
    try:
        with _trial(root, place) as (trial, workspace):
            probe = _try(name, trial, workspace, place, connection, Probe(name, False, ran))
        if probe.works:
            _forget_image_of_trial(engine_named(name, place, connection=connection))
        return probe
    except OSError as fault:
        reason = f"{fault.filename or place}: {fault.strerror}"
        return Probe(name, False, ran, reason=reason, fix="set PPCDEPS_CACHE to a folder that can be written")


def _try(name: str, root: Buildroot, workspace: Path, home: Path, connection: str | None, probe: Probe) -> Probe:
    """Run the command, and again with each fix that the failure asks for."""
    while True:
        engine = engine_named(name, home, connection=connection, fixes=probe.fixes)
        output = bytearray()
        job = Job(f"probe-{name}-{os.getpid()}-{time.monotonic_ns()}", _COMMAND, workspace, limits=Limits(_SECONDS))
        try:
            ended = engine.run(root, job, output.extend)
        except EngineFailedError as fault:
            said = fault.message
        else:
            said = " ".join(output.decode(errors="replace").split())[-300:]
            if ended.is_well and said.split()[-1:] == [root.arch]:
                return replace(probe, works=True, said=said)
            if ended.ending is Ending.TIMED_OUT:
                said = f"{said} (no end after {_SECONDS:.0f} s)"
        known = next((one for one in known_failures() if one.says.search(said)), None)
        further = tuple(fix for fix in known.around if fix not in probe.fixes) if known else ()
        if connection is not None:
            # The other machine's podman decides on its own about all but the container.
            further = tuple(fix for fix in further if not FIXES[fix][0])
        if name == "podman" and further and _is_there(further):
            probe = replace(probe, fixes=(*probe.fixes, *further))
            continue
        return _refused(probe, said, known, root)


def _forget_image_of_trial(engine: Engine) -> None:
    if isinstance(engine, Docker) or (isinstance(engine, Podman) and engine.connection is not None):
        with contextlib.suppress(EngineFailedError):
            forget_removed(engine.cli)


def _is_there(fixes: tuple[str, ...]) -> bool:
    return all(shutil.which(fix) or Path("/usr/sbin", fix).exists() for fix in fixes if fix in {"runc", "crun"})


def _refused(probe: Probe, said: str, known: KnownFailure | None, root: Buildroot) -> Probe:
    emulation = emulation_of(root.arch)
    if known is not None:
        fix = known.fix
        if "exec format" in said.lower() and emulation.fix:
            fix = emulation.fix
        return replace(probe, said=said, reason=known.reason, fix=fix)
    if not emulation.works and root.arch != machine_arch():
        # However an engine puts it that the program did not start.
        reason = f"programs of {root.arch} do not run here: {emulation.describe()}"
        return replace(probe, said=said, reason=reason, fix=emulation.fix)
    fix = "run it by hand to see more; another engine may do"
    return replace(probe, said=said, reason=said or "it ended without a word", fix=fix)


@contextlib.contextmanager
def _trial(root: Buildroot | None, home: Path) -> Iterator[tuple[Buildroot, Path]]:
    """The root to try with and an empty workspace, in a folder that names its maker: dead makers' are removed."""
    top = home / "trials"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    top.mkdir(exist_ok=True)
    for old in top.iterdir():
        pid, _, started = old.name.partition("-")[0].partition("_")
        if not pid.isdigit() or started_at(int(pid)) != started:
            remove_tree(old)
    own = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix=f"{own}_{started_at(own)}-", dir=top))
    try:
        workspace = folder / "workspace"
        workspace.mkdir()
        # The root is read by the programs of other users too (rootless podman's).
        folder.chmod(0o755)
        yield (root or make_tiny_root(folder / "root")), workspace
    finally:
        remove_tree(folder)


# What worked is kept in one file: by engine, user and connection, with the boot and the time.


def _memory(home: Path) -> Path:
    return home / "probes.json"


def _key(name: str, connection: str | None) -> str:
    return f"{name} {os.geteuid()} {connection or '-'}"


def _load(home: Path) -> dict[str, dict[str, Any]]:
    try:
        document = json.loads(_memory(home).read_text("utf-8"))
        return dict(document["probes"]) if document["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(home: Path, probes: dict[str, dict[str, Any]]) -> None:
    # It only saves time: where it cannot be written, engines are tried each time.
    with contextlib.suppress(OSError):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(_memory(home), json.dumps({"format": _FORMAT, "probes": probes}), durable=False)


def _remembered(name: str, home: Path, connection: str | None) -> Probe | None:
    entry = _load(home).get(_key(name, connection), {})
    with contextlib.suppress(KeyError, TypeError):
        is_recent = 0 <= time.time() - entry["time"] < _REMEMBERED and entry["boot"] == boot_id()
        if is_recent and shutil.which(name) is not None:
            return Probe(**{**entry["probe"], "fixes": tuple(entry["probe"]["fixes"])})
    return None


def _remember(probe: Probe, home: Path, connection: str | None) -> None:
    probes = _load(home)
    probes[_key(probe.engine, connection)] = {"time": time.time(), "boot": boot_id(), "probe": asdict(probe)}
    _save(home, probes)


def _forget(name: str, home: Path, connection: str | None) -> None:
    probes = _load(home)
    if probes.pop(_key(name, connection), None) is not None:
        _save(home, probes)
