"""Upstream tarballs from the distribution's source packages, fetched by the machine's own apt."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.model.errors import RepositoryError

PATIENCE = 300
"""Seconds after which apt is stuck."""


class UnavailableError(RepositoryError):
    """The source cannot be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Tarball:
    """An upstream tarball as the distribution's archive has it: apt has checked its digest up to the signed index."""

    file: Path
    version: str

    def unpack(self, folder: Path) -> Path:
        """The one folder that is in the tarball, unpacked below `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        run_program(["tar", "--extract", "--file", str(self.file), "--directory", str(folder)]).checked()
        (top,) = folder.iterdir()
        return top


def os_release() -> dict[str, str]:
    """What /etc/os-release says of this machine; nothing where there is no such file."""
    file = Path("/etc/os-release")
    pairs = (line.partition("=") for line in file.read_text().splitlines()) if file.is_file() else ()
    return {name: value.strip('"') for name, _, value in pairs}


def _run(command: list[str], folder: Path) -> str:
    try:
        return run_program(command, folder=folder, seconds=PATIENCE).checked(UnavailableError).text
    except UnfinishedProgramError as fault:
        raise UnavailableError(fault.message) from fault


class SourceArchive:
    """The source side of the distribution's archive, with an apt state of its own: the machine's stays as it is."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("apt-get") is None:
            raise UnavailableError("no apt-get: sources come from a Debian archive here")
        self._release = os_release()
        self._folder = folder
        self._sources = folder / "sources"
        for needed in (self._sources, folder / "lists" / "partial", folder / "archives" / "partial"):
            needed.mkdir(parents=True, exist_ok=True)
        self._enabled: set[str] = set()

    @property
    def suite(self) -> str:
        """What this machine's release is called, such as bookworm."""
        return self._release.get("VERSION_CODENAME", "")

    def _apt(self, program: str) -> list[str]:
        return [
            program,
            *("-o", "Dir::Etc::SourceList=/dev/null"),
            *("-o", f"Dir::Etc::SourceParts={self._sources}"),
            *("-o", f"Dir::State::Lists={self._folder / 'lists'}"),
            *("-o", f"Dir::Cache={self._folder}"),
            # The account that apt would change to cannot write in this user's folders.
            *("-o", "APT::Sandbox::User=root"),
        ]

    def _locations(self) -> list[str]:
        """Where the machine takes this release's packages from, with the components."""
        wanted = "$(RELEASE)\t$(REPO_URI)\t$(COMPONENT)"
        listed = _run(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"], self._folder)
        rows = {tuple(line.split("\t")) for line in listed.splitlines()}
        return [f"{uri} {{suite}} {component}" for release, uri, component in sorted(rows) if release == self.suite]

    def _enable(self, suite: str) -> None:
        if suite in self._enabled:
            return
        self.check()
        locations = self._locations()
        keyring = Path(f"/usr/share/keyrings/{self._release.get('ID', 'debian')}-archive-keyring.gpg")
        options = f"[signed-by={keyring}] " if keyring.is_file() else ""
        lines = [f"deb-src {options}{location.format(suite=suite)}\n" for location in locations]
        (self._sources / f"{suite}.list").write_text("".join(lines))
        try:
            _run([*self._apt("apt-get"), "update", "-q", "--error-on=any"], self._folder)
        except UnavailableError:
            (self._sources / f"{suite}.list").unlink()
            raise
        self._enabled.add(suite)

    def check(self) -> None:
        """Raise UnavailableError where this machine's apt has no repository of its own release."""
        if not self._locations():
            raise UnavailableError(f"apt has no repository of {self.suite or 'this release'} to take sources from")

    def fetch(self, package: str, suite: str | None = None) -> Tarball:
        """The upstream tarball of a source package of this machine's release, or of another suite of its archive."""
        suite = suite or self.suite
        self._enable(suite)
        folder = self._folder / "tarballs" / suite / package
        folder.mkdir(parents=True, exist_ok=True)
        source = [*self._apt("apt-get"), "source", "-q", "--tar-only", "-t", suite]
        # In a folder without the tarball: apt does not list what is there already.
        listed = _run([*source, "--print-uris", package], self._folder)
        named = re.search(r"^'[^']+' (\S+\.orig\.tar\.[a-z0-9]+) ", listed, re.MULTILINE)
        if named is None:
            raise UnavailableError(f"the source package {package} of {suite} has no upstream tarball")
        # An older one may lie beside it.
        _run([*source, "--download-only", package], folder)
        file = folder / named[1]
        return Tarball(file, file.name.partition("_")[2].partition(".orig.tar")[0])

    def unpack_packaged(self, package: str, folder: Path) -> Path:
        """The source package of this machine's release, unpacked and with the distribution's patches."""
        if shutil.which("dpkg-source") is None:
            raise UnavailableError("no dpkg-source (package dpkg-dev)")
        self._enable(self.suite)
        folder.mkdir(parents=True, exist_ok=True)
        _run([*self._apt("apt-get"), "source", "-q", "-t", self.suite, package], folder)
        (top,) = (entry for entry in folder.iterdir() if entry.is_dir())
        return top
