"""One document at one door: ppcdeps in a forked child with ceilings, and what is to be said against how it went."""

import contextlib
import ctypes
import faulthandler
import importlib
import os
import pkgutil
import re
import resource
import select
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from damage import FORGED

import ppcdeps

if TYPE_CHECKING:
    from doors import Door

SECONDS = 10.0
"""Of the processor at most in any case, and by the clock where nothing else runs."""
MEMORY = 1 << 30
LOOK = 0.05
"""Seconds between two looks at the memory of a run."""
DISK = 256 << 20
"""Bytes that no file of a run may exceed: what is put in is much smaller."""
SECRET = "Canary5ecret"
"""What is in a file that no run has business to read."""
GOOD = frozenset({0, 1, 2, 3, 10, 20, 30})
FAULTS = frozenset({2, 3, 20, 30})
_TRACE = re.compile(r'File "[^"]*/ppcdeps/([^"]+)", line (\d+)')
_DEFECT = re.compile(r"defect of ppcdeps: (\w+)(?: at ([\w.]+:\d+))?")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


@dataclass(frozen=True, slots=True)
class Scene:
    """A throw-away folder for one run, and the loopback server that serves its folder ``srv``."""

    base: Path
    url: str = ""

    @property
    def run(self) -> Path:
        """All that the run may touch."""
        return self.base / "run"

    @property
    def inputs(self) -> Path:
        """Where the documents are."""
        return self.run / "in"

    @property
    def work(self) -> Path:
        """The working folder of the run."""
        return self.run / "work"

    @property
    def served(self) -> Path:
        """What the server serves."""
        return self.run / "srv"

    @property
    def cache(self) -> Path:
        """The cache folder of the run."""
        return self.run / "cache"

    @property
    def canary(self) -> Path:
        """What the run must leave alone."""
        return self.base / "canary"

    def file(self, name: str, content: bytes) -> Path:
        """Write an input. Returns where."""
        path = self.inputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def serve(self, name: str, content: bytes) -> str:
        """Put something on the server. Returns its URL."""
        path = self.served / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"{self.url}{name}"

    def asked(self) -> list[str]:
        """The paths that the server was asked for."""
        log = self.run / "asked"
        return log.read_text().splitlines() if log.exists() else []

    def clear(self) -> None:
        """Begin with empty folders."""
        _remove(self.run)
        for folder in (self.inputs, self.work, self.served, self.run / "tmp", self.run / "home"):
            folder.mkdir(parents=True)
        if not self.canary.exists():
            for folder in (self.canary, self.base / "home"):
                folder.mkdir()
                (folder / "secret.txt").write_text(SECRET + "\n")

    def outside(self) -> dict[str, tuple[Any, ...]]:
        """The state of all that a run must not change."""
        found: dict[str, tuple[Any, ...]] = {}
        for folder in (self.base, self.canary, self.base / "home"):
            for entry in os.scandir(folder):
                if entry.name == "run":
                    continue
                told = entry.stat(follow_symlinks=False)
                known = (stat.S_IFMT(told.st_mode), told.st_mode, told.st_size if entry.is_file() else 0)
                found[entry.path] = (*known, told.st_mtime_ns if entry.is_file() else 0)
        return found


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for place, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                path = Path(place, name)
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went. ``complaints`` are what is wrong with it: kind, and where or what.

    ``memory`` is the most, in bytes, that the run and the programs which it started had in memory at once, the
    interpreter included; ``seconds`` are by the clock, ``processor`` those that all of these computed.
    """

    code: int
    seconds: float
    processor: float
    memory: int
    out: str
    err: str
    arguments: tuple[str, ...] = ()
    complaints: tuple[tuple[str, str], ...] = field(default=())

    @property
    def is_good(self) -> bool:
        """Whether nothing is to be said against it."""
        return not self.complaints


class Bring(Protocol):
    """Runs a command line in a scene."""

    def __call__(self, *arguments: object, code: int | set[int] | None = None, **variables: str) -> Outcome:
        """How it went. There must be nothing to say against it, and the exit code must be ``code``."""


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """A scene in memory where there is room for it, with its server, as long as the context lasts."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    base = Path(tempfile.mkdtemp(prefix="hostile-", dir=place)).resolve()
    _prepare_process()
    made = Scene(base)
    made.clear()
    url, server = _serve(made)
    try:
        yield replace(made, url=url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        _remove(base / "run")
        shutil.rmtree(base, ignore_errors=True)


_prepared = False


def _prepare_process() -> None:
    """Import all of ppcdeps once, so that a run is a fork, and keep malloc from reserving an arena a thread."""
    global _prepared
    if _prepared:
        return
    _prepared = True
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-8, 2)
    for module in pkgutil.walk_packages(ppcdeps.__path__, "ppcdeps."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@contextlib.contextmanager
def served_at(host: str, place: Scene) -> Iterator[str]:
    """Another server of the scene, at another address of this machine. Gives its URL."""
    url, server = _serve(place, host)
    try:
        yield url
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def _serve(served: Scene, host: str = "127.0.0.1") -> tuple[str, int]:
    """A server in a process of its own: the process that forks the runs has one thread only.

    Below a folder `endless/` an answer never ends; `redirect/URL` leads to a URL, quoted; all else are files.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            with contextlib.suppress(OSError), (served.run / "asked").open("a", encoding="utf-8") as log:
                log.write(f"{self.path}\n")
            name = self.path.partition("?")[0].strip("/")
            if "endless/" in name:
                self.endless()
            elif name.startswith("redirect/"):
                self.send_response(302)
                self.send_header("Location", unquote(name.removeprefix("redirect/")))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.file(name)

        def endless(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 18))

        def file(self, name: str) -> None:
            path = served.served / name
            found = [path, path / "index.json", path / "index.html"]
            file = next((one for one in found if one.is_file()), None) if ".." not in name else None
            body = file.read_bytes() if file else b"no"
            kinds = {"json": "application/vnd.pypi.simple.v1+json", "html": "text/html"}
            span = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            status = 200 if file else 404
            whole = len(body)
            if file and span is not None:
                start = int(span[1]) if span[1] else max(0, whole - int(span[2] or 0))
                end = min(int(span[2]), whole - 1) if span[1] and span[2] else whole - 1
                body, status = body[start : end + 1], 206
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{end}/{whole}")
            self.send_header("Content-Type", kinds.get(file.name.rpartition(".")[2] if file else "", "application/x"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            """A client that breaks off is part of the runs."""

    server = Server((host, 0), Handler)
    url = f"http://{host}:{server.server_address[1]}/"
    parent = os.getpid()
    child = os.fork()
    if child:
        server.socket.close()
        return url, child
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # PR_SET_PDEATHSIG: the server ends with the process that it serves.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == parent:
            server.serve_forever()
    finally:
        os._exit(0)


def run_door(door: "Door", document: bytes, place: Scene, *, seconds: float = SECONDS) -> Outcome:
    """Bring the document to the door, and say how it went."""
    place.clear()
    arguments = tuple(door.place(place, document))
    return run_line(arguments, place, door.variables(place), seconds=seconds)


def run_line(
    arguments: Sequence[str], place: Scene, variables: Mapping[str, str] | None = None, *, seconds: float = SECONDS
) -> Outcome:
    """Run a command line in the scene as it is, and say how it went."""
    before = place.outside()
    out, err = place.base / "run" / "stdout", place.base / "run" / "stderr"
    began = time.monotonic()
    child = os.fork()
    if not child:
        _run(arguments, place, (out, err), variables or {}, seconds)
    code, most, usage = _await(child, seconds)
    inherited = place.run / "inherited"
    # What it had from this process when it began is not its own.
    peak = usage.ru_maxrss * 1024
    memory = max(most, peak - int(inherited.read_text() or 0) if inherited.exists() else 0)
    inherited.unlink(missing_ok=True)
    took = time.monotonic() - began
    _import_what_was_imported(place.run / "modules")
    computed = usage.ru_utime + usage.ru_stime
    outcome = Outcome(code, took, computed, memory, _read(out), _read(err), tuple(arguments))
    complaints = [*_complaints(outcome, seconds, _hangs_at(place)), *_trespass(place, before, outcome)]
    return replace(outcome, complaints=tuple(dict.fromkeys(complaints)))


def _import_what_was_imported(listed: Path) -> None:
    """Import here what a run had to import, so that those after it need not."""
    for name in listed.read_text().splitlines() if listed.exists() else ():
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _read(path: Path) -> str:
    return path.read_bytes()[: 4 << 20].decode("utf-8", "backslashreplace") if path.exists() else ""


def _in_memory(process: int) -> int:
    """What a process and those below it have in memory alone, in bytes: not what they share with the tests."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        threads = list(Path(f"/proc/{process}/task").iterdir())
        children = [(thread / "children").read_text().split() for thread in threads]
    except OSError:
        # It came to its end.
        return 0
    own = sum(int(size) for size in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", rollup, re.MULTILINE)) << 10
    return own + sum(_in_memory(int(one)) for each in children for one in each)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _run(
    arguments: Sequence[str], place: Scene, streams: tuple[Path, Path], variables: Mapping[str, str], seconds: float
) -> None:
    """The child: never returns."""
    code = 1
    try:
        (place.run / "inherited").write_text(str(_resident()))
        os.setpgid(0, 0)
        for number, path in enumerate(streams, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _empty_inherited()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (DISK, DISK))
        ceiling = _address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        os.environ.clear()
        os.environ.update(kept)
        own = {
            "HOME": str(place.run / "home"),
            "TMPDIR": str(place.run / "tmp"),
            "PPCDEPS_CACHE": str(place.cache),
            "NO_COLOR": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"{place.url}simple/",
            "PIP_RETRIES": "0",
            "PIP_TIMEOUT": "2",
        }
        os.environ.update({name: value for name, value in {**own, **variables}.items() if value})
        tempfile.tempdir = None
        stacks = (place.run / "stacks").open("w")
        faulthandler.dump_traceback_later(seconds * 0.9, file=stacks)
        os.chdir(place.work)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        from ppcdeps.cli.main import main
        from ppcdeps.model.ceilings import CEILINGS

        # Another test of this process may have read them: a new process reads its own file.
        vars(CEILINGS).clear()

        before = set(sys.modules)
        code = main(list(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
        (place.run / "modules").write_text("\n".join(sorted(set(sys.modules) - before)))
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def _empty_inherited() -> None:
    """Lead all descriptors that came along from the tests to nowhere, so that the run has nothing of theirs open.

    They are not closed: what owns one, such as a pool of libsolv's, closes it when it is collected, which may be in
    the middle of the run. By then the number would be that of a file of the run's.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number != nowhere:
            with contextlib.suppress(OSError):
                os.fstat(number)  # not that of the listing itself, which is closed
                os.dup2(nowhere, number, inheritable=False)


def _await(child: int, seconds: float) -> tuple[int, int, resource.struct_rusage]:
    """The exit code (negative: the signal that ended it), the most memory as seen, and what the system says of it.

    It is killed where time or memory is too much.

    The system knows the peak of the child, with what it has from this process, and a look from time to time the sum
    of all that ran at once.
    """
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    handle = os.pidfd_open(child)
    try:
        end, most = time.monotonic() + seconds, 0
        while not select.select([handle], [], [], max(0.0, min(LOOK, end - time.monotonic())))[0]:
            most = max(most, _in_memory(child))
            # SIGKILL is told from another's by the time that it took, or by the memory.
            if time.monotonic() >= end or most > MEMORY:
                with contextlib.suppress(OSError):
                    os.killpg(child, signal.SIGKILL)
                break
        _, status, usage = os.wait4(child, 0)
    finally:
        os.close(handle)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status), most, usage


def _hangs_at(place: Scene) -> str:
    """Where in ppcdeps the run was shortly before its time was over."""
    stacks = place.run / "stacks"
    found = _TRACE.search(stacks.read_text()) if stacks.exists() else None
    return f" at {found[1]}:{found[2]}" if found else ""


def _complaints(outcome: Outcome, seconds: float, where: str) -> Iterator[tuple[str, str]]:
    code, err = outcome.code, outcome.err
    if code == -signal.SIGKILL and outcome.seconds >= seconds:
        yield "hang", f"over {seconds:.0f} s{where}"
    elif outcome.processor > SECONDS:
        yield "hang", f"over {SECONDS:.0f} s of the processor"
    elif code < 0 and outcome.memory <= MEMORY:
        yield "killed", signal.Signals(-code).name
    elif code == 70:
        found = _DEFECT.search(err)
        yield "defect", f"{found[1]} at {found[2]}" if found else "unknown"
    elif code not in GOOD and code >= 0:
        yield "exit", str(code)
    if "Traceback (most recent call last)" in err:
        places = _TRACE.findall(err)
        yield "traceback", f"{places[-1][0]}:{places[-1][1]}" if places else err.strip().rpartition("\n")[2][:100]
    if "not enough memory" in err or outcome.memory > MEMORY:
        yield "memory", f"{outcome.memory >> 20} MiB"
    if "no space left" in err:
        yield "disk", f"a file of more than {DISK >> 20} MiB"
    # `recipes lint` lists its findings on standard output, and ends with 3 where one is an error.
    told = re.search(r"^ppcdeps: error: ", err, re.MULTILINE) or "Usage" in err or outcome.out
    if code in FAULTS and not told:
        yield "silent", f"exit {code} without an error line"
    for stream, text in (("stdout", outcome.out), ("stderr", err)):
        if controls := sorted({one for one in text if _is_control(one)}):
            yield "terminal", f"{stream}: {', '.join(f'U+{ord(one):04X}' for one in controls[:4])}"
        if re.search(rf"^{re.escape(FORGED)}", text, re.MULTILINE):
            yield "forged", stream
    if SECRET in outcome.out or SECRET in err:
        yield "read", "a file outside is shown"


def _is_control(one: str) -> bool:
    return one in _DIRECTIONS or (unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t")


def _trespass(place: Scene, before: dict[str, tuple[Any, ...]], outcome: Outcome) -> Iterator[tuple[str, str]]:
    after = place.outside()
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield "outside", f"{name.removeprefix(str(place.base))} changed"
            if name not in before:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
    for folder in (place.work, place.run / "home"):
        for path in folder.rglob("*"):
            if (
                path.is_file()
                and not path.is_symlink()
                and path.stat().st_size < DISK
                and SECRET.encode() in path.read_bytes()
            ):
                yield "read", f"a file outside is copied to {path.name}"
    left = [path.name for path in (place.run / "tmp").iterdir()]
    if left and outcome.code >= 0:
        yield "left", f"{len(left)} in the temporary folder"


def place_of_defect(door: "Door", document: bytes, place: Scene) -> str:
    """Where in ppcdeps a defect comes from, as a path below the package, with its line: from a second run."""
    place.clear()
    arguments = tuple(door.place(place, document))
    outcome = run_line(arguments, place, {"PPCDEPS_DEBUG": "1", **door.variables(place)})
    found = _TRACE.findall(outcome.err)
    return f"{found[-1][0]}:{found[-1][1]}" if found else ""
