"""An emulated POWER9 machine as a compute node of the laboratory, and a node on this machine that emulates."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ppclab import roots
from ppclab.laboratory import Laboratory, Step
from ppclab.machines import COMPUTE, POWER

if TYPE_CHECKING:
    from ppclab.planned import Planned

POWER_HOST = "power1"
EMULATOR = "emulator"
"""The nodes as nova names them."""
_PROGRAM = "/lab/cloud/powermachine.py"
_DRIVER = "libvirt_driver_qemu.so"
_QEMU_CONF = "/etc/libvirt/qemu.conf"


class PowerNode:
    """The machine, in a laboratory's folder and namespaces: ending those ends it."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    @cached_property
    def planned(self) -> "Planned":
        """What ppcdeps makes for the machine."""
        # Here, as the laboratory without the machine needs no ppcdeps.
        from ppclab.planned import Planned

        return Planned(self._laboratory.folder / "planned")

    @property
    def root(self) -> Path:
        """The root folder that its disk was made of: `check node` makes its test guest of that."""
        return self._laboratory.folder / POWER.name

    def steps(self) -> tuple[Step, ...]:
        """Every part in its order, the cloud's own included."""
        return (
            Step("power-root", "a root of the POWER machine", self._make_foreign_root),
            Step("plan", "what the machine takes beside Debian's packages", self._plan),
            Step("build", "that, built and published; and what pip installs", self._build),
            *self._cloud(),
            Step("power-disk", "the machine's disk", lambda: self._run("/lab/cloud/powerdisk.py")),
            Step("power-machine", "the machine, until it takes commands", lambda: self._run(_PROGRAM, "boot")),
            Step("power-packages", "libvirt, QEMU and nova on it", self._equip),
            Step("power-compute", "nova-compute on it, and its cell", lambda: self._run(_PROGRAM, "compute")),
        )

    def emulator_steps(self) -> tuple[Step, ...]:
        """Those of a node on this machine whose QEMU emulates POWER, the cloud's own included."""
        emulator = Step(EMULATOR, "a node that emulates", lambda: self._run("/lab/cloud/emulator.py"))
        return (*self._cloud(), emulator)

    def _cloud(self) -> tuple[Step, ...]:
        self._laboratory.service_down_time = 60
        needed = "a root with QEMU for POWER, libvirt, nova-compute, and a server of volumes"
        return (Step("compute-root", needed, lambda: self._make(COMPUTE)), *self._laboratory.steps())

    def command(self, words: Sequence[str]) -> list[str]:
        """The command that runs a command on the machine, where the laboratory's are run."""
        return ["python3", _PROGRAM, "run", *words]

    def run(self, *words: str) -> str:
        """Run a command on the machine, as root. Raises CalledProcessError."""
        return self._laboratory.run(*self.command(words))

    def fetch(self, *paths: str) -> Path:
        """Copies of the machine's folders, below the folder that is returned. Raises CalledProcessError."""
        self._run(_PROGRAM, "fetch", *paths)
        return self._laboratory.folder / "fetched"

    def install_dmidecode(self) -> None:
        """Install the RPM dmidecode-power of the recipe book on the machine: os-brick 6.1 wants a dmidecode."""
        folder = self.planned.folder / "dmidecode-power"
        if not list(folder.glob("RPMS/noarch/*.rpm")):
            self.planned.ppcdeps("recipes", "render", "dmidecode-power", "--to", folder.name)
            subprocess.run([str(folder / "build.sh")], check=True, capture_output=True)
        (package,) = folder.glob("RPMS/noarch/*.rpm")
        self._run(_PROGRAM, "install", str(package.relative_to(folder.parent)))

    @contextmanager
    def unpatched_libvirt(self) -> Iterator[None]:
        """Debian's own driver for QEMU in libvirt's place for it: the same release, without the recipe's patch."""
        driver = self._fetch_debians_driver()
        (place,) = self.run("sh", "-c", f"rpm -ql libvirt | grep /{_DRIVER}").split()
        self.run("cp", "-a", place, f"{place}.patched")
        # Debian's has a user of its own to run guests as, which its package makes.
        self.run("sh", "-c", "id libvirt-qemu >/dev/null 2>&1 || useradd --system --user-group libvirt-qemu")
        as_root = r'user = "root"\ngroup = "root"\n'
        self.run("sh", "-c", f"cp -a {_QEMU_CONF} /root; printf '{as_root}' >>{_QEMU_CONF}")
        try:
            self._run(_PROGRAM, "put", str(driver.relative_to(self.planned.folder)), place)
            self._restart_libvirt()
            yield
        finally:
            self.run("mv", f"{place}.patched", place)
            self.run("mv", "/root/qemu.conf", _QEMU_CONF)
            self._restart_libvirt()

    def _fetch_debians_driver(self) -> Path:
        folder = self.planned.folder / "debian-libvirt"
        if not folder.exists():
            roots.extract("ppc64el", ("libvirt-daemon-driver-qemu",), folder)
        (driver,) = folder.glob(f"usr/lib/**/{_DRIVER}")
        return driver

    def _restart_libvirt(self) -> None:
        # nova-compute requires libvirt's service, and is stopped with it.
        self.run("sh", "-c", "systemctl restart libvirtd && sleep 5 && virsh -c qemu:///system version")
        self._run(_PROGRAM, "compute")

    def _plan(self) -> None:
        self.planned.plan_for(self.root)

    def _build(self) -> None:
        self.planned.build()
        self.planned.fetch_wheels()

    def _equip(self) -> None:
        folder = self.planned.folder
        self._run(_PROGRAM, "equip", *(str(one.relative_to(folder)) for one in self.planned.packages))

    def _make_foreign_root(self) -> None:
        # Here, for the same reason as above.
        from ppcdeps.engines.emulation import require_emulation
        from ppcdeps.model.reporter import Silence

        # A machine that has qemu-user is not always told to run ppc64le's programs with it.
        require_emulation("ppc64le", Silence())
        self._make(POWER)

    def _make(self, recipe: roots.RootRecipe) -> None:
        folder = self._laboratory.folder
        folder.mkdir(parents=True, exist_ok=True)
        roots.make(recipe, folder / recipe.name, folder / f"{recipe.name}-root.log")

    def _run(self, *words: str) -> None:
        self._laboratory.run("python3", *words)
