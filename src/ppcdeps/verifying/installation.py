"""Installing packages into a trial root by rpm in an engine: their scriptlets reach nothing of this machine.

The engine's root has this machine's rpm with its libraries and nothing else; the trial root is the job's workspace.
rpm runs the scriptlets with chroot in there. One that leaves the chroot is in the engine's root still, without
network, other processes and files of this machine. An empty trial root
has no rpm of its own, and needs none.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.copying import copy_tree
from ppcdeps.base.programs import run_program
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.engine import WORKSPACE, Engine
from ppcdeps.engines.job import BuildMode, Buildroot, Ended, Ending, Job, Limits
from ppcdeps.model.errors import EnvironmentLacksError

_SECONDS = 3600.0
_PACKAGES = "/packages"
_LAST_BYTES = 1 << 20
_FOLDERS = ("bin", "build", "dev", "etc", "packages", "proc", "root", "run", "sys", "tmp", "var/tmp")


@dataclass(frozen=True, slots=True)
class RpmRun:
    """One run of rpm in an engine. ``said`` is the end of what it and the scriptlets wrote."""

    command: tuple[str, ...]
    ended: Ended
    said: str

    @property
    def is_well(self) -> bool:
        """Whether all packages are installed."""
        return self.ended.is_well

    @property
    def reason(self) -> str:
        """Why they are not."""
        ending = self.ended.ending
        return f"rpm ended with {self.ended.code}" if ending is Ending.EXITED else f"rpm was ended: {ending}"


def make_installer_root(folder: Path) -> Buildroot:
    """A root in ``folder`` that has this machine's rpm, and no other program.

    Raises EnvironmentLacksError where this machine has no rpm.
    """
    program = shutil.which("rpm")
    if program is None:
        raise EnvironmentLacksError("rpm is needed to install into a root", hint="install the package rpm")
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    libraries = run_program(["ldd", program]).checked(EnvironmentLacksError).text
    for path in (program, *re.findall(r"(?:=>|^)\s+(/\S+)", libraries, re.MULTILINE)):
        # Under the name by which it is looked for, whatever that links to.
        _copy(Path(path), folder)
    macros = run_program(["rpm", "--eval", "%{_rpmconfigdir}"], bare=True).checked(EnvironmentLacksError).text
    for path in (macros.strip(), "/etc/rpm"):
        if Path(path).is_dir():
            copy_tree(Path(path), folder / path[1:], exist_ok=True, skip_lost=True)
    # Podman looks names up there.
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")
    arch = machine_arch()
    return Buildroot("installer", BuildMode.NATIVE, folder, arch, arch, folder.parent.name)


def install_packages(
    installer: Buildroot, engine: Engine, root: Path, database: str, packages: Sequence[Path], name: str
) -> RpmRun:
    """Install package files, all of one folder, into the root. ``database`` is the place of its rpm database.

    ``name`` names the run. Raises EngineFailedError where the engine cannot run rpm.
    """
    options = ("-U", "--oldpackage", "--nosignature", "--ignorearch", "--dbpath", database, "--root")
    said = bytearray()

    def keep(output: bytes) -> None:
        said.extend(output)
        del said[:-_LAST_BYTES]

    job = Job(
        name=name,
        command=(_program(installer), *options, WORKSPACE, "--", *(f"{_PACKAGES}/{path.name}" for path in packages)),
        workspace=root,
        inputs={_PACKAGES: packages[0].parent},
        folder="/",
        limits=Limits(seconds=_SECONDS),
    )
    ended = engine.run(installer, job, keep)
    shown = ("rpm", *options, str(root), "--", *map(str, packages))
    return RpmRun(shown, ended, said.decode("utf-8", "replace"))


def _program(installer: Buildroot) -> str:
    found = next(place for place in ("usr/bin/rpm", "bin/rpm") if (installer.path / place).is_file())
    return f"/{found}"


def _copy(path: Path, folder: Path) -> None:
    place = folder / str(path)[1:]
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, place)
