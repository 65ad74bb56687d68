"""A command, or an interactive shell, in a throw-away copy of a buildroot, with any engine.

Engines give a job no input. A shell gets the terminal by a named pipe in its workspace, and a terminal of its own
from the program `script` inside of the root.
"""

import contextlib
import os
import select
import shlex
import shutil
import tempfile
import termios
import threading
import tty
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from ppcdeps.engines.engine import Engine
from ppcdeps.engines.job import Buildroot, Ended, Job, Limits

_INPUT = ".ppcdeps-terminal"


def run_command(
    engine: Engine, root: Buildroot, command: tuple[str, ...], output: Callable[[bytes], None], workspace: Path | None
) -> Ended:
    """Run a command in a copy of the root that is removed afterwards. ``workspace`` is /build inside, by default an
    empty folder.
    """
    with _workspace(workspace) as folder:
        return engine.run(root, _job(command, folder, {}), output)


def run_shell(
    engine: Engine, root: Buildroot, output: Callable[[bytes], None], terminal: int, workspace: Path | None
) -> Ended:
    """Give the terminal (a file descriptor) a shell in a copy of the root. Returns how that ended."""
    size = shutil.get_terminal_size()
    greeting = f"stty cols {size.columns} rows {size.lines} 2>/dev/null; exec bash --norc -i"
    start = f"script --quiet --return --command {shlex.quote(greeting)} /dev/null"
    within = f"exec </build/{_INPUT}; command -v script >/dev/null || exec bash --norc -i; exec {start}"
    term = {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"[{root.name} {root.mode.value}] \\w # "}
    with _workspace(workspace) as folder, _raw(terminal):
        pipe = folder / _INPUT
        os.mkfifo(pipe)
        over = threading.Event()
        feeder = threading.Thread(target=_feed, args=(terminal, pipe, over), daemon=True)
        feeder.start()
        try:
            return engine.run(root, _job(("/bin/sh", "-c", within), folder, term), output)
        finally:
            over.set()
            pipe.unlink(missing_ok=True)


def _job(command: tuple[str, ...], workspace: Path, environment: dict[str, str]) -> Job:
    name = f"shell-{uuid.uuid4().hex[:12]}"
    return Job(name, command, workspace, environment=environment, limits=Limits(processes=None))


@contextlib.contextmanager
def _workspace(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ppcdeps-shell-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """The terminal hands over every key, Ctrl-C included, for as long as this lasts."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _feed(terminal: int, pipe: Path, over: threading.Event) -> None:
    # Opened for both: it must not wait for a reader that never comes.
    into = os.open(pipe, os.O_RDWR)
    try:
        while not over.is_set():
            ready, _, _ = select.select([terminal], [], [], 0.2)
            if not ready:
                continue
            typed = os.read(terminal, 4096)
            if not typed:
                os.write(into, b"\nexit\n")
                return
            os.write(into, typed)
    except OSError:
        return
    finally:
        # Held until the end: the shell would read an end of file before.
        over.wait()
        os.close(into)
