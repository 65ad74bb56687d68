"""podman: containers on this machine straight from a folder, or on another machine through a connection.

What it needs beyond its defaults is given on its command line, so that the user's own configuration counts; its
storage is in the engines' home, so that the user's own containers and images are out of reach.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.programs import run_program
from ppcdeps.base.removal import remove_tree
from ppcdeps.engines.container_image import image_for
from ppcdeps.engines.containers import Cli, LayerWatch, attend, container_options, in_one_stream
from ppcdeps.engines.engine import EngineFailedError, Mount, Output, check_name, mounts_of, own_folder
from ppcdeps.engines.job import Buildroot, Ended, Ending, Job
from ppcdeps.engines.sandbox import Scratch, scratch_for
from ppcdeps.engines.supervise import DiskWatch, Watch

_LONGEST = 50
_FLAGS = ("nosuid", "nodev")
"""No file of a run is set-uid or a device for this machine. Docker has no such options."""
_ELSEWHERE = Path("/var/tmp")  # noqa: S108

FIXES = {
    # What a probe finds to be needed: options before the subcommand, and options of run.
    "runc": (("--runtime", "runc"), ()),
    "crun": (("--runtime", "crun"), ()),
    "cgroupfs": (("--cgroup-manager", "cgroupfs"), ()),
    "ulimits": ((), ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096")),
}


@dataclass(frozen=True, slots=True)
class Podman:
    """Runs a job by podman.

    ``connection`` is one that podman knows, or a URL; ``fixes`` says which of FIXES this machine needs.
    ``label`` is what containers on another machine are marked with.
    """

    home: Path
    connection: str | None = None
    fixes: tuple[str, ...] = ()
    label: str = ""
    name: str = "podman"

    @property
    def cli(self) -> Cli:
        """Podman as it is called here."""
        if self.connection is not None:
            kind = "--url" if "://" in self.connection else "--connection"
            return Cli(("podman", "--remote", kind, self.connection))
        options = ["--root", str(_storage(self.home)), "--runroot", str(_run_root(self.home))]
        options += ["--events-backend", "file"]
        if os.geteuid() == 0:
            # Else podman keeps a mount of its own on its folder while it runs, and for good where it is killed.
            options += ["--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"]
        for fix in self.fixes:
            options += FIXES[fix][0]
        return Cli(("podman", *options))

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        """See ``Engine``."""
        if shutil.which("podman") is None:
            raise EngineFailedError("there is no program podman")
        check_name(job)
        if self.connection is not None:
            return self._run_there(root, job, output, stop)
        mounts = tuple(mounts_of(root, job))
        cli = self.cli
        with scratch_for(job, self.home) as (scratch, claim):
            claim.add("container", job.name, cli.command)
            identity = scratch.folder / "id"
            options = [*container_options(root, job, mounts, _FLAGS), *self._options(), "--cidfile", str(identity)]
            command = in_one_stream(root, job.command)
            layer = _layer_over(root, scratch)
            place = str(layer) if layer is not None else f"{own_folder(root)}:O"
            arguments = ["run", *options, "--rootfs", place, *command]
            watches: list[Watch] = []
            if job.limits.disk is not None and layer is not None:
                watches.append(DiskWatch(job.limits.disk, (scratch.upper, job.workspace)))
            elif job.limits.disk is not None:
                storage = (_storage(self.home), _run_root(self.home))
                watches.append(_ContainerDiskWatch(job.limits.disk, job.workspace, storage, identity))
            return attend(cli, arguments, job, output, stop, scratch, claim, watches=watches)

    def _options(self) -> list[str]:
        options = ["--sig-proxy=false", "--http-proxy=false", "--security-opt", "label=disable"]
        for fix in self.fixes:
            options += FIXES[fix][1]
        return options

    def _run_there(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None) -> Ended:
        """Run on another machine. Nothing of this one can be mounted there: all is copied, and the workspace back."""
        cli = self.cli
        mounts = tuple(mounts_of(root, job))
        with scratch_for(job, self.home) as (scratch, claim):
            image = image_for(root, cli)
            claim.add("container", job.name, cli.command)
            options = [*container_options(root, job, ()), *self._options()]
            # Of the subcommand run alone.
            options.remove("--sig-proxy=false")
            options += ["--label", self.label] if self.label else []
            cli.run("create", *options, image, *in_one_stream(root, job.command), seconds=300)
            for mount in mounts:
                _copy_in(cli, mount, job.name, scratch)

            def bring_back() -> None:
                back = scratch.folder / "back"
                back.mkdir()
                cli.run("cp", f"{job.name}:/build/.", str(back), seconds=3600)
                _replace_content(job.workspace, back)

            arguments = ["start", "--attach", "--sig-proxy=false", job.name]
            watches: list[Watch] = []
            if job.limits.disk is not None:
                watches.append(LayerWatch(job.limits.disk, cli, job.name))
            return attend(
                cli, arguments, job, output, stop, scratch, claim, watches=watches, before_removal=bring_back
            )


def _layer_over(root: Buildroot, scratch: Scratch) -> Path | None:
    """The root under a layer for one run, mounted nosuid and nodev. It goes with the folder of the run.

    None where this user may not mount: podman then lays its own layer over it, for which it takes no such options.
    """
    lower = own_folder(root)
    if os.geteuid() != 0 or any(sign in f"{lower}{scratch.folder}" for sign in ",:\\"):
        return None
    overlay = scratch.overlay(lower)
    options = f"lowerdir={lower},upperdir={overlay['upper']},workdir={overlay['work']}"
    merged = overlay["merged"]
    command = ["mount", "-t", "overlay", "-o", f"nosuid,nodev,{options}"]
    return Path(merged) if run_program(command, operands=["ppcdeps", merged]).is_well else None


class _ContainerDiskWatch(DiskWatch):
    """The workspace and what podman keeps of the container, whose name on the disk is known once it is made."""

    def __init__(self, limit: int, workspace: Path, storage: Sequence[Path], identity: Path) -> None:
        self._storage = storage
        self._identity = identity
        super().__init__(limit, (workspace,))

    def reached(self) -> Ending | None:
        if len(self.folders) == 1 and self._identity.exists():
            name = self._identity.read_text().strip()
            if name:
                self.folders += tuple(place / "overlay-containers" / name for place in self._storage)
        return super().reached()


def _storage(home: Path) -> Path:
    """Where podman keeps its containers. It remembers the path, and refuses a storage that was moved or copied."""
    folder = home.absolute() / "podman"
    return folder / f"root-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def _run_root(home: Path) -> Path:
    """Where podman keeps what runs, with what is written over the root: in the home, if podman takes its name.

    It takes 50 characters at most, and no link. For a longer name, a folder in /var/tmp that says whose it is.
    """
    own = (home / "podman" / "run").absolute()
    if len(str(own)) <= _LONGEST:
        return own
    user = os.geteuid()
    short = _ELSEWHERE / f"ppcdeps-{user}-{hashlib.sha256(os.fsencode(own)).hexdigest()[:12]}"
    if not short.exists():
        _remove_abandoned(user)
        with contextlib.suppress(FileExistsError):
            short.mkdir(mode=0o700)
            (short / "home").write_text(str(home.absolute()))
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        raise EngineFailedError(f"{short} belongs to another user")
    return short / "run"


def _remove_abandoned(user: int) -> None:
    """Remove the folders of this user whose homes are removed."""
    for old in _ELSEWHERE.glob(f"ppcdeps-{user}-*"):
        with contextlib.suppress(OSError):
            if old.lstat().st_uid == user and not Path((old / "home").read_text()).exists():
                remove_tree(old, unmount=True, strict=False)


def _copy_in(cli: Cli, mount: Mount, container: str, scratch: Scratch) -> None:
    """Put a file or a folder's content at its place in a container that does not run yet."""
    # podman cp makes no folders on the way; a tar of all of them does.
    place = mount.place.strip("/")
    source = mount.source
    if source.is_dir():
        tar = ["tar", "-C", str(source), "-c", f"--transform=s,^\\.,{place},", "."]
    else:
        tar = ["tar", "-C", str(source.parent), "-c", f"--transform=s,.*,{place},", f"./{source.name}"]
    with subprocess.Popen([*tar, "--owner=0", "--group=0", "--numeric-owner"], stdout=subprocess.PIPE) as packing:
        assert packing.stdout is not None
        # Podman 4.3 writes what it reads here to a temporary file and leaves it there.
        cli.run(*("cp", "-", f"{container}:/"), stdin=packing.stdout.fileno(), seconds=3600, temporary=scratch.folder)


def _replace_content(folder: Path, new: Path) -> None:
    for old in folder.iterdir():
        remove_tree(old)
    for one in new.iterdir():
        shutil.move(one, folder / one.name)
