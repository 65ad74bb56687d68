"""The builds of a plan as tasks, with the tasks that each of them needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ppcdeps.building.publishing.expectations import Expected, expected_of
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.gap import Gap, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import OwnPackages, Plan
from ppcdeps.model.python_plan import PlannedPython
from ppcdeps.model.recipe import Language, Recipe, Source, interpreter_of
from ppcdeps.python.names import normalize
from ppcdeps.recipebook.book import RecipeBook, for_source, rebuild_recipe, recipe_digest, sdist_recipe

NOTHING = Expected()
"""What a build has to give where the plan says nothing of it."""

BRIDGE = "bridge"
"""The task that builds the bridge RPM."""

_LANGUAGES = {"c": Language.C, "c++": Language.CXX, "cython": Language.CYTHON, "rust": Language.RUST}


@dataclass(frozen=True, slots=True)
class Bridge:
    """The package without files that provides to RPM what pip installs; ``serial`` is its version."""

    workload: str
    provides: tuple[str, ...]
    serial: int
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """One build.

    ``name`` is the step as the plan's waves name it, ``source`` what is built. ``version`` is the upstream version
    that the plan counts on, where it says one; ``pinned`` the sdist of a Python distribution as ``name==version``;
    ``own`` the user's own spec or source RPM, where it is one of those.
    ``needs`` are the names of the tasks that come first, ``expected`` what it has to give. ``minutes``
    are recorded build times by build mode.
    """

    name: str
    source: str
    recipe: Recipe | Bridge
    version: str | None = None
    pinned: str = ""
    needs: tuple[str, ...] = ()
    expected: Expected = NOTHING
    minutes: Mapping[str, float] | None = None
    own: OwnPackages | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not built because enabling ``repositories`` closes ``gaps`` of the plan.

    ``dependents`` are further builds that need packages of these gaps.
    """

    gaps: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()


NOTHING_LEFT_OUT = LeftOut()


def left_out(plan: Plan, *, alternatives: bool = False, only: Sequence[str] = ()) -> LeftOut:
    """What a build leaves to enabling repositories: nothing with ``alternatives``, or where sources are named."""
    spared = [] if alternatives or only else [gap for gap in plan.gaps if gap.route.kind is RouteKind.ENABLE]
    names = {gap.name for gap in spared}
    without = set(names)
    steps = [_step(name)[0] for wave in plan.waves for name in wave]
    # Waves come in the order of what needs what.
    for source in steps:
        if without.intersection(plan.needs.get(source, ())):
            without.add(source)
    dependents = without.intersection(steps) - names
    repositories = {name for gap in spared for name in gap.route.subject}
    return LeftOut(tuple(sorted(names)), tuple(sorted(dependents)), tuple(sorted(repositories)))


def tasks_of(
    plan: Plan, book: RecipeBook, only: Sequence[str] = (), *, alternatives: bool = False
) -> tuple[Task, ...]:
    """The builds that a plan takes: the bridge, then those of its waves in their order.

    ``only`` are names of sources: these, and what they need. Gaps that enabling a repository closes are built with
    ``alternatives``, or where they are named. Raises ConfigError where a recipe was removed or changed since the
    plan was made, UsageError where ``only`` names what the plan does not build.
    """
    omitted = left_out(plan, alternatives=alternatives, only=only)
    not_built = {*omitted.gaps, *omitted.dependents}
    gaps = {gap.name: gap for gap in plan.gaps}
    bridge = _bridge(plan)
    tasks: list[Task] = [bridge] if bridge else []
    latest: dict[str, str] = {}
    faults: list[str] = []
    for wave in plan.waves:
        made = []
        for name in wave:
            source, condition = _step(name)
            if source in not_built:
                continue
            gap = gaps.get(source)
            if gap is None:
                faults.append(f"its waves build {name}, and no gap is called so")
                continue
            needs = tuple(sorted({latest[each] for each in plan.needs.get(source, ()) if each in latest}))
            if bridge and gap.route_without_enabling.kind is RouteKind.BUILD_SDIST:
                # Its RPM may require what pip installs.
                needs = (*needs, bridge.name)
            try:
                made.append(_task(name, gap, condition, needs, plan, book))
            except ConfigError as error:
                faults.append(str(error))
            except (IndexError, ValueError):
                faults.append(f"the route of {gap.name} names nothing that can be built")
        tasks += made
        latest |= {task.source: task.name for task in made}
    if faults:
        raise ConfigError(
            f"the plan for {plan.workload} cannot be built as it is",
            hint="plan again with `ppcdeps plan WORKLOAD`",
            faults=tuple(faults),
        )
    return _chosen(tasks, only, plan)


def _step(name: str) -> tuple[str, str]:
    """The source and the build condition of a step: ``libguestfs (with bootstrap)``."""
    source, _, rest = name.partition(" (with ")
    return source, rest.removesuffix(")")


def _task(name: str, gap: Gap, condition: str, needs: tuple[str, ...], plan: Plan, book: RecipeBook) -> Task:
    route = gap.route_without_enabling
    minutes = dict(route.minutes)
    expected = expected_of(plan.gaps, gap.source or gap.name)
    match route.kind:
        case RouteKind.RECIPE:
            recipe = for_source(_unchanged(gap, book), gap.source or gap.name)
            if condition:
                recipe = replace(recipe, enabled=(*recipe.enabled, condition))
            version = gap.packages[0].version if gap.packages else None
            return Task(name, gap.name, recipe, version, "", needs, expected, minutes)
        case RouteKind.REBUILD:
            packages = [each.name for each in gap.packages]
            version = Nevra.parse(route.subject[0]).version
            recipe = rebuild_recipe(gap.source or gap.name, packages)
            own = next((each for each in plan.own if each.source == gap.source), None)
            return Task(name, gap.name, recipe, version, "", needs, expected, minutes, own)
        case RouteKind.BUILD_SDIST:
            return _python_task(name, gap, needs, plan.python, minutes)
        case _:
            raise ConfigError(f"{gap.name} is routed as {route.kind}: nothing to build")


def _unchanged(gap: Gap, book: RecipeBook) -> Recipe:
    """The recipe that the plan means. Raises ConfigError where it is not as it was."""
    route = gap.route_without_enabling
    recipe = next((one for one in book if one.folder.name == route.subject[0]), None)
    if recipe is None:
        raise ConfigError(
            f"there is no recipe {route.subject[0]} for {gap.name} (any more): "
            "name the folder that has it with --recipes"
        )
    if recipe_digest(recipe) != route.digest:
        raise ConfigError(f"the recipe {route.subject[0]} was changed since the plan was made")
    return recipe


def _python_task(
    name: str, gap: Gap, needs: tuple[str, ...], python: PlannedPython | None, minutes: Mapping[str, float]
) -> Task:
    pinned = gap.route_without_enabling.subject[0]
    distribution, _, version = pinned.partition("==")
    planned = python.distribution(distribution) if python is not None else None
    files = [one for one in planned.files if not one.name.endswith(".whl")] if planned is not None else []
    if python is None or planned is None or not files:
        raise ConfigError(f"the plan's lock names no sdist of {pinned}")
    file = files[0]
    languages = {_LANGUAGES[each] for text in planned.builds_from if (each := text.lower()) in _LANGUAGES}
    source = Source(version, file.name, file.sha256, file.name)
    recipe = sdist_recipe(
        distribution,
        source,
        sorted(languages),
        url=f"pkg:pypi/{distribution}@{version}",
        python=interpreter_of(python.package, python.tag),
    )
    package = f"{recipe.python.package}-{normalize(distribution)}"
    return Task(name, gap.name, recipe, version, pinned, needs, Expected((package,)), minutes)


def _bridge(plan: Plan) -> Task | None:
    """The bridge of a plan; its version grows with the metadata that the plan rests on."""
    if plan.python is None or not plan.python.bridge:
        return None
    newest = max((state.date or 0 for state in plan.repositories if state.enabled), default=0)
    recipe = Bridge(plan.workload, plan.python.bridge, newest or 1, plan.python.bridge_requires)
    return Task(BRIDGE, BRIDGE, recipe, expected=Expected((f"ppcdeps-bridge-{plan.workload}",)))


def _chosen(tasks: Sequence[Task], only: Iterable[str], plan: Plan) -> tuple[Task, ...]:
    wanted = set(only)
    if not wanted:
        return tuple(tasks)
    known = {task.source for task in tasks} | {task.name for task in tasks}
    unknown = sorted(wanted - known)
    if unknown:
        raise UsageError(
            f"the plan for {plan.workload} does not build {unknown[0]}",
            hint=f"it builds {', '.join(sorted(known))}",
        )
    by_name = {task.name: task for task in tasks}
    waiting = [task.name for task in tasks if {task.name, task.source} & wanted]
    taken: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in taken:
            taken.add(name)
            waiting += by_name[name].needs
    return tuple(task for task in tasks if task.name in taken)
