"""docker, by its command line: it runs no folder, so a buildroot is imported once as an image."""

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.engines.container_image import image_for
from ppcdeps.engines.containers import Cli, LayerWatch, attend, container_options, in_one_stream
from ppcdeps.engines.engine import EngineFailedError, Output, check_name, mounts_of
from ppcdeps.engines.job import Buildroot, Ended, Job
from ppcdeps.engines.sandbox import scratch_for
from ppcdeps.engines.supervise import DiskWatch, Watch


@dataclass(frozen=True, slots=True)
class Docker:
    """Runs a job by docker. ``host`` is its daemon's address, if not what DOCKER_HOST or docker's context says."""

    home: Path
    host: str | None = None
    name: str = "docker"

    @property
    def cli(self) -> Cli:
        """Docker as it is called here."""
        return Cli(("docker", *(("--host", self.host) if self.host else ())))

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        """See ``Engine``."""
        if shutil.which("docker") is None:
            raise EngineFailedError("there is no program docker")
        check_name(job)
        mounts = tuple(mounts_of(root, job))
        cli = self.cli
        with scratch_for(job, self.home) as (scratch, claim):
            image = image_for(root, cli)
            claim.add("container", job.name, cli.command)
            options = [*container_options(root, job, mounts), "--sig-proxy=false"]
            watches: list[Watch] = []
            if job.limits.disk is not None:
                watches.append(DiskWatch(job.limits.disk, (job.workspace,)))
                watches.append(LayerWatch(job.limits.disk, cli, job.name))
            command = in_one_stream(root, job.command)
            if os.geteuid() != 0 and command[0] == "/bin/sh":
                # The daemon is root: without this, the user could not remove what a build leaves in the workspace.
                owner = f"{os.getuid()}:{os.getgid()}"
                command[2] = f'"$@" 2>&1; code=$?; chown -R {owner} /build; exit $code'
            arguments = ["run", *options, image, *command]
            return attend(cli, arguments, job, output, stop, scratch, claim, watches=watches)
