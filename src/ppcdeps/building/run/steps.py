"""The steps of a build: shell scripts that the engine runs in a buildroot, and why one failed."""

import json
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.atomic import same_file
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.untrusted import read_beneath
from ppcdeps.building.run.failures import FailureCause, cause_of
from ppcdeps.building.run.resolver import RequiredPackage
from ppcdeps.building.run.setup import BuildSetup, plain
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.job import BuildMode, Buildroot, Ended, Ending, Job
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.nevra import Nevra

_PACKAGES = "/requires"
"""Where the packages to install are mounted in the buildroot."""

_INSTALL = """\
set -e
cd /build
if ls {packages}/*.rpm >/dev/null 2>&1; then
  rpm -U --oldpackage --replacepkgs --nosignature --excludedocs{options} {packages}/*.rpm
  ldconfig || :
fi
"""


class FailedError(Exception):
    """A build has failed for this cause. Never leaves `builder.build`."""

    def __init__(self, cause: FailureCause) -> None:
        super().__init__(cause.cause)
        self.cause = cause


class StoppedError(Exception):
    """The run was stopped before the build was done."""


@dataclass(frozen=True, slots=True)
class StepRunner:
    """Runs the steps of one task. All that they write goes to ``log``; ``scratch`` is the folder of the task."""

    task: Task
    setup: BuildSetup
    stop: threading.Event
    log: FileIO
    scratch: Path

    def run(
        self,
        root: Buildroot,
        name: str,
        script: str,
        workspace: Path,
        packages: Sequence[RequiredPackage] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a script with ``workspace`` as /build; it may use `install_script` where there are ``packages``.

        Raises StoppedError where the run is stopped.
        """
        job = Job(
            name=f"ppcdeps-{plain(self.task.name)[:24]}-{name}-{threading.get_native_id()}".lower(),
            command=("/bin/sh", "-c", script),
            workspace=workspace,
            inputs={_PACKAGES: self._collected(packages)} if packages else {},
            environment=environment or {},
            limits=self.setup.limits,
        )
        ended = self.setup.engine.run(root, job, self._write, self.stop)
        if ended.ending is Ending.STOPPED or self.stop.is_set():
            raise StoppedError
        return ended

    def note(self, line: str) -> None:
        """Write a line of our own to the log."""
        self._write(f"{line}\n".encode())

    def failure(self, ended: Ended, otherwise: str) -> FailedError:
        """Why a step failed: the limit that it met, what its log says, or ``otherwise``."""
        match ended.ending:
            case Ending.TIMED_OUT:
                minutes = (self.setup.limits.seconds or ended.seconds) / 60
                text = f"it was not done after {minutes:.3g} minutes"
                hint = "more with --timeout, or see where it hangs"
            case Ending.OUT_OF_MEMORY:
                text, hint = "out of memory", "more with --memory, or let fewer run at a time with -j 1"
            case Ending.DISK_FULL:
                text, hint = "it wrote more to the disk than it may", "more with --disk"
            case _:
                found = cause_of(self.setup.log_of(self.task), self.setup.patterns)
                return FailedError(found or FailureCause(f"{otherwise} (exit code {ended.code})", "see the log"))
        return FailedError(FailureCause(text, f"give it {hint}"))

    def installed_in(self, root: Buildroot) -> Collection[str]:
        """The NEVRAs of what is installed in a buildroot, by its own rpm. Remembered for each buildroot."""
        form = "--qf '%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\\n'"
        found = self._said_by_rpm(root, "installed", form)
        return frozenset(str(Nevra.parse(line)) for line in found if not line.startswith("gpg-pubkey"))

    def provided_in(self, root: Buildroot) -> Collection[str]:
        """What the packages of a buildroot provide to Python, by its own rpm. Remembered for each buildroot."""
        found = self._said_by_rpm(root, "provided", "--provides")
        return frozenset(line for line in found if line.startswith("python") and "dist(" in line)

    def _said_by_rpm(self, root: Buildroot, what: str, option: str) -> Sequence[str]:
        """The lines that a buildroot's rpm prints for all of its packages."""
        key = f"{what} 1 {root.key} {root.mode}"
        with suppress(OSError, ValueError):
            return tuple(map(str, json.loads(self.setup.cache.derived_path(key, ".json").read_text("utf-8"))))
        workspace = self.setup.scratch / f"{what}-{threading.get_native_id()}"
        remove_tree(workspace, strict=False)
        workspace.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        workspace.mkdir(mode=0o700)
        try:
            ended = self.run(root, what, f"cd /build && rpm -qa {option} >{what}", workspace)
            if not ended.is_well:
                cause = "the buildroot's rpm does not list what is installed"
                raise FailedError(FailureCause(cause, "create the buildroot again with --renew"))
            found = sorted(set(left_text(workspace, what).splitlines()))
        finally:
            remove_tree(workspace, strict=False)
        self.remember(key, found)
        return found

    def remember(self, key: str, texts: Sequence[str]) -> None:
        """Put into the cache what a step found out."""

        def write(file: BinaryIO) -> None:
            file.write(json.dumps(texts).encode())

        self.setup.cache.store_derived(key, ".json", write)

    def _collected(self, packages: Sequence[RequiredPackage]) -> Path:
        """A folder with the packages under the names that rpm gives them: the cache names files by digest."""
        place = self.scratch / "requires"
        remove_tree(place, strict=False)
        place.mkdir()
        for one in packages:
            same_file(one.path.resolve(), place / one.file_name)
        return place

    def _write(self, output: bytes) -> None:
        self.log.write(output)


def left_text(folder: Path, name: str) -> str:
    """The content of a file that a step left in its workspace. Raises FailedError where it is not to be read."""
    try:
        return read_beneath(folder, name, CEILINGS.contained_text).decode("utf-8", "replace")
    except OSError as fault:
        raise unreadable(fault, name) from fault


def unreadable(fault: OSError, name: str = "") -> FailedError:
    """That a build left something that no build leaves: a link, a FIFO, a device, more than the ceiling."""
    what = f"{fault.filename or name}: {fault.strerror}"
    return FailedError(FailureCause(f"what it left cannot be used: {what}", "see what its spec does"))


def install_script(root: Buildroot) -> str:
    """The shell code that installs a step's packages in the buildroot and goes to /build."""
    # A cross-compiling root can hold packages of the target, and nothing in it can run their scriptlets.
    foreign = root.mode is BuildMode.CROSS
    return _INSTALL.format(packages=_PACKAGES, options=" --ignorearch --noscripts --nodeps" if foreign else "")
