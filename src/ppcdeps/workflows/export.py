"""The builds of a plan handed to another tool: a pipeline's file, and the folder that travels with it."""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ppcdeps.base.atomic import NEW, is_stream, new_folder, require_place, writable, write_output
from ppcdeps.base.copying import copy_tree
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.folder_lock import alone_in, remove_empty
from ppcdeps.base.named_files import followed
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.buildroots.definitions import load_definitions
from ppcdeps.building.farms.pipeline import Pipeline, pipeline_of
from ppcdeps.building.farms.pipeline_files import HEAD, PipelineKind, Runners, check_runners, pipeline_file
from ppcdeps.building.run.build_run import check_plan
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.building.run.rendered import ANOTHER_PLACE, MANIFEST, check_rendered, write_rendered
from ppcdeps.building.run.sources import SourceCollector
from ppcdeps.building.run.tasks import tasks_of
from ppcdeps.engines.probe import engine_named
from ppcdeps.metadata.targets import text_for_elsewhere
from ppcdeps.metadata.variables import environment_variables
from ppcdeps.model.documents import parse_toml
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.wording import first_of
from ppcdeps.model.workload import Workload
from ppcdeps.planning.workloads import curated_constraints, load_workload
from ppcdeps.python.requirementfiles import read_requirement_file
from ppcdeps.recipebook.book import RecipeBook, shipped_recipes
from ppcdeps.recipebook.patches import read_patch
from ppcdeps.workflows.build import basis_of, default_repository
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.requested import recipes_of

_PLACES = ("snapshot", "repofrompath", "reference", "source", "repo-file", "srpms", "constraints")
"""Options of a plan that may name files, which do not travel."""
_RENDERED, _RECIPES, _BUILDROOTS = "rendered", "recipes", "buildroots"
_TARGET, _WORKLOAD, _PINS = "target.toml", "workload.toml", "constraints.txt"
_MARKER = ".ppcdeps-export"
"""The file by which an export is known, whatever else of it is there."""


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
    check_runners(request.kind, request.runners)
    if options.engine is not None:
        engine_named(options.engine)
    output = request.output or Path(request.kind.file)
    file = followed(output.parent) / output.name
    base = _where_steps_run(file, request.kind, reporter)
    folder = base / f"ppcdeps-{plan.workload}"
    check_file(file)
    if is_stream(file) or (file.exists() and not file.is_file()):
        raise ConfigError(f"{file} is a device or a pipe", hint="name a file with --output: a folder lies beside it")
    if followed(request.plan_file).is_relative_to(folder):
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
    with _scratch_in(folder, file, reporter) as scratch:
        bundle = _Bundle(folder, scratch)
        write_rendered(tasks, sources, sha256_of(request.plan_file), scratch / _RENDERED)
        shutil.copyfile(request.plan_file, scratch / "plan.json")
        common = [
            *_recipes(basis.book, bundle),
            *_buildroots(request, bundle),
            *_target(request, bundle, reporter),
        ]
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
        write_output(file, pipeline_file(pipeline, request.kind, request.runners))
    return Exported(file, folder, request.kind, pipeline)


@dataclass(frozen=True, slots=True)
class _Bundle:
    """What travels with a pipeline: packed in ``scratch``, and put into ``folder`` when all of it is there."""

    folder: Path
    scratch: Path

    def beside(self, file: Path) -> str | None:
        """A file as the steps name it where it lies beside the pipeline or below; None where it lies elsewhere."""
        place, top = followed(file.parent) / file.name, self.folder.parent
        if not place.is_relative_to(top) or not _stays_below(place, top):
            return None
        return place.relative_to(top).as_posix()

    def named(self, name: str) -> str:
        """What is packed under this name, as the steps name it."""
        return f"{self.folder.name}/{name}"

    def put(self) -> None:
        """Put it in place of what an earlier export left, and remove what of that is not there any more."""
        # First: whoever is killed below leaves a folder that is known for an export.
        (self.folder / _MARKER).touch()
        packed = tuple(self.scratch.iterdir())
        for name in (_RENDERED, _RECIPES, _BUILDROOTS, *(one.name for one in packed)):
            remove_tree(self.folder / name)
        for one in packed:
            one.rename(self.folder / one.name)


@contextlib.contextmanager
def _scratch_in(folder: Path, file: Path, reporter: Reporter) -> Iterator[Path]:
    """A folder to pack in, inside this one; both are made, and so is the folder of the pipeline's file.

    What was made goes again where nothing was put there. Another export to the same folder waits for this one.
    Raises ConfigError where one cannot be made or written to, or holds what ppcdeps did not write.
    """
    made = [one for one in file.parents if not os.path.lexists(one)]
    with _locked(folder, reporter):
        try:
            if not (folder / _MARKER).is_file():
                check_rendered(folder / _RENDERED)
                is_ours = (folder / _RENDERED / MANIFEST).is_file()
                # What an export was packing that was killed is of ppcdeps, too.
                if not is_ours and not all(one.name.startswith(NEW) for one in folder.iterdir()):
                    raise ConfigError(f"{folder} holds files, and none of an export of ppcdeps", hint=ANOTHER_PLACE)
            _make_place(file)
            with new_folder(folder) as scratch:
                yield scratch
        finally:
            remove_empty(made)


def _make_place(file: Path) -> None:
    """Have a folder for the pipeline's file, in which it can be written. Raises ConfigError."""
    try:
        with writable([file], "--output"):
            file.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"{file.parent} is not a folder", hint=ANOTHER_PLACE) from error
    require_place(file, "--output")


@contextlib.contextmanager
def _locked(folder: Path, reporter: Reporter) -> Iterator[None]:
    """A folder, made where needed, that no other export writes to. Raises ConfigError where it cannot be one."""
    with contextlib.ExitStack() as stack:
        try:
            with writable([folder], "--output"):
                wait = partial(reporter.note, f"waiting for another ppcdeps that exports to {folder}")
                stack.enter_context(alone_in(folder, wait))
        except FileExistsError as error:
            raise ConfigError(f"{folder} is not a folder", hint=ANOTHER_PLACE) from error
        yield


def _where_steps_run(file: Path, kind: PipelineKind, reporter: Reporter) -> Path:
    """The folder in which the tool runs the steps: the one of the file, or of the repository that it is in."""
    if kind not in (PipelineKind.GITHUB, PipelineKind.GITLAB):
        return file.parent
    top = next((one for one in file.parents if os.path.lexists(one / ".git")), None)
    if top is not None:
        return top
    folders = Path(kind.file).parts[:-1]
    if folders and file.parent.parts[-len(folders) :] == folders:
        return file.parents[len(folders)]
    if folders or file.name != kind.file:
        reporter.warn(f"{file} is not in a Git repository: its steps are to be run in {file.parent}")
    return file.parent


def is_replaced(file: Path) -> bool:
    """Whether something is lost where this file is written. Raises ConfigError where none can be in this place."""
    with writable([file], "--output"):
        if file.is_dir():
            raise ConfigError(f"{file} is a folder", hint="name a file with --output")
        if is_stream(file):
            # What it is given replaces nothing, and a pipe without a writer would be waited for.
            return False
        if file.is_symlink() and not file.exists():
            raise ConfigError(f"{file} is a link that leads to no file", hint=f"{ANOTHER_PLACE}, or remove it")
        return file.is_file()


def check_file(file: Path) -> None:
    """Raise ConfigError where the file is somebody else's, or cannot be in this place."""
    if not is_replaced(file):
        return
    with writable([file], "--output"), file.open(encoding="utf-8", errors="replace") as stream:
        first = "".join(stream.readline(200) for _ in range(2))
    if HEAD not in first:
        raise ConfigError(f"{file} was not written by ppcdeps", hint=f"{ANOTHER_PLACE}, or remove it")


def _recipes(book: RecipeBook, bundle: _Bundle) -> Iterable[str]:
    """The option that names the recipes which are not ppcdeps' own, packed with what their links lead to.

    Raises ConfigError where a recipe would be another one there.
    """
    shipped, packed = followed(shipped_recipes()), bundle.scratch / _RECIPES
    own = [one for one in book if not followed(one.folder).is_relative_to(shipped)]
    for one in own:
        _copy_recipe(one.folder, packed / one.folder.name)
    names = {one.folder.name for one in own}
    for one in own:
        for patch in one.patches:
            if patch.file.startswith("../"):
                _copy_patch(one.folder, patch.file, packed, names)
    return ("--recipes", bundle.named(_RECIPES)) if own else ()


def _copy_recipe(folder: Path, copied: Path) -> None:
    """Copy a recipe's folder, for the same digest: the files that links lead to, and all other links as they are.

    Raises ConfigError for a link to a folder that is not in it.
    """
    copy_tree(folder, copied, keep_links=True)
    for link in [one for one in copied.rglob("*") if one.is_symlink()]:
        there = folder / link.relative_to(copied)
        if there.is_file():
            link.unlink()
            shutil.copy2(there, link)
        elif there.is_dir() and not _stays_below(there, folder):
            raise ConfigError(
                f"{there} is a link to a folder that is not in the recipe: it would lead elsewhere in the exported "
                "folder",
                hint="put the folder itself there",
            )


def _copy_patch(folder: Path, file: str, packed: Path, names: Collection[str]) -> None:
    """Pack a patch that a recipe takes from another's folder. ``names`` are those of the recipes that are packed.

    Raises ConfigError where the recipe that is packed under the name of the other has not this patch.
    """
    content = read_patch(folder, file)
    copied = packed / Path(file).relative_to("..")
    if not copied.is_file() and copied.relative_to(packed).parts[0] not in names:
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(content)
    elif not copied.is_file() or copied.read_bytes() != content:
        raise ConfigError(
            f"{folder / file} is not the patch that it would be in the exported folder: another recipe has that name",
            hint=f"put the patch itself into {folder}",
        )


def _stays_below(path: Path, top: Path) -> bool:
    """Whether a path below a folder leads to something without leaving the folder, wherever that is moved to."""
    here, left = top, list(path.relative_to(top).parts)
    while left:
        part = left.pop(0)
        if part == "..":
            if here == top:
                return False
            here = here.parent
        elif (here / part).is_symlink():
            to = (here / part).readlink()
            if to.is_absolute():
                return False
            left = [*to.parts, *left]
        else:
            here /= part
    return True


def _buildroots(request: ExportRequest, bundle: _Bundle) -> Iterable[str]:
    """The option that names the buildroots which are not ppcdeps' own, packed with what their links lead to.

    Raises UsageError where there is none of the name that was requested, or it has not the build mode.
    """
    options = request.options
    known = load_definitions(options.buildroot_folders)
    if (name := options.buildroot or request.resolved.target.buildroot) is not None:
        known.named(name).check_mode(options.mode)
    own = load_definitions(options.buildroot_folders, shipped=False).names
    for one in own:
        copy_tree(known.named(one).folder, bundle.scratch / _BUILDROOTS / one, skip_lost=True)
    return ("--buildroots", bundle.named(_BUILDROOTS)) if own else ()


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
    """The option that names the workload's file, where it is one: where it lies, or a copy with its constraints."""
    import tomli_w

    words = plan.request.words if plan.request is not None else ()
    if len(words) != 1 or not words[0].endswith(".toml") or not _exists(words[0]):
        return ()
    file = Path(words[0])
    found: Workload = load_workload(words[0], plan.release)
    pins = curated_constraints(found)
    # That of ppcdeps is known by its name.
    own = pins if pins is not None and Path(found.constraints or "").is_absolute() else None
    beside = bundle.beside(file)
    if own is None:
        if beside is not None:
            return ("--workload", beside)
        shutil.copyfile(file, bundle.scratch / _WORKLOAD)
    else:
        # With those that it includes.
        read = read_requirement_file(own, what="the constraints file", constraint=True)
        if beside is not None and all(bundle.beside(one) is not None for one in read.files):
            return ("--workload", beside)
        write_output(bundle.scratch / _PINS, "".join(f"{one.text}\n" for one in read.lines))
        content = parse_toml(file.read_bytes()) | {"constraints": _PINS}
        write_output(bundle.scratch / _WORKLOAD, tomli_w.dumps(content))
    return ("--workload", bundle.named(_WORKLOAD))


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
