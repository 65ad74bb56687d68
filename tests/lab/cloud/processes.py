"""The services of the cloud: plain processes under their own users, without an init system."""

import os
import pwd
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOGS = Path("/laboratory/logs")
PIDS = Path("/run/cloud")
MOST_FILES = 65536
"""How many files a service may have open. Some machines allow a thousand million: MariaDB and Erlang have a table as
long as that.
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def as_user(user: str, command: Sequence[str]) -> list[str]:
    """The command line that runs a command as a user, with its groups."""
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", *command]


def environment(user: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process of that user has as its environment."""
    home = pwd.getpwnam(user).pw_dir
    values = {"HOME": home, "PATH": PATH, "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "ignore"}
    # What is imported is compiled once for all: nothing has compiled the packages' modules.
    return {**values, "PYTHONPYCACHEPREFIX": "/var/cache/python", **(more or {})}


def start(name: str, user: str, command: Sequence[str], more: Mapping[str, str] | None = None) -> None:
    """Start a service; its log is the file of its name."""
    PIDS.mkdir(exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            as_user(user, command),
            cwd="/",
            env=environment(user, more),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0,
            preexec_fn=limit_files,
        )
    (PIDS / name).write_text(str(process.pid))


def limit_files() -> None:
    """Let this process and its children open no more than that."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def is_running(name: str) -> bool:
    """Whether a service has been started and has not ended."""
    try:
        state = Path(f"/proc/{(PIDS / name).read_text()}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def stop(name: str) -> None:
    """End a service and everything that it started."""
    if not is_running(name):
        return
    os.killpg(int((PIDS / name).read_text()), signal.SIGKILL)
    while is_running(name):
        time.sleep(0.05)


def run(name: str, user: str, *command: str) -> None:
    """Run a command to its end; its output goes to the log of that name. Raises CalledProcessError."""
    with (LOGS / f"{name}.log").open("ab") as log:
        subprocess.run(
            as_user(user, command),
            cwd="/",
            env=environment(user),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
            umask=0,
        )


def wait_for(what: str, test: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until something is so. Raises TimeoutError with its name."""
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:.0f} s; the logs are in {LOGS}")
        time.sleep(0.2)


def succeeds(*command: str) -> bool:
    """Whether a command ends well."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
