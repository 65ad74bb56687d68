"""What a build through ppcdeps takes beside the same rpmbuild in the same root by hand. Run by hand, as root.

    python -m benchmarks.build [--runs 5] [--mode emulated|accelerated|cross] [--package yajl] [--cache DIR]

Prints medians of wall time of whole processes, and their ratio. The two take turns.

What is compared. By hand: `rpmbuild -ba` of the rendered recipe, in a throw-away overlay of the buildroot that the
kernel gives (unshare, mount, chroot), which is less than any container engine does. Through ppcdeps: `ppcdeps build`,
with nothing remembered of earlier builds: it reads plan and repositories, renders, asks the root for BuildRequires,
solves them, builds by the engine that it chooses, inspects the packages, keeps them and publishes a repository. The
recipe has no smoke test here, since rpmbuild runs none. The buildroots are there before, in both.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.demo.world import make_world
from ppcdeps.engines.job import BuildMode, Buildroot

BY_HAND = """
set -e
mount -t tmpfs none "$ROOM"; mkdir "$ROOM/upper" "$ROOM/work" "$ROOM/top"
mount -t overlay -o "lowerdir=$ROOT,upperdir=$ROOM/upper,workdir=$ROOM/work" none "$ROOM/top"
mkdir -p "$ROOM/top/build"; mount --bind "$WORK" "$ROOM/top/build"
set -- $SHOWN
while [ $# -gt 1 ]; do mkdir -p "$ROOM/top$1"; mount --bind "$2" "$ROOM/top$1"; shift 2; done
mount -t proc proc "$ROOM/top/proc"; mount --rbind /dev "$ROOM/top/dev"
exec chroot "$ROOM/top" env -i $SETTINGS rpmbuild -ba $TARGET --define '_topdir /build' \
  --define "_smp_mflags -j$JOBS" "/build/SPECS/$SPEC"
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--mode", type=BuildMode, choices=list(BuildMode), default=BuildMode.EMULATED)
    parser.add_argument("--package", default="yajl")
    parser.add_argument("--cache", type=Path, help="where the buildroots are, or are made")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("by hand means mount and chroot here: run it as root")
    with tempfile.TemporaryDirectory(prefix="ppcdeps-benchmark-") as folder:
        measure(chosen, Path(folder))


def measure(chosen: argparse.Namespace, folder: Path) -> None:
    """Both ways of building, in turns, in a world below ``folder``."""
    shared = Cache.open(chosen.cache)
    name = "debian-12-cross" if chosen.mode is BuildMode.CROSS else "debian-12"
    world = make_world(folder / "world", shared, TerminalReporter(), packages=(chosen.package,), python=())
    root = Buildroots(shared).create(name, mode=chosen.mode)
    for recipe in world.recipes.glob("*/recipe.toml"):
        recipe.write_text(re.sub(r'smoke_test = """.*?"""\n', "", recipe.read_text(), flags=re.DOTALL))
    cache = Cache.open(folder / "cache")
    (cache.root / "buildroots").symlink_to(shared.root / "buildroots")
    environment = {**os.environ, "PPCDEPS_CACHE": str(cache.directory)}
    ppcdeps = [sys.executable, "-m", "ppcdeps"]
    place = ["--target", str(world.target_file), "--recipes", str(world.recipes)]
    run(
        [*ppcdeps, "plan", str(world.workload_file), *place, "-o", "plan.json", "-q"],
        folder,
        environment,
        codes=(0, 1),
    )
    command = [*ppcdeps, "build", "plan.json", *place, "--sources", str(world.sources)]
    command += ["--buildroot", name, "--mode", chosen.mode, "--work", "run", "--repository", "repository"]
    run(command, folder, environment)  # chooses its engine, which is remembered
    material = rendered(world.recipes / chosen.package, chosen.package, world.sources, folder)
    seconds: dict[str, list[float]] = {"by hand": [], "ppcdeps build": []}
    for _ in range(chosen.runs):
        work = folder / "by-hand"
        shutil.copytree(material, work)
        seconds["by hand"].append(by_hand(root, work, folder))
        shutil.rmtree(work)
        for left in (cache.root / "builds", cache.root / "derived", folder / "run", folder / "repository"):
            shutil.rmtree(left, ignore_errors=True)
        (cache.root / "derived").mkdir()
        seconds["ppcdeps build"].append(run(command, folder, environment))
    base = statistics.median(seconds["by hand"])
    for which, each in seconds.items():
        median = statistics.median(each)
        ratio = f"{median / base:5.2f} x by hand ({len(each)} runs)"
        print(f"{chosen.package} {chosen.mode:12} {which:14} {median:8.2f} s  {ratio}")


def rendered(recipe: Path, package: str, sources: Path, folder: Path) -> Path:
    """The folder that rpmbuild builds from."""
    material = folder / "material"
    files = [word for path in sources.glob(f"{package}*") for word in ("--source-file", str(path))]
    command = [sys.executable, "-m", "ppcdeps", "recipes", "render", package, "--recipes", str(recipe.parent)]
    run([*command, "--to", str(material), *files], folder, dict(os.environ))
    return material


def by_hand(root: Buildroot, work: Path, folder: Path) -> float:
    """Seconds of rpmbuild in a throw-away overlay of the root."""
    room = folder / "room"
    room.mkdir(exist_ok=True)
    (spec,) = (work / "SPECS").iterdir()
    settings = {
        "ROOM": str(room),
        "ROOT": str(root.path),
        "WORK": str(work),
        "SHOWN": " ".join(f"{place} {source}" for place, source in root.tools.items()),
        "SETTINGS": " ".join(f"{name}={value}" for name, value in root.environment.items()),
        "TARGET": f"--target {root.target}" if root.mode is BuildMode.CROSS else "",
        "JOBS": str(os.cpu_count() or 1),
        "SPEC": spec.name,
    }
    isolated = ["unshare", "--mount", "--pid", "--fork", "--net", "sh", "-c", BY_HAND]
    return run(isolated, folder, {**os.environ, **settings})


def run(command: Sequence[str], folder: Path, environment: dict[str, str], codes: Sequence[int] = (0,)) -> float:
    """Seconds that the command takes. Ends the benchmark where it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode not in codes:
        sys.exit(f"{command[0]} failed: {(done.stdout + done.stderr)[-3000:]}")
    return seconds


if __name__ == "__main__":
    main()
