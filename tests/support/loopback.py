"""This machine as one that is reached over ssh: an sshd of the test's own on the loopback, with keys of its own."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from mirror import PATIENCE
from ports import free_ports


@dataclass(frozen=True)
class Loopback:
    """The server's port, its process, and an ssh command that it lets in; ``log`` is what it says."""

    port: int
    ssh: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def address(self) -> str:
        return f"ssh://root@127.0.0.1:{self.port}"


@contextlib.contextmanager
def sshd_at(folder: Path, environment: Mapping[str, str], *options: str) -> Iterator[Loopback]:
    """Have an sshd run, whose sessions have these variables. ``folder`` is for its files."""
    if not Path("/usr/sbin/sshd").exists() or os.geteuid() != 0:
        pytest.skip("needs openssh-server, as root")
    folder.mkdir(exist_ok=True)
    for name in ("host", "own"):
        if not (folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (port,) = free_ports(1)
    # sshd's own folder for its unprivileged part, made by its unit elsewhere.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    configuration = folder / "client"
    configuration.write_text(f"IdentityFile {folder}/own\nIdentitiesOnly yes\nUserKnownHostsFile {known}\n")
    variables = " ".join(f'"{name}={value}"' for name, value in environment.items())
    given = [f"AuthorizedKeysFile={folder}/own.pub", "StrictModes=no", "UsePAM=no", "PidFile=none", *options]
    given += ["ListenAddress=127.0.0.1", *([f"SetEnv={variables}"] if variables else [])]
    argv = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", str(port), "-h", str(folder / "host")]
    argv += [word for option in given for word in ("-o", option)]
    log = folder / f"sshd-{port}.log"
    with log.open("wb") as stream, subprocess.Popen(argv, stdout=stream, stderr=stream) as daemon:
        try:
            end = time.monotonic() + PATIENCE
            while b"Server listening on" not in log.read_bytes():
                assert daemon.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield Loopback(port, f"ssh -F {configuration}", daemon, log)
        finally:
            daemon.terminate()
