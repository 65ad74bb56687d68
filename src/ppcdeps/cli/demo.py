"""`ppcdeps demo`: from a plan to a verified repository for ppc64le, without POWER hardware."""

import contextlib
import io
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.base.atomic import write_output
from ppcdeps.cli.options import cache_option, engine_option, json_option, mirror_option, output_options
from ppcdeps.cli.output import Part, say, write, write_line
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.commands import command_line
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.values import dataclass

if TYPE_CHECKING:
    from ppcdeps.demo.world import DemoWorld

_MODES = {
    "cross": ("--buildroot", "debian-12-cross"),
    "accelerated": ("--mode", "accelerated"),
    "emulated": ("--mode", "emulated"),
}

_BUILD_FILE = "build.json"
_VERIFY_FILE = "verify.json"


@dataclass(frozen=True, slots=True)
class DemoCommand:
    """A command of the demo: what it is for, its words after ``ppcdeps``, and the exit code that it should have.

    ``output`` is the file in the demo's folder that has its standard output, where a person is not shown it.
    """

    title: str
    words: tuple[str, ...]
    expected: ExitCode = ExitCode.DONE
    output: str = ""

    @property
    def typed(self) -> str:
        """The command as a person types it."""
        return command_line(*self.words) + (f" > {self.output}" if self.output else "")


@dataclass(frozen=True, slots=True)
class EndedCommand:
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
@engine_option
@mirror_option
@cache_option
@json_option
@output_options
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
    the commands that a person would type, and shows what they answer. Needs a Debian mirror, root, and some minutes;
    what this machine lacks is listed first.

    Exit code 0: built and verified; else that of the command that failed.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.workflows.demo import demo_world

    began = time.monotonic()
    shown = _DemoOutput(aside=as_json)
    shown.heading("A target, a reference and sources to plan with")
    world = demo_world(to, Cache.open(cache_directory, reporter), reporter, mode=mode, engine=engine, mirror=mirror)
    shown.world(world)
    done: list[EndedCommand] = []
    for step in _commands(world, mode, engine, cache_directory):
        shown.step(step)
        done.append(_run(step, world.folder, quiet_stdout=as_json))
        if done[-1].exit_code != step.expected:
            shown.line(f"The demo ends here: this command was to end with {step.expected}, not {done[-1].exit_code}.")
            break
    else:
        shown.end(world, mode, time.monotonic() - began, _to_try(world, engine, cache_directory))
    if as_json:
        import json

        document = {"schema": 1, "folder": str(world.folder), "repository": str(world.repository), "mode": mode}
        steps = [asdict(each) for each in done]
        write(json.dumps({**document, "steps": steps}, indent=1, sort_keys=True) + "\n", as_json=True)
    last = done[-1]
    well = last.exit_code == 0 and len(done) == len(_commands(world, mode, engine, cache_directory))
    return 0 if well else last.exit_code or ExitCode.GAPS_REMAIN


def _commands(
    world: "DemoWorld", mode: str, engine: str | None, cache_directory: Path | None
) -> tuple[DemoCommand, ...]:
    cache = _cache(cache_directory)
    common = ("--target", world.target_file.name, "--recipes", world.recipes.name, *cache)
    plan = _plan_file(world)
    chosen = ("--engine", engine) if engine else ()
    build = ("build", plan, *cache, "--sources", world.sources.name, *_MODES[mode], *chosen)
    verify = ("verify", plan, *cache, *chosen)
    results = ("--build", _BUILD_FILE, "--verify", _VERIFY_FILE)
    return (
        DemoCommand("What is missing on ppc64le", ("plan", world.workload_file.name, *common), ExitCode.GAPS_REMAIN),
        DemoCommand("Build what has to be built", (*build, "--json"), output=_BUILD_FILE),
        DemoCommand("Is the gap closed?", verify),
        DemoCommand("Nothing has changed, so nothing is built again", (*build, "--quiet")),
        DemoCommand("The verdict once more, for programs", (*verify, "--quiet", "--json"), output=_VERIFY_FILE),
        DemoCommand("The plan, and what came of it, as a page to look at", ("report", plan, *results)),
    )


def _to_try(world: "DemoWorld", engine: str | None, cache_directory: Path | None) -> tuple[DemoCommand, ...]:
    """What a person may go on with in the demo's folder."""
    from ppcdeps.demo.world import NATIVE_ROOT, TARGET_ROOT

    cache, chosen = _cache(cache_directory), ("--engine", engine) if engine else ()
    name = world.roots[0]
    return (
        DemoCommand("why it is a gap, and what was tried", ("why", name, "--plan", _plan_file(world), *cache)),
        DemoCommand(
            f"its recipe: change recipes/{name}/recipe.toml, and plan and build again",
            ("recipes", "show", name, "--recipes", world.recipes.name),
        ),
        DemoCommand("look around in the ppc64le root", ("buildroot", "shell", TARGET_ROOT, *cache, *chosen)),
        DemoCommand("when you are done", ("buildroot", "remove", TARGET_ROOT, NATIVE_ROOT, *cache)),
        DemoCommand("the real thing", ("plan", "nova-compute", *cache), ExitCode.GAPS_REMAIN),
    )


def _plan_file(world: "DemoWorld") -> str:
    return f"plan-{world.name}.json"


def _cache(directory: Path | None) -> tuple[str, ...]:
    """The option that names the cache from any folder."""
    return ("--cache-dir", str(directory.absolute())) if directory is not None else ()


def _run(step: DemoCommand, folder: Path, *, quiet_stdout: bool) -> EndedCommand:
    """Run a command as if it were typed in the demo's folder."""
    from ppcdeps.cli.main import main

    began = time.monotonic()
    answer = io.StringIO()
    stdout: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    if step.output or quiet_stdout:
        stdout = contextlib.redirect_stdout(answer if step.output else sys.stderr)
    with contextlib.chdir(folder), stdout:
        code = main(step.words)
        if step.output:
            write_output(Path(step.output), answer.getvalue())
    return EndedCommand(step.typed, code, round(time.monotonic() - began, 1))


class _DemoOutput:
    """What the demo says between the commands."""

    def __init__(self, *, aside: bool) -> None:
        """``aside``: on standard error, as standard output is for JSON."""
        self._line: Callable[[Part], None] = say if aside else write_line

    def line(self, text: str) -> None:
        self._line("")
        self._line(text)

    def heading(self, text: str) -> None:
        self._line("")
        self._line((f"# {text}", "bold"))

    def world(self, world: "DemoWorld") -> None:
        rows = (
            (f"{_shown(world.folder)}/", ""),
            ("  target.toml", "Debian 12 on ppc64le, as if it were made of RPMs"),
            ("  workload.toml", f"what is to run there: {', '.join(world.roots)}"),
            ("  recipes/", "how a tarball becomes a package"),
            ("  repositories/", "of the target (ppc64le), of the reference (this machine's packages), of sources"),
            ("  sources/", "tarballs of Debian's source packages"),
        )
        self._line("")
        for name, what in rows:
            self._line(f"{name:<20}{what}".rstrip())
        self.line(f"$ cd {shlex.quote(_shown(world.folder))}")

    def step(self, step: DemoCommand) -> None:
        self.heading(step.title)
        self._line(f"$ {step.typed}")

    def end(self, world: "DemoWorld", mode: str, seconds: float, to_try: Sequence[DemoCommand]) -> None:
        took = f"{int(seconds) // 60} min {int(seconds) % 60} s"
        how = {"cross": "cross-compiled", "accelerated": "built under emulation with the machine's own compiler"}
        folder = _shown(world.folder)
        self.line(f"Done in {took}. {folder}/{world.repository.name} holds packages for ppc64le: "
                  f"{how.get(mode, 'built under emulation')}, installed and run under emulation.")  # fmt: skip
        self.line("To try next, in that folder")
        width = max(len(each.typed) for each in to_try)
        for each in to_try:
            self._line(f"  {each.typed:<{width}}  # {each.title}")


def _shown(path: Path) -> str:
    """The path as a person in the current folder writes it."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
