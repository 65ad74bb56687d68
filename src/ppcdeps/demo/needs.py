"""What the demo needs of this machine: all of it looked at before anything takes minutes, and said at once."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.building.buildroots.accelerator import cross_compiler
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.buildroots.debian import sources_for
from ppcdeps.building.buildroots.debiansources import SourceArchive, os_release
from ppcdeps.building.buildroots.definitions import TRIPLET, DebianMaking
from ppcdeps.demo.world import ARCH, NATIVE_ROOT, TARGET_ROOT
from ppcdeps.engines.emulation import EmulationState, ensure_emulation
from ppcdeps.engines.probe import ENGINES, choose_engine
from ppcdeps.model.errors import EnvironmentLacksError, PpcdepsError
from ppcdeps.model.reporter import Reporter

PROGRAMS = {
    "mmdebstrap": ("mmdebstrap", "makes roots out of Debian packages"),
    "rpmbuild": ("rpm", "makes the package that stands for a root"),
    "createrepo_c": ("createrepo-c", "makes repositories"),
    "dnf": ("dnf", "installs what was built"),
}
"""The programs that the demo runs: Debian's package of each, and what it is for."""

_EMULATION = "qemu-user-static"
_ENGINE = "bubblewrap"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not there. ``package`` is Debian's that has it; empty where there is something else to do."""

    what: str
    package: str = ""

    def __str__(self) -> str:
        return f"{self.what} (package {self.package})" if self.package else self.what


def require(lacks: Iterable[Lack]) -> None:
    """Raise one EnvironmentLacksError with everything that is not there, and the one command that installs it."""
    found = tuple(lacks)
    if not found:
        return
    packages = sorted({name for lack in found for name in lack.package.split()})
    install = f"apt-get install --no-install-recommends {' '.join(packages)}"
    raise EnvironmentLacksError(
        f"the demo lacks {'something' if len(found) == 1 else f'{len(found)} things'} on this machine",
        hint=f"install what is a package: {install}" if packages else None,
        faults=tuple(map(str, found)),
    )


def lacking(
    roots: Buildroots,
    home: Path,
    archive: Path,
    reporter: Reporter,
    *,
    mode: str = "cross",
    engine: str | None = None,
    mirror: str | None = None,
    is_made: bool = False,
) -> Iterator[Lack]:
    """What is not there for a demo in this build mode.

    ``home`` is that of engines, ``archive`` where source packages go. ``is_made``: the demo's folder is there from an
    earlier run, so that no root and no source has to be had.
    """
    if os.geteuid() != 0:
        yield Lack("root: to install into a root makes files of many users (run it with sudo)")
    for program, (package, purpose) in PROGRAMS.items():
        if shutil.which(program) is None:
            yield Lack(f"{program}, which {purpose}", package)
    yield from _of_running(engine, home, reporter)
    if mode == "accelerated":
        triplet = TRIPLET[ARCH]
        yield from _refused(cross_compiler, ARCH, package=f"gcc-{triplet} g++-{triplet}")
    if is_made:
        return
    if shutil.which("apt-get") is None:
        yield Lack("apt-get, which has the sources: the demo is for Debian, or a container of it")
        return
    here = {one.name for one in roots.created()}
    for name in (TARGET_ROOT, NATIVE_ROOT):
        making = roots.definitions.named(name).making
        if name not in here and isinstance(making, DebianMaking):
            yield from _refused(sources_for, making, mirror)
            break
    yield from _refused(SourceArchive(archive).check)


def other_release(roots: Buildroots) -> str:
    """That the roots are of another release than this machine, as a sentence; empty where they are not."""
    definition = roots.definitions.named(TARGET_ROOT)
    machine = os_release()
    assert isinstance(definition.making, DebianMaking)
    if machine.get("ID") == "debian" and machine.get("VERSION_CODENAME") == definition.making.suite:
        return ""
    here = machine.get("PRETTY_NAME", "another system")
    return f"this machine is {here}; the demo's roots are {definition.title}: it has no other release"


def _of_running(engine: str | None, home: Path, reporter: Reporter) -> Iterator[Lack]:
    """What is not there to run programs of the target: the emulation, and an engine."""
    emulation = ensure_emulation(ARCH, reporter)
    if emulation.state is EmulationState.ABSENT:
        yield Lack(f"qemu for {ARCH}, which runs what was built", _EMULATION)
    elif not emulation.works:
        yield Lack(f"programs of {ARCH} do not run here: {emulation.describe()}; {emulation.fix}")
    if engine is None and not any(map(shutil.which, ENGINES)):
        yield Lack(f"an engine, which runs builds apart from this machine: {', '.join(ENGINES)}", _ENGINE)
    elif emulation.works:
        # An engine is tried with a program of the target.
        yield from _refused(lambda: choose_engine(None, engine, home=home, reporter=reporter))


def _refused(take: Callable[..., object], *given: object, package: str = "") -> Iterator[Lack]:
    """What an error says that something cannot be had."""
    try:
        take(*given)
    except PpcdepsError as fault:
        yield Lack(fault.message if package else fault.line, package)
