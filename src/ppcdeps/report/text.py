"""Plans and explanations as text for a terminal or a log, and what all reports are laid out with."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ppcdeps.model.commands import command_line
from ppcdeps.model.gap import Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.plan import Plan, RepositoryState
from ppcdeps.model.plan_file import gap_document
from ppcdeps.model.visible import visible
from ppcdeps.model.wording import counted, first_of
from ppcdeps.report.enabling import enabling_words, render_enablings

if TYPE_CHECKING:
    from ppcdeps.planning.explained import Explanation

_SIDES = ("target", "reference", "source")
"""The sides of repositories, in the order in which they are shown."""


class _OfASide(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def side(self) -> str: ...


Sided = TypeVar("Sided", bound=_OfASide)

_WIDTH = 110


def render_plan(
    plan: Plan,
    written_to: str | None = None,
    command: Sequence[str] = (),
    next_command: Callable[..., str] = command_line,
) -> str:
    """The plan: what closes gaps without a build, the counts, the gaps with cause, route and who needs them.

    ``written_to`` is the file with the whole plan, if there is one; ``command`` are the words of the command that
    made it; ``next_command`` writes out a command of ppcdeps.
    """
    easy = (RouteKind.REUSE, RouteKind.PIP_WHEEL, RouteKind.PIP_SDIST)
    own = {one.source for one in plan.own}
    mine = [gap for gap in plan.gaps if gap.source in own]
    # What needs no build is not missing, whether or not a repository that could be enabled has it, too.
    native = [gap for gap in plan.gaps if gap.route_without_enabling.kind not in easy and gap not in mine]
    reused = [gap for gap in plan.gaps if gap.route_without_enabling.kind is RouteKind.REUSE]
    lines = [f"{plan.workload} on {plan.target} ({plan.arch})", *render_enablings(plan, command), "", *_summary(plan)]
    lines += _prepared(plan)
    waves = {source: str(number) for number, wave in enumerate(plan.waves, start=1) for source in wave}
    lines += _own(plan, mine, waves)
    lines += _table("Missing at run time", [gap for gap in native if gap.phase is Phase.RUN], waves)
    lines += _table("Missing to build these", [gap for gap in native if gap.phase is Phase.BUILD], waves)
    lines += _estimates(native)
    lines += _blocked([gap for gap in (*mine, *native) if gap.route.kind is RouteKind.BLOCKED])
    versions_by = plan.python.versions_by if plan.python is not None else ""
    lines += _by_pip([gap for gap in plan.gaps if gap.route_without_enabling.kind in easy[1:]], versions_by)
    lines += _reused(reused)
    lines += _dropped_requirements(plan)
    lines += ["", "Metadata this rests on", *_repositories(plan.repositories)]
    if plan.advice:
        lines += ["", "Advice", *(line for advice in plan.advice for line in wrapped(advice, "  ", more="  "))]
    lines += _next_steps(plan, [*mine, *native], written_to, next_command)
    return text_of(lines)


def _next_steps(
    plan: Plan, gaps: Sequence[Gap], written_to: str | None, next_command: Callable[..., str]
) -> list[str]:
    """Where the plan is, and the command that explains one of its names."""
    names = [*(gap.name for gap in (*gaps, *plan.gaps)), *(package.nevra.name for package in plan.closure)]
    if written_to is not None:
        of_plan: tuple[str, ...] = ("--plan", written_to)
        place = f"The whole plan is in {written_to}"
    elif plan.request is not None:
        of_plan = tuple(word for each in plan.request.words for word in ("--for", each))
        place = ""
    else:
        return []
    if not names:
        return ["", f"{place}."] if place else []
    explains = f"`{next_command('why', names[0], *of_plan)}` explains {names[0]}, and likewise any name in the plan."
    return ["", *([f"{place}."] if place else []), explains]


def render_explanation(explanation: "Explanation", plan_again: Callable[..., str] | None = None) -> str:
    """The chain from the root to the name, why it is a gap, and what was tried.

    ``plan_again`` writes out the command that makes the plan with further options.
    """
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
        lines += ["", f"Gap: {gap.name}, {gap.cause}{detail}", f"Route: {route_words(gap.route)}"]
        if gap.alternative is not None:
            how = plan_again(*enabling_words(gap.route.subject)) if plan_again is not None else gap.route.help
            lines += [f"To enable it: {how}", f"Otherwise: {route_words(gap.alternative)}"]
            if gap.alternative.help:
                lines.append(f"What would help otherwise: {gap.alternative.help}")
        elif gap.route.help:
            lines.append(f"What would help: {gap.route.help}")
    if explanation.tried:
        lines += ["", "Tried", *(f"  {line}" for line in explanation.tried)]
    return text_of(lines)


def dump_explanation(explanation: "Explanation") -> str:
    """The explanation as JSON text."""
    document = {
        "name": explanation.name,
        "subject": explanation.subject,
        "status": explanation.status,
        "chain": [
            {"by": link.by, "requirement": link.requirement, "brings": link.brings} for link in explanation.chain
        ],
        "gap": gap_document(explanation.gap) if explanation.gap is not None else None,
        "tried": list(explanation.tried),
    }
    return as_json(document)


def text_of(lines: Iterable[str]) -> str:
    """The lines of a report as text. No line has a line break, or anything else that controls a terminal, in it."""
    return "".join(f"{visible(line)}\n" for line in lines)


def wrapped(text: str, indent: str, *, more: str = "") -> list[str]:
    """A text wrapped between its words. ``more``: how much further all lines but the first are indented."""
    return wrap(
        visible(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + more,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(value: Any, *, ascii_only: bool = False) -> str:
    """A value of JSON's own kinds as text: keys sorted, one line feed at the end."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=ascii_only) + "\n"


def by_side(repositories: "Iterable[Sided]") -> "list[Sided]":
    """Repositories, or what is said of them, in the order in which they are shown."""
    return sorted(repositories, key=lambda one: (_SIDES.index(one.side), one.id))


def date_of(seconds: int | None) -> str:
    """A time in seconds since 1970 as a date, in UTC; a dash where it is not known."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows set in columns as wide as their widest cell, the last one ragged."""
    if not rows:
        return []
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _summary(plan: Plan) -> list[str]:
    """How many packages the closure has, and where they come from."""
    counts = [(len(plan.closure), "RPM packages satisfy the workload together")]
    sides = [package.side for package in plan.closure]
    counts.append((sides.count("target"), f"of them are in the {plan.arch} repositories"))
    counts.append((sides.count("reference"), "are noarch in the reference repositories, and can be used as they are"))
    own = {one.source for one in plan.own}
    mine = [package.source for package in plan.closure if package.side == "standin" and package.source in own]
    standins = [package.source for package in plan.closure if package.side == "standin" and package.source not in own]
    counts.append((len(standins), f"are native there, from {counted(len(set(standins)), 'source')}"))
    counts.append((len(mine), f"are your own, from {counted(len(set(mine)), 'source')}"))
    by_index, _ = from_index(plan.gaps)
    if by_index:
        lacking = len(plan.closure) > sides.count("target")
        instead = ", in place of RPM packages that the target lacks" if lacking else ""
        counts.append((by_index, f"Python distributions come from the index{instead}"))
    shown = [(str(count), text) for index, (count, text) in enumerate(counts) if count or not index]
    width = max(len(count) for count, _ in shown)
    return [*(f"  {count.rjust(width)} {text}" for count, text in shown), *_fallback(plan)]


def from_index(gaps: Iterable[Gap]) -> tuple[int, int]:
    """How many Python distributions come from the index where no further repository is enabled, and how many of
    these have to be built.
    """
    counts = Counter(gap.route_without_enabling.kind for gap in gaps if gap.kind is GapKind.PYTHON)
    built = counts[RouteKind.BUILD_SDIST]
    return counts[RouteKind.PIP_WHEEL] + counts[RouteKind.PIP_SDIST] + built, built


def _fallback(plan: Plan) -> list[str]:
    """Why nothing of Python comes from the index, though it was to."""
    found = plan.python_fallback
    if found is None:
        return []
    helped = wrapped(f"To avoid it: {found.help}.", "  ", more="  ") if found.help else []
    return [*wrapped(f"All of Python stays RPMs: {found.reason}.", "  ", more="  "), *helped]


def _prepared(plan: Plan) -> list[str]:
    """What is to be done before anything of the plan is installed, and which interpreter pip installs for."""
    lines = []
    if plan.modules:
        lines += ["", f"Module streams that the plan needs: dnf module enable {' '.join(plan.modules)}"]
    if plan.python is not None and plan.python.is_beside and any(gap.kind is GapKind.PYTHON for gap in plan.gaps):
        lines += ["", f"pip installs for the Python of {plan.python.package}: {plan.python.program} -m pip"]
    return lines


def _own(plan: Plan, gaps: Sequence[Gap], waves: Mapping[str, str]) -> list[str]:
    """A row for each own source with what it gives, then what its spec cannot say, each once."""
    if not plan.own:
        return []
    by_name = {gap.name: gap for gap in gaps}
    rows = [("NAME", "FROM", "ROUTE", "WAVE", "PACKAGES")]
    for one in plan.own:
        gap = by_name.get(one.source)
        packages = first_of([package.name for package in one.packages], 4)
        route = gap.route.kind if gap else "-"
        rows.append((one.source, one.file, route, waves.get(one.source, "-"), packages))
    lines = ["", f"Your own packages: {len(plan.own)}", *columns(rows)]
    notes: dict[str, list[str]] = {}
    for one in plan.own:
        for note in one.notes:
            notes.setdefault(note, []).append(one.source)
    for note, sources in notes.items():
        of = "" if len(sources) == len(plan.own) else f"{first_of(sources, 4)}: "
        lines += wrapped(f"{of}{note}", "  ", more="  ")
    if len(plan.gaps) == len(gaps) and not any(gap.route.kind is RouteKind.BLOCKED for gap in gaps):
        lines += ["", "Nothing else is missing to build them and to run what their specs require."]
    return lines


def _table(title: str, gaps: Sequence[Gap], waves: Mapping[str, str]) -> list[str]:
    """A row for each gap. The wave says when it is built: after all of the waves before it."""
    if not gaps:
        return []
    rows = [("NAME", "CAUSE", "ROUTE", "WAVE", "NEEDED BY")]
    rows += [(gap.name, gap.cause, _route_kinds(gap), _wave(gap, waves), _needed_by(gap)) for gap in gaps]
    return ["", f"{title}: {len(gaps)}", *columns(rows)]


def _route_kinds(gap: Gap) -> str:
    return gap.route.kind if gap.alternative is None else f"{gap.route.kind} (or {gap.alternative.kind})"


def _wave(gap: Gap, waves: Mapping[str, str]) -> str:
    """Where its build stands; nothing where enabling a repository spares it."""
    return waves.get(gap.name, "-") if gap.alternative is None else "-"


def _needed_by(gap: Gap) -> str:
    """The first that requires it, with its requirement, and how many more do."""
    if not gap.required_by:
        return gap.detail
    first = gap.required_by[0]
    requirement = f" ({first.requirement})" if first.requirement not in {gap.name, first.by} else ""
    others = len({requirer.by for requirer in gap.required_by} - {first.by})
    return f"{first.by}{requirement if len(requirement) < 50 else ''}" + (f" and {others} more" if others else "")


def _estimates(gaps: Sequence[Gap]) -> list[str]:
    """How long the builds took elsewhere, how long those may take that are like them, and of which nothing is
    known.
    """
    apart = (RouteKind.BLOCKED, RouteKind.REUSE)
    built = [gap for gap in gaps if gap.route_without_enabling.kind not in apart]
    timed = [gap for gap in built if gap.route_without_enabling.minutes]
    if not timed:
        return []
    rows = [(gap.name, _times(gap)) for gap in timed if not gap.route_without_enabling.timed_by]
    lines = ["", "Build times of recorded runs, on two cores of x86_64", *columns(rows)] if rows else []
    alike = [gap for gap in timed if gap.route_without_enabling.timed_by]
    if alike:
        lines += ["", "Build times to expect, by recorded runs of what compiles the same and is about as large"]
        lines += columns([(gap.name, _times(gap), f"({gap.route_without_enabling.timed_by})") for gap in alike])
    if unknown := [gap.name for gap in built if not gap.route_without_enabling.minutes]:
        lines.append(f"  no run is recorded of {', '.join(unknown)}, or of what is like it")
    return lines


def _times(gap: Gap) -> str:
    return ", ".join(f"{_duration(minutes)} {mode}" for mode, minutes in gap.route_without_enabling.minutes)


def _duration(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 2 else f"{minutes * 60:.0f} s"


def _blocked(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    lines = ["", f"No way known for {len(gaps)}"]
    for gap in gaps:
        detail = f" ({gap.detail})" if gap.detail and gap.required_by and gap.detail != gap.route.reason else ""
        lines.append(f"  {gap.name}: {gap.route.reason}{detail}")
        lines += wrapped(f"-> {gap.route.help}", "    ", more="   ") if gap.route.help else []
    return lines


def _by_pip(gaps: Sequence[Gap], versions_by: str) -> list[str]:
    if not gaps:
        return []
    pins = sorted(pin for gap in gaps for pin in gap.route_without_enabling.subject)
    sdists = sum(1 for gap in gaps if gap.route_without_enabling.kind is RouteKind.PIP_SDIST)
    title = f"From the Python index with pip: {len(pins)} pure or prebuilt distributions, {sdists} of them as sdists"
    following = [f"Their versions are those of {versions_by}"] if versions_by else []
    return ["", title, *following, *wrapped(", ".join(pins), "  ")]


def _reused(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    packages = sum(len(gap.wanted) for gap in gaps)
    title = f"Reused as they are: {counted(packages, 'noarch package')} of {counted(len(gaps), 'source')}"
    return ["", title, *wrapped(", ".join(gap.name for gap in gaps), "  ")]


def _dropped_requirements(plan: Plan) -> list[str]:
    if not plan.dropped_requirements:
        return []
    rows = [(dropped.source, dropped.requirement, dropped.grounds) for dropped in plan.dropped_requirements]
    return ["", f"Required by the x86 builds only, and dropped: {len(rows)}", *columns(rows)]


def _repositories(states: Iterable[RepositoryState]) -> list[str]:
    ordered = by_side(states)
    unread = [state for state in ordered if state.problem and not state.enabled]
    rows = [
        (state.id, state.side, _state(state), date_of(state.date), state.revision)
        for state in ordered
        if state not in unread
    ]
    lines = columns(rows)
    if unread:
        lines += ["", "Known and not enabled, and not looked at for what is missing"]
        for problem in dict.fromkeys(state.problem for state in unread):
            names = ", ".join(state.id for state in unread if state.problem == problem)
            lines += wrapped(f"{names}: {problem}", "  ", more="  ")
    return lines


def _state(state: RepositoryState) -> str:
    what = state.problem or counted(state.packages, "package")
    return what if state.enabled else f"not enabled, {what}"


def route_words(route: Route) -> str:
    """A route in words: its kind, what it acts on, and the reason."""
    subject = f" {', '.join(route.subject)}" if route.subject else ""
    return f"{route.kind}{subject}" + (f" ({route.reason})" if route.reason else "")
