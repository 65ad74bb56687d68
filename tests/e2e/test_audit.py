"""`ppcdeps audit` at a terminal."""

import fcntl
import os
import pty
import shutil
import subprocess
import termios
import time
from pathlib import Path

import pytest
from mirror import PATIENCE
from program import Program


@pytest.mark.parametrize("caches", ["cold", "warm"])
def test_ctrl_c_at_a_terminal_ends_all_processes_at_once(caches: str, ppcdeps: Program, warm_cache: Path) -> None:
    if caches == "warm":
        shutil.copytree(warm_cache, ppcdeps.cache)
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    running = subprocess.Popen(
        ppcdeps.command("audit", "-t", "centos-stream-9"),
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    until = time.monotonic() + PATIENCE
    while len(_of_session(running.pid)) < 2 and running.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    os.write(ours, b"\x03")
    shown = _shown(ours)
    assert running.wait(PATIENCE) == 130, shown
    assert _of_session(running.pid) == []
    assert shown.count("interrupted") == 1, shown
    assert "Traceback" not in shown


def _of_session(session: int) -> list[str]:
    """The processes of a session that have not ended, by their ids."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            found.append(stat.parent.name)
    return found


def _shown(terminal: int) -> str:
    """What is shown at a terminal until all that write to it have ended."""
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    return shown.decode()
