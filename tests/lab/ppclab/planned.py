"""A compute node's software by ppcdeps: nova from the index, libvirt and QEMU by recipes, for a Debian 12 of ppc64el.

Debian's packages stand in for what a distribution has. All of it is in one folder, and each part is kept once it is
there: `plan.json`, `repository` with what was built, `wheels` for pip, and `requirements-debian-node.txt`.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from buildworld import write_target

from ppcdeps.base.digests import sha256_of
from ppcdeps.building.buildroots.debianbase import base_repository
from ppcdeps.building.buildroots.debiansources import SourceArchive
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.recipebook.book import load_book, sources_of
from ppclab.machines import LIBRARIES, OF_DEBIAN

PROJECT = Path(__file__).resolve().parents[3]
NOVA = "26.3.0"
BY_RECIPE = {"libvirt": "9.0.0", "qemu": "7.2.0"}
"""Sources that recipes for Debian build, and their versions: those of Debian 12."""
BUILDROOT = "debian-12-node"
PINNED_ELSEWHERE = {"yappi": "1.7.6"}
"""The pins of Zed are for Python 3.8 to 3.10: yappi 1.3.6 does not compile with 3.11."""
WORKLOAD = f"""\
name = "debian-node"
title = "nova-compute on Debian 12: nova from the index, libvirt and QEMU by recipes"
roots = ["debian-12-base", "libvirt", "qemu", "pypi:nova=={NOVA}"]
constraints = "pins.txt"
"""
_PYTHON = ("--python-version", "3.11", "--platform", "manylinux_2_34_ppc64le", "--platform", "manylinux_2_17_ppc64le")
_BUILD_SYSTEMS = ("setuptools<69", "wheel<0.44", "pbr==5.10.0")
"""What pip builds the pure source distributions with, on a machine without an index."""


class Planned:
    """The plan, and what came of it, in a folder. Everything raises CalledProcessError where a program fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def packages(self) -> list[Path]:
        """The RPMs that a node installs: the one that stands for its Debian packages first."""
        return [*sorted(self.folder.glob("base/*.rpm")), *sorted(self.folder.glob("repository/packages/*/*.rpm"))]

    def describe(self) -> None:
        """Write the workload, the pins, and the buildroot: the shipped one with the node's packages."""
        (self.folder / "node.toml").write_text(WORKLOAD)
        (self.folder / "pins.txt").write_text(pins())
        definition = self.folder / "roots" / BUILDROOT / "buildroot.toml"
        shutil.copytree(PROJECT / "containers/debian-12", definition.parent, dirs_exist_ok=True)
        more = "".join(f'"{name}", ' for name in (*(f"python3-{name}" for name in OF_DEBIAN), *LIBRARIES))
        shipped = definition.read_text()
        definition.write_text(shipped.replace("packages = [\n", f"packages = [\n    {more}\n", 1))
        assert definition.read_text() != shipped

    def plan_for(self, root: Path) -> None:
        """Plan for that Debian root, unless it is done: an RPM is made that stands for its packages."""
        if (self.folder / "plan.json").exists():
            return
        self.describe()
        making = load_definitions([self.folder / "roots"]).named(BUILDROOT).making
        assert isinstance(making, DebianMaking)
        self.plan(base_repository(root, "ppc64le", self.folder / "base", making).path)

    def plan(self, base: Path) -> None:
        """Plan for a Debian root, of which that is the repository."""
        write_target(self.folder, BY_RECIPE, base, BUILDROOT)
        self.ppcdeps("plan", "node.toml", *_TARGET, "-o", "plan.json", codes=(0, 1))

    def fetch_sources(self) -> None:
        """Fetch the tarballs of what recipes build, from where Debian has them. Raises UnavailableError."""
        folder = self.folder / "sources"
        folder.mkdir(exist_ok=True)
        archive = SourceArchive(self.folder / "archive")
        for source, version in BY_RECIPE.items():
            for named in sources_of(load_book().named(f"{source}-debian"), version)[1]:
                file = folder / named.file
                if named.role == "main" and not file.exists():
                    shutil.copyfile(archive.fetch(source, "bookworm").file, file)
                    assert sha256_of(file) == named.sha256, f"{named.file} is another one here"

    def build(self) -> None:
        """Build what the plan takes, and publish it, unless it is done."""
        if list(self.folder.glob("repository/packages/*/qemu-*.rpm")):
            return
        self.fetch_sources()
        self.ppcdeps(
            *("build", "plan.json", *_TARGET, "--buildroots", "roots", "--sources", "sources"),
            *("--repository", "repository"),
        )

    def fetch_wheels(self) -> None:
        """Write pip's requirements with hashes, and fetch their files and build systems, unless it is done."""
        wheels = self.folder / "wheels"
        if wheels.is_dir():
            return
        self.ppcdeps("constraints", "node.toml", *_TARGET, codes=(0, 1))
        download = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "wheels.part")
        self._run(*download, "--require-hashes", "-r", "requirements-debian-node.txt", *_PYTHON)
        self._run(*download, *_BUILD_SYSTEMS)
        (self.folder / "wheels.part").rename(wheels)

    def ppcdeps(self, *words: str, codes: tuple[int, ...] = (0,)) -> None:
        """Run the program in the folder."""
        self._run(sys.executable, "-m", "ppcdeps", *words, codes=codes)

    def _run(self, *command: str, codes: tuple[int, ...] = (0,)) -> None:
        with (self.folder / "log").open("a") as log:
            print("$", *command, file=log, flush=True)
            done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if done.returncode not in codes:
            error = subprocess.CalledProcessError(done.returncode, command)
            error.add_note(f"the log is {self.folder / 'log'}")
            raise error


_TARGET = ("--target", "target.toml")


def pins() -> str:
    """OpenStack's constraints of the release, but for what the node has and what its Python does not take."""
    dropped = {*OF_DEBIAN, "libvirt-python", "nova", "pynacl", *PINNED_ELSEWHERE}
    text = (PROJECT / "constraints/upper-constraints-zed.txt").read_text()
    kept = [line for line in text.splitlines() if re.split("[=;]", line)[0].strip().lower() not in dropped]
    return "\n".join([*kept, *(f"{name}==={version}" for name, version in PINNED_ELSEWHERE.items()), ""])
