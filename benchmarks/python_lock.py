"""How long a Python lock takes beside uv and pip-compile, as whole processes. Run by hand.

    python -m benchmarks.python_lock CONSTRAINTS [--root nova==25.3.0] [--python 3.9.25] [--runs 5]
    [--pip-compile]

Prints wall times in seconds and their ratio to uv's, of three situations: cold (no cache at all, one run
each), warm (the caches of the run before, the index within reach: median), warm and offline (median). The
tools take turns.

What is compared. All get the same root, constraints and index. ppcdeps and uv resolve for ppc64le and the
same Python. pip-compile knows no target but the machine it runs on and its own Python: its time is that of
resolving for this machine, and its pins are not compared. ppcdeps also reads every sdist that it pins, to
tell native from pure; uv and pip-compile build sdists whose requirements are not static, which ppcdeps does
not.

Whether a warm run asks the index again is each tool's own decision: by the server's cache headers, and where
it sends none, ppcdeps takes a page as current for ten minutes.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

RESOLVE = """
import sys
from pathlib import Path
from ppcdeps.base.cache import Cache
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.constraintsfile import read_constraints
from ppcdeps.python.index import Index
from ppcdeps.python.lock import LockRequest, Root, resolve
from ppcdeps.python.pipconfig import read_pip_config
root, version, constraints, cache, offline = sys.argv[1:]
python = PythonEnvironment(version, (2, 34))
held = read_constraints(Path(constraints), TargetEnvironment.of(python))
with Index(read_pip_config(), Cache.open(Path(cache)), offline=offline == "offline") as index:
    lock = resolve(LockRequest(python, (Root(root, "benchmark"),), constraints=held), index)
for each in lock.distributions:
    print(f"{each.name}=={each.version}")
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("constraints", type=Path)
    parser.add_argument("--root", default="nova==25.3.0")
    parser.add_argument("--python", default="3.9.25")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--pip-compile", action="store_true", help="run pip-compile too: it builds, and takes minutes"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(chosen, Path(folder))


def measure(chosen: argparse.Namespace, folder: Path) -> None:
    """All situations, in caches below ``folder``."""
    from ppcdeps.python.pipconfig import read_pip_config

    index = read_pip_config().indexes[0]
    (folder / "in.txt").write_text(f"{chosen.root}\n")

    def ppcdeps(offline: bool) -> Sequence[str]:
        words = (
            chosen.root,
            chosen.python,
            chosen.constraints,
            folder / "ppcdeps",
            "offline" if offline else "",
        )
        return (sys.executable, "-c", RESOLVE, *map(str, words))

    def uv(offline: bool) -> Sequence[str]:
        return (
            *(
                "uv",
                "pip",
                "compile",
                "-q",
                "--no-config",
                "--no-annotate",
                "--no-header",
                "--default-index",
                index,
            ),
            *("--python-platform", "powerpc64le-unknown-linux-gnu", "--python-version", chosen.python),
            *("-c", str(chosen.constraints), "--cache-dir", str(folder / "uv"), str(folder / "in.txt")),
            *(("--offline",) if offline else ()),
        )

    def pip_compile(offline: bool) -> Sequence[str]:
        return (
            *(
                sys.executable,
                "-m",
                "piptools",
                "compile",
                "-q",
                "--no-annotate",
                "--no-header",
                "--strip-extras",
            ),
            *("-c", str(chosen.constraints), "--cache-dir", str(folder / "pip-compile"), "-o", "-"),
            *(("--no-index",) if offline else ()),
            str(folder / "in.txt"),
        )

    tools: dict[str, Callable[[bool], Sequence[str]]] = {"ppcdeps": ppcdeps, "uv": uv}
    if chosen.pip_compile:
        tools["pip-compile"] = pip_compile
    cold = {name: [run(command(False), name)] for name, command in tools.items()}
    report("cold", cold)
    warm: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(chosen.runs):
        for name, command in tools.items():
            if name != "pip-compile" or len(warm[name]) < 1:
                warm[name].append(run(command(False), name))
    report("warm", warm)
    offline: dict[str, list[float]] = {"ppcdeps": [], "uv": []}
    for _ in range(chosen.runs):
        for name in offline:
            offline[name].append(run(tools[name](True), name))
    report("warm, offline", offline)
    shutil.rmtree(folder / "uv", ignore_errors=True)


def run(command: Sequence[str], name: str) -> float:
    """Seconds that the command takes. Ends the benchmark where it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    seconds = time.perf_counter() - start
    if result.returncode != 0:
        sys.exit(f"{name} failed: {result.stderr[-2000:]}")
    return seconds


def report(situation: str, seconds: dict[str, list[float]]) -> None:
    """Medians, and ratios to uv's."""
    base = statistics.median(seconds["uv"])
    for name, each in seconds.items():
        median = statistics.median(each)
        print(
            f"{situation:14} {name:12} {median:8.2f} s  {median / base:6.2f} x uv  ({len(each)} runs)",
            flush=True,
        )


if __name__ == "__main__":
    main()
