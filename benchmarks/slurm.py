"""What ppcdeps takes of this machine for each job of Slurm, with many builds. Run by hand, as root.

    python -m benchmarks.slurm [--builds 2000] [--queue 500] [--demo]

A real Slurm with two nodes runs jobs that build nothing: each waits a moment and leaves the result that a build
leaves. All else is as it is: recipes are rendered, jobs submitted with what they need, their results read. Slurm
takes no more than ``queue`` jobs at a time (MaxJobCount). Prints CPU seconds (user and system) of this process, of
Slurm's programs that it calls, and of both for each job.

With ``--demo`` the wall time of the demo's world instead, two builds at a time: here, and by Slurm on two nodes of
one core each; each from an empty store, and again.
"""

import argparse
import dataclasses
import os
import resource
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "tests" / "support"))

from buildworld import BuildWorld, Thing  # noqa: E402
from debianroots import beside, made, shared_cache  # noqa: E402
from program import Program  # noqa: E402
from rpmmd import write_repository  # noqa: E402
from slurmcluster import SlurmCluster, running, unpack  # noqa: E402

from ppcdeps.base.cache import Cache  # noqa: E402
from ppcdeps.building.farms import slurm_run  # noqa: E402
from ppcdeps.building.farms.slurm_records import RunRecords  # noqa: E402
from ppcdeps.building.publishing.records import BuildRecord  # noqa: E402
from ppcdeps.building.run.build_run import PlannedBuilds  # noqa: E402
from ppcdeps.building.run.events import BuildFinished  # noqa: E402
from ppcdeps.building.run.options import BuildBasis, BuildOptions  # noqa: E402
from ppcdeps.building.run.run_folder import open_run_folder  # noqa: E402
from ppcdeps.building.run.store import LOG, Store  # noqa: E402
from ppcdeps.building.run.tasks import Task  # noqa: E402
from ppcdeps.demo.world import NATIVE_ROOT, TARGET_ROOT, make_world  # noqa: E402
from ppcdeps.engines.job import BuildMode  # noqa: E402
from ppcdeps.metadata.targets import load_target  # noqa: E402
from ppcdeps.model.plan_file import load_plan  # noqa: E402
from ppcdeps.model.reporter import Silence  # noqa: E402
from ppcdeps.recipebook.book import load_book  # noqa: E402

_JOB = """\
#!/bin/sh
name=$(printf %s "$1" | tr -c 'A-Za-z0-9._-' -)
now=$(date +%s)
cat >{folder}/new-$SLURM_JOB_ID <<END
{{"task": "$1", "job": "$SLURM_JOB_ID", "outcome": "built", "node": "$SLURMD_NODENAME", "mode": "cross",
"buildroot": "debian-12-cross", "started": $now.0, "finished": $now.5, "key": "{key}"}}
END
mv {folder}/new-$SLURM_JOB_ID {folder}/"$name".json
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--builds", type=int, default=2000)
    parser.add_argument("--queue", type=int, default=500)
    parser.add_argument("--demo", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ppcdeps-benchmark-") as folder:
        if chosen.demo:
            measure_demo(Path(folder))
        else:
            measure(chosen.builds, chosen.queue, Path(folder))


def measure_demo(folder: Path) -> None:
    """Build the demo's world here and by Slurm, in a folder, and print how long each took."""
    unpack(folder / "programs")
    roots = shared_cache(folder / "roots")
    made(roots, TARGET_ROOT, BuildMode.EMULATED)
    made(roots, NATIVE_ROOT)
    world = make_world(folder / "world", Cache.open(beside(roots, folder / "cache")), Silence())
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    here = Program(world.folder, {**pip, "PPCDEPS_CACHE": str(folder / "cache")}, patience=3600)
    here("plan", world.workload_file, "--target", "target.toml", "--recipes", "recipes", "-o", "plan.json", code=1)
    by = ("build", "plan.json", "--sources", "sources", "--engine", "bwrap", "--buildroot", NATIVE_ROOT)
    with running(SlurmCluster(folder / "programs", folder / "cluster")) as cluster:
        cache = {"PPCDEPS_CACHE": str(beside(roots, folder / "slurm-cache")), "PATH": cluster.path}
        nodes = dataclasses.replace(here, variables={**here.variables, **cache})
        for what in ("from an empty store", "again"):
            for name, program, options in (("here", here, ("-j", "2")), ("Slurm", nodes, ("--on", "slurm"))):
                place = ("--work", f"work-{name}", "--repository", f"repository-{name}")
                began = time.monotonic()
                program(*by, *options, *place)
                print(f"{name:6} {what:20} {time.monotonic() - began:6.1f} s", flush=True)


def measure(count: int, queue: int, folder: Path) -> None:
    """Run so many builds, each of which needs two earlier ones, in a folder."""
    unpack(folder / "programs")
    settings = f"MaxJobCount={queue}\nMinJobAge=2"
    with running(SlurmCluster(folder / "programs", folder / "cluster", cpus=8, settings=settings)) as cluster:
        builds, session = _builds(count, folder, cluster)
        with session as opened:
            opened.begin(builds.path, "", ())
            builds = dataclasses.replace(builds, session=opened)
            slurm_run._script = _script
            done = 0

            def watch(event: Any) -> None:
                nonlocal done
                if isinstance(event, BuildFinished):
                    opened.note(event.result)
                    done += 1
                    if done % 100 == 0:
                        print(f"{done} of {count} after {time.monotonic() - began:.0f} s", file=sys.stderr)

            before = _spent()
            began = time.monotonic()
            finished = slurm_run.SlurmRunner()(builds, watch)
            wall = time.monotonic() - began
            own, programs = (now - then for now, then in zip(_spent(), before, strict=True))
    built = sum(result.stored is not None for result in finished.results)
    print(f"{built} of {count} builds, at most {queue} jobs at a time: {wall:.0f} s")
    print(f"  this process      {own:8.2f} s CPU  {own / count * 1e3:6.1f} ms a job")
    print(f"  Slurm's programs  {programs:8.2f} s CPU  {programs / count * 1e3:6.1f} ms a job")


def _spent() -> tuple[float, float]:
    """CPU seconds of this process, and of the programs that it ran."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, programs = (one.ru_utime + one.ru_stime for one in found)
    return own, programs


def _builds(count: int, folder: Path, cluster: SlurmCluster) -> Any:
    os.environ["PATH"] = cluster.path
    place = folder / "world"
    place.mkdir()
    base = folder / "base"
    write_repository(base, [])
    world = BuildWorld(Program(place, {}), base)
    names = [f"lib{number:05}" for number in range(count)]
    world.make(*(Thing(name) for name in names))
    world.plan(names[0])
    os.chdir(place)
    path = Path("plan.json")
    book = load_book((Path("recipes"),))
    recipes = {recipe.source: recipe for recipe in book}
    tasks = tuple(
        Task(name, name, recipes[name], "1.0", needs=tuple({names[number // 2], names[number // 3]} - {name}))
        for number, name in enumerate(names)
    )
    cache = Cache.open(place / "cache")
    basis = BuildBasis(load_target("target.toml"), (), book, cache, lambda *_: (), lambda *_: ())
    options = BuildOptions(Path("repository"), source_folders=(Path("sources"),), on="slurm")
    builds = PlannedBuilds(load_plan(path), path, tasks, basis, options, None, Silence())  # type: ignore[arg-type]
    return builds, open_run_folder(Path("run"))


def _script(builds: PlannedBuilds, records: RunRecords) -> str:
    """The script of a job that leaves the same build for each task."""
    record = BuildRecord("x", "1", "ppc64le", "cross", "root", "key", (), 0, 0, "0")

    def fill(folder: Path) -> None:
        (folder / LOG).write_text("built")

    key = Store.of(builds.basis.cache).add("0" * 64, record, 1.0, {}, fill).key
    return _JOB.format(folder=shlex.quote(str((records.folder / "results").absolute())), key=key)


if __name__ == "__main__":
    main()
