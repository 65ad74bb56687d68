"""Locks: everything that a plan takes, pinned by digest."""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.building.buildroots.buildroots import Buildroots, Created
from ppcdeps.building.buildroots.definitions import DebianMaking, Definition, load_definitions
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.building.run.build_run import check_metadata
from ppcdeps.building.run.options import BuildBasis, BuildOptions
from ppcdeps.building.run.roots import RootProvider, WantedRoot
from ppcdeps.building.run.sources import SourceCollector, source_package_name
from ppcdeps.building.run.tasks import Bridge, Task, tasks_of
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.job import BuildMode
from ppcdeps.locking.inventory import (
    KINDS,
    locked_buildroots,
    locked_builds,
    locked_distributions,
    locked_metadata,
    locked_recipes,
    locked_root_packages,
    locked_sources,
    locked_states,
)
from ppcdeps.locking.packages import locked_packages, needed_packages, with_roots
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import RepositoryPackage
from ppcdeps.metadata.sync import DEFAULT_KINDS, ensure
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.gap import Gap, GapKind, Route
from ppcdeps.model.lock import HeldPackage, Lock, LockedBuild
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.model.reporter import Reporter
from ppcdeps.python.wheelhouse import Wheelhouse, fetch_wheelhouse
from ppcdeps.recipebook.book import RecipeBook, load_book
from ppcdeps.rpm.own import OWN
from ppcdeps.workflows.basis import MetadataOrigin
from ppcdeps.workflows.build import default_repository
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import index_for, solution_of
from ppcdeps.workflows.replan import planned_request, resolve_planned
from ppcdeps.workflows.repositories import ResolvedTarget, holding
from ppcdeps.workflows.request import PlanRequest
from ppcdeps.workflows.requested import load_requested, recipes_of
from ppcdeps.workflows.sources import fetcher_for

if TYPE_CHECKING:
    from ppcdeps.python.index import Index

DEFAULT_LOCK = Path("ppcdeps.lock")


@dataclass(frozen=True, slots=True)
class LockRequest:
    """A plan to lock, and what is known of its builds.

    ``repository`` is the folder that it was built into, None for the one that is named after the workload, if it is
    there. ``options`` are those of its build: they say which buildroots it takes.
    """

    plan_file: Path
    choice: RepositoryChoice
    options: BuildOptions
    repository: Path | None = None
    recipes: tuple[Path, ...] = ()


def lock(request: LockRequest, reporter: Reporter, former: Lock | None = None) -> Lock:
    """All that a plan takes, as it is now. ``former`` is a lock of it from before.

    What is not known yet is left out, and the reporter is told: what buildroots are made of before they are made, and
    what was built. Raises ConfigError where the plan rests on other metadata than there is now, or on other
    recipes, and what resolving its target and reading the index raise.
    """
    plan = load_requested(request.plan_file)
    resolved = resolve_planned(plan, request.choice, reporter)
    check_metadata(plan, resolved.metadata)
    digest = digest_of_plan(load_plan(request.plan_file))
    # A plan that `update_lock` made rests on what is held.
    held = () if former is None or former.plan != digest else former.held
    asked = planned_request(plan, holding(resolved, held), reporter, recipes=request.recipes)
    return lock_of(plan, digest, asked, request, reporter, held)


def digest_of_plan(plan: Plan) -> str:
    """What a lock knows its plan by: the SHA-256 of what the plan takes, as text.

    What was tried for its gaps is not in it: that changes with everything that an index gets, and a lock's folder has
    only what the plan takes. Nor is what decided on versions of Python distributions, and the advice on that: where
    `update_lock` holds a version, the folder has no other one.
    """
    gaps = tuple(replace(gap, tried=(), route=_undecided(gap)) for gap in plan.gaps)
    python = plan.python
    if python is not None:
        python = replace(python, distributions=tuple(replace(one, pinned_by="") for one in python.distributions))
    text = dump_plan(replace(plan, gaps=gaps, python=python, advice=()))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _undecided(gap: Gap) -> Route:
    return replace(gap.route, reason="") if gap.kind is GapKind.PYTHON else gap.route


def lock_of(
    plan: Plan,
    digest: str,
    asked: PlanRequest,
    request: LockRequest,
    reporter: Reporter,
    held: Sequence[HeldPackage] = (),
    built: Sequence[LockedBuild] = (),
) -> Lock:
    """The lock of a plan with this digest that answers ``asked``, where packages are ``held``. ``built`` is what was
    locked of its builds, which stays where there is no repository of them here. Raises what `lock` raises.
    """
    resolved = asked.resolved
    book = load_book(recipes_of(plan.request, request.recipes))
    collector = SourceCollector(
        fetcher_for(resolved, book, lambda: resolved.metadata).fetch,
        request.options.source_folders,
        request.plan_file.absolute().parent,
    )
    tasks = tasks_of(plan, book, alternatives=request.options.alternatives)
    from_snapshot = resolved.basis.origin is MetadataOrigin.SNAPSHOT
    repositories = _repositories(plan, resolved)
    if not from_snapshot:
        # All of it now: tomorrow a mirror may have moved on.
        kinds = DEFAULT_KINDS if resolved.offline else KINDS
        repositories = ensure(repositories, kinds, resolved.cache, reporter, offline=resolved.offline)
    roots = _roots(tasks, collector, resolved, book, request, reporter)
    house = Wheelhouse()
    with _index(plan, asked, reporter) as index:
        if plan.python is not None and any(one.provision is Provision.SDIST for one in plan.python.distributions):
            # Only the sdists themselves say what builds them.
            house = fetch_wheelhouse(plan.python, resolved.target.python, plan.arch, _needed(index))
        sources = {task.pinned.partition("==")[0]: task.source for task in tasks if task.pinned}
        distributions = locked_distributions(plan, house, index, sources)
    needed = needed_packages(solution_of(plan, asked, reporter), plan, _tried(plan, tasks))
    _check_closure(plan, needed, request)
    needed = with_roots(needed, roots, repositories)
    return Lock(
        workload=plan.workload,
        target=plan.target,
        arch=plan.arch,
        plan=digest,
        basis=resolved.basis.name if from_snapshot else "",
        request=plan.request,
        repositories=locked_states(plan),
        # A snapshot's own files are where the snapshot is.
        metadata=() if from_snapshot else locked_metadata(repositories, resolved.cache),
        packages=locked_packages(needed, _srpms(tasks, resolved, book, reporter), repositories),
        held=tuple(held),
        python=distributions,
        recipes=locked_recipes(tasks, recipes_of(plan.request, request.recipes)),
        sources=locked_sources(tasks, collector),
        buildroots=locked_buildroots(roots),
        root_packages=locked_root_packages(roots),
        builds=_builds(plan, request, built, reporter),
    )


def _check_closure(plan: Plan, needed: Collection[tuple[str, str]], request: LockRequest) -> None:
    """Raise ConfigError where the plan takes packages that its repositories would not give for it now.

    It rests on what was held then, which its lock says, and there is no such lock any more.
    """
    lost = sorted(
        str(one.nevra)
        for one in plan.closure
        if one.side == "target" and one.repo != OWN and (one.repo, str(one.nevra)) not in needed
    )
    if lost:
        raise ConfigError(
            f"{request.plan_file} takes {lost[0]}, which is not what its repositories give for it now: it "
            "was made by `ppcdeps lock PLAN --update NAME`, and its lock is not there",
            hint="plan again with `ppcdeps plan WORKLOAD`, and lock that plan",
        )


def _repositories(plan: Plan, resolved: ResolvedTarget) -> tuple[RepoMetadata, ...]:
    """The metadata that a plan rests on: that of enabled repositories, and of others that it looked at."""
    digests = {state.id: state.digest for state in plan.repositories if not state.enabled and not state.problem}
    looked_at = resolved.look_at_known() if digests else ()
    return (
        *resolved.metadata,
        *(one for one in looked_at if not one.problem and digests.get(one.config.id) == one.digest),
    )


@contextlib.contextmanager
def _index(plan: Plan, asked: PlanRequest, reporter: Reporter) -> "Iterator[Index | None]":
    """The Python index, where the plan has anything of it; None where it has nothing."""
    if plan.python is None or all(one.provision is Provision.RPM for one in plan.python.distributions):
        yield None
        return
    with index_for(asked, reporter) as index:
        yield index


def _needed(index: "Index | None") -> "Index":
    assert index is not None  # the plan has distributions of it
    return index


def _tried(plan: Plan, tasks: Sequence[Task]) -> tuple[str, ...]:
    """The packages that smoke tests take."""
    built = {gap.name for gap in plan.gaps}
    return tuple(
        package
        for task in tasks
        if isinstance(task.recipe, Recipe) and task.recipe.smoke_test and task.source in built
        for package in task.recipe.packages
    )


def _srpms(
    tasks: Sequence[Task], resolved: ResolvedTarget, book: RecipeBook, reporter: Reporter
) -> dict[str, RepositoryPackage]:
    """The source RPMs that tasks are built of, by the name of what is built."""
    fetcher = fetcher_for(resolved, book, lambda: resolved.metadata)
    found = {}
    for task in tasks:
        recipe = task.recipe
        if isinstance(recipe, Bridge) or task.own is not None or recipe.kind is not RecipeKind.SRPM:
            continue
        try:
            found[task.source] = fetcher.source_package(source_package_name(task, recipe), task.version)
        except (UsageError, RepositoryError) as fault:
            reporter.warn(f"the source RPM of {task.source} is not locked: {fault.line}")
    return found


def _roots(
    tasks: Sequence[Task],
    collector: SourceCollector,
    resolved: ResolvedTarget,
    book: RecipeBook,
    request: LockRequest,
    reporter: Reporter,
) -> tuple[WantedRoot, ...]:
    """The buildroots that the build takes, and that verify installs into."""
    options, target = request.options, resolved.target
    if not tasks or (options.buildroot or target.buildroot) is None:
        return ()
    roots = Buildroots(resolved.cache, load_definitions(options.buildroot_folders), reporter)
    basis = BuildBasis(
        target, resolved.metadata, book, resolved.cache, collector.fetch, resolved.fetch_filelists, resolved.offline
    )
    wanted = [*RootProvider(roots, tasks, collector, basis, options, reporter).wanted()]
    if target.buildroot is not None:
        base = roots.definitions.named(target.buildroot)
        if isinstance(base.making, DebianMaking):
            mode = BuildMode.NATIVE if machine_arch() == target.arch else BuildMode.EMULATED
            wanted.append(WantedRoot(base, mode, (), roots.find(base.name)))
    for root in wanted:
        if root.created is None:
            reporter.warn(
                f"what the buildroot {root.definition.name} is made of is not locked, since it is not made yet: "
                "build with it, and lock again"
            )
        elif not _is_recorded(root.definition, root.created):
            reporter.warn(
                f"the buildroot {root.definition.name} was made by an older ppcdeps, which did not record its files: "
                f"make it anew with `ppcdeps buildroot create {root.definition.name} --renew`, and lock again"
            )
    return tuple(wanted)


def _is_recorded(definition: Definition, created: Created) -> bool:
    """Whether the cache says of which files a buildroot was made."""
    if isinstance(definition.making, DebianMaking):
        return len(created.archives) >= len(created.packages)
    return bool(created.image)


def _builds(
    plan: Plan, request: LockRequest, former: Sequence[LockedBuild], reporter: Reporter
) -> tuple[LockedBuild, ...]:
    """What was built, where the repository of it is there, else what ``former`` says. Raises ConfigError where one
    that is named is not there.
    """
    folder = request.repository or default_repository(plan)
    manifest = read_manifest(folder)
    if manifest is None:
        if request.repository is not None:
            raise ConfigError(
                f"there is no repository in {folder}", hint="make it with `ppcdeps build PLAN`, or leave it out"
            )
        if former:
            reporter.note(f"what was built stays locked as it was: there is no {folder} here")
        else:
            reporter.note("no build is locked: nothing is built here yet")
        return tuple(former)
    records = [
        BuildRecord.from_json(path.read_text("utf-8"), str(path)) for path in sorted(folder.glob("records/*.json"))
    ]
    return locked_builds(folder, manifest, records)
