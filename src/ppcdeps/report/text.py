"""Plans and explanations as a person reads them on a terminal or in a log."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import TYPE_CHECKING

from ppcdeps.model.gap import Gap, Phase, Route, RouteKind
from ppcdeps.model.plan import Plan, RepositoryState

if TYPE_CHECKING:
    from ppcdeps.planning.explanation import Explanation

_WIDTH = 110


def render_plan(plan: Plan, written_to: str | None = None) -> str:
    """The plan: what it rests on, the counts, the gaps with cause, route and who needs them.

    ``written_to`` is the file that holds the whole plan, if there is one.
    """
    native = [gap for gap in plan.gaps if gap.route.kind is not RouteKind.REUSE]
    reused = [gap for gap in plan.gaps if gap.route.kind is RouteKind.REUSE]
    lines = [f"{plan.workload} on {plan.target} ({plan.arch})", "", *_summary(plan)]
    lines += _table("Missing at run time", [gap for gap in native if gap.phase is Phase.RUN])
    lines += _table("Missing to build these", [gap for gap in native if gap.phase is Phase.BUILD])
    lines += _blocked([gap for gap in native if gap.route.kind is RouteKind.BLOCKED])
    lines += _reused(reused)
    lines += _reliefs(plan)
    lines += ["", "Metadata this rests on", *_repositories(plan.repositories)]
    if plan.advice:
        lines += ["", "Advice", *(f"  {advice}" for advice in plan.advice)]
    if written_to is not None:
        lines += ["", f"The whole plan is in {written_to}; `ppcdeps why NAME` explains any name in it."]
    return "\n".join(lines) + "\n"


def render_explanation(explanation: "Explanation") -> str:
    """The chain from the root to the name, why it is a gap, and what was tried."""
    lines = [f"{explanation.subject}: {explanation.status}", ""]
    for depth, link in enumerate(explanation.chain):
        if depth == 0:
            lines.append(link.by)
        lines.append(f"{'  ' * depth}  needs {link.requirement}")
        if link.brings != link.requirement:
            lines.append(f"{'  ' * (depth + 1)}{link.brings}")
    gap = explanation.gap
    if gap is not None:
        detail = f": {gap.detail}" if gap.detail else ""
        lines += ["", f"Gap: {gap.name}, {gap.cause}{detail}", f"Route: {_route(gap.route)}"]
        if gap.route.help:
            lines.append(f"What would help: {gap.route.help}")
    if explanation.tried:
        lines += ["", "Tried", *(f"  {line}" for line in explanation.tried)]
    return "\n".join(lines) + "\n"


def date_of(seconds: int | None) -> str:
    """A time in seconds since 1970 as a date, in UTC; a dash where it is not known."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows set in columns as wide as their widest cell, the last one ragged."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _summary(plan: Plan) -> list[str]:
    sides = [package.side for package in plan.closure]
    counts = [
        (len(plan.closure), "packages satisfy the workload together"),
        (sides.count("target"), f"are in the {plan.arch} repositories"),
        (sides.count("reference"), "are noarch in the reference repositories: usable as they are"),
        (sides.count("standin"), f"must be built for {plan.arch}, from {_sources_to_build(plan)}"),
    ]
    rows = [(str(count), text) for count, text in counts if count or text.startswith("packages")]
    width = max(len(count) for count, _ in rows)
    return [f"  {count.rjust(width)} {text}" for count, text in rows]


def _sources_to_build(plan: Plan) -> str:
    sources = {package.source for package in plan.closure if package.side == "standin"}
    return f"{len(sources)} source{'s' if len(sources) != 1 else ''}"


def _table(title: str, gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    rows = [("NAME", "CAUSE", "ROUTE", "NEEDED BY")]
    rows += [(gap.name, gap.cause, gap.route.kind, _needed_by(gap)) for gap in gaps]
    return ["", f"{title}: {len(gaps)}", *columns(rows)]


def _needed_by(gap: Gap) -> str:
    """The first that asks, with what it asks for, and how many more do."""
    if not gap.required_by:
        return gap.detail
    first = gap.required_by[0]
    asked = f" ({first.requirement})" if first.requirement not in {gap.name, first.by} else ""
    others = len({demand.by for demand in gap.required_by} - {first.by})
    return f"{first.by}{asked if len(asked) < 50 else ''}" + (f" and {others} more" if others else "")


def _blocked(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    lines = ["", f"No way known for {len(gaps)}"]
    for gap in gaps:
        detail = f" ({gap.detail})" if gap.detail and gap.required_by else ""
        lines.append(f"  {gap.name}: {gap.route.reason}{detail}")
    lines += [f"  -> {text}" for text in sorted({gap.route.help for gap in gaps if gap.route.help})]
    return lines


def _reused(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    packages = sum(len(gap.wanted) for gap in gaps)
    named = wrap(", ".join(gap.name for gap in gaps), _WIDTH - 2, break_on_hyphens=False)
    return ["", f"Reused as they are: {packages} noarch packages of {len(gaps)} sources", *(f"  {n}" for n in named)]


def _reliefs(plan: Plan) -> list[str]:
    if not plan.reliefs:
        return []
    rows = [(relief.source, relief.requirement, relief.grounds) for relief in plan.reliefs]
    return ["", f"Required by the x86 builds only, and taken away: {len(rows)}", *columns(rows)]


def _repositories(states: Iterable[RepositoryState]) -> list[str]:
    rows = [
        (state.id, state.side, state.problem or f"{state.packages} packages", date_of(state.date), state.revision)
        for state in sorted(states, key=lambda state: (_SIDES.index(state.side), state.id))
    ]
    return columns(rows)


_SIDES = ("target", "reference", "source")


def _route(route: Route) -> str:
    subject = f" {', '.join(route.subject)}" if route.subject else ""
    return f"{route.kind}{subject}" + (f" ({route.reason})" if route.reason else "")
