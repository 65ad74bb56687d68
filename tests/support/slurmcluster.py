"""A real Slurm on this machine: Debian's packages unpacked to a folder, one controller and two nodes.

The daemons are processes in namespaces of their own, which end with the test. Jobs see the machine as it is, so that
they build with its ppcdeps and its engines. No munge: `auth/none` believes every user, and there is but one.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mirror import PATIENCE
from ports import free_ports

_PACKAGES = ("slurmctld", "slurmd", "slurm-client")
_PROGRAMS = ("sbatch", "squeue", "scontrol", "scancel", "sacct", "sinfo")
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
Prolog={folder}/ready.sh
TaskProlog={folder}/prolog.sh
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
SlurmdTimeout=5
KillWait=2
ReturnToService=2
{settings}
NodeName=DEFAULT CPUs={cpus} RealMemory=4000
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} Weight=1 Feature=first
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} Weight=2 Feature=second
PartitionName=all Nodes=node1,node2 Default=YES State=UP
"""
# slurmd wants a control group of version 1 to be there, though nothing uses it with these settings.
_CGROUP = "CgroupPlugin=cgroup/v1\nCgroupAutomount=yes\nCgroupMountpoint={folder}/cgroup\n"
# Each node has a folder of its own for what jobs write to.
_PROLOG = '#!/bin/sh\nmkdir -p {folder}/tmp-$SLURMD_NODENAME\necho "export TMPDIR={folder}/tmp-$SLURMD_NODENAME"\n'
# Where a node is to start no jobs, Slurm takes it out of service.
_READY = '#!/bin/sh\n[ ! -e "{folder}/unable-$SLURMD_NODENAME" ]\n'


def lacks() -> str:
    """Why no Slurm can be run on this machine; empty where one can."""
    if os.geteuid() != 0:
        return "Slurm's daemons are run as root"
    needed = ("apt-get", "dpkg-deb", "unshare", "setpriv", "nsenter")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}"
    tried = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True)
    return f"no namespaces can be made: {tried.stderr.strip()}" if tried.returncode else ""


def unpack(folder: Path) -> None:
    """Have Slurm's programs in a folder: packages from where this machine's apt has them. Raises RuntimeError."""
    cache = folder.with_name(f"{folder.name}.packages")
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    # Nothing is installed: whoever has the system's locks need not be waited for.
    alone = ("-oAPT::Sandbox::User=root", "-oDebug::NoLocking=true", "-oAcquire::Retries=3")
    options = [f"-oDir::Cache={cache}", "-oAPT::Install-Recommends=false", *alone]
    command = ["apt-get", "-q", "--yes", "--download-only", "--reinstall", *options, "install", *_PACKAGES]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Slurm's packages cannot be had: {done.stderr.strip()}")
    for archive in sorted((cache / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
    shutil.rmtree(cache)


class SlurmCluster:
    """The controller, and the nodes node1 and node2, in a folder. ``programs`` is the folder with Slurm unpacked."""

    def __init__(self, programs: Path, folder: Path, *, cpus: int = 1, settings: str = "") -> None:
        self.folder = folder
        self._usr = programs / "usr"
        folder.mkdir()
        for name in ("state", "cgroup", "bin"):
            (folder / name).mkdir()
        libraries = self._usr / "lib" / f"{os.uname().machine}-linux-gnu"
        self._environment = {
            "LD_LIBRARY_PATH": f"{libraries}:{libraries / 'slurm-wlm'}",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        text = _CONFIGURATION.format(
            folder=folder, plugins=libraries / "slurm-wlm", ports=free_ports(3), cpus=cpus, settings=settings
        )
        (folder / "slurm.conf").write_text(text)
        (folder / "cgroup.conf").write_text(_CGROUP.format(folder=folder))
        _write_program(folder / "prolog.sh", _PROLOG.format(folder=folder))
        _write_program(folder / "ready.sh", _READY.format(folder=folder))
        exports = " ".join(f"{name}={value}" for name, value in self._environment.items())
        for name in _PROGRAMS:
            # Only Slurm's own programs are to find its libraries.
            _write_program(folder / "bin" / name, f'#!/bin/sh\nexec env {exports} {self._usr}/bin/{name} "$@"\n')
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def path(self) -> str:
        """A PATH that has this Slurm's programs."""
        return f"{self.folder / 'bin'}:{os.environ['PATH']}"

    def start(self) -> None:
        """Start all, and wait for both nodes to be idle."""
        self.start_controller()
        for node in ("node1", "node2"):
            self.start_node(node)
        self.wait()

    def wait(self) -> None:
        """Wait for both nodes to take jobs."""
        wait_for(lambda: self._nodes() <= {"idle", "mixed", "allocated"} and self._nodes(), self.log)

    def _nodes(self) -> set[str]:
        return set(self("sinfo", "--noheader", "--Node", "--format=%T", check=False).split())

    def start_controller(self) -> None:
        """Start slurmctld, with the state that it had."""
        self._start("slurmctld", "-D")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start(node, "-D", "-N", node, "-d", str(self._usr / "sbin" / "slurmstepd-wlm"))

    def kill(self, name: str) -> None:
        """Kill a node with all that runs on it, or the controller (slurmctld): as by a loss of power."""
        if name == "slurmctld":
            # What has changed it writes down within five seconds. Jobs that it had not written down it would not know
            # again, and give their numbers to others, which the nodes refuse.
            wait_for(self._remembered, self.log)
        self._end(name)

    def _end(self, name: str) -> None:
        process = self._daemons.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)

    def _remembered(self) -> bool:
        """Whether the state that the controller has written has all running jobs, by their folders."""
        written = self.folder / "state" / "job_state"
        state = written.read_bytes() if written.exists() else b""
        folders = self("squeue", "--noheader", "--states=running", "--format=%Z").split()
        return all(folder.encode() in state for folder in folders)

    def inside(self, node: str, *command: str) -> None:
        """Run a program of this machine among the mounts of a node."""
        outer = self._daemons[node].pid
        inner = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0]
        subprocess.run(["nsenter", "-t", inner, "-m", "-p", *command], check=True, timeout=PATIENCE)

    @contextlib.contextmanager
    def mounted(self, node: str, place: Path, size: str) -> Iterator[None]:
        """Have a node see a small file system of its own in that place."""
        place.mkdir(parents=True, exist_ok=True)
        self.inside(node, "mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place))
        try:
            yield
        finally:
            self.inside(node, "umount", "--lazy", str(place))

    @contextlib.contextmanager
    def read_only(self, node: str, place: Path) -> Iterator[None]:
        """Have a node see a folder that it cannot write to."""
        self.inside(node, "mount", "--bind", str(place), str(place))
        self.inside(node, "mount", "-o", "remount,bind,ro", str(place))
        try:
            yield
        finally:
            self.inside(node, "umount", "--lazy", str(place))

    @contextlib.contextmanager
    def unable(self, node: str) -> Iterator[None]:
        """Have a node that cannot start jobs."""
        reason = self.folder / f"unable-{node}"
        reason.touch()
        try:
            yield
        finally:
            reason.unlink()
            self("scontrol", "update", f"NodeName={node}", "State=RESUME")
            self.wait()

    def stop(self) -> None:
        """End all, and what was mounted."""
        for name in list(self._daemons):
            self._end(name)

    def __call__(self, program: str, *arguments: str, check: bool = True) -> str:
        """What one of Slurm's programs prints."""
        command = [str(self.folder / "bin" / program), *arguments]
        done = subprocess.run(command, check=check, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout

    def jobs(self) -> dict[str, dict[str, str]]:
        """All jobs by id: state, node, name, reason, and when they began and ended."""
        lines = self("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%j|%r|%S|%e").splitlines()
        keys = ("state", "node", "name", "reason", "start", "end")
        return {line.split("|")[0]: dict(zip(keys, line.split("|")[1:], strict=True)) for line in lines}

    def log(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.log")))

    def _start(self, name: str, *arguments: str) -> None:
        program = self._usr / "sbin" / ("slurmctld-wlm" if name == "slurmctld" else "slurmd-wlm")
        # In namespaces of its own: all that a node runs ends with the first process, and its mounts with it.
        # Whatever ends the tests ends the daemons.
        command = ["setpriv", "--pdeathsig", "KILL", *_NAMESPACES, str(program), *arguments]
        with (self.folder / f"{name}.log").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment(),
                start_new_session=True,
            )

    def run_script(self, folder: Path, environment: Mapping[str, str], work: Path) -> dict[str, dict[str, str]]:
        """Submit the jobs of `ppcdeps export PLAN slurm` in a folder, and wait for them. All are to end well.

        They call the program of this test. Returns its jobs by name, as `jobs` has them.
        """
        _write_program(self.folder / "bin" / "ppcdeps", f'#!/bin/sh\nexec {sys.executable} -m ppcdeps "$@"\n')
        given = {**environment, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        done = subprocess.run(["sh", "submit.sh"], cwd=folder, env=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        numbers = dict(line.split(": job ") for line in done.stdout.splitlines())

        def jobs() -> dict[str, dict[str, str]]:
            known = self.jobs()
            return {name: known[number] for name, number in numbers.items()}

        going = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING"}
        wait_for(lambda: not going & {each["state"] for each in jobs().values()}, self.log)
        outputs = {path.name: path.read_text() for path in work.glob("*.out")}
        assert {each["state"] for each in jobs().values()} == {"COMPLETED"}, outputs
        return jobs()

    def environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], **self._environment}


@contextlib.contextmanager
def running(cluster: SlurmCluster) -> Iterator[SlurmCluster]:
    """A cluster that runs."""
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def wait_for(what: Callable[[], object], why: Callable[[], str]) -> None:
    """Wait until something is so; ``why`` says what was instead where that takes too long."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
