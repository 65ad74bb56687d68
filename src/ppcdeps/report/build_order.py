"""The build order of a plan, as text and as `build-order.json`: what is built when, how, and by which command.

It is read off the plan's waves, which `ppcdeps build` builds: there is no second order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ppcdeps.model.commands import command_line
from ppcdeps.model.gap import Gap, Route, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import cycle_document
from ppcdeps.model.wording import counted
from ppcdeps.report.text import as_json, columns, text_of, wrapped

SCHEMA = 3
BUILT = frozenset({RouteKind.RECIPE, RouteKind.REBUILD, RouteKind.BUILD_SDIST})
"""The routes that take a build."""


@dataclass(frozen=True, slots=True)
class BuildOrderEntry:
    """One build of the order, with the gap that it closes.

    ``step`` is its name in the plan's waves, ``condition`` the build condition of an earlier build of the source that
    breaks a cycle.
    """

    step: str
    source: str
    condition: str
    gap: Gap

    @property
    def route(self) -> Route:
        """How it is built, whether or not a repository that is not enabled has it."""
        return self.gap.route_without_enabling

    @property
    def enable(self) -> tuple[str, ...]:
        """The repositories that close the gap without a build, once they are enabled."""
        return self.gap.route.subject if self.gap.route.kind is RouteKind.ENABLE else ()


@dataclass(frozen=True, slots=True)
class _Build:
    """Writes the commands that build a plan. PLAN stands for a file that was not written."""

    plan_file: str | None
    write: Callable[..., str]

    def command(self, only: str = "", *, alternatives: bool = False) -> str:
        """The command that builds one step, with what it needs, or all of them."""
        chosen = ("--only", only) if only else ()
        return self.write("build", self.plan_file or "PLAN", *chosen, *(["--alternatives"] if alternatives else []))


def build_order_of(plan: Plan) -> tuple[tuple[BuildOrderEntry, ...], ...]:
    """The builds of a plan, a tuple for each wave: those of one wave need nothing of each other."""
    gaps = {gap.name: gap for gap in plan.gaps if gap.route_without_enabling.kind in BUILT}
    entries = tuple(tuple(_entries(wave, gaps)) for wave in plan.waves)
    return tuple(wave for wave in entries if wave)


def undecided_of(plan: Plan) -> tuple[Gap, ...]:
    """The gaps to be built that are in no wave: a cycle that nothing breaks holds them up."""
    ordered = {entry.source for wave in build_order_of(plan) for entry in wave}
    return tuple(gap for gap in plan.gaps if gap.route_without_enabling.kind in BUILT and gap.name not in ordered)


def render_build_order(plan: Plan, plan_file: str | None = None, command: Callable[..., str] = command_line) -> str:
    """The order as text: a row for each build, then what cannot be built.

    ``plan_file`` is where the plan was written, for the commands, which ``command`` makes of their words.
    """
    build = _Build(plan_file, command)
    waves = build_order_of(plan)
    count = sum(map(len, waves))
    total = f"{counted(count, 'build')} in {counted(len(waves), 'wave')}"
    lines = [f"{plan.workload} on {plan.target} ({plan.arch}): {total}"]
    if plan.python is not None and plan.python.bridge:
        lines += [
            "",
            "Before all others: the bridge RPM, for what pip installs",
            f"  {build.command('bridge')}",
        ]
    if waves:
        rows = [("WAVE", "BUILD", "ROUTE", "OF", "COMMAND")]
        rows += [
            (str(number), entry.step, entry.route.kind, ", ".join(entry.route.subject), command)
            for number, wave in enumerate(waves, start=1)
            for entry in wave
            for command in (build.command(entry.step),)
        ]
        lines += ["", *columns(rows), "", "Each command builds what its step needs, too; all of them:"]
        spared = [entry for wave in waves for entry in wave if entry.enable]
        lines += [f"  {build.command(alternatives=bool(spared))}"]
        lines += _enabled(spared)
    lines += _needs(plan, [entry for wave in waves for entry in wave])
    undecided = undecided_of(plan)
    if undecided:
        lines += ["", f"In no wave, as a person must decide what is built first: {len(undecided)}"]
        lines += [f"  {gap.name}" for gap in undecided]
    lines += [f"  {cycle}" for cycle in plan.cycles if cycle.broken_by is None]
    blocked = [gap for gap in plan.gaps if gap.route.kind is RouteKind.BLOCKED]
    if blocked:
        lines += ["", f"Blocked, and not built: {len(blocked)}"]
        for gap in blocked:
            lines += wrapped(f"{gap.name}: {gap.route.reason}", "  ", more="  ")
            lines += wrapped(f"-> {gap.route.help}", "    ", more="   ") if gap.route.help else []
    return text_of(lines)


def dump_build_order(plan: Plan, plan_file: str | None = None, command: Callable[..., str] = command_line) -> str:
    """The order as JSON text: the same bytes for the same plan."""
    return as_json(build_order_document(plan, plan_file, command))


def build_order_document(
    plan: Plan, plan_file: str | None = None, command: Callable[..., str] = command_line
) -> dict[str, Any]:
    """The order in JSON's own kinds.

    ``waves`` are arrays of builds, ``needs`` maps each source to those that it needs to be built, ``cycles`` have
    their chain and what breaks them, ``undecided`` are the builds in no wave, ``blocked`` what is not built at all.
    ``enable`` of a build are the repositories that have what it gives, and are known and not enabled.
    ``bridge`` is the command that builds the bridge RPM, null where the plan has none.
    """
    build = _Build(plan_file, command)
    return {
        "schema": SCHEMA,
        "workload": plan.workload,
        "target": plan.target,
        "arch": plan.arch,
        "bridge": build.command("bridge") if plan.python is not None and plan.python.bridge else None,
        "waves": [[_step(plan, entry, build) for entry in wave] for wave in build_order_of(plan)],
        "needs": {source: list(wanted) for source, wanted in plan.needs.items()},
        "cycles": [cycle_document(cycle) for cycle in plan.cycles],
        "undecided": [{"source": gap.name, **_route(gap)} for gap in undecided_of(plan)],
        "blocked": [
            {
                "name": gap.name,
                "phase": gap.phase,
                "reason": gap.route.reason,
                "help": gap.route.help,
                "required_by": sorted({requirer.by for requirer in gap.required_by}),
            }
            for gap in plan.gaps
            if gap.route.kind is RouteKind.BLOCKED
        ],
    }


def _entries(wave: tuple[str, ...], gaps: dict[str, Gap]) -> Iterator[BuildOrderEntry]:
    for step in wave:
        source, _, rest = step.partition(" (with ")
        if source in gaps:
            yield BuildOrderEntry(step, source, rest.removesuffix(")"), gaps[source])


def _step(plan: Plan, entry: BuildOrderEntry, build: _Build) -> dict[str, Any]:
    return {
        "source": entry.source,
        "bootstrap": entry.condition or None,
        **_route(entry.gap),
        "enable": list(entry.enable),
        "needs": list(plan.needs.get(entry.source, ())),
        "blocked_by": list(plan.blocked_by.get(entry.source, ())),
        "command": build.command(entry.step),
    }


def _route(gap: Gap) -> dict[str, Any]:
    route = gap.route_without_enabling
    return {
        "route": route.kind,
        "recipe": route.subject[0] if route.kind is RouteKind.RECIPE and route.subject else None,
        "subject": list(route.subject),
    }


def _needs(plan: Plan, entries: Iterable[BuildOrderEntry]) -> list[str]:
    """What the builds need of each other, and which blocked gaps they wait for."""
    rows = []
    for source in dict.fromkeys(entry.source for entry in entries):
        needed, blocked = plan.needs.get(source, ()), plan.blocked_by.get(source, ())
        built = [each for each in needed if each not in blocked]
        words = [", ".join(built)] if built else []
        words += [f"not built before {', '.join(blocked)} is there"] if blocked else []
        rows += [(source, "; ".join(words))] if words else []
    return ["", "What they need of each other", *columns(rows)] if rows else []


def _enabled(entries: Iterable[BuildOrderEntry]) -> list[str]:
    sources: dict[tuple[str, ...], set[str]] = {}
    for entry in entries:
        sources.setdefault(entry.enable, set()).add(entry.source)
    return [
        line
        for repositories, spared in sorted(sources.items())
        for line in wrapped(
            f"Not needed with {', '.join(repositories)} enabled: {', '.join(sorted(spared))}", "", more="  "
        )
    ]
