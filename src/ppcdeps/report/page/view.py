"""What the page of a plan shows, in values: the template lays them out and decides nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TypeVar

from ppcdeps.model.commands import command_line
from ppcdeps.model.gap import Gap, GapKind, Requirer, Route, RouteKind
from ppcdeps.model.plan import ChosenPackage, DroppedRequirement, Plan, RepositoryState
from ppcdeps.model.python_plan import PlannedDistribution, Provision
from ppcdeps.model.recipe import Patch, Recipe
from ppcdeps.model.wording import counted, first_of
from ppcdeps.planning.explained import Link
from ppcdeps.report.build import duration
from ppcdeps.report.build_order import BUILT, build_order_of
from ppcdeps.report.enabling import enabling_words
from ppcdeps.report.page.graph import GraphView, graph_of
from ppcdeps.report.page.meanings import CAUSES, ROUTES, meanings_of
from ppcdeps.report.page.requirers import PlanRequirers
from ppcdeps.report.page.results import BuildRunView, VerificationView
from ppcdeps.report.recipes import edit_line
from ppcdeps.report.text import by_side, date_of, from_index, route_words

Row = TypeVar("Row")

_DAY = 24 * 3600
_MOST_HELD = 40
_BUILD_ALL = "build all of it"
_PROVE = "prove that it is closed"
BY_PIP = (RouteKind.PIP_WHEEL, RouteKind.PIP_SDIST)
STATES = {
    "target": "there",
    "reference": "noarch, reused",
    "standin": "to be built",
}
"""What the side of a package of the closure means."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A number or a term with what it means; ``kind`` gives its color."""

    value: str
    label: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command to type, and what it does."""

    title: str
    command: str


@dataclass(frozen=True, slots=True)
class RecipeView:
    """What a recipe does to its source. ``changed`` says that it is another one than the plan counted on."""

    name: str
    reason: str
    edits: tuple[tuple[str, str], ...]
    patches: tuple[tuple[str, str, str], ...]
    facts: tuple[Fact, ...]
    links: tuple[str, ...]
    changed: bool = False


@dataclass(frozen=True, slots=True)
class GapView:
    """A row of the gaps, and what it opens to.

    ``wave`` is its number, 0 where it is in none. ``held`` are the packages and distributions that need it, directly
    or not, as far as they are listed; ``held_count`` counts all. ``minutes`` are by build mode, the shortest first,
    which is ``shortest`` for sorting.
    """

    id: str
    name: str
    kind: GapKind
    cause: str
    phase: str
    route: str
    otherwise: str
    wave: int
    subject: str
    source: str
    detail: str
    reason: str
    help: str
    alternative: str
    wanted: tuple[str, ...]
    required_by: tuple[Requirer, ...]
    chain: tuple[Link, ...]
    held: tuple[str, ...]
    held_count: int
    builds_first: tuple[str, ...]
    blocked_by: tuple[str, ...]
    build_requires: tuple[str, ...]
    tried: tuple[str, ...]
    minutes: tuple[Fact, ...]
    timed_by: str
    shortest: float
    recipe: RecipeView | None
    commands: tuple[CommandView, ...]
    dropped: tuple[DroppedRequirement, ...] = ()
    pip: bool = False


@dataclass(frozen=True, slots=True)
class PackageView:
    """A row of the closure."""

    nevra: str
    name: str
    repo: str
    side: str
    state: str
    source: str
    required_by: tuple[Requirer, ...]


@dataclass(frozen=True, slots=True)
class RepositoryView:
    """A repository, the date of its metadata, and how old that is."""

    id: str
    side: str
    state: str
    date: str
    age: str
    revision: str
    digest: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """The whole page. ``build_run`` and ``verification`` are what came of the plan, where that is known."""

    title: str
    workload: str
    target: str
    arch: str
    release: str
    roots: tuple[str, ...]
    request: str
    made_on: str
    metadata: str
    verdict: str
    verdict_kind: str
    numbers: tuple[Fact, ...]
    costs: tuple[Fact, ...]
    cost_notes: tuple[str, ...]
    gaps: tuple[GapView, ...]
    causes: tuple[str, ...]
    routes: tuple[str, ...]
    phases: tuple[str, ...]
    graph: GraphView
    waves: tuple[tuple[str, ...], ...]
    packages: tuple[PackageView, ...]
    distributions: tuple[PlannedDistribution, ...]
    python: tuple[Fact, ...]
    python_notes: tuple[str, ...]
    dropped: tuple[DroppedRequirement, ...]
    advice: tuple[str, ...]
    repositories: tuple[RepositoryView, ...]
    commands: tuple[CommandView, ...]
    cycles: tuple[str, ...] = ()
    numbers_by_gap: Mapping[str, str] = field(default_factory=dict)
    meanings: tuple[tuple[str, str], ...] = ()
    build_run: BuildRunView | None = None
    verification: VerificationView | None = None


def plan_view(
    plan: Plan,
    now: float,
    *,
    plan_file: str = "PLAN",
    recipes: Mapping[str, tuple[Recipe, str]] | None = None,
    command: Callable[..., str] = command_line,
) -> PlanView:
    """What the page of a plan shows.

    ``now`` is in seconds since 1970, for the ages. ``recipes`` are those of the recipe book by name, each with its
    digest. ``command`` writes out a command of ppcdeps, ``plan_file`` is what it calls the plan.
    """
    requirers = PlanRequirers(plan)
    waves = build_order_of(plan)
    wave_of = {entry.source: number for number, wave in enumerate(waves, start=1) for entry in wave}
    maker = _GapMaker(plan, requirers, wave_of, recipes or {}, command, plan_file)
    gaps = tuple(maker.view(number, gap) for number, gap in enumerate(_in_order(plan.gaps, wave_of)))
    python = plan.python
    return PlanView(
        title=f"{plan.workload} on {plan.target} ({plan.arch})",
        workload=plan.workload,
        target=plan.target,
        arch=plan.arch,
        release=plan.release or "",
        roots=plan.roots,
        request=plan.request.command() if plan.request is not None else "",
        made_on=date_of(int(now)),
        metadata=_metadata(plan.repositories, now),
        verdict=_verdict(plan),
        verdict_kind=_verdict_kind(plan),
        numbers=_numbers(plan),
        costs=_costs(plan),
        cost_notes=_cost_notes(plan),
        gaps=gaps,
        causes=_values(gap.cause for gap in gaps),
        routes=_values(gap.route for gap in gaps),
        phases=_values(gap.phase for gap in gaps),
        graph=graph_of(plan, requirers),
        waves=tuple(tuple(entry.step for entry in wave) for wave in waves),
        packages=tuple(_package(one, plan) for one in plan.closure),
        distributions=python.distributions if python is not None else (),
        python=_python(plan),
        python_notes=python.notes if python is not None else (),
        dropped=plan.dropped_requirements,
        advice=plan.advice,
        repositories=tuple(repository_view(one, now) for one in by_side(plan.repositories)),
        commands=_commands(plan, command, plan_file),
        cycles=tuple(map(str, plan.cycles)),
        numbers_by_gap={gap.name: gap.id for gap in gaps},
        meanings=(
            *meanings_of({gap.cause for gap in gaps}, CAUSES),
            *meanings_of({gap.route for gap in gaps} | {gap.otherwise for gap in gaps}, ROUTES),
        ),
    )


def with_results(view: PlanView, run: BuildRunView | None, found: VerificationView | None) -> PlanView:
    """The page with how the builds of its plan went, and with the verdict on it, which then are its verdict, too."""
    verdict, kind, over = view.verdict, view.verdict_kind, frozenset[str]()
    if found is not None and found.is_closed:
        verdict = f"Closed: with what was built, nothing that {view.workload} needs is missing"
        verdict += "." if found.ran else "; nothing was installed or run to prove it."
        kind, over = "done", frozenset({_BUILD_ALL, _PROVE} if found.ran else {_BUILD_ALL})
    elif found is not None:
        failed = sum(1 for each in found.checks if each.outcome == "failed")
        parts = [f"{counted(len(found.remaining), 'gap remains', 'gaps remain')}"] if found.remaining else []
        parts += [f"{counted(len(found.new), 'gap is', 'gaps are')} new"] if found.new else []
        parts += [f"{counted(failed, 'check')} failed"] if failed else []
        verdict, kind = f"Not closed{': ' if parts else ''}{listed(parts)}.", "blocked"
    elif run is not None and run.results:
        done = {one.name for one in run.results if one.outcome in ("built", "unchanged")}
        counts = dict(run.outcomes)
        if bad := [f"{counts[one]} {one}" for one in ("failed", "skipped") if one in counts]:
            verdict, kind = f"Of {counted(len(run.results), 'build')}, {listed(bad)}.", "blocked"
        elif done.union(run.left_out).issuperset(step for wave in view.waves for step in wave):
            verdict = "All that can be built is built" if kind == "blocked" else "All that has to be built is built"
            verdict, over = f"{verdict}: whether that closes the gaps is to be verified.", frozenset({_BUILD_ALL})
    commands = tuple(each for each in view.commands if each.title not in over)
    return replace(view, verdict=verdict, verdict_kind=kind, commands=commands, build_run=run, verification=found)


def age_of(seconds: float) -> str:
    """An age in words, as exact as a person needs it."""
    days = int(seconds // _DAY)
    if days < 1:
        return "of today"
    if days < 60:
        return f"{days} day{'s' if days > 1 else ''} old"
    if days < 730:
        return f"{days // 30} months old"
    return f"{days // 365} years old"


class _GapMaker:
    def __init__(
        self,
        plan: Plan,
        requirers: PlanRequirers,
        waves: Mapping[str, int],
        recipes: Mapping[str, tuple[Recipe, str]],
        command: Callable[..., str],
        plan_file: str,
    ) -> None:
        self._plan = plan
        self._requirers = requirers
        self._waves = waves
        self._recipes = recipes
        self._command = command
        self._plan_file = plan_file
        self._own = {one.source: one for one in plan.own}

    def view(self, number: int, gap: Gap) -> GapView:
        plan, route = self._plan, gap.route_without_enabling
        nodes = self._requirers.nodes_of(gap)
        held = [str(node) for node in self._requirers.held_back_by(nodes)]
        own = self._own.get(gap.source or "")
        times = sorted((value, mode) for mode, value in route.minutes)
        return GapView(
            id=f"gap-{number}",
            name=gap.name,
            kind=gap.kind,
            cause=gap.cause,
            phase=gap.phase,
            route=gap.route.kind,
            otherwise=gap.alternative.kind if gap.alternative is not None else "",
            wave=self._waves.get(gap.name, 0) if gap.alternative is None else 0,
            subject=", ".join(gap.route.subject),
            source=gap.source or "",
            detail=gap.detail,
            reason=gap.route.reason,
            help=gap.route.help,
            alternative=route_words(gap.alternative) if gap.alternative is not None else "",
            wanted=tuple(map(str, gap.wanted)),
            required_by=gap.required_by,
            chain=self._requirers.links_to(nodes),
            held=tuple(held[:_MOST_HELD]),
            held_count=len(held),
            builds_first=tuple(plan.needs.get(gap.name, ())),
            blocked_by=tuple(plan.blocked_by.get(gap.name, ())),
            build_requires=own.build_requires if own is not None else gap.build_requires,
            tried=(*gap.tried, *self._tried_repositories(gap)) if gap.kind is GapKind.RPM else gap.tried,
            minutes=tuple(Fact(duration(value * 60), mode) for value, mode in times),
            timed_by=route.timed_by,
            shortest=times[0][0] if times else 0.0,
            recipe=self._recipe(route),
            commands=tuple(self._commands(gap)),
            dropped=tuple(one for one in plan.dropped_requirements if one.source == gap.source),
            pip=gap.route.kind in BY_PIP,
        )

    def _tried_repositories(self, gap: Gap) -> Iterable[str]:
        """What the repositories that are known and not enabled would change, as far as they were looked at."""
        for one in self._plan.repositories:
            if one.enabled:
                continue
            closing = [
                each for each in self._plan.enablings if gap.name in each.closes and one.id in each.repositories
            ]
            if one.problem:
                yield f"{one.id}, not enabled: {one.problem}"
            elif closing:
                others = sorted(set(closing[0].repositories) - {one.id})
                yield f"{one.id}, not enabled: closes it" + (f" together with {', '.join(others)}" if others else "")
            else:
                yield f"{one.id}, not enabled: does not close it"

    def _recipe(self, route: Route) -> RecipeView | None:
        if route.kind is not RouteKind.RECIPE or not route.subject or route.subject[0] not in self._recipes:
            return None
        recipe, digest = self._recipes[route.subject[0]]
        facts = [
            Fact(", ".join(recipe.build_requires), "BuildRequires added"),
            Fact(", ".join(recipe.dropped_build_requires), "BuildRequires dropped"),
            Fact(", ".join(recipe.requires), "Requires added"),
            Fact(", ".join(recipe.dropped_requires), "Requires dropped"),
            Fact(", ".join(recipe.enabled), "built with"),
            Fact(", ".join(recipe.disabled), "built without"),
            Fact(", ".join(f"{name} = {value}" for name, value in recipe.macros), "macros"),
            Fact(str(recipe.versions), "versions"),
        ]
        return RecipeView(
            name=recipe.folder.name,
            reason=" ".join(recipe.reason.split()),
            edits=tuple((edit_line(edit), edit.why) for edit in recipe.edits),
            patches=tuple((patch.file, patch.why, _origin(patch)) for patch in recipe.patches),
            facts=tuple(one for one in facts if one.value),
            links=recipe.links,
            changed=bool(route.digest) and route.digest != digest,
        )

    def _commands(self, gap: Gap) -> Iterable[CommandView]:
        file = self._plan_file
        if gap.route.kind is RouteKind.ENABLE and self._plan.request is not None:
            again = self._plan.request.command(*enabling_words(gap.route.subject))
            yield CommandView("plan with it enabled", again)
        if gap.name in self._waves:
            more = ("--alternatives",) if gap.alternative is not None else ()
            yield CommandView("build it, and what it needs", self._command("build", file, "--only", gap.name, *more))
        if gap.route_without_enabling.kind is RouteKind.RECIPE:
            yield CommandView("its recipe", self._command("recipes", "show", *gap.route_without_enabling.subject[:1]))
        if gap.route_without_enabling.kind in BY_PIP and self._plan.request is not None:
            yield CommandView("the files for pip", self._command("constraints", *self._plan.request.words))
        yield CommandView("why, and what was tried", self._command("why", gap.name, "--plan", file))


def _origin(patch: Patch) -> str:
    """Where a patch is from, and which versions get it, where not all do."""
    return f"{patch.origin}; for {patch.versions}" if patch.versions.bounds else patch.origin


def _in_order(gaps: Iterable[Gap], waves: Mapping[str, int]) -> list[Gap]:
    """Those that need a person or a build first."""
    order = [RouteKind.BLOCKED, RouteKind.ENABLE, RouteKind.RECIPE, RouteKind.REBUILD, RouteKind.BUILD_SDIST]
    order += [RouteKind.REUSE, *reversed(BY_PIP)]
    return sorted(gaps, key=lambda gap: (order.index(gap.route.kind), waves.get(gap.name, 0), gap.name))


def _values(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values}))


def _package(one: ChosenPackage, plan: Plan) -> PackageView:
    own = any(each.source == one.source for each in plan.own)
    state = "your own" if own and one.side == "standin" else STATES.get(one.side, one.side)
    return PackageView(str(one.nevra), one.nevra.name, one.repo, one.side, state, one.source, one.required_by)


def repository_view(one: RepositoryState, now: float) -> RepositoryView:
    """A repository as it is shown, its age counted from ``now``."""
    what = one.problem or counted(one.packages, "package")
    return RepositoryView(
        one.id,
        one.side,
        what if one.enabled else f"not enabled, {what}",
        date_of(one.date),
        age_of(now - one.date) if one.date is not None and one.date <= now else "",
        one.revision,
        one.digest,
    )


def _metadata(states: Sequence[RepositoryState], now: float) -> str:
    return metadata_words([one.date for one in states if one.enabled], now)


def metadata_words(dates: Iterable[int | None], now: float) -> str:
    """Of when the metadata is, in a phrase. ``dates`` are in seconds since 1970, None where unknown."""
    known = [date for date in dates if date is not None]
    if not known:
        return "of an unknown date"
    first, last = min(known), max(known)
    of = date_of(first) if date_of(first) == date_of(last) else f"{date_of(first)} to {date_of(last)}"
    return f"{of} ({age_of(max(0.0, now - last))})"


def _counts(plan: Plan) -> Counter[RouteKind]:
    return Counter(gap.route.kind for gap in plan.gaps)


def _verdict_kind(plan: Plan) -> str:
    counts = _counts(plan)
    if not plan.gaps:
        return "done"
    return "blocked" if counts[RouteKind.BLOCKED] else "work"


def _verdict(plan: Plan) -> str:
    counts = _counts(plan)
    if not plan.gaps:
        return f"Nothing is missing: the repositories of {plan.target} have everything that {plan.workload} needs."
    builds = sum(counts[kind] for kind in BUILT)
    by_index, of_these = from_index(gap for gap in plan.gaps if gap.alternative is None)
    parts = []
    if by_index:
        how = f" ({of_these} of them to be built)" if of_these else ""
        parts.append(
            f"{counted(by_index, 'Python distribution comes', 'Python distributions come')} from the index{how}"
        )
    if counts[RouteKind.REUSE]:
        parts.append(f"{counted(counts[RouteKind.REUSE], 'source')} of noarch packages can be reused")
    if counts[RouteKind.ENABLE]:
        parts.append(f"{counted(counts[RouteKind.ENABLE], 'gap closes', 'gaps close')} by enabling a repository")
    if blocked := counts[RouteKind.BLOCKED]:
        if builds:
            parts.insert(0, f"{counted(builds, 'source is', 'sources are')} to be built")
        no_way = f"No way is known for {counted(blocked, 'gap')}"
        return f"{no_way}; of the rest, {listed(parts)}." if parts else f"{no_way}."
    once = f" once {counted(builds, 'source is', 'sources are')} built" if builds else ""
    return f"It can run there{once}: {listed([*parts, 'nothing is blocked'])}."


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence, with commas and an "and"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def within(rows: Sequence[Row], most: int, kind_of: Callable[[Row], str]) -> list[Row]:
    """At most so many rows, in their order: as many of each kind, and what one does not take is for the others."""
    counts = Counter(map(kind_of, rows))
    left, room = {}, most
    for number, (kind, count) in enumerate(sorted(counts.items(), key=itemgetter(1))):
        left[kind] = min(count, room // (len(counts) - number))
        room -= left[kind]
    kept = []
    for row in rows:
        kind = kind_of(row)
        if left[kind]:
            left[kind] -= 1
            kept.append(row)
    return kept


def _numbers(plan: Plan) -> tuple[Fact, ...]:
    counts, sides = _counts(plan), Counter(package.side for package in plan.closure)
    built = [gap for gap in plan.gaps if gap.route.kind in BUILT]
    facts = [
        Fact(str(len(plan.closure)), "packages in the closure"),
        Fact(str(sides["target"]), "are there", "there"),
        Fact(str(sides["reference"]), "are noarch, used as they are", "reuse"),
        Fact(str(len(built)), "sources to build", "build"),
        Fact(str(sum(counts[kind] for kind in BY_PIP)), "come with pip", "pip"),
        Fact(str(counts[RouteKind.ENABLE]), "close by enabling a repository", "enable"),
        Fact(str(counts[RouteKind.BLOCKED]), "are blocked", "blocked"),
    ]
    always = facts[:5]
    return (*always, *(one for one in facts[5:] if one.value != "0"))


def _built_gaps(plan: Plan) -> list[Gap]:
    return [gap for gap in plan.gaps if gap.route_without_enabling.kind in BUILT and gap.alternative is None]


def _costs(plan: Plan) -> tuple[Fact, ...]:
    """Waves, and the minutes of all builds one after the other, by build mode, with how many of them are known."""
    built = _built_gaps(plan)
    if not built:
        return ()
    totals: dict[str, list[float]] = {}
    for gap in built:
        for mode, minutes in gap.route_without_enabling.minutes:
            totals.setdefault(mode, []).append(minutes)
    facts = [Fact(str(len(build_order_of(plan))), "waves of builds" if len(plan.waves) != 1 else "wave of builds")]
    for mode, times in sorted(totals.items(), key=lambda pair: sum(pair[1])):
        known = "" if len(times) == len(built) else f", {len(times)} of {len(built)} known"
        facts.append(Fact(duration(sum(times) * 60), f"{mode}{known}"))
    return tuple(facts)


def _cost_notes(plan: Plan) -> tuple[str, ...]:
    built = _built_gaps(plan)
    unknown = [gap.name for gap in built if not gap.route_without_enabling.minutes]
    alike = [gap.name for gap in built if gap.route_without_enabling.timed_by]
    notes = []
    if len(unknown) < len(built):
        notes.append("Times are those of recorded runs on two cores of x86_64, one build after the other.")
    if alike:
        notes.append(f"By builds that are alike: {first_of(alike, 8)}.")
    if unknown:
        notes.append(f"No run is recorded of {first_of(unknown, 8)}, or of what is like it.")
    return tuple(notes)


def _python(plan: Plan) -> tuple[Fact, ...]:
    python = plan.python
    if python is None:
        found = plan.python_fallback
        if found is None:
            return ()
        facts = [Fact(found.reason, "all of Python stays RPMs")]
        return (*facts, Fact(found.help, "to avoid it")) if found.help else tuple(facts)
    counts = Counter(one.provision for one in python.distributions)
    facts = [
        Fact(f"Python {python.python}, {python.machine}, glibc {python.glibc}", "environment"),
        Fact(python.versions_by, "versions follow"),
        Fact(", ".join(f"{counts[kind]} by {_PROVISIONS[kind]}" for kind in Provision if counts[kind]), "provided"),
        Fact(", ".join(python.added_rpms), "RPMs that spare a native build"),
        Fact(", ".join(python.bridge), "the bridge RPM provides"),
        Fact(", ".join(python.bridge_requires), "and requires"),
    ]
    return tuple(one for one in facts if one.value)


_PROVISIONS = {
    Provision.RPM: "RPM",
    Provision.WHEEL: "wheel",
    Provision.SDIST: "sdist",
    Provision.BUILD: "a build of the sdist",
}


def _commands(plan: Plan, command: Callable[..., str], file: str) -> tuple[CommandView, ...]:
    found = []
    if _built_gaps(plan) or (plan.python is not None and plan.python.bridge):
        found.append(CommandView(_BUILD_ALL, command("build", file)))
    if plan.modules:
        found.append(CommandView("module streams on the target", f"dnf module enable {' '.join(plan.modules)}"))
    if any(gap.kind is GapKind.PYTHON for gap in plan.gaps) and plan.request is not None:
        found.append(CommandView("the files for pip", command("constraints", *plan.request.words)))
    if plan.gaps:
        found.append(CommandView(_PROVE, command("verify", file)))
    return tuple(found)
