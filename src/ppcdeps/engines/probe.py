"""Which engine works on this machine: found out by running ``uname -m`` with it, and remembered for a while."""

import contextlib
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

from ppcdeps.base.atomic import write_file
from ppcdeps.base.toml import closest
from ppcdeps.engines.bwrap import Bwrap
from ppcdeps.engines.cleanup import remove_tree, started_at
from ppcdeps.engines.container_image import forget_removed
from ppcdeps.engines.docker import Docker
from ppcdeps.engines.emulation import emulation_of, ensure_emulation, machine_arch
from ppcdeps.engines.engine import Engine, EngineFailedError, Output, engines_home
from ppcdeps.engines.job import Buildroot, Ended, Ending, Job, Limits
from ppcdeps.engines.podman import MENDS, Podman
from ppcdeps.engines.proot import Proot, may_make_namespaces
from ppcdeps.engines.tinyroot import make_tiny_root
from ppcdeps.model.errors import EnvironmentLacksError, UsageError
from ppcdeps.model.reporter import Reporter, Silence

ENGINES = ("podman", "docker", "bwrap", "proot")
"""In the order in which they are tried."""

_COMMAND = ("uname", "-m")
_SECONDS = 60.0
_REMEMBERED = 86400.0
_FORMAT = 1
_PACKAGES = {
    "podman": "install podman",
    "docker": "install docker (docker.io on Debian), or use another engine",
    "bwrap": "install bubblewrap",
    "proot": "install proot",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of trying one engine. ``ran`` is what was run in which root; ``said`` what came back, in one line.

    Where it ``works``, ``mends`` are what it needs beyond its defaults, which ppcdeps gives it, and ``note`` what it
    cannot do here. Else ``reason`` says why it is refused, and ``mend`` what to do about it.
    """

    engine: str
    works: bool
    ran: str
    said: str = ""
    reason: str = ""
    mend: str = ""
    note: str = ""
    mends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """A failure that was met: how it reads, what it means, the mend, and the Podman.mends that get around it."""

    says: str
    reason: str
    mend: str
    around: tuple[str, ...] = ()


_KNOWN = (
    _Known(
        r"setrlimit.*RLIMIT_(NOFILE|NPROC)|setting rlimit",
        "this user may not raise resource limits as podman's defaults want",
        'set default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"] in containers.conf',
        ("ulimits",),
    ),
    _Known(
        r"cgroups in hybrid mode not supported",
        "crun does not work with version 1 and 2 of control groups side by side",
        "install runc",
        ("runc", "cgroupfs"),
    ),
    _Known(
        r"sd-bus|systemd cgroup|cgroup manager.*systemd|dbus",
        "podman wants systemd for its control groups, and there is none",
        'set cgroup_manager = "cgroupfs" in containers.conf',
        ("cgroupfs",),
    ),
    _Known(
        r"netavark|aardvark|CNI|cni plugin",
        "podman's network programs are missing",
        "install netavark (builds run without network: this should not matter)",
    ),
    _Known(r"catatonit|container-init|init binary", "podman's --init program is missing", "install catatonit"),
    _Known(r"conmon", "podman's conmon is missing or too old", "install conmon"),
    _Known(
        r"(default OCI runtime|OCI runtime|runtime) .*(not found|no such file)",
        "podman has no runtime",
        "install crun or runc",
    ),
    _Known(
        r"newuidmap|newgidmap|subuid|subgid|cannot find UID/GID|insufficient UIDs or GIDs",
        "this user has no range of further user ids",
        "install uidmap (shadow-utils), then as root: usermod --add-subuids 100000-165535 "
        "--add-subgids 100000-165535 $USER; or use bwrap",
    ),
    _Known(
        r"(?i)permission denied.*docker|docker.*permission denied",
        "this user may not talk to the docker daemon",
        "join the group docker (which is as good as root), or use bwrap",
    ),
    _Known(
        r"Cannot connect to the Docker daemon|docker daemon running|error during connect",
        "no docker daemon answers",
        "start it (systemctl start docker), or use another engine",
    ),
    _Known(
        r"(?i)(unable|cannot|failed) to connect to podman|dial unix|dial tcp|ssh: |connection refused|no such host"
        r"|connection .*not (found|defined)",
        "the podman service of the connection does not answer",
        "see `podman system connection list`; on the other machine: systemctl enable --now podman.socket",
    ),
    _Known(
        r"(?i)exec format error",
        "programs of the root's architecture do not run here",
        "register qemu with the kernel: run this as root, or systemctl restart systemd-binfmt",
    ),
    _Known(
        r"cannot mount overlay|mounting overlay|creating overlay|overlay.*(invalid argument|not supported)",
        "no overlay can be made in the cache folder: it is on an overlay or a network file system itself",
        "put it on a local disk: set PPCDEPS_CACHE",
    ),
    _Known(
        r"cannot mount proc|proc.*Operation not permitted",
        "this container hides parts of /proc, so no process namespace can be made in it",
        "start the outer container with --security-opt unmask=ALL, or use proot",
    ),
    _Known(
        r"unshare: |uid_map|No permissions to creat|new namespace|user namespace|clone.*Operation not permitted",
        "this user may not make namespaces",
        "as root: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000, on Ubuntu also "
        "kernel.apparmor_restrict_unprivileged_userns=0; or use proot",
    ),
    _Known(r"(?i)no space left", "the disk is full", "free some space, or set PPCDEPS_CACHE to another disk"),
    _Known(
        r"there is no qemu",
        "there is no qemu for the root's architecture",
        "install qemu-user-static",
    ),
)


def engine_named(
    name: str, home: Path | None = None, *, connection: str | None = None, mends: tuple[str, ...] = ()
) -> Engine:
    """The engine of that name. Raises UsageError where there is none."""
    place = home or engines_home()
    match name:
        case "podman":
            return Podman(place, connection, mends)
        case "docker":
            return Docker(place)
        case "bwrap":
            return Bwrap(place)
        case "proot":
            return Proot(place)
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
    forgotten. Raises EnvironmentLacksError, with each engine's reason and a mend, where none works (or the wanted one
    does not), and UsageError where there is no engine of that name.
    """
    place = home or engines_home()
    told = reporter or Silence()
    if wanted is not None:
        engine_named(wanted, place)
    if connection is not None and wanted not in {None, "podman"}:
        raise UsageError(f"{wanted} knows no connections", hint="leave --engine out, or say --engine podman")
    names = ENGINES if wanted is None else (wanted,)
    if connection is not None:
        names = ("podman",)
    ensure_emulation(root.arch if root else "ppc64le", told)
    refused: list[Probe] = []
    for name in names:
        probe = _remembered(name, place, connection) or _probe_and_remember(name, root, place, connection)
        if probe.works:
            if probe.note:
                told.warn(f"{name}: {probe.note}")
            return _Remembered(
                engine_named(name, place, connection=connection, mends=probe.mends),
                lambda name=name: _forget(name, place, connection),  # type: ignore[misc]
            )
        refused.append(probe)
    raise _none_works(refused, only=wanted or (connection and "podman"))


def _none_works(refused: list[Probe], only: str | None) -> EnvironmentLacksError:
    if only is not None:
        probe = refused[0]
        return EnvironmentLacksError(f"{only} does not work here: {probe.reason}", hint=probe.mend)
    reasons = "; ".join(f"{probe.engine}: {probe.reason}" for probe in refused)
    mend = next((probe.mend for probe in refused if probe.engine == "bwrap"), refused[0].mend)
    return EnvironmentLacksError(
        f"no container engine works here ({reasons})", hint=f"{mend}; `ppcdeps buildroot doctor` tells all"
    )


class _Remembered:
    """An engine that was chosen, and is not chosen unseen again once it failed."""

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
        return Probe(name, False, ran, reason=f"there is no program {name}", mend=_PACKAGES[name])
    try:
        with _trial(root, place) as (trial, workspace):
            probe = _try(name, trial, workspace, place, connection, Probe(name, False, ran))
        if probe.works:
            _forget_image_of_trial(engine_named(name, place, connection=connection))
        return probe
    except OSError as fault:
        reason = f"{fault.filename or place}: {fault.strerror}"
        return Probe(name, False, ran, reason=reason, mend="set PPCDEPS_CACHE to a folder that can be written")


def _try(name: str, root: Buildroot, workspace: Path, home: Path, connection: str | None, probe: Probe) -> Probe:
    """Run the command, and again with each mend that the failure asks for."""
    while True:
        engine = engine_named(name, home, connection=connection, mends=probe.mends)
        heard = bytearray()
        job = Job(f"probe-{name}-{os.getpid()}-{time.monotonic_ns()}", _COMMAND, workspace, limits=Limits(_SECONDS))
        try:
            ended = engine.run(root, job, heard.extend)
        except EngineFailedError as fault:
            said = fault.message
        else:
            said = " ".join(heard.decode(errors="replace").split())[-300:]
            if ended.is_well and said.split()[-1:] == [root.arch]:
                return replace(probe, works=True, said=said, note=_note(name))
            if ended.ending is Ending.TIMED_OUT:
                said = f"{said} (no end after {_SECONDS:.0f} s)"
        known = next((one for one in _KNOWN if re.search(one.says, said)), None)
        further = tuple(mend for mend in known.around if mend not in probe.mends) if known else ()
        if connection is not None:
            # The other machine's podman decides on its own about all but the container.
            further = tuple(mend for mend in further if not MENDS[mend][0])
        if name == "podman" and further and _is_there(further):
            probe = replace(probe, mends=(*probe.mends, *further))
            continue
        return _refused(probe, said, known, root)


def _forget_image_of_trial(engine: Engine) -> None:
    if isinstance(engine, Docker) or (isinstance(engine, Podman) and engine.connection is not None):
        with contextlib.suppress(EngineFailedError):
            forget_removed(engine.cli)


def _is_there(mends: tuple[str, ...]) -> bool:
    return all(shutil.which(mend) or Path("/usr/sbin", mend).exists() for mend in mends if mend in {"runc", "crun"})


def _refused(probe: Probe, said: str, known: _Known | None, root: Buildroot) -> Probe:
    emulation = emulation_of(root.arch)
    if known is not None:
        mend = known.mend
        if "exec format" in said.lower() and emulation.mend:
            mend = emulation.mend
        return replace(probe, said=said, reason=known.reason, mend=mend)
    if not emulation.works and root.arch != machine_arch():
        # However an engine puts it that the program did not start.
        reason = f"programs of {root.arch} do not run here: {emulation.describe()}"
        return replace(probe, said=said, reason=reason, mend=emulation.mend)
    mend = "run it by hand to see more; another engine may do"
    return replace(probe, said=said, reason=said or "it ended without a word", mend=mend)


def _note(name: str) -> str:
    if name == "proot" and not may_make_namespaces():
        return (
            "without namespaces: each run copies the root, and what runs in it sees this machine's processes; "
            "limits of memory and disk are kept by watching"
        )
    return ""


@contextlib.contextmanager
def _trial(root: Buildroot | None, home: Path) -> Iterator[tuple[Buildroot, Path]]:
    """The root to try with and an empty workspace, in a folder that names its maker: dead makers' are removed."""
    top = home / "trials"
    top.mkdir(parents=True, exist_ok=True)
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


def _load(home: Path) -> dict[str, dict[str, object]]:
    try:
        document = json.loads(_memory(home).read_text("utf-8"))
        return dict(document["probes"]) if document["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(home: Path, probes: dict[str, dict[str, object]]) -> None:
    # It only saves time: where it cannot be written, engines are tried each time.
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
        write_file(_memory(home), json.dumps({"format": _FORMAT, "probes": probes}), durable=False)


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _remembered(name: str, home: Path, connection: str | None) -> Probe | None:
    entry = _load(home).get(_key(name, connection))
    if entry is None or entry.get("boot") != _boot() or shutil.which(name) is None:
        return None
    written, probe = entry.get("time"), entry.get("probe")
    if not isinstance(written, (int, float)) or not 0 <= time.time() - written < _REMEMBERED:
        return None
    if not isinstance(probe, dict):
        return None
    with contextlib.suppress(TypeError):
        return Probe(**{**probe, "mends": tuple(probe.get("mends", ()))})
    return None


def _remember(probe: Probe, home: Path, connection: str | None) -> None:
    probes = _load(home)
    probes[_key(probe.engine, connection)] = {"time": time.time(), "boot": _boot(), "probe": asdict(probe)}
    _save(home, probes)


def _forget(name: str, home: Path, connection: str | None) -> None:
    probes = _load(home)
    if probes.pop(_key(name, connection), None) is not None:
        _save(home, probes)
