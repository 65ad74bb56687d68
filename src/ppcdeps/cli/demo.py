"""`ppcdeps demo`: from a plan to a verified repository for ppc64le, on a machine that is none."""

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import cache_option, json_option, narrative_options
from ppcdeps.cli.reporter import TerminalReporter

if TYPE_CHECKING:
    from ppcdeps.demo.world import World

GAPS_REMAIN = 1
_MODES = {
    "cross": ("--buildroot", "debian-12-cross"),
    "accelerated": ("--mode", "accelerated"),
    "emulated": ("--mode", "emulated"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the demo: what it is for, its words after ``ppcdeps``, and the exit code that it should have."""

    title: str
    words: tuple[str, ...]
    expected: int = 0

    @property
    def typed(self) -> str:
        """The command as a person types it."""
        return shlex.join(("ppcdeps", *self.words))


@dataclass(frozen=True, slots=True)
class Done:
    """How a step ended. ``seconds`` are of the clock."""

    command: str
    exit_code: int
    seconds: float


@click.command()
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ppcdeps-demo"),
    show_default=True,
    metavar="DIR",
    help="Where everything goes: a new folder, or one of an earlier demo. It stays, to play with.",
)
@click.option(
    "--mode",
    type=click.Choice(list(_MODES)),
    default="cross",
    show_default=True,
    help="How code for ppc64le is made: by a cross compiler, or under emulation with or without it.",
)
@click.option("--engine", metavar="NAME", help="podman, docker or bwrap (default: the first that works).")
@click.option("--mirror", metavar="URL", help="The Debian mirror for the buildroots (default: that of this machine).")
@cache_option
@json_option
@narrative_options
def demo(
    to: Path,
    mode: str,
    engine: str | None,
    mirror: str | None,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Plan, build and verify a small real workload for ppc64le, on this machine.

    Makes a target without the workload's packages, a reference that has them, and their sources, in DIR; then runs
    the commands that a person would type, and shows what they answer. Needs a Debian mirror, root, and some minutes.

    Exit code 0: built and verified; else that of the command that failed.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.demo.world import ARCH, find_world, make_world
    from ppcdeps.verifying.verification import require_installation

    began = time.monotonic()
    say = _Show(sys.stderr if as_json else sys.stdout)
    # Before anything takes minutes.
    require_installation(ARCH, reporter)
    world = find_world(to)
    if world is None:
        say.heading("A target, a reference and sources to plan with")
        cache = Cache.open(cache_directory, reporter)
        world = make_world(to, cache, reporter, engine=engine, mirror=mirror)
    say.world(world)
    done: list[Done] = []
    for step in _steps(world, mode, engine, cache_directory):
        say.step(step)
        done.append(_run(step, world.folder, quiet_stdout=as_json))
        if done[-1].exit_code != step.expected:
            say.line(f"\nThe demo ends here: this command was to end with {step.expected}, not {done[-1].exit_code}.")
            break
    else:
        say.end(world, mode, time.monotonic() - began)
    if as_json:
        import json

        document = {"schema": 1, "folder": str(world.folder), "repository": str(world.repository), "mode": mode}
        click.echo(json.dumps({**document, "steps": [asdict(each) for each in done]}, indent=1, sort_keys=True))
    last = done[-1]
    well = last.exit_code == 0 and len(done) == len(_steps(world, mode, engine, cache_directory))
    return 0 if well else last.exit_code or GAPS_REMAIN


def _steps(world: "World", mode: str, engine: str | None, cache_directory: Path | None) -> tuple[Step, ...]:
    common: tuple[str, ...] = ("--target", world.target_file.name, "--recipes", world.recipes.name)
    if cache_directory is not None:
        common += ("--cache-dir", str(cache_directory.absolute()))
    plan = f"plan-{world.name}.json"
    chosen = ("--engine", engine) if engine else ()
    build = ("build", plan, *common, "--sources", world.sources.name, *_MODES[mode], *chosen)
    return (
        Step("What is missing on ppc64le", ("plan", world.workload_file.name, *common), GAPS_REMAIN),
        Step("Build what has to be built", build),
        Step("Is the gap closed?", ("verify", plan, *common, *chosen)),
        Step("Nothing has changed, so nothing is built again", (*build, "--quiet")),
    )


def _run(step: Step, folder: Path, *, quiet_stdout: bool) -> Done:
    """Run a command as if it were typed in the demo's folder."""
    from ppcdeps.cli.main import main

    began = time.monotonic()
    stdout = contextlib.redirect_stdout(sys.stderr) if quiet_stdout else contextlib.nullcontext()
    with contextlib.chdir(folder), stdout:
        code = main(step.words)
    return Done(step.typed, code, round(time.monotonic() - began, 1))


class _Show:
    """What the demo says between the commands."""

    def __init__(self, stream: object) -> None:
        self._echo: Callable[[str], None] = lambda text: click.echo(text, file=stream)  # type: ignore[arg-type]

    def line(self, text: str) -> None:
        self._echo(text)

    def heading(self, text: str) -> None:
        self._echo(f"\n{click.style(f'# {text}', bold=True)}")

    def world(self, world: "World") -> None:
        rows = (
            (f"{_shown(world.folder)}/", ""),
            ("  target.toml", "Debian 12 on ppc64le, as if it were made of RPMs"),
            ("  workload.toml", f"what is to run there: {', '.join(world.roots)}"),
            ("  recipes/", "how a tarball becomes a package"),
            ("  repositories/", "of the target (ppc64le), of the reference (this machine's packages), of sources"),
            ("  sources/", "tarballs of Debian's source packages"),
        )
        self._echo("")
        for name, what in rows:
            self._echo(f"{name:<20}{what}".rstrip())
        self._echo(f"\n$ cd {shlex.quote(_shown(world.folder))}")

    def step(self, step: Step) -> None:
        self.heading(step.title)
        self._echo(f"$ {step.typed}")

    def end(self, world: "World", mode: str, seconds: float) -> None:
        took = f"{int(seconds) // 60} min {int(seconds) % 60} s"
        how = {"cross": "cross-compiled", "accelerated": "built under emulation with the machine's own compiler"}
        folder = _shown(world.folder)
        self._echo(f"\nDone in {took}. {folder}/{world.repository.name} holds packages for ppc64le: "
                   f"{how.get(mode, 'built under emulation')}, installed and run under emulation.")  # fmt: skip
        self._echo("\nTo try next, in that folder")
        for command, what in _NEXT:
            self._echo(f"  {command:<60}{what}")


_NEXT: Sequence[tuple[str, str]] = (
    ("ppcdeps why yajl --for workload.toml --target target.toml", "why it is a gap, and what was tried"),
    ("ppcdeps recipes show yajl --recipes recipes", "change it, and plan and build again"),
    ("ppcdeps buildroot shell debian-12", "look around in the ppc64le root"),
    ("ppcdeps buildroot remove debian-12 debian-12-cross", "when you are done"),
    ("ppcdeps plan nova-compute", "the real thing"),
)


def _shown(path: Path) -> str:
    """The path as a person in the current folder writes it."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
