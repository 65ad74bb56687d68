"""The build of a plan: buildroots made ready, builds run, packages published to the local repository."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ppcdeps.base.digests import sha256_of
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.buildroots.definitions import load_definitions
from ppcdeps.building.publishing.ownership import check_place
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.signing import SigningKey
from ppcdeps.building.publishing.wheels import collect_wheels
from ppcdeps.building.run.events import BuildEvent, BuildFinished, BuildListener, TaskResult
from ppcdeps.building.run.failures import load_failures
from ppcdeps.building.run.options import BuildBasis, BuildOptions
from ppcdeps.building.run.rendered import RenderedSources
from ppcdeps.building.run.reproduction import Reproduction, reproductions
from ppcdeps.building.run.roots import RootProvider
from ppcdeps.building.run.run_folder import RunFolder
from ppcdeps.building.run.schedule import run_tasks
from ppcdeps.building.run.setup import BuildSetup
from ppcdeps.building.run.sources import SourceCollector, TaskSources
from ppcdeps.building.run.store import Store
from ppcdeps.building.run.tasks import NOTHING_LEFT_OUT, LeftOut, Task, left_out, tasks_of
from ppcdeps.engines.cleanup import sweep
from ppcdeps.engines.engine import Engine, engines_home
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.engines.probe import choose_engine
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import fetch_package, packages_of
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.gap import Gap, Route, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import Side
from ppcdeps.model.wording import counted
from ppcdeps.rpm.own import OWN


@dataclass(frozen=True, slots=True)
class BuildRun:
    """A finished run.

    ``mode`` is None where machines built in several, or nothing was built. ``published`` counts the packages of the
    repository, which is None where nothing was built. ``left_out`` is what was not built because enabling a
    repository closes it.
    """

    workload: str
    target: str
    plan: Path
    mode: BuildMode | None
    buildroot: str
    engine: str
    results: tuple[TaskResult, ...]
    repository: Path | None = None
    published: int = 0
    repo_file: Path | None = None
    left_out: LeftOut = NOTHING_LEFT_OUT
    reproduced: tuple[Reproduction, ...] = ()
    """The packages that a lock has, compared with it; none without a lock."""

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
    if options.rendered is None:
        # What was rendered is what was planned.
        check_metadata(plan, basis.metadata)
    omitted = left_out(plan, alternatives=options.alternatives, only=options.only)
    if omitted.gaps and not takes_builds(plan, options):
        raise UsageError(
            f"nothing is built: {_closed_by(omitted)}",
            hint=f"{_to_enable(omitted)}, or build what it lacks all the same with --alternatives",
        )


def check_metadata(plan: Plan, metadata: Sequence[RepoMetadata]) -> None:
    """Raise ConfigError where a plan rests on other metadata of its repositories than there is now."""
    now = {each.config.id: each.digest for each in metadata}
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


@dataclass(frozen=True, slots=True)
class PlannedBuilds:
    """The builds of a plan, and all that they are run with. ``session`` is the folder of the run."""

    plan: Plan
    path: Path
    tasks: tuple[Task, ...]
    basis: BuildBasis
    options: BuildOptions
    session: RunFolder
    reporter: Reporter

    @property
    def store(self) -> Store:
        """Where finished builds are."""
        folder = self.options.store
        return Store(folder) if folder is not None else Store.of(self.basis.cache)

    def sources(self) -> TaskSources:
        """Where their sources come from. Raises ConfigError where they were rendered for another plan."""
        if self.options.rendered is not None:
            return RenderedSources.read(self.options.rendered, sha256_of(self.path))
        folders, locked = self.options.source_folders, self.basis.locked
        own = locked.own if locked is not None else ()
        return SourceCollector(self.basis.fetch_sources, (*folders, *own), self.path.absolute().parent)

    def in_one_root(self) -> tuple[Task, ...]:
        """The tasks whose BuildRequires decide on the buildroot: of a pipeline all, whichever its step builds."""
        sources = self.sources()
        if not isinstance(sources, RenderedSources):
            return self.tasks
        rendered = {one.task for one in sources.tasks}
        return tuple(one for one in tasks_of(self.plan, self.basis.book, alternatives=True) if one.name in rendered)


@dataclass(frozen=True, slots=True)
class FinishedBuilds:
    """The results of builds in their order, and by what and in what they were built."""

    results: tuple[TaskResult, ...]
    mode: BuildMode | None
    buildroot: str
    engine: str


class OtherMachines(Protocol):
    """Machines that run the jobs of builds which this machine prepares."""

    def seen_there(self, root: Buildroot) -> Buildroot:
        """A buildroot as it is on these machines: its mode may be another one there."""

    def engine(self, root: Buildroot) -> Engine:
        """What runs jobs there. Raises EnvironmentLacksError where none can be run in this root."""


class BuildRunner(Protocol):
    """Runs the builds of a plan, on this machine or on others."""

    def __call__(self, builds: PlannedBuilds, watch: BuildListener) -> FinishedBuilds:
        """Run them all, each after those that it needs. What needs a failed one is skipped, and the rest goes on."""


def build_plan(
    plan: Plan,
    path: Path,
    basis: BuildBasis,
    options: BuildOptions,
    session: RunFolder,
    reporter: Reporter,
    watch: BuildListener,
    runner: BuildRunner | None = None,
) -> BuildRun:
    """Build what a plan takes by the ``runner`` (default: `build_here`), and publish what was built.

    Builds whose inputs are as they were are not built again. Raises ConfigError for a plan that no longer
    fits, EnvironmentLacksError where nothing can be built here, RepositoryError where an image or a package cannot be
    had; a build that fails is a result.
    """
    check_plan(plan, basis, options)
    tasks = tasks_of(plan, basis.book, options.only, alternatives=options.alternatives)
    omitted = left_out(plan, alternatives=options.alternatives, only=options.only)
    if omitted.gaps:
        reporter.note(f"not built: {_closed_by(omitted)}; {_to_enable(omitted)}, or build it with --alternatives")
    reused = _reused(plan, basis, options, reporter) if options.publishes else ()
    key = SigningKey.find(options.sign_with) if options.sign_with else None
    ended = FinishedBuilds((), options.mode or BuildMode.NATIVE, "-", "-")
    if tasks:

        def record(event: BuildEvent) -> None:
            if isinstance(event, BuildFinished):
                session.note(event.result)
            watch(event)

        builds = PlannedBuilds(plan, path, tasks, basis, options, session, reporter)
        ended = (runner or build_here)(builds, record)
    done = BuildRun(
        plan.workload,
        plan.target,
        path,
        ended.mode,
        ended.buildroot,
        ended.engine,
        ended.results,
        left_out=omitted,
        reproduced=reproductions(ended.results, basis.locked.built) if basis.locked is not None else (),
    )
    return _published(done, options, reused, key, plan, reporter)


def build_here(builds: PlannedBuilds, watch: BuildListener) -> FinishedBuilds:
    """Run the builds on this machine."""
    options = builds.options
    jobs = options.jobs or 1
    home = engines_home(builds.basis.cache.directory)
    setup = setup_of(builds, home, parallel=max(1, (os.cpu_count() or 1) // jobs))
    results = run_tasks(builds.tasks, setup, watch, jobs=jobs, fail_fast=options.fail_fast)
    root = setup.build_root.root
    return FinishedBuilds(results, root.mode, root.name, setup.engine.name)


def setup_of(
    builds: PlannedBuilds,
    home: Path,
    *,
    parallel: int,
    scratch: Path | None = None,
    elsewhere: OtherMachines | None = None,
) -> BuildSetup:
    """All that builds on this machine have in common, with buildroots made ready and an engine that works.

    ``home`` is the engines' home, ``scratch`` where builds work (default: in the folder of the run). ``elsewhere``
    are the machines that run the jobs, None for this one. Raises
    EnvironmentLacksError where nothing can be built here, RepositoryError where an image cannot be had.
    """
    basis, options, reporter = builds.basis, builds.options, builds.reporter
    sweep(home, reporter)
    builds.store.sweep()
    sources = builds.sources()
    roots = Buildroots(basis.cache, load_definitions(options.buildroot_folders), reporter)
    locked = basis.locked.roots if basis.locked is not None else {}
    provider = RootProvider(roots, builds.in_one_root(), sources, basis, options, reporter, locked)
    build_root, test_root = provider.provide()
    if elsewhere is not None:
        build_root = replace(build_root, root=elsewhere.seen_there(build_root.root))
        test_root = test_root and replace(test_root, root=elsewhere.seen_there(test_root.root))
        engine = elsewhere.engine(build_root.root)
    else:
        engine = choose_engine(build_root.root, options.engine, options.connection, home=home, reporter=reporter)
    root = build_root.root
    reporter.note(f"{counted(len(builds.tasks), 'build')} in {root.name} ({root.mode}) by {engine.name}")
    return BuildSetup(
        engine=engine,
        build_root=build_root,
        test_root=test_root,
        sources=sources,
        store=builds.store,
        cache=basis.cache,
        work=builds.session.folder,
        patterns=load_failures(),
        limits=options.limits,
        parallel=parallel,
        check=options.check,
        scratch=scratch or builds.session.folder / "scratch",
    )


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
    if not options.publishes or (not stored and not reused):
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
