"""The builds of a plan handed to another tool: a pipeline's file, and the folder that travels with it."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ppcdeps.base.atomic import new_folder, write_output
from ppcdeps.base.copying import copy_tree
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.farms.pipeline import Pipeline, pipeline_of
from ppcdeps.building.farms.pipeline_files import HEAD, PipelineKind, Runners, pipeline_file
from ppcdeps.building.run.build_run import check_plan
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.building.run.rendered import ANOTHER_PLACE, check_rendered, write_rendered
from ppcdeps.building.run.sources import SourceCollector
from ppcdeps.building.run.tasks import tasks_of
from ppcdeps.metadata.targets import text_for_elsewhere
from ppcdeps.metadata.variables import environment_variables
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.wording import first_of
from ppcdeps.model.workload import Workload
from ppcdeps.planning.workloads import curated_constraints, load_workload
from ppcdeps.recipebook.book import RecipeBook, shipped_recipes
from ppcdeps.workflows.build import basis_of, default_repository
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.requested import recipes_of

_PLACES = ("snapshot", "repofrompath", "reference", "source", "repo-file", "srpms", "constraints")
"""Options of a plan that may name files, which do not travel."""
_RENDERED, _RECIPES, _TARGET = "rendered", "recipes", "target.toml"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A plan to export: its file, the kind of pipeline, and the file to write.

    ``options`` are those of the builds; ``further`` the same as words of the command line, for the steps. ``verify``
    are words for the last step alone. ``recipes`` are folders laid over the shipped ones, those of the plan's request
    where there are none. ``output`` is None for the usual name in the current folder.
    """

    plan: Plan
    plan_file: Path
    resolved: ResolvedTarget
    kind: PipelineKind
    options: BuildOptions
    output: Path | None = None
    further: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    recipes: tuple[Path, ...] = ()
    runners: Runners = field(default_factory=Runners)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the file of the pipeline, and the folder that travels with it."""

    file: Path
    folder: Path
    kind: PipelineKind
    pipeline: Pipeline


def export(request: ExportRequest, reporter: Reporter) -> Exported:
    """Write the pipeline's file, and beside it the folder ``ppcdeps-WORKLOAD`` with all that its steps take.

    Those are the plan, the rendered sources, the recipes, and the files of target and workload, where these are not
    ppcdeps' own. Raises ConfigError for a plan that no longer fits and for a place that holds something else,
    UsageError where nothing is to be built, RepositoryError where a source cannot be had.
    """
    plan, options = request.plan, request.options
    output = request.output or Path(request.kind.file)
    file = output.parent.resolve() / output.name
    base = _where_steps_run(file, request.kind)
    folder = base / f"ppcdeps-{plan.workload}"
    check_file(file)
    if file.exists() and not file.is_file():
        raise ConfigError(f"{file} is a device or a pipe", hint="name a file with --output: a folder lies beside it")
    if request.plan_file.resolve().is_relative_to(folder):
        raise UsageError(
            f"{request.plan_file} is the copy that travels with a pipeline",
            hint="export the plan that it is a copy of",
        )
    basis = basis_of(request.resolved, recipes_of(plan.request, request.recipes))
    check_plan(plan, basis, options)
    tasks = tasks_of(plan, basis.book, alternatives=options.alternatives)
    if not tasks:
        raise UsageError(f"the plan for {plan.workload} builds nothing: there is nothing to export")
    sources = SourceCollector(basis.fetch_sources, options.source_folders, request.plan_file.absolute().parent)
    with _scratch_in(folder) as scratch:
        bundle = _Bundle(folder, scratch)
        write_rendered(tasks, sources, sha256_of(request.plan_file), scratch / _RENDERED)
        shutil.copyfile(request.plan_file, scratch / "plan.json")
        common = [*_recipes(basis.book, bundle), *_target(request, bundle, reporter)]
        _warn_of_files(plan, reporter)
        pipeline = pipeline_of(
            plan.workload,
            tasks,
            folder=folder.name,
            repository=default_repository(plan).as_posix(),
            common=common,
            build=request.further,
            publish=("--alternatives",) if options.alternatives else (),
            verify=(*_workload(plan, bundle), *request.verify),
        )
        bundle.put()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_output(file, pipeline_file(pipeline, request.kind, request.runners))
    return Exported(file, folder, request.kind, pipeline)


@dataclass(frozen=True, slots=True)
class _Bundle:
    """What travels with a pipeline: packed in ``scratch``, and put into ``folder`` when all of it is there."""

    folder: Path
    scratch: Path

    def take(self, file: Path, name: str) -> str:
        """A file as the steps name it: where it lies, beside the pipeline or below, or else as the copy of it."""
        if (beside := self.beside(file)) is not None:
            return beside
        shutil.copyfile(file, self.scratch / name)
        return self.named(name)

    def beside(self, file: Path) -> str | None:
        """A file as the steps name it where it lies beside the pipeline or below; None where it lies elsewhere."""
        place = file.absolute()
        return place.relative_to(self.folder.parent).as_posix() if place.is_relative_to(self.folder.parent) else None

    def named(self, name: str) -> str:
        """What is packed under this name, as the steps name it."""
        return f"{self.folder.name}/{name}"

    def put(self) -> None:
        """Put it in place of what an earlier export left, and remove what of that is not there any more."""
        for packed in (_RENDERED, _RECIPES, *(one.name for one in self.scratch.iterdir())):
            remove_tree(self.folder / packed)
        for one in self.scratch.iterdir():
            one.rename(self.folder / one.name)


@contextlib.contextmanager
def _scratch_in(folder: Path) -> Iterator[Path]:
    """A folder to pack in, inside this one, which is made for it and goes with it where nothing was put there.

    Raises ConfigError where it cannot be made, or holds what an export would replace.
    """
    check_rendered(folder / _RENDERED)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}", hint=ANOTHER_PLACE) from error
    try:
        with new_folder(folder) as scratch:
            yield scratch
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _where_steps_run(file: Path, kind: PipelineKind) -> Path:
    """The folder in which the tool runs the steps: the one of the file, or of the repository that it is in."""
    parent = file.parent
    if kind is PipelineKind.GITHUB and (parent.parent.name, parent.name) == (".github", "workflows"):
        return parent.parent.parent
    return parent


def check_file(file: Path) -> None:
    """Raise ConfigError where the file is somebody else's."""
    if file.is_dir():
        raise ConfigError(f"{file} is a folder", hint="name a file with --output")
    if not file.is_file():
        # What a device or a pipe is given replaces nothing, and a pipe without a writer would be waited for.
        return
    with file.open(encoding="utf-8", errors="replace") as stream:
        first = "".join(stream.readline(200) for _ in range(2))
    if HEAD not in first:
        raise ConfigError(f"{file} was not written by ppcdeps", hint="name another place with --output, or remove it")


def _recipes(book: RecipeBook, bundle: _Bundle) -> Iterable[str]:
    """The option that names the recipes which are not ppcdeps' own, packed."""
    shipped = shipped_recipes().resolve()
    own = [one.folder for one in book if not one.folder.resolve().is_relative_to(shipped)]
    for one in own:
        copy_tree(one, bundle.scratch / _RECIPES / one.name, keep_links=True)
    return ("--recipes", bundle.named(_RECIPES)) if own else ()


def _target(request: ExportRequest, bundle: _Bundle, reporter: Reporter) -> Iterable[str]:
    """The option that names the target's file, where it has one of its own."""
    named = request.resolved.choice.target
    if named is None or not _exists(named):
        return ()
    file = Path(named)
    if (beside := bundle.beside(file)) is not None:
        return ("--target", beside)
    text, moved = text_for_elsewhere(file, environment_variables())
    write_output(bundle.scratch / _TARGET, text)
    if moved:
        reporter.warn(f"not in the exported folder, and read by the steps where they run: {first_of(moved, 5)}")
    if told := [one.id for one in request.resolved.target.repositories if one.password]:
        reporter.warn(f"{bundle.folder / _TARGET} has the password of {first_of(told, 5)}: let nobody else read it")
    return ("--target", bundle.named(_TARGET))


def _workload(plan: Plan, bundle: _Bundle) -> Iterable[str]:
    """The option that names the workload's file, where it is one."""
    words = plan.request.words if plan.request is not None else ()
    if len(words) != 1 or not words[0].endswith(".toml") or not _exists(words[0]):
        return ()
    found: Workload = load_workload(words[0], plan.release)
    pins = curated_constraints(found)
    if pins is not None and pins.absolute().parent == Path(words[0]).absolute().parent:
        bundle.take(pins, pins.name)
    return ("--workload", bundle.take(Path(words[0]), "workload.toml"))


def _warn_of_files(plan: Plan, reporter: Reporter) -> None:
    """Say which files of this machine the steps read, beside what travels."""
    if plan.request is None:
        return
    named = {value.partition(",")[2] or value for option in _PLACES for value in plan.request.values(option)}
    local = sorted(one for one in named if _exists(one, folders=True))
    if local:
        reporter.warn(f"not in the exported folder, and read by the last step where it runs: {', '.join(local)}")


def _exists(path: str, *, folders: bool = False) -> bool:
    """Whether there is such a file, or folder. A word of a plan may be one that no path can be."""
    try:
        return Path(path).exists() if folders else Path(path).is_file()
    except (OSError, ValueError):
        return False
