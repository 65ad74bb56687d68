"""Repository metadata by createrepo_c, which is then held to what it is to describe."""

import gzip
import os
import re
import subprocess
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Protocol

from ppcdeps.base.removal import remove_tree
from ppcdeps.model.errors import BuildError, EnvironmentLacksError

_PACKAGE = re.compile(rb"<package\b[^>]*>.*?</package\s*>", re.DOTALL)
_LOCATION = re.compile(rb'<location [^>]*?href="([^"]+)"')
_PKGID = re.compile(rb'<checksum type="sha256" pkgid="YES">([0-9a-f]{64})</checksum>')


class IndexedPackage(Protocol):
    """What is to be known of a package that goes into the metadata: ``built`` is in seconds since 1970."""

    @property
    def path(self) -> str:
        """Its place in the repository."""

    @property
    def sha256(self) -> str:
        """The digest of the file."""

    @property
    def built(self) -> int:
        """When it was built."""


def write_metadata(folder: Path, to: Path, packages: Sequence[IndexedPackage], lock: int) -> None:
    """Write the folder ``repodata`` in ``to``, for these packages of the repository in ``folder``.

    The metadata that the repository has now is used for what did not change. createrepo_c inherits the descriptor
    ``lock``. The same packages give the same bytes. Raises BuildError where it fails, or describes something else,
    and EnvironmentLacksError where it is missing.
    """
    expected = {(one.path, one.sha256) for one in packages}
    # With --update it takes what has the same name, size and time for the same, which a signed file may have.
    for options in (["--update", "--update-md-path", str(folder)], []):
        if options and not (folder / "repodata").is_dir():
            continue
        _createrepo(folder, to, packages, options, lock)
        if _described(to / "repodata") == expected:
            return
        remove_tree(to / "repodata")
    raise BuildError("createrepo_c described other packages than there are", hint="try another version of it")


def _createrepo(
    folder: Path, to: Path, packages: Sequence[IndexedPackage], options: Sequence[str], lock: int
) -> None:
    listed = to / "packages.list"
    listed.write_text("".join(f"{one.path}\n" for one in packages), encoding="utf-8")
    newest = max((one.built for one in packages), default=0)
    command = ["createrepo_c", "--quiet", "--no-database", "--checksum=sha256", *options]
    # gzip: what dnf of every release reads.
    command += ["--general-compress-type=gz", f"--revision={newest}", "--set-timestamp-to-revision"]
    command += [f"--pkglist={listed}", f"--outputdir={to}", str(folder)]
    _run(command, (lock,))
    listed.unlink()


def index_folder(folder: Path, revision: int = 1) -> None:
    """Make a folder of RPMs that nobody reads yet a repository: the same packages give the same bytes.

    Raises EnvironmentLacksError where createrepo_c is missing, BuildError where it fails.
    """
    options = ["--quiet", "--no-database", f"--revision={revision}", "--set-timestamp-to-revision"]
    _run(["createrepo_c", *options, str(folder)])


def _run(command: Sequence[str], descriptors: Sequence[int] = ()) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            pass_fds=tuple(descriptors),
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as error:
        raise EnvironmentLacksError(
            "createrepo_c is not installed, and repositories are made with it",
            hint="install the package createrepo-c (Debian) or createrepo_c (EL, Fedora)",
        ) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise BuildError(f"createrepo_c failed: {reason}", hint="nothing was published")


def _described(repodata: Path) -> set[tuple[str, str]]:
    """Place and SHA-256 of the packages that primary.xml describes."""
    (primary,) = repodata.glob("*-primary.xml.gz")
    found = set()
    for package in _PACKAGE.findall(gzip.decompress(primary.read_bytes())):
        place, digest = _LOCATION.search(package), _PKGID.search(package)
        if place and digest:
            found.add((unescape(place[1].decode()), digest[1].decode()))
    return found
