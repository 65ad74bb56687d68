"""The build of a plan: buildroots made ready, builds run, packages published to the local repository."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions, packages_for
from ppcdeps.building.publishing.ownership import check_place
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.signing import SigningKey
from ppcdeps.building.publishing.wheels import collect_wheels
from ppcdeps.building.run.events import BuildEvent, BuildFinished, BuildListener, TaskResult
from ppcdeps.building.run.failures import load_failures
from ppcdeps.building.run.resolver import PackageResolver
from ppcdeps.building.run.run_folder import RunFolder
from ppcdeps.building.run.schedule import run_tasks
from ppcdeps.building.run.setup import BuildSetup, ProvisionedRoot
from ppcdeps.building.run.sources import FetchSources, SourceCollector
from ppcdeps.building.run.store import Store
from ppcdeps.building.run.tasks import NOTHING_LEFT_OUT, LeftOut, Task, left_out, tasks_of
from ppcdeps.engines.cleanup import sweep
from ppcdeps.engines.emulation import ensure_emulation
from ppcdeps.engines.engine import engines_home
from ppcdeps.engines.job import NO_LIMITS, BuildMode, Buildroot, Limits
from ppcdeps.engines.probe import choose_engine
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import fetch_package, packages_of
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.gap import Gap, Route, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target
from ppcdeps.recipebook.book import RecipeBook
from ppcdeps.rpm.own import OWN
from ppcdeps.rpm.paths import FetchFilelists

_CROSS = "-cross"
"""The end of the name of a buildroot that cross-compiles; before it stands the name of the native one."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The options of a run.

    ``repository`` is the folder to publish to, ``jobs`` how many builds go on at a time. ``mode``, ``buildroot``,
    ``engine`` are None where ppcdeps chooses. ``only`` are names of sources to build, with what they need.
    ``alternatives``: build also what enabling a repository would spare.
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
    alternatives: bool = False
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
    """A finished run.

    ``published`` counts the packages of the repository, which is None where nothing was built. ``left_out`` is what
    was not built because enabling a repository closes it.
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
    left_out: LeftOut = NOTHING_LEFT_OUT

    @property
    def failed(self) -> bool:
        """Whether anything that was to be built is not there."""
        return any(result.stored is None for result in self.results)


def check_plan(plan: Plan, basis: BuildBasis, options: BuildOptions) -> None:
    """Raise ConfigError where the plan is of another target, or rests on other metadata than there is now, and where
    the folder to publish to belongs to something else. Raise UsageError where enabling repositories closes all that
    could be built.
    """
    check_place(options.repository)
    if plan.target != basis.target.name:
        raise ConfigError(
            f"the plan is for the target {plan.target}, and this is {basis.target.name}",
            hint="name its target, or the file of it, with --target",
        )
    now = {each.config.id: each.digest for each in basis.metadata}
    changed = sorted(
        state.id
        for state in plan.repositories
        # An own spec that was changed is found when it is built.
        if state.enabled and state.id != OWN and now.get(state.id) != state.digest
    )
    if changed:
        raise ConfigError(
            f"the plan rests on other metadata than there is now: {', '.join(changed)} changed",
            hint="plan again with `ppcdeps plan WORKLOAD`",
        )
    omitted = left_out(plan, alternatives=options.alternatives, only=options.only)
    if omitted.gaps and not takes_builds(plan, options):
        raise UsageError(
            f"nothing is built: {_closed_by(omitted)}",
            hint=f"{_to_enable(omitted)}, or build what it lacks all the same with --alternatives",
        )


def takes_builds(plan: Plan, options: BuildOptions) -> bool:
    """Whether anything of the plan is to be built, or to be published as it is."""
    omitted = left_out(plan, alternatives=options.alternatives, only=options.only)
    not_built = {*omitted.gaps, *omitted.dependents}
    builds = {name.partition(" (with ")[0] for wave in plan.waves for name in wave}
    reused = any(_route_of(gap, options).kind is RouteKind.REUSE for gap in plan.gaps)
    return bool(builds - not_built) or reused or bool(plan.python is not None and plan.python.bridge)


def _route_of(gap: Gap, options: BuildOptions) -> Route:
    return gap.route_without_enabling if options.alternatives else gap.route


def _closed_by(omitted: LeftOut) -> str:
    count, where = len(omitted.gaps), " and ".join(omitted.repositories)
    told = f"enabling {where} closes {'a gap' if count == 1 else f'{count} gaps'} of the plan"
    return f"{told}, and {', '.join(omitted.dependents)} needs packages of these" if omitted.dependents else told


def _to_enable(omitted: LeftOut) -> str:
    return f"plan again with `ppcdeps plan WORKLOAD --enablerepo {','.join(omitted.repositories)}`"


def build_plan(
    plan: Plan,
    path: Path,
    basis: BuildBasis,
    options: BuildOptions,
    session: RunFolder,
    reporter: Reporter,
    watch: BuildListener,
) -> BuildRun:
    """Build what a plan takes, and publish what was built.

    Builds whose inputs are as they were are not built again. Raises ConfigError for a plan that no longer
    fits, EnvironmentLacksError where nothing can be built here, RepositoryError where an image or a package cannot be
    had; a build that fails is a result.
    """
    check_plan(plan, basis, options)
    tasks = tasks_of(plan, basis.book, options.only, alternatives=options.alternatives)
    omitted = left_out(plan, alternatives=options.alternatives, only=options.only)
    if omitted.gaps:
        reporter.note(f"not built: {_closed_by(omitted)}; {_to_enable(omitted)}, or build it with --alternatives")
    reused = _reused(plan, basis, options, reporter)
    key = SigningKey.find(options.sign_with) if options.sign_with else None
    if not tasks:
        done = BuildRun(
            plan.workload, plan.target, path, options.mode or BuildMode.NATIVE, "-", "-", (), left_out=omitted
        )
        return _published(done, options, reused, key, plan, reporter)
    home = engines_home(basis.cache.directory)
    sweep(home, reporter)
    store = Store.of(basis.cache)
    store.sweep()
    sources = SourceCollector(basis.fetch_sources, options.source_folders, path.absolute().parent)
    roots = Buildroots(basis.cache, load_definitions(options.buildroot_folders), reporter)
    build_root, test_root = _RootProvider(roots, tasks, sources, basis, options, reporter).provide()
    engine = choose_engine(build_root.root, options.engine, options.connection, home=home, reporter=reporter)
    reporter.note(f"{len(tasks)} builds in {build_root.root.name} ({build_root.root.mode}) by {engine.name}")
    setup = BuildSetup(
        engine=engine,
        build_root=build_root,
        test_root=test_root,
        sources=sources,
        store=store,
        cache=basis.cache,
        work=session.folder,
        patterns=load_failures(),
        limits=options.limits,
        parallel=max(1, (os.cpu_count() or 1) // max(1, options.jobs)),
        check=options.check,
    )

    def record(event: BuildEvent) -> None:
        if isinstance(event, BuildFinished):
            session.note(event.result)
        watch(event)

    results = run_tasks(tasks, setup, record, jobs=options.jobs, fail_fast=options.fail_fast)
    root = build_root.root
    done = BuildRun(plan.workload, plan.target, path, root.mode, root.name, engine.name, results, left_out=omitted)
    return _published(done, options, reused, key, plan, reporter)


@dataclass(frozen=True, slots=True)
class _RootProvider:
    """Chooses and creates the buildroots of a run."""

    roots: Buildroots
    tasks: Sequence[Task]
    sources: SourceCollector
    basis: BuildBasis
    options: BuildOptions
    reporter: Reporter

    def provide(self) -> tuple[ProvisionedRoot, ProvisionedRoot | None]:
        """The root to build in, and the one to test in; None where no program of the target runs here."""
        target = self.basis.target
        name = self.options.buildroot or target.buildroot
        if name is None:
            raise ConfigError(f"the target {target.name} names no buildroot", hint="name one with --buildroot NAME")
        root = self._created(name, self.options.mode)
        if root.target != target.arch:
            raise ConfigError(f"the buildroot {name} builds for {root.target}, and the target is {target.arch}")
        own = (target.buildroot or "").removesuffix(_CROSS) == name.removesuffix(_CROSS)
        if not own and self.roots.of(root).repository is not None:
            self.reporter.warn(
                f"{name} is not a root of {target.title}: "
                "packages built in it show that the build works, and are not for that target"
            )
        build_root = self._provisioned(root)
        if root.mode is not BuildMode.CROSS:
            return build_root, build_root
        emulation = ensure_emulation(root.target, self.reporter)
        if not emulation.works:
            self.reporter.warn(
                f"packages are not tested, as programs of {root.target} do not run here: {emulation.fix}"
            )
            return build_root, None
        return build_root, self._provisioned(self._created(name.removesuffix(_CROSS), None))

    def _created(self, name: str, mode: BuildMode | None) -> Buildroot:
        definition = self.roots.definitions.named(name)
        packages: tuple[str, ...] = ()
        # Nothing can be installed in a Debian root later: it gets what all tasks need when it is made.
        if isinstance(definition.making, DebianMaking):
            # The packages are tested where the target's programs run.
            runs = definition.arch == definition.target
            required = {each for task in self.tasks for each in self._requirements(task, runs)}
            packages, _ = packages_for(definition, sorted(required))
        return self.roots.create(name, mode=mode, packages=packages, mirror=self.options.mirror)

    def _requirements(self, task: Task, runs: bool) -> Sequence[str]:
        requires = task.recipe.requires if isinstance(task.recipe, Recipe) and runs else ()
        try:
            return (*self.sources.build_requires(task), *requires)
        except (RepositoryError, ConfigError, UsageError):
            # Its own build will fail with this error, and the others go on.
            return requires

    def _provisioned(self, root: Buildroot) -> ProvisionedRoot:
        """The root with the repositories of its packages: the target's, or its own where it is not made of RPMs."""
        basis = self.basis
        own = self.roots.of(root).repository
        if own is None:
            metadata = tuple(each for each in basis.metadata if each.config.side is Side.TARGET)
        else:
            url = own.absolute().as_uri() + "/"
            config = RepoConfig(id=root.name, side=Side.TARGET, baseurl=(url,), metadata_expire=0)
            metadata = tuple(fetch_repositories([config], basis.cache, self.reporter))
        resolver = PackageResolver(
            basis.target, metadata, basis.cache, self.reporter, basis.fetch_filelists, basis.offline
        )
        return ProvisionedRoot(root, resolver)


def _reused(plan: Plan, basis: BuildBasis, options: BuildOptions, reporter: Reporter) -> tuple[Path, ...]:
    """The noarch packages of the reference that the plan uses as they are."""
    routes = [_route_of(gap, options) for gap in plan.gaps]
    wanted = [nevra for route in routes if route.kind is RouteKind.REUSE for nevra in route.subject]
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
        raise RepositoryError(
            f"no reference repository has {lost[0]}", hint="plan again with `ppcdeps plan WORKLOAD`"
        )
    return tuple(
        fetch_package(found[nevra], basis.cache, reporter, offline=basis.offline)[0] for nevra in sorted(wanted)
    )


def _published(
    done: BuildRun,
    options: BuildOptions,
    reused: Sequence[Path],
    key: SigningKey | None,
    plan: Plan,
    reporter: Reporter,
) -> BuildRun:
    """The run with the repository that it published to, where there is anything to publish."""
    stored = [result.stored for result in done.results if result.stored is not None]
    if not stored and not reused:
        return done
    published = publish(
        options.repository,
        [*(path for build in stored for path in build.packages), *reused],
        records=[build.record for build in stored],
        wheels=[wheel for build in stored for wheel in collect_wheels(build.wheels, plan.arch)],
        name=f"ppcdeps-{plan.workload.replace('+', '-')}",
        sign=key,
        url=options.url,
        reporter=reporter,
    )
    count = len(published.manifest.packages)
    return replace(done, repository=published.folder, published=count, repo_file=published.repo_file)
