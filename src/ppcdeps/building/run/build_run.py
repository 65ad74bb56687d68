"""A plan built: its buildroots made ready, its builds run, and the packages put into the local repository."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions, packages_for
from ppcdeps.building.publishing.publishing import Published, check_place, publish
from ppcdeps.building.publishing.signing import SigningKey
from ppcdeps.building.publishing.wheels import collect_wheels
from ppcdeps.building.run.builder import Place, Workshop
from ppcdeps.building.run.events import Event, Finished, TaskResult, Watcher
from ppcdeps.building.run.failures import load_failures
from ppcdeps.building.run.materials import FetchSources, Sources
from ppcdeps.building.run.requires import Requirements
from ppcdeps.building.run.schedule import run_tasks
from ppcdeps.building.run.session import Session
from ppcdeps.building.run.store import Store
from ppcdeps.building.run.tasks import Task, tasks_of
from ppcdeps.engines.cleanup import sweep
from ppcdeps.engines.emulation import ensure_emulation
from ppcdeps.engines.engine import engines_home
from ppcdeps.engines.job import NO_LIMITS, BuildMode, Buildroot, Limits
from ppcdeps.engines.probe import choose_engine
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import fetch_package, packages_of
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target
from ppcdeps.recipebook.book import RecipeBook
from ppcdeps.rpm.universe import FetchFilelists

_CROSS = "-cross"
"""How a buildroot that cross-compiles is called, after the one of the target's own architecture."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a user decides of a run.

    ``repository`` is the folder to publish to, ``jobs`` how many builds go on at a time. ``mode``, ``buildroot``,
    ``engine`` are None where ppcdeps chooses. ``only`` are names of sources to build, with what they need.
    """

    repository: Path
    jobs: int = 1
    mode: BuildMode | None = None
    buildroot: str | None = None
    buildroot_folders: tuple[Path, ...] = ()
    mirror: str | None = None
    engine: str | None = None
    connection: str | None = None
    limits: Limits = NO_LIMITS
    fail_fast: bool = False
    check: bool = True
    only: tuple[str, ...] = ()
    source_folders: tuple[Path, ...] = ()
    sign_with: str | None = None
    url: str | None = None
    """Where the repository will be served, for its .repo file; its folder where this is None."""


@dataclass(frozen=True, slots=True)
class BuildBasis:
    """What a plan is built on: its target, the metadata of the target's repositories, and how to get more."""

    target: Target
    metadata: tuple[RepoMetadata, ...]
    book: RecipeBook
    cache: Cache
    fetch_sources: FetchSources
    fetch_filelists: FetchFilelists
    offline: bool = False


@dataclass(frozen=True, slots=True)
class BuildRun:
    """A run that is over.

    ``published`` counts the packages of the repository, which is None where nothing was built.
    """

    workload: str
    target: str
    plan: Path
    mode: BuildMode
    buildroot: str
    engine: str
    results: tuple[TaskResult, ...]
    repository: Path | None = None
    published: int = 0
    repo_file: Path | None = None

    @property
    def failed(self) -> bool:
        """Whether anything that was to be built is not there."""
        return any(result.stored is None for result in self.results)


def check_plan(plan: Plan, basis: BuildBasis, options: BuildOptions) -> None:
    """Raise ConfigError where the plan is of another target, or rests on other metadata than there is now, and where
    the folder to publish to belongs to something else.
    """
    check_place(options.repository)
    if plan.target != basis.target.name:
        raise ConfigError(
            f"the plan is for the target {plan.target}, and this is {basis.target.name}",
            hint="name its target, or the file of it, with --target",
        )
    now = {each.config.id: each.digest for each in basis.metadata}
    changed = sorted(state.id for state in plan.repositories if now.get(state.id) != state.digest)
    if changed:
        raise ConfigError(
            f"the plan rests on other metadata than there is now: {', '.join(changed)} changed",
            hint=f"plan again with `ppcdeps plan {plan.workload}`",
        )


def build_plan(
    plan: Plan,
    path: Path,
    basis: BuildBasis,
    options: BuildOptions,
    session: Session,
    reporter: Reporter,
    watch: Watcher,
) -> BuildRun:
    """Build what a plan takes, and publish what was built.

    Builds whose inputs are as they were are not built again. Raises ConfigError for a plan that does not fit any
    more, EnvironmentLacksError where nothing can be built here, RepositoryError where an image or a package cannot be
    had; a build that fails is a result.
    """
    check_plan(plan, basis, options)
    tasks = tasks_of(plan, basis.book, options.only)
    reused = _reused(plan, basis, reporter)
    key = SigningKey.find(options.sign_with) if options.sign_with else None
    if not tasks:
        published = _publish(options, (), reused, key, plan, reporter)
        return _build_run(plan, path, options.mode or BuildMode.NATIVE, "-", "-", (), published)
    home = engines_home(basis.cache.directory)
    sweep(home, reporter)
    store = Store.of(basis.cache)
    store.sweep()
    sources = Sources(basis.fetch_sources, options.source_folders)
    roots = Buildroots(basis.cache, load_definitions(options.buildroot_folders), reporter)
    bench, runner = _places(roots, tasks, sources, basis, options, reporter)
    engine = choose_engine(bench.root, options.engine, options.connection, home=home, reporter=reporter)
    reporter.note(f"{len(tasks)} builds in {bench.root.name} ({bench.root.mode}) by {engine.name}")
    workshop = Workshop(
        engine=engine,
        bench=bench,
        runner=runner,
        sources=sources,
        store=store,
        cache=basis.cache,
        work=session.folder,
        patterns=load_failures(),
        limits=options.limits,
        parallel=max(1, (os.cpu_count() or 1) // max(1, options.jobs)),
        check=options.check,
    )

    def tell(event: Event) -> None:
        if isinstance(event, Finished):
            session.note(event.result)
        watch(event)

    results = run_tasks(
        tasks,
        workshop,
        tell,
        jobs=options.jobs,
        fail_fast=options.fail_fast,
    )
    published = _publish(options, results, reused, key, plan, reporter)
    return _build_run(plan, path, bench.root.mode, bench.root.name, engine.name, results, published)


def _build_run(
    plan: Plan,
    path: Path,
    mode: BuildMode,
    buildroot: str,
    engine: str,
    results: Sequence[TaskResult],
    published: Published | None,
) -> BuildRun:
    build_run = BuildRun(plan.workload, plan.target, path, mode, buildroot, engine, tuple(results))
    if published is None:
        return build_run
    count = len(published.manifest.packages)
    return replace(build_run, repository=published.folder, published=count, repo_file=published.repo_file)


def _places(
    roots: Buildroots,
    tasks: Sequence[Task],
    sources: Sources,
    basis: BuildBasis,
    options: BuildOptions,
    reporter: Reporter,
) -> tuple[Place, Place | None]:
    """Where it is built, and where what is built can run."""
    name = options.buildroot or basis.target.buildroot
    if name is None:
        raise ConfigError(f"the target {basis.target.name} names no buildroot", hint="name one with --buildroot NAME")
    wanted = _Wanted(roots, tasks, sources, options.mirror)
    root = wanted.created(name, options.mode)
    if root.target != basis.target.arch:
        raise ConfigError(f"the buildroot {name} builds for {root.target}, and the target is {basis.target.arch}")
    own = (basis.target.buildroot or "").removesuffix(_CROSS) == name.removesuffix(_CROSS)
    if not own and roots.of(root).repository is not None:
        reporter.warn(
            f"{name} is no root of {basis.target.title}: what is built in it proves the way, and is not for that"
        )
    bench = Place(root, _requirements(roots, root, basis, reporter))
    if root.mode is not BuildMode.CROSS:
        return bench, bench
    emulation = ensure_emulation(root.target, reporter)
    if not emulation.works:
        reporter.warn(f"what is built is not tried, as programs of {root.target} do not run here: {emulation.fix}")
        return bench, None
    running = wanted.created(name.removesuffix(_CROSS), None)
    return bench, Place(running, _requirements(roots, running, basis, reporter))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Buildroots with what the tasks need in them, where a root cannot have it from the target's repositories."""

    roots: Buildroots
    tasks: Sequence[Task]
    sources: Sources
    mirror: str | None

    def created(self, name: str, mode: BuildMode | None) -> Buildroot:
        definition = self.roots.definitions.named(name)
        packages: tuple[str, ...] = ()
        if isinstance(definition.making, DebianMaking):
            # What is built runs where the target's programs do.
            runs = definition.arch == definition.target
            asked = {each for task in self.tasks for each in self._requirements(task, runs)}
            packages, _ = packages_for(definition, sorted(asked))
        return self.roots.create(name, mode=mode, packages=packages, mirror=self.mirror)

    def _requirements(self, task: Task, runs: bool) -> Sequence[str]:
        requires = task.material.requires if isinstance(task.material, Recipe) and runs else ()
        try:
            return (*self.sources.build_requires(task), *requires)
        except (RepositoryError, ConfigError, UsageError):
            # Its own build will fail of it, and the others go on.
            return requires


def _requirements(roots: Buildroots, root: Buildroot, basis: BuildBasis, reporter: Reporter) -> Requirements:
    """Where packages for a root come from: the target's repositories, or its own where it is none of RPM's."""
    own = roots.of(root).repository
    if own is None:
        metadata = tuple(each for each in basis.metadata if each.config.side is Side.TARGET)
    else:
        config = RepoConfig(
            id=root.name, side=Side.TARGET, baseurl=(own.absolute().as_uri() + "/",), metadata_expire=0
        )
        metadata = tuple(fetch_repositories([config], basis.cache, reporter))
    return Requirements(basis.target, metadata, basis.cache, reporter, basis.fetch_filelists, basis.offline)


def _reused(plan: Plan, basis: BuildBasis, reporter: Reporter) -> tuple[Path, ...]:
    """The noarch packages of the reference that the plan uses as they are."""
    wanted = [nevra for gap in plan.gaps if gap.route.kind is RouteKind.REUSE for nevra in gap.route.subject]
    reference = [each for each in basis.metadata if each.config.side is Side.REFERENCE]
    found = packages_of(reference, wanted)
    if any(not package.location for package in found.values()):
        reporter.warn(
            f"{len(wanted)} noarch packages that are reused are not in the local repository: the metadata of a "
            "snapshot does not say where they are; `ppcdeps sync` turns to the live repositories"
        )
        return ()
    lost = sorted(set(wanted) - found.keys())
    if lost:
        raise RepositoryError(f"no reference repository has {lost[0]}", hint="plan again with `ppcdeps plan`")
    return tuple(
        fetch_package(found[nevra], basis.cache, reporter, offline=basis.offline)[0] for nevra in sorted(wanted)
    )


def _publish(
    options: BuildOptions,
    results: Sequence[TaskResult],
    reused: Sequence[Path],
    key: SigningKey | None,
    plan: Plan,
    reporter: Reporter,
) -> Published | None:
    stored = [result.stored for result in results if result.stored is not None]
    if not stored and not reused:
        return None
    return publish(
        options.repository,
        [*(path for build in stored for path in build.packages), *reused],
        records=[build.record for build in stored],
        wheels=[wheel for build in stored for wheel in collect_wheels(build.wheels, plan.arch)],
        name=f"ppcdeps-{plan.workload.replace('+', '-')}",
        sign=key,
        url=options.url,
        reporter=reporter,
    )
