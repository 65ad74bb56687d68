"""Buildroots on this machine: what runs builds, what can be created and what is, a command in one, removal."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots, Created
from ppcdeps.building.buildroots.definitions import Definition, load_definitions
from ppcdeps.building.buildroots.shell import run_command, run_shell
from ppcdeps.engines.cleanup import sweep
from ppcdeps.engines.emulation import ensure_emulation
from ppcdeps.engines.engine import engines_home
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.engines.probe import choose_engine, probe_all
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.report.doctor import Diagnosis, space_of


@dataclass(frozen=True, slots=True)
class BuildrootRequest:
    """A buildroot to have: ``packages`` beside those of its definition; ``mode`` None is the best that there is here.

    ``mirror`` is the Debian mirror in place of the one of this machine's apt.
    """

    name: str
    mode: BuildMode | None = None
    packages: tuple[str, ...] = ()
    mirror: str | None = None


def diagnose_engines(cache: Cache, reporter: Reporter, *, connection: str | None = None) -> Diagnosis:
    """What runs builds on this machine, each engine tried. ``connection`` is podman's, to try another machine."""
    home = _swept_home(cache, reporter)
    emulation = ensure_emulation("ppc64le", reporter)
    return Diagnosis(probe_all(home=home, connection=connection, reporter=reporter), emulation, space_of(home))


def list_buildroots(roots: Buildroots) -> tuple[tuple[Definition, ...], tuple[Created, ...]]:
    """What can be created, and what is."""
    return tuple(roots.definitions.named(name) for name in roots.definitions.names), roots.created()


def create_buildroot(
    request: BuildrootRequest, roots: Buildroots, *, renew: bool = False
) -> tuple[Buildroot, Created]:
    """The buildroot, made now where it is not there yet or ``renew`` says so, and what is recorded of it.

    Raises what `Buildroots.create` raises.
    """
    made = _created(request, roots, renew=renew)
    return made, roots.of(made)


def run_in_buildroot(
    request: BuildrootRequest,
    roots: Buildroots,
    cache: Cache,
    reporter: Reporter,
    output: Callable[[bytes], None],
    *,
    command: Sequence[str] = (),
    terminal: int = -1,
    engine: str | None = None,
    workspace: Path | None = None,
) -> int:
    """Run a command in a throw-away copy of a buildroot, or a shell on ``terminal`` (a file descriptor) without one.

    What it says goes to ``output``; ``workspace`` is the folder that is /build inside and stays. Returns its exit
    code. Raises EnvironmentLacksError where no engine works, and what `Buildroots.create` raises.
    """
    root = _created(request, roots)
    chosen = choose_engine(root, engine, home=_swept_home(cache, reporter), reporter=reporter)
    if command:
        return run_command(chosen, root, tuple(command), output, workspace).code
    return run_shell(chosen, root, output, terminal, workspace).code


def buildroots_in(cache: Cache, folders: Sequence[Path], reporter: Reporter) -> Buildroots:
    """The buildroots of a cache; definitions in ``folders`` are laid over the shipped ones."""
    return Buildroots(cache, load_definitions(folders), reporter)


def _created(request: BuildrootRequest, roots: Buildroots, *, renew: bool = False) -> Buildroot:
    return roots.create(
        request.name, mode=request.mode, packages=request.packages, mirror=request.mirror, renew=renew
    )


def _swept_home(cache: Cache, reporter: Reporter) -> Path:
    """The folder of the engines, without what interrupted runs left there."""
    home = engines_home(cache.directory)
    home.mkdir(parents=True, exist_ok=True)
    sweep(home, reporter)
    return home
