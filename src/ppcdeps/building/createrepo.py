"""Repository metadata by createrepo_c, compared with the packages that it is to describe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ppcdeps.base.programs import run_program
from ppcdeps.base.removal import remove_tree
from ppcdeps.metadata.primary import read_primary
from ppcdeps.model.errors import BuildError

_SECONDS = 3600.0
"""A repository of a whole distribution takes some minutes."""


class IndexedPackage(Protocol):
    """A package that goes into the metadata; ``built`` is in seconds since 1970."""

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
    # --update goes by name, size and time, and a file that was signed anew may have the same of all three.
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
    command += [f"--pkglist={listed}", f"--outputdir={to}"]
    _run(command, folder, (lock,))
    listed.unlink()


def index_folder(folder: Path, revision: int = 1) -> None:
    """Make a folder of RPMs that no reader knows yet a repository: the same packages give the same bytes.

    Raises EnvironmentLacksError where createrepo_c is missing, BuildError where it fails.
    """
    options = ["--quiet", "--no-database", f"--revision={revision}", "--set-timestamp-to-revision"]
    _run(["createrepo_c", *options], folder)


def _run(command: Sequence[str], folder: Path, descriptors: Sequence[int] = ()) -> None:
    run_program(
        command,
        operands=[str(folder)],
        needed_for="repositories are made with it",
        install="the package createrepo-c (Debian) or createrepo_c (EL, Fedora)",
        seconds=_SECONDS,
        descriptors=descriptors,
    ).checked(BuildError, hint="nothing was published")


def _described(repodata: Path) -> set[tuple[str, str]]:
    """Place and SHA-256 of the packages that primary.xml describes."""
    (primary,) = repodata.glob("*-primary.xml.gz")
    packages = read_primary(primary)
    return {(one.location.get("href", ""), one.checksum.removeprefix("sha256:")) for one in packages}
