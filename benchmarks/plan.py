"""How long `ppcdeps plan` takes beside dnf, as whole processes. Run by hand.

    python -m benchmarks.plan [--runs 11] [--packages 60000] [--only help|el9|cold|generated]

Prints medians of wall time, their ratio to ppcdeps, and the highest peak memory. The processes take turns, so
that a busy machine is unfair to none.

What is compared. dnf cannot answer the question that ppcdeps answers, so there are two peers, both `dnf
install --assumeno` of the same root, without weak dependencies:

- *dnf, same repositories*: the target's and the reference's together, `--forcearch ppc64le`. It has all the
  metadata that ppcdeps has but the sources, and ends at the first layer of problems: the native packages of
  the reference are nothing to it.
- *dnf, reference alone*: its repositories, `--forcearch x86_64`. It finds a whole solution, of one
  side.

ppcdeps solves both sides, makes the set of gaps irreducible, and solves the builds over the sources too. It is
run twice: as a user runs it, when it finds the plan that it remembers if nothing has changed, and with
``--refresh``, when it solves anew. The ratios are given in that order. Python stays RPM (``--python rpm``): dnf
asks no index either. Caches are warm, but for the race *cold*: there the metadata comes over HTTP into empty caches,
and the peer is dnf for both sides, the two commands one after the other. The times of ppcdeps' stages follow.
"""

import argparse
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.repository import Side
from ppcdeps.model.target import Target

PROJECT = Path(__file__).parent.parent
ANSWERS = {0, 1}
"""Exit codes that are an answer: 1 is dnf where it says "no" or sees a problem, ppcdeps where gaps remain."""


@dataclass(slots=True)
class Contender:
    """A command that is run again and again."""

    name: str
    command: Sequence[str]
    folder: Path
    """Where it runs, and leaves its plan."""
    environment: Mapping[str, str] = field(default_factory=dict)
    emptied: tuple[Path, ...] = ()
    """Folders that are removed before each run: caches, where it is to begin without."""
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    """The most memory of each run, in bytes."""

    def run(self) -> None:
        """Run it once; note the time and the memory that it took. Ends the benchmark where it fails."""
        for cache in self.emptied:
            shutil.rmtree(cache, ignore_errors=True)
        with tempfile.TemporaryFile() as output:
            start = time.perf_counter()
            process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
            )
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds.append(time.perf_counter() - start)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.peaks.append(usage.ru_maxrss * 1024)
            if process.returncode not in ANSWERS:
                output.seek(0)
                told = output.read().decode(errors="replace")
                sys.exit(f"{self.name} ended with {process.returncode}: {' '.join(self.command)}\n{told}")


def race(title: str, contenders: Sequence[Contender], runs: int) -> None:
    """Warm all caches with a run that does not count, let the contenders take turns, print what came out."""
    for contender in contenders:
        contender.run()
        contender.seconds.clear()
        contender.peaks.clear()
    for _ in range(runs):
        for contender in contenders:
            contender.run()
    ours = [contender for contender in contenders if contender.name.startswith("ppcdeps")]
    print(f"\n{title} ({runs} runs)")
    for contender in contenders:
        median = statistics.median(contender.seconds)
        ratios = [f"{statistics.median(own.seconds) / median:.2f}" for own in ours if contender not in ours]
        told = f"ppcdeps / this: {', '.join(ratios)}" if ratios else ""
        print(
            f"  {contender.name:<28} {median:7.3f} s (best {min(contender.seconds):.3f})"
            f" {statistics.median(contender.peaks) / 2**20:7.0f} MiB  {told}"
        )


def ppcdeps(*arguments: str, folder: Path) -> Contender:
    """The ppcdeps of this environment, with a cache of its own."""
    program = Path(sys.executable).with_name("ppcdeps")
    environment = {"PPCDEPS_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    return Contender("ppcdeps", [str(program), *arguments], folder, environment)


def remembered_and_solved(*arguments: str, folder: Path) -> list[Contender]:
    """A plan that nothing has changed for since the last time, and one solved anew from warm metadata."""
    remembered = ppcdeps(*arguments, "--python", "rpm", folder=folder)
    solved = ppcdeps(*arguments, "--python", "rpm", "--refresh", folder=folder)
    remembered.name, solved.name = "ppcdeps, nothing changed", "ppcdeps, solved anew"
    return [remembered, solved]


def dnf(name: str, target: Target, sides: Sequence[Side], arch: str, root: str, folder: Path) -> Contender:
    """The command of dnf on the target's repositories of these sides, with its own cache and root."""
    own = folder / name.replace(" ", "-").replace(",", "")
    (own / "root").mkdir(parents=True)
    repositories = [
        f"--repofrompath={repository.id},{repository.baseurl[0]}"
        for repository in target.repositories
        if repository.side in sides
    ]
    return Contender(
        name,
        [
            "dnf", "install", "--assumeno", "--quiet", "--nogpgcheck", "--disableplugin=*",
            f"--forcearch={arch}", f"--releasever={target.releasever}", f"--installroot={own / 'root'}",
            f"--setopt=cachedir={own / 'cache'}", "--setopt=reposdir=/dev/null",
            f"--setopt=module_platform_id={target.platform_id}", "--setopt=install_weak_deps=False",
            *repositories, root,
        ],
        own,
    )  # fmt: skip


def peers(target: Target, root: str, folder: Path) -> list[Contender]:
    """Both dnfs that the module's text describes."""
    both = [Side.TARGET, Side.REFERENCE]
    return [
        dnf("dnf, same repositories", target, both, target.arch, root, folder),
        dnf("dnf, reference alone", target, [Side.REFERENCE], target.reference_arch, root, folder),
    ]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP, by a process of its own. Gives its URL."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().split(' port ')[1].split()[0]}"
        finally:
            server.kill()


def cold_race(folder: Path, runs: int) -> None:
    """nova-compute from empty caches, the repositories of the embedded snapshot over HTTP."""
    with served(PROJECT / "src/ppcdeps/data/snapshots/centos-stream-9-yoga") as url:
        text = (PROJECT / "tests/data/targets/el9.toml").read_text("utf-8")
        text, changed = re.subn(r'(?m)^snapshot = ".*"$', f'snapshot = "{url}"', text)
        assert changed == 1
        file = folder / "el9.toml"
        file.write_text(text, "utf-8")
        words = ("plan", "nova-compute", "--target", str(file), "--python", "rpm")
        ours = ppcdeps(*words, folder=folder)
        ours.emptied = (folder / "cache",)
        target, root = load_target(str(file)), "openstack-nova-compute"
        sides = [
            dnf("dnf, the target", target, [Side.TARGET], target.arch, root, folder),
            dnf("dnf, the reference", target, [Side.REFERENCE], target.reference_arch, root, folder),
        ]
        for side in sides:
            side.emptied = (side.folder / "cache",)
        script = " ; ".join(shlex.join(side.command) for side in sides)
        both = Contender("dnf, both sides", ["sh", "-c", script], folder)
        both.emptied = tuple(cache for side in sides for cache in side.emptied)
        race("plan nova-compute, CentOS Stream 9, cold over HTTP", [ours, both, *sides], runs)
        shutil.rmtree(folder / "cache")
        options = ["--no-output", "--quiet", "--cache-dir", str(folder / "cache")]
        stages = [sys.executable, "-m", "benchmarks.stages", *words, *options]
        print("  the stages of one run of ppcdeps", flush=True)
        subprocess.run(stages, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False)


def help_race(folder: Path, runs: int) -> None:
    """The start of the program, which a shell completion waits for."""
    race("ppcdeps --help", [ppcdeps("--help", folder=folder)], runs)


def el9_race(folder: Path, runs: int) -> None:
    """nova-compute on the repositories of the embedded snapshot."""
    file = PROJECT / "tests" / "data" / "targets" / "el9.toml"
    ours = remembered_and_solved("plan", "nova-compute", "--target", str(file), folder=folder)
    race(
        "plan nova-compute, CentOS Stream 9, the embedded snapshot",
        [*ours, *peers(load_target(str(file)), "openstack-nova-compute", folder)],
        runs,
    )


def generated_race(folder: Path, runs: int, packages: int) -> None:
    """The root of a generated distribution."""
    # In a process of its own: what a parent has in memory counts for the children that it starts.
    made = [sys.executable, "-m", "benchmarks.generate", str(folder / "made"), "--packages", str(packages)]
    subprocess.run(made, check=True, cwd=PROJECT, stdout=subprocess.DEVNULL)
    file = folder / "made" / "target.toml"
    ours = remembered_and_solved("plan", "bench-root", "--target", str(file), folder=folder)
    race(
        f"plan bench-root, generated ({packages:,} packages a side)",
        [*ours, *peers(load_target(str(file)), "bench-root", folder)],
        runs,
    )


def main() -> None:
    """Run the races that the command line asks for."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.plan")
    options.add_argument("--runs", type=int, default=11)
    options.add_argument("--packages", type=int, default=60_000)
    options.add_argument("--only", choices=["help", "el9", "cold", "generated"])
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ppcdeps-bench-") as made:
        folders = {name: Path(made) / name for name in ("help", "el9", "cold", "generated")}
        for folder in folders.values():
            folder.mkdir()
        if given.only in (None, "help"):
            help_race(folders["help"], given.runs)
        if given.only in (None, "el9"):
            el9_race(folders["el9"], given.runs)
        if given.only in (None, "cold"):
            cold_race(folders["cold"], given.runs)
        if given.only in (None, "generated"):
            generated_race(folders["generated"], given.runs, given.packages)


if __name__ == "__main__":
    main()
