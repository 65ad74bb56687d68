"""The RPMs of a lock: those that a workload runs with, that builds and verification install, and source RPMs."""

from collections.abc import Iterable, Mapping, Sequence

from ppcdeps.building.run.roots import WantedRoot
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import RepositoryPackage, packages_of
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.lock import EVERY_BUILD, RUN, LockedPackage
from ppcdeps.model.lock_file import place
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.model.repository import Side
from ppcdeps.planning.solution import Solution, SolvedRequest
from ppcdeps.planning.workloads import PYTHON_PREFIX
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.requests import request_packages

VERIFY = "verify"
"""What needs a package that only the verification installs, such as pip itself."""


def needed_packages(
    solution: Solution, plan: Plan, tried: Iterable[str] = ()
) -> dict[tuple[str, str], tuple[str, ...]]:
    """By repository and NEVRA, what needs each package of the target, and each noarch one of the reference that the
    plan reuses. ``tried`` are packages that smoke tests take beside the workload.

    What is built is not among them: a stand-in is no file.
    """
    reused = {nevra for gap in plan.gaps if gap.route.kind is RouteKind.REUSE for nevra in gap.route.subject}
    found: dict[tuple[str, str], set[str]] = {}

    def take(solved: SolvedRequest, needed_by: str) -> None:
        for key in _there(solution, solved, reused):
            found.setdefault(key, set()).add(needed_by)

    take(solution.run, RUN)
    builds = {source: solved for source, solved in solution.builds.items() if solved is not None}
    for source, solved in builds.items():
        take(solved, source)
    for key in _there(solution, _verification(solution, plan, tried), reused):
        if RUN not in found.get(key, ()):
            found.setdefault(key, set()).add(VERIFY)
    every = set(builds)
    return {key: tuple(sorted(_shortened(needed_by, every))) for key, needed_by in found.items()}


def _there(solution: Solution, solved: SolvedRequest, reused: set[str]) -> Iterable[tuple[str, str]]:
    """Repository and NEVRA of what a closure takes from repositories as it is."""
    universe = solution.universe
    for package in solved.closure.chosen:
        part = universe.part_of(package)
        if part is None or universe.is_standin(package):
            continue
        nevra = str(universe.nevra(package))
        if part.role is Role.TARGET or (part.role is Role.REFERENCE and nevra in reused):
            yield part.metadata.config.id, nevra


def _verification(solution: Solution, plan: Plan, tried: Iterable[str]) -> SolvedRequest:
    """What `ppcdeps verify` installs, solved with all that the plan builds."""
    python = solution.target.python
    roots = [root for root in plan.roots if not root.startswith(PYTHON_PREFIX)]
    roots += [*tried, *(plan.python.added_rpms if plan.python is not None else ())]
    if python.beside or (plan.python is not None and plan.python.by_pip):
        roots += [python.package, python.pip_package] if python.beside else [python.pip_package]
    request = request_packages(solution.universe, "verification", roots)
    built = {source for wave in plan.waves for source in wave}
    return SolvedRequest("verification", request, solution.search.closure([request], built))


def _shortened(needed_by: set[str], every: set[str]) -> set[str]:
    """The same, with one word for all builds where there are several."""
    return (needed_by - every) | {EVERY_BUILD} if len(every) > 1 and needed_by >= every else needed_by


def with_roots(
    needed: Mapping[tuple[str, str], tuple[str, ...]],
    roots: Iterable[WantedRoot],
    repositories: Sequence[RepoMetadata],
) -> dict[tuple[str, str], tuple[str, ...]]:
    """What needs each package, with the buildroots that are made of RPMs: those of their packages that repositories
    of the target still have. The others are of the image, or cannot be had any more.
    """
    found = dict(needed)
    target = [one for one in repositories if one.config.side is Side.TARGET and not one.problem]
    for root in roots:
        created = root.created
        if created is None or not created.image:
            continue
        names = ((*name.rpartition("."), version) for name, version in created.packages.items())
        # Keys that rpm has imported have no architecture.
        wanted = [
            str(Nevra.parse(f"{name}-{version}.{arch}")) for name, _, arch, version in names if arch != "(none)"
        ]
        for nevra, package in packages_of(target, wanted).items():
            key = (package.repository.config.id, str(nevra))
            found[key] = tuple(sorted({*found.get(key, ()), created.name}))
    return found


def locked_packages(
    needed: Mapping[tuple[str, str], tuple[str, ...]],
    sources: Mapping[str, RepositoryPackage],
    repositories: Sequence[RepoMetadata],
) -> tuple[LockedPackage, ...]:
    """The packages with their places and checksums as the repositories' metadata has them.

    ``sources`` are the source RPMs by the name of what is built. Raises RepositoryError for damaged metadata.
    """
    found = []
    for repository in repositories:
        mine = {nevra: by for (repo, nevra), by in needed.items() if repo == repository.config.id}
        if mine:
            known = packages_of([repository], mine)
            found += [_locked(known[nevra], needed_by) for nevra, needed_by in mine.items()]
    found += [_locked(package, (source,)) for source, package in sources.items()]
    return tuple(found)


def _locked(package: RepositoryPackage, needed_by: tuple[str, ...]) -> LockedPackage:
    repo = package.repository.config.id
    try:
        if package.location:
            place(package.location)
    except ValueError as fault:
        raise RepositoryError(
            f"repository {repo}: {package.nevra} cannot be locked, as the metadata has it at {package.location!r}: "
            f"{fault}"
        ) from fault
    # Where the metadata does not say where a package is, its checksum is a number that a snapshot made up.
    return LockedPackage(
        str(package.nevra),
        repo,
        package.location,
        package.checksum if package.location else "",
        package.size if package.location else None,
        needed_by,
    )
