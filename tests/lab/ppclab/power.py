"""An emulated POWER9 machine as a compute node of the laboratory, and a node on this machine that emulates."""

import subprocess
from collections.abc import Sequence
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
            Step("power-root", "a root of the POWER machine", lambda: self._make(POWER)),
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

    def _plan(self) -> None:
        self.planned.plan_for(self.root)

    def _build(self) -> None:
        self.planned.build()
        self.planned.fetch_wheels()

    def _equip(self) -> None:
        folder = self.planned.folder
        self._run(_PROGRAM, "equip", *(str(one.relative_to(folder)) for one in self.planned.packages))

    def _make(self, recipe: roots.RootRecipe) -> None:
        folder = self._laboratory.folder
        roots.make(recipe, folder / recipe.name, folder / f"{recipe.name}-root.log")

    def _run(self, *words: str) -> None:
        self._laboratory.run("python3", *words)
