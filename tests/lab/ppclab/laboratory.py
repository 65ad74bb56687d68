"""The laboratory's parts in the order in which they come up, each kept once it is there."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ppclab import roots, unpacked
from ppclab.namespaces import Namespaces

SOURCES = Path(__file__).resolve().parent.parent / "cloud"
GUEST = Path(__file__).resolve().parents[3] / "src" / "ppcdeps" / "data" / "guest"
CLOUD = "laboratory"
CLOUDS_YAML = """
clouds:
  laboratory:
    auth:
      auth_url: http://10.0.2.2:5000/v3
      username: admin
      password: secret
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
"""


@dataclass(frozen=True)
class Step:
    """One part: what it is, and what brings it up. It does nothing where that is up."""

    name: str
    what: str
    do: Callable[[], None]


class Laboratory:
    """A cloud in a folder: roots, namespaces, services, nodes. Nothing outside the folder is written."""

    def __init__(self, folder: Path, *, stays: bool = True) -> None:
        self.folder = folder
        self.root = folder / roots.CONTROL.name
        self.namespaces = Namespaces(self.root, folder)
        self._stays = stays
        self.service_down_time = 20
        """Seconds after which nova takes a silent service as down. A machine that is emulated needs more."""

    @property
    def clouds_yaml(self) -> Path:
        """The file that says how the cloud is reached from its network; its cloud is called laboratory."""
        return self.folder / "clouds.yaml"

    def steps(self) -> tuple[Step, ...]:
        """Every part in its order."""
        return (
            Step("control-root", "a root with the control plane's packages", self.make_root),
            Step("namespaces", "the cloud's own network, mounts and processes", self.enter),
            Step("control", "the control plane's services", self.start_control),
        )

    def make_root(self) -> None:
        """The root of the control plane, unless it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unpacked.make(roots.CONTROL, self.root, self.folder / "control-root.log")

    def enter(self) -> None:
        """The namespaces, unless they are there."""
        if self.namespaces.pid is None:
            (self.folder / "control.up").unlink(missing_ok=True)
            self.namespaces.start(stays=self._stays)

    def start_control(self) -> None:
        """The control plane, from empty databases, unless it is up. Raises CalledProcessError; the logs say why."""
        if (self.folder / "control.up").exists():
            return
        self.run(
            "python3",
            "/lab/cloud/control.py",
            environment={"LAB_SERVICE_DOWN_TIME": str(self.service_down_time)},
        )
        self.clouds_yaml.write_text(CLOUDS_YAML)

    def start_node(self, host: str, driver: str = "labnode.PowerDriver") -> None:
        """A compute node without a hypervisor, with its own driver, mapped to its cell."""
        self.run("python3", "/lab/cloud/node.py", "start", host, driver)

    def start_network_node(self, host: str) -> None:
        """A node like that with neutron's agents, whose guests have network cards and the test guest's DHCP."""
        guest = self.folder / "guest"
        shutil.rmtree(guest, ignore_errors=True)
        shutil.copytree(GUEST, guest)
        (guest / "udhcpc").chmod(0o755)
        self.run("python3", "/lab/cloud/node.py", "agents", host, "labnode.CardDriver")

    def start_nodes(self, drivers: Mapping[str, str]) -> None:
        """Compute nodes without a hypervisor, by host: those that run already are left alone."""
        words = [f"{host}={driver}" for host, driver in drivers.items()]
        self.run("python3", "/lab/cloud/node.py", "ensure", *words)

    @contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """A service that takes connections and answers none."""
        self.run("python3", "/lab/cloud/node.py", "freeze", service)
        try:
            yield
        finally:
            self.run("python3", "/lab/cloud/node.py", "thaw", service)

    @contextmanager
    def scheduling(self, **settings: str) -> Iterator[None]:
        """nova-scheduler with other settings of its section of that name."""
        self.run("python3", "/lab/cloud/node.py", "scheduler", *(f"{key}={value}" for key, value in settings.items()))
        try:
            yield
        finally:
            self.run("python3", "/lab/cloud/node.py", "scheduler")

    def set_faults(self, host: str, *lines: str) -> None:
        """Have things go wrong on a node of the laboratory's own driver, or none; see cloud/labnode.py."""
        (self.folder / "faults" / host).write_text("\n".join(lines))

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command inside, and give what it printed. Raises CalledProcessError, with that in its notes."""
        done = subprocess.run(
            self.namespaces.inside(command, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout)
            error.add_note(done.stdout)
            raise error
        return done.stdout

    def stop(self) -> None:
        """End everything that runs."""
        self.namespaces.stop()

    def remove(self) -> None:
        """End everything, and remove the folder."""
        self.stop()
        if self.root.exists():
            roots.remove(self.root)
        shutil.rmtree(self.folder, ignore_errors=True)


def timed(step: Step) -> float:
    """Do a step. Returns the seconds that it took."""
    began = time.monotonic()
    step.do()
    return time.monotonic() - began
