"""What a target or a workload does not say, and the answer of a plan depends on."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ppcdeps.model.gap import Gap, GapKind, RouteKind
from ppcdeps.model.python_plan import NEWEST, PlannedPython, Provision
from ppcdeps.model.target import Target
from ppcdeps.model.wording import first_of
from ppcdeps.planning.curated import load_excluded_sources
from ppcdeps.planning.solution import Solution
from ppcdeps.recipebook.book import is_named
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.universe import Universe

NO_REFERENCE = 'name one with --reference ID,URL, or in the target file with side = "reference"'
"""What to do about a target without reference."""

_SHOWN = 6


def unsaid(
    solution: Solution,
    gaps: Iterable[Gap],
    python: PlannedPython | None,
    advice_for: Callable[[Target], Iterable[str]],
) -> tuple[str, ...]:
    """A line for each thing that is missing in what people write and changes this plan, and what to write.

    ``advice_for`` gives the advice of the rules for a target that is the plan's in all but its platform.
    """
    gaps = tuple(gaps)
    return (
        *_without_reference(solution),
        *_without_platform(solution, gaps, advice_for),
        *_without_build_packages(solution),
        *_without_release(solution, python),
        *_without_pins(python),
    )


def has_reference(universe: Universe) -> bool:
    """Whether a repository of the reference answered."""
    return any(part.role is Role.REFERENCE for part in universe.parts)


def _without_reference(solution: Solution) -> Iterator[str]:
    if not has_reference(solution.universe):
        target = solution.target
        yield (
            f"{target.name} has no reference: without the {target.reference_arch} repositories of the same release, "
            f"only what the {target.arch} repositories have and require is known, and not what they lack; "
            f"{NO_REFERENCE}"
        )


def _without_platform(
    solution: Solution, gaps: tuple[Gap, ...], advice_for: Callable[[Target], Iterable[str]]
) -> Iterator[str]:
    """What depends on the platform: recipes, what distributions leave out, and advice."""
    target = solution.target
    if target.platform_id is not None:
        return
    native = [gap for gap in gaps if gap.kind is GapKind.RPM and gap.route.kind is not RouteKind.REUSE]
    sources = dict.fromkeys(gap.source or gap.name for gap in native)
    book = [recipe for recipe in solution.adaptation.book if recipe.platforms and target.name not in recipe.targets]
    fitting = {
        source: [recipe for recipe in book if recipe.is_buildable and is_named(recipe, source)] for source in sources
    }
    unused = sorted(source for source, recipes in fitting.items() if recipes)
    excluded = {fact.source: fact.platforms for fact in load_excluded_sources() if fact.source in sources}
    platforms = {
        platform
        for platforms in (*(recipe.platforms for found in fitting.values() for recipe in found), *excluded.values())
        for platform in platforms
    }
    said = set(advice_for(target))
    lost = [f"the recipes of {first_of(unused, _SHOWN)}"] if unused else []
    lost += [f"whether the distribution leaves out {first_of(sorted(excluded), _SHOWN)}"] if excluded else []
    if any(set(advice_for(replace(target, platform_id=one))) - said for one in sorted(platforms)):
        lost.append("advice")
    if lost:
        yield (
            f"{target.name} has no platform_id, so that these count for nothing here: {', '.join(lost)}; "
            f"if it is one of these, write it into the target file: {', '.join(sorted(platforms))}"
        )


def _without_build_packages(solution: Solution) -> Iterator[str]:
    builds = sum(1 for solved in solution.builds.values() if solved is not None)
    if builds and not solution.target.build_packages:
        what = "the build needs" if builds == 1 else f"the {builds} builds need"
        yield (
            f"{solution.target.name} has no build_packages: whether its repositories have what {what} beside "
            "BuildRequires (rpm-build, gcc, make, redhat-rpm-config) was not looked at; "
            "`ppcdeps targets centos-stream-9` shows a list for the target file"
        )


def _without_release(solution: Solution, python: PlannedPython | None) -> Iterator[str]:
    target, workload = solution.target, solution.workload
    pinned = python is not None and python.versions_by and python.versions_by == workload.constraints
    if pinned and workload.release and target.openstack is None:
        yield (
            f"{target.name} names no OpenStack release: Python's versions are those of {workload.release}, which is "
            "the workload's default; choose with --release, or with [openstack] in the target file"
        )


def _without_pins(python: PlannedPython | None) -> Iterator[str]:
    distributions = python.distributions if python is not None else ()
    free = sorted(one.name for one in distributions if one.provision is not Provision.RPM and one.pinned_by == NEWEST)
    if free:
        yield (
            f"Nothing pins {first_of(free, _SHOWN)}: pip gets the newest that fits, which changes with the index; "
            "pin with --constraints FILE, or with constraints in the workload file"
        )
