"""A lock with one thing moved, and what must move with it: all else stays at the version that is locked."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ppcdeps.base.toml import closest
from ppcdeps.locking.difference import Move, moves
from ppcdeps.locking.release import behind, least, of_sources, replacing, to_release
from ppcdeps.metadata.primary import read_primary
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.evr import evr_key
from ppcdeps.model.gap import Gap
from ppcdeps.model.lock import HeldPackage, Lock, LockedPackage
from ppcdeps.model.lock_file import load_lock
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig
from ppcdeps.planning.solution import Solution
from ppcdeps.workflows.lock import LockRequest, digest_of_plan, lock_of
from ppcdeps.workflows.plans import plan as plan_for
from ppcdeps.workflows.plans import solution_of
from ppcdeps.workflows.replan import planned_request, resolve_planned
from ppcdeps.workflows.repositories import holding
from ppcdeps.workflows.request import PlanRequest
from ppcdeps.workflows.requested import load_requested

EVERYTHING = "all"
"""Moves all that can move."""
_ROUNDS = 20
_SIDES = ("target", "reference")
_SOURCES = ("src", "nosrc")


@dataclass(frozen=True, slots=True)
class UpdatedLock:
    """The new plan as text, its lock, and what moved."""

    plan: str
    lock: Lock
    moved: tuple[Move, ...]


def update_lock(request: LockRequest, lock_file: Path, names: Sequence[str], reporter: Reporter) -> UpdatedLock:
    """Move what is named to the newest that fits: packages, sources, Python distributions, buildroots, recipes, files
    that sources are built from, and all packages of a repository.

    All else stays where a repository still has it. What the named things need in a newer version moves with them.
    Nothing is written. Raises UsageError for a name that the lock does not have, ConfigError where the lock is
    of another plan, and what planning raises.
    """
    before, plan = load_lock(lock_file), load_requested(request.plan_file)
    if before.plan != digest_of_plan(load_plan(request.plan_file)):
        raise ConfigError(
            f"{lock_file} is not the lock of {request.plan_file}", hint="lock that plan with `ppcdeps lock PLAN`"
        )
    _check_names(names, before, plan)
    choice = replace(request.choice, refresh=not request.choice.offline)
    resolved = resolve_planned(plan, choice, reporter)
    asked = planned_request(plan, resolved, reporter, recipes=request.recipes)
    everything = EVERYTHING in names
    free = set(names) | _of_repositories(before, names)
    free |= _of_sources(plan, free | _sources_of_files(before, names))
    pins = () if everything else _pins(before, free)
    newest = plan_for(asked, reporter)
    made: Plan = newest
    held: tuple[HeldPackage, ...] = ()
    if not everything:
        made, held, free = _settled(plan, before, replace(asked, former_pins=pins), newest, free, reporter)
    made = replace(made, request=plan.request)
    again = replace(asked, resolved=holding(resolved, held), former_pins=pins)
    built = [one for one in before.builds if free.isdisjoint((one.source, Nevra.parse(one.nevra).name))]
    after = lock_of(made, digest_of_plan(made), again, request, reporter, held, built=() if everything else built)
    if not everything:
        after = _with_roots_of(before, after, free)
    return UpdatedLock(dump_plan(made), after, moves(before, after))


def _check_names(names: Sequence[str], lock: Lock, plan: Plan) -> None:
    known = {Nevra.parse(one.nevra).name for one in lock.packages} | {one.name for one in lock.python}
    known |= {one.nevra.name for one in plan.closure} | {gap.name for gap in plan.gaps}
    known |= {one.name for one in lock.buildroots} | {one.recipe for one in lock.recipes} | {EVERYTHING}
    known |= {one.id for one in lock.repositories} | {name for one in lock.sources for name in (one.source, one.file)}
    whole = {one.package: one.roots for one in lock.root_packages}
    whole |= {name.partition(":")[0]: roots for name, roots in whole.items()}
    for name in names:
        if name in known:
            continue
        if name in whole:
            root = whole[name][0].rstrip("+")
            raise UsageError(
                f"{name} is a package of the buildroot {root}, which is made as a whole",
                hint=f"make that anew with `ppcdeps buildroot create {root} --renew`, then move it: --update {root}",
            )
        raise UsageError(
            f'the lock has nothing called "{name}"',
            hint=closest(name, known) or "give a package, a source, a Python distribution, a buildroot, or all",
        )


def _of_repositories(lock: Lock, names: Iterable[str]) -> set[str]:
    """The packages that come from the named repositories."""
    wanted = set(names) & {one.id for one in lock.repositories}
    return {Nevra.parse(one.nevra).name for one in lock.packages if one.repo in wanted}


def _sources_of_files(lock: Lock, names: Iterable[str]) -> set[str]:
    """What is built from the named files."""
    wanted = set(names)
    return {one.source for one in lock.sources if one.file in wanted}


def _of_sources(plan: Plan, names: Iterable[str]) -> set[str]:
    """The packages of the closure that are built of the named sources, or of the same source as a named package."""
    wanted = set(names)
    sources = {one.source for one in plan.closure if one.nevra.name in wanted or one.source in wanted}
    return {one.nevra.name for one in plan.closure if one.source in sources and one.source}


def _locked_versions(plan: Plan, lock: Lock) -> dict[str, set[str]]:
    """The versions of the packages that are locked, by name: binary ones, not those of whole buildroots."""
    found: dict[str, set[str]] = {}
    packages = (Nevra.parse(one.nevra) for one in lock.packages if not lock.is_of_roots(one))
    for nevra in (*packages, *(one.nevra for one in plan.closure)):
        if nevra.arch not in _SOURCES:
            found.setdefault(nevra.name, set()).add(nevra.evr)
    return found


def _packages_of(repositories: Iterable[RepoMetadata]) -> Iterator[tuple[RepoConfig, Nevra]]:
    """The binary packages that the repositories have."""
    for repository in repositories:
        if repository.problem or repository.config.side not in _SIDES:
            continue
        for package in read_primary(repository.files["primary"].intact_path()):
            if package.arch not in _SOURCES:
                yield repository.config, package.nevra


def _pins(lock: Lock, free: Collection[str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(one.name, one.version) for one in lock.python if one.name not in free}))


def _settled(
    plan: Plan, before: Lock, asked: PlanRequest, newest: Plan, free: set[str], reporter: Reporter
) -> tuple[Plan, tuple[HeldPackage, ...], set[str]]:
    """The plan with as little moved as can be, what is held for it, and all names that are free to move.

    What is held is released where that keeps something free from its newest version, or leaves a gap which neither
    the plan before nor the newest one has. What is not locked is passed over where locked packages do as well.
    """
    known = {gap.name for gap in plan.gaps} | {gap.name for gap in newest.gaps}
    latest = solution_of(newest, asked, reporter)
    locked, packages = _locked_versions(plan, before), tuple(_packages_of(asked.resolved.metadata))
    free = free | of_sources(latest, locked.keys(), free)
    passed_over: set[str] = set()

    def tried(free: Collection[str]) -> _Trial:
        held = _held(locked, packages, free, passed_over)
        holding_them = replace(asked, resolved=holding(asked.resolved, held))
        made = plan_for(holding_them, reporter)
        solution = solution_of(made, holding_them, reporter)
        new = [gap for gap in made.gaps if gap.name not in known]
        return _Trial(made, held, solution, new, behind(solution, latest, free))

    for _ in range(_ROUNDS):
        trial = tried(free)
        if trial.fits:
            break
        names = {Nevra.parse(one.nevra).name for one in trial.held}
        more = to_release(trial.behind, trial.solution, latest, free, trial.held) & names
        more = more or _spoken_of(trial.new, newest) & names
        if not more:
            # A conflict, or a requirement that several packages meet together: only trying tells.
            if tried(free | names).fits:
                free = free | set(least(sorted(names), partial(_fits_with, tried, free)))
                trial = tried(free)
            break
        free = free | more
    if not trial.fits:
        reporter.warn("what is locked does not go together with what moves: everything moves")
        return newest, (), free
    passed_over = replacing(trial.solution, locked.keys(), free)
    if passed_over:
        without = tried(free)
        trial = without if without.fits else trial
    return trial.plan, trial.held, free


def _fits_with(tried: "Callable[[set[str]], _Trial]", free: set[str], more: Collection[str]) -> bool:
    return tried(free | set(more)).fits


@dataclass(frozen=True, slots=True)
class _Trial:
    """A plan where packages are held, and what speaks against it."""

    plan: Plan
    held: tuple[HeldPackage, ...]
    solution: Solution
    new: list[Gap]
    behind: dict[str, list[int]]

    @property
    def fits(self) -> bool:
        return not self.new and not self.behind


def _held(
    locked: Mapping[str, Collection[str]],
    packages: Iterable[tuple[RepoConfig, Nevra]],
    free: Collection[str],
    passed_over: Collection[str],
) -> tuple[HeldPackage, ...]:
    """Those of the packages that would be taken in place of locked ones of their names, and all that are
    ``passed_over``, by name.
    """
    found: list[tuple[RepoConfig, Nevra]] = []
    there: dict[str, list[tuple[int, str]]] = {}
    others: list[HeldPackage] = []
    for config, nevra in packages:
        if nevra.name in passed_over:
            others.append(HeldPackage(str(nevra), config.id))
        if nevra.name in free or nevra.name not in locked:
            continue
        if nevra.evr in locked[nevra.name]:
            there.setdefault(nevra.name, []).append((config.priority, nevra.evr))
        else:
            found.append((config, nevra))
    # A version that no repository has any more cannot be held, and what is passed over anyway need not be.
    held = (
        HeldPackage(str(nevra), config.id)
        for config, nevra in found
        if any(_wins(config, nevra, priority, evr) for priority, evr in there.get(nevra.name, ()))
    )
    return tuple(sorted((*held, *others), key=lambda one: (one.repo, one.nevra)))


def _wins(config: RepoConfig, nevra: Nevra, priority: int, evr: str) -> bool:
    """Whether a package is taken before another version of it in a repository of this priority."""
    return config.priority < priority or (config.priority == priority and evr_key(nevra.evr) > evr_key(evr))


def _spoken_of(gaps: Iterable[Gap], newest: Plan) -> set[str]:
    """The names that gaps speak of: what is wanted, what is built of the same sources, and what requires it."""
    spoken: set[str] = set()
    for gap in gaps:
        spoken |= {one.name for one in gap.packages} | {gap.name.partition(" ")[0], gap.source or gap.name}
        spoken |= {each.requirement.partition(" ")[0] for each in gap.required_by}
    return spoken | {one.nevra.name for one in newest.closure if one.source in spoken}


def _with_roots_of(before: Lock, after: Lock, free: Collection[str]) -> Lock:
    """The lock with the buildroots of the one before, but for those that are free to move."""
    stay = {one.label for one in before.buildroots if one.name not in free}
    roots = [one for one in after.buildroots if one.label not in stay]
    packages = {
        (one.package, one.version, one.path, one.sha256): one
        for lock in (before, after)
        for one in lock.root_packages
    }
    by_root: dict[tuple[str, str, str, str], set[str]] = {}
    for lock, wanted in ((before, stay), (after, {one.label for one in roots})):
        for one in lock.root_packages:
            mine = wanted.intersection(one.roots)
            if mine:
                by_root.setdefault((one.package, one.version, one.path, one.sha256), set()).update(mine)
    return replace(
        after,
        packages=_with_packages_of(before, after, stay),
        buildroots=(*roots, *(one for one in before.buildroots if one.label in stay)),
        root_packages=tuple(replace(packages[key], roots=tuple(sorted(mine))) for key, mine in by_root.items()),
    )


def _with_packages_of(before: Lock, after: Lock, stay: Collection[str]) -> tuple[LockedPackage, ...]:
    """The packages of a lock, those that the staying buildroots are made of as they were locked before."""
    found = {}
    for one in after.packages:
        needed_by = tuple(name for name in one.needed_by if name not in stay)
        if needed_by:
            found[one.repo, one.nevra] = replace(one, needed_by=needed_by)
    for one in before.packages:
        if mine := set(stay).intersection(one.needed_by):
            known = found.get((one.repo, one.nevra), replace(one, needed_by=()))
            found[one.repo, one.nevra] = replace(known, needed_by=tuple(sorted(mine.union(known.needed_by))))
    return tuple(found.values())
