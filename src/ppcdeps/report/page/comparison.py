"""What the page of two plans shows: what came, went and moved, and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ppcdeps.model.gap import Gap
from ppcdeps.model.plan import ChosenPackage, DroppedRequirement, Plan
from ppcdeps.model.python_plan import PlannedDistribution
from ppcdeps.model.wording import counted, first_of
from ppcdeps.planning.explained import Link
from ppcdeps.report.difference import Changes, PlanDifference, difference, gap_change, move_of
from ppcdeps.report.page.requirers import Node, NodeKind, PlanRequirers
from ppcdeps.report.page.view import (
    STATES,
    Fact,
    RepositoryView,
    listed,
    repository_view,
    within,
)
from ppcdeps.report.text import date_of

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A row: what is not the same, as it was and as it is, why, and the chain that leads to it where it is needed.

    ``change`` is closed, new or changed for gaps, came, went or moved for others; ``kind`` gives its color.
    """

    id: str
    change: str
    kind: str
    name: str
    before: str
    after: str
    why: str
    chain: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangesView:
    """One table of the page. ``changes`` are the words by which it is filtered, ``more`` counts what has no row."""

    id: str
    title: str
    rows: tuple[ChangeView, ...]
    changes: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """The whole page."""

    title: str
    made_on: str
    before: str
    after: str
    verdict: str
    verdict_kind: str
    request: tuple[tuple[str, str, str], ...]
    numbers: tuple[Fact, ...]
    tables: tuple[ChangesView, ...]
    repositories: tuple[tuple[str, RepositoryView | None, RepositoryView | None], ...]


_CLOSED, _NEW, _CHANGED = ("closed", "there"), ("new", "blocked"), ("changed", "enable")
_CAME, _WENT, _MOVED = ("came", "build"), ("went", "package"), ("moved", "enable")


def comparison_view(before: Plan, after: Plan, now: float, *, names: tuple[str, str]) -> ComparisonView:
    """What the page of two plans shows. ``now`` is in seconds since 1970, ``names`` are what the plans are called."""
    found = difference(before, after)
    sides = _Sides(before, after)
    tables = [
        changes_view("gaps", "Gaps", _rows(found.gaps, (_CLOSED, _NEW, _CHANGED), sides.gap)),
        changes_view("packages", "Packages", _rows(found.packages, (_WENT, _CAME, _MOVED), sides.package)),
        changes_view(
            "python", "Python distributions", _rows(found.python, (_WENT, _CAME, _MOVED), sides.distribution)
        ),
        changes_view(
            "dropped",
            "Required by the x86 builds only",
            _rows(
                found.dropped_requirements,
                (_WENT, _CAME, _MOVED),
                _dropped,
            ),
        ),
    ]
    states = found.repositories
    repositories: list[tuple[str, RepositoryView | None, RepositoryView | None]]
    repositories = [(old.id, repository_view(old, now), None) for old in states.removed]
    repositories += [(new.id, None, repository_view(new, now)) for new in states.added]
    repositories += [(new.id, repository_view(old, now), repository_view(new, now)) for old, new in states.changed]
    return ComparisonView(
        title=f"{_named(before, after)} ({after.arch}): what changed",
        made_on=date_of(int(now)),
        before=names[0],
        after=names[1],
        verdict=_verdict(found),
        verdict_kind="done" if not found.answer_differs else "blocked" if found.gaps.added else "work",
        request=found.request,
        numbers=_numbers(found, before, after),
        tables=tuple(table for table in tables if table.rows),
        repositories=tuple(sorted(repositories, key=lambda row: row[0])),
    )


def _named(before: Plan, after: Plan) -> str:
    """Both workloads and targets, once where they are the same."""
    workloads, targets = (before.workload, after.workload), (before.target, after.target)
    return " on ".join(" to ".join(dict.fromkeys(both)) for both in (workloads, targets))


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change, as it becomes a row of a table."""

    name: str
    before: str
    after: str
    why: str
    chain: tuple[Link, ...] = ()


class _Sides:
    """Both plans, asked for why something is in one and not in the other."""

    def __init__(self, before: Plan, after: Plan) -> None:
        self._plans = (before, after)
        self._requirers = (PlanRequirers(before), PlanRequirers(after))
        self._named = tuple(self._by_name(plan) for plan in self._plans)

    @staticmethod
    def _by_name(plan: Plan) -> dict[str, ChosenPackage]:
        return {one.nevra.name: one for one in plan.closure}

    def gap(self, old: Gap | None, new: Gap | None) -> ChangeRow:
        shown = new or old
        assert shown is not None
        if old is not None and new is not None:
            why = "; ".join(gap_change(old, new).values())
        else:
            why = self._why_gap(shown, here=0 if new is None else 1)
        side = 0 if new is None else 1
        chain = self._requirers[side].links_to(self._requirers[side].nodes_of(shown))
        return ChangeRow(shown.name, _gap(old), _gap(new), why, chain)

    def _why_gap(self, gap: Gap, *, here: int) -> str:
        """Why a gap is in one plan only: what the other has in its place, or that it needs nothing of it."""
        other = self._named[1 - here]
        there = [other[one.name] for one in gap.packages if one.name in other]
        had = [one for one in there if one.side == "target"]
        when = "now" if here == 0 else "before"
        if had:
            is_there = "is there now" if here == 0 else "was there before"
            return f"{first_of([f'{one.nevra} ({one.repo})' for one in had], 3)} {is_there}"
        if there:
            return f"part of another gap {when}"
        return "nothing requires it any more" if here == 0 else "nothing required it before"

    def package(self, old: ChosenPackage | None, new: ChosenPackage | None) -> ChangeRow:
        shown = new or old
        assert shown is not None
        side = 0 if new is None else 1
        node = Node(NodeKind.PACKAGE, str(shown.nevra))
        chain = self._requirers[side].links_to([node])
        if old is not None and new is not None:
            why = str(move_of(old, new))
            if old.repo != new.repo:
                why += f", from {old.repo} to {new.repo}"
        else:
            why = self._why_package(shown, here=side)
        return ChangeRow(shown.nevra.name, _package(old), _package(new), why, chain)

    def _why_package(self, one: ChosenPackage, *, here: int) -> str:
        """Who requires it in its plan, and what became of the first of these in the other."""
        requirers = list(dict.fromkeys(requirer.by for requirer in one.required_by))
        needed = f"{'is' if here else 'was'} needed by {first_of(requirers, 2)}" if requirers else "is a root"
        others = {str(each.nevra) for each in self._plans[1 - here].closure}
        others.add(self._plans[1 - here].workload)
        if requirers and not any(by in others for by in requirers):
            return f"{needed}, which {'came, too' if here else 'went, too'}"
        return needed

    def distribution(self, old: PlannedDistribution | None, new: PlannedDistribution | None) -> ChangeRow:
        shown = new or old
        assert shown is not None
        side = 0 if new is None else 1
        node = Node(NodeKind.DISTRIBUTION, shown.name)
        plan = self._plans[side].python
        whole = plan.distribution(shown.name) if plan is not None else None
        why = whole.pinned_by if whole is not None else ""
        return ChangeRow(
            shown.name, _distribution(old), _distribution(new), why, self._requirers[side].links_to([node])
        )


def _dropped(old: DroppedRequirement | None, new: DroppedRequirement | None) -> ChangeRow:
    shown = new or old
    assert shown is not None
    return ChangeRow(shown.source, old.requirement if old else "", new.requirement if new else "", shown.grounds)


def _rows(
    changes: Changes[Value], words: Sequence[tuple[str, str]], row: Callable[[Value | None, Value | None], ChangeRow]
) -> Iterable[tuple[tuple[str, str], ChangeRow]]:
    removed, added, changed = words
    yield from ((added, row(None, one)) for one in changes.added)
    yield from ((removed, row(one, None)) for one in changes.removed)
    yield from ((changed, row(*pair)) for pair in changes.changed)


def changes_view(
    identifier: str, title: str, rows: Iterable[tuple[tuple[str, str], ChangeRow]], most: int | None = None
) -> ChangesView:
    """A table of changes, each with its word and the kind that gives its color; ``most`` is how many have a row."""
    every = list(rows)
    shown = every if most is None else within(every, most, lambda row: row[0][0])
    views = tuple(
        ChangeView(f"{identifier}-{number}", change, kind, row.name, row.before, row.after, row.why, row.chain)
        for number, ((change, kind), row) in enumerate(shown)
    )
    words = tuple(dict.fromkeys(view.change for view in views))
    return ChangesView(identifier, title, views, words, len(every) - len(views))


def _gap(gap: Gap | None) -> str:
    return "" if gap is None else f"{gap.cause}, {gap.phase} time, {gap.route.kind}"


def _package(one: ChosenPackage | None) -> str:
    return "" if one is None else f"{one.nevra} ({STATES.get(one.side, one.side)}, {one.repo})"


def _distribution(one: PlannedDistribution | None) -> str:
    return "" if one is None else f"{one.name}=={one.version} ({one.provision})"


def _verdict(found: PlanDifference) -> str:
    if not found:
        return "The plans are the same."
    if not found.answer_differs:
        return "Only the repositories' metadata differs; the answer is the same."
    parts = []
    gaps, packages = found.gaps, found.packages
    for count, what in (
        (len(gaps.removed), "closed"),
        (len(gaps.added), "new"),
        (len(gaps.changed), "changed"),
    ):
        if count:
            parts.append(f"{counted(count, 'gap is', 'gaps are')} {what}")
    for count, what in (
        (len(packages.added), "came"),
        (len(packages.removed), "went"),
        (len(packages.changed), "moved"),
    ):
        if count:
            parts.append(f"{counted(count, 'package')} {what}")
    python = len(found.python.added) + len(found.python.removed) + len(found.python.changed)
    if python:
        parts.append(f"{counted(python, 'Python pin differs', 'Python pins differ')}")
    if found.request:
        parts.append("the request is not the same")
    text = listed(parts) or "What is dropped, or how Python is installed, differs"
    return f"{text[0].upper()}{text[1:]}."


def _numbers(found: PlanDifference, before: Plan, after: Plan) -> tuple[Fact, ...]:
    return (
        Fact(f"{len(before.gaps)} → {len(after.gaps)}", "gaps"),
        Fact(str(len(found.gaps.removed)), "closed", "there"),
        Fact(str(len(found.gaps.added)), "new", "blocked"),
        Fact(f"{len(before.closure)} → {len(after.closure)}", "packages"),
        Fact(str(len(found.packages.added)), "came", "build"),
        Fact(str(len(found.packages.removed)), "went"),
        Fact(str(len(found.packages.changed)), "moved", "enable"),
    )
