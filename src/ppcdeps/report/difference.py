"""Two plans compared: which gaps closed or opened, what changed in the closure, which repositories changed."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Generic, TypeVar

from ppcdeps.model.evr import compare_evr
from ppcdeps.model.gap import Gap
from ppcdeps.model.plan import ChosenPackage, DroppedRequirement, Plan, RepositoryState
from ppcdeps.model.python_plan import PlannedDistribution
from ppcdeps.model.wording import first_of
from ppcdeps.report.text import text_of

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Changes(Generic[Value]):
    """What only the first plan has of one kind of thing, what only the second has, and the pairs that differ."""

    removed: tuple[Value, ...] = ()
    added: tuple[Value, ...] = ()
    changed: tuple[tuple[Value, Value], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.changed)

    def where(self, differ: Callable[[Value, Value], object]) -> "Changes[Value]":
        """The same with those pairs alone that differ."""
        return Changes(self.removed, self.added, tuple(pair for pair in self.changed if differ(*pair)))


class Move(StrEnum):
    """How a package that both closures have is not the same."""

    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    ELSEWHERE = "elsewhere"
    """The same version, of another architecture, repository or side: built by now, or no longer there."""


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """What is not the same in two plans. ``request`` has what was requested where that differs, by its name.

    ``python_fallback`` has why all of Python stays RPMs in the first and the second plan (empty: it does not), where
    that differs.
    """

    request: tuple[tuple[str, str, str], ...]
    gaps: Changes[Gap]
    packages: Changes[ChosenPackage]
    python: Changes[PlannedDistribution]
    dropped_requirements: Changes[DroppedRequirement]
    repositories: Changes[RepositoryState]
    python_fallback: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return self.answer_differs or bool(self.repositories)

    @property
    def answer_differs(self) -> bool:
        """Whether more than the state of the repositories differs."""
        parts = (self.request, self.gaps, self.packages, self.python, self.dropped_requirements, self.python_fallback)
        return any(parts)


def difference(before: Plan, after: Plan) -> PlanDifference:
    """What is not the same in the second plan. Who requires what is left aside: it follows from the packages."""
    return PlanDifference(
        request=_request(before, after),
        gaps=_gaps(before.gaps, after.gaps).where(gap_change),
        packages=_packages(before.closure, after.closure),
        python=_matched(_distributions(before), _distributions(after), lambda one: one.name).where(_differ),
        dropped_requirements=_matched(before.dropped_requirements, after.dropped_requirements, lambda one: one).where(
            _differ
        ),
        repositories=_matched(before.repositories, after.repositories, lambda one: one.id).where(_differ),
        python_fallback=_fallback(before, after),
    )


def gap_change(before: Gap, after: Gap) -> dict[str, str]:
    """What is not the same in a gap of both plans (cause, phase, route, wanted), each in words."""
    changed = {
        name: f"{name} {old} -> {new}"
        for name, old, new in (
            ("cause", before.cause, after.cause),
            ("phase", before.phase, after.phase),
            ("route", before.route.kind, after.route.kind),
        )
        if old is not new
    }
    wanted = [sorted(map(str, gap.wanted)) for gap in (before, after)]
    if wanted[0] != wanted[1]:
        changed["wanted"] = f"wanted {_listed(wanted[0])} -> {_listed(wanted[1])}"
    # A route's subject repeats what is wanted, or which source: a change of its own where the rest is the same.
    if not changed and before.route.subject != after.route.subject:
        subjects = f"{_listed(before.route.subject)} -> {_listed(after.route.subject)}"
        changed["route"] = f"{after.route.kind} of {subjects}"
    return changed


def move_of(before: ChosenPackage, after: ChosenPackage) -> Move:
    """How a package of both closures is not the same."""
    sign = compare_evr(before.nevra.evr, after.nevra.evr)
    if sign == 0:
        return Move.ELSEWHERE
    return Move.UPGRADED if sign < 0 else Move.DOWNGRADED


def _request(before: Plan, after: Plan) -> tuple[tuple[str, str, str], ...]:
    pairs = (
        ("workload", before.workload, after.workload),
        ("target", before.target, after.target),
        ("arch", before.arch, after.arch),
        ("release", before.release or "", after.release or ""),
        ("roots", ", ".join(sorted(before.roots)), ", ".join(sorted(after.roots))),
        ("modules", ", ".join(sorted(before.modules)), ", ".join(sorted(after.modules))),
    )
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _fallback(before: Plan, after: Plan) -> tuple[str, str] | None:
    """Why all of Python stays RPMs in the two plans, empty where it does not; None where that is the same."""
    old, new = (plan.python_fallback.reason if plan.python_fallback else "" for plan in (before, after))
    return None if old == new else (old, new)


def _matched(before: Iterable[Value], after: Iterable[Value], key: Callable[[Value], Hashable]) -> Changes[Value]:
    """What only one has, and as changed all pairs that have the same key."""
    old, new = {key(one): one for one in before}, {key(one): one for one in after}
    return Changes(
        tuple(one for name, one in old.items() if name not in new),
        tuple(one for name, one in new.items() if name not in old),
        tuple((one, new[name]) for name, one in old.items() if name in new),
    )


def _differ(before: object, after: object) -> bool:
    return before != after


def _gaps(before: Iterable[Gap], after: Iterable[Gap]) -> Changes[Gap]:
    found = _matched(before, after, lambda gap: (gap.kind, gap.name))
    # What was a gap of RPM and is one of Python now is the same gap with another route.
    turned = _matched(found.removed, found.added, lambda gap: gap.name)
    return Changes(turned.removed, turned.added, found.changed + turned.changed)


def _packages(before: Iterable[ChosenPackage], after: Iterable[ChosenPackage]) -> Changes[ChosenPackage]:
    """Where a closure has several packages of a name, those that the other has too are left out first; if then one
    is left on each side, that package has changed.
    """
    old, new = _by_name(before), _by_name(after)
    removed: list[ChosenPackage] = []
    added: list[ChosenPackage] = []
    changed: list[tuple[ChosenPackage, ChosenPackage]] = []
    for name in sorted(old.keys() | new.keys()):
        rest = _matched(old.get(name, []), new.get(name, []), lambda one: (one.nevra, one.repo, one.side))
        if len(rest.removed) == len(rest.added) == 1:
            changed.append((rest.removed[0], rest.added[0]))
        else:
            removed.extend(rest.removed)
            added.extend(rest.added)
    return Changes(tuple(removed), tuple(added), tuple(changed))


def _by_name(packages: Iterable[ChosenPackage]) -> dict[str, list[ChosenPackage]]:
    ordered = sorted(packages, key=lambda one: (one.nevra.name, str(one.nevra), one.repo))
    return {name: list(group) for name, group in groupby(ordered, key=lambda one: one.nevra.name)}


def _distributions(plan: Plan) -> list[PlannedDistribution]:
    """The Python distributions of a plan by what is compared: version, and how they are provided."""
    distributions = plan.python.distributions if plan.python is not None else ()
    return [PlannedDistribution(one.name, one.version, one.provision) for one in distributions]


# Shown ------------------------------------------------------------------------------------------------------


def render_difference(shown: PlanDifference) -> str:
    """The difference as text: `-` was only before, `+` is only after, `!` is not the same."""
    lines = [f"{name}: {old} -> {new}" for name, old, new in shown.request]
    lines += _section("Gaps", shown.gaps, _gap, _changed_gap)
    lines += _section("Packages", shown.packages, _package, _moved_package)
    lines += _fallback_lines(shown.python_fallback)
    lines += _section("Python distributions", shown.python, _distribution)
    lines += _section("Requirements of the x86 builds only", shown.dropped_requirements, _dropped)
    lines += _section("Repositories", shown.repositories, _state)
    if not lines:
        return "The plans are the same.\n"
    if not shown.answer_differs:
        lines += ["", "Only the repositories' metadata differs; the answer is the same."]
    return text_of(lines).lstrip("\n")


def difference_document(shown: PlanDifference) -> dict[str, Any]:
    """The difference in JSON's own kinds."""
    gaps = _document(shown.gaps, _gap_document, lambda old, new: {"changed": list(gap_change(old, new))})
    packages = _document(shown.packages, _package_document, lambda old, new: {"move": move_of(old, new)})
    dropped = _document(shown.dropped_requirements, _dropped_document)
    return {
        "schema": 2,
        "same": not shown,
        "request": {name: {"before": old, "after": new} for name, old, new in shown.request},
        "gaps": {"closed": gaps["removed"], "new": gaps["added"], "changed": gaps["changed"]},
        "packages": {"removed": packages["removed"], "added": packages["added"], "moved": packages["changed"]},
        "python": _document(shown.python, _distribution_document),
        "python_fallback": _fallback_document(shown.python_fallback),
        "dropped_requirements": {"removed": dropped["removed"], "added": dropped["added"]},
        "repositories": _document(shown.repositories, _state_document),
    }


def _fallback_lines(changed: tuple[str, str] | None) -> list[str]:
    if changed is None:
        return []
    reasons = (("-", changed[0]), ("+", changed[1]))
    return ["", "All of Python stays RPMs", *(f"  {sign} {reason}" for sign, reason in reasons if reason)]


def _section(
    title: str,
    changes: Changes[Value],
    text: Callable[[Value], str],
    change: Callable[[Value, Value], str] | None = None,
) -> list[str]:
    if not changes:
        return []
    changed = [change(*pair) if change else f"{text(pair[0])} -> {text(pair[1])}" for pair in changes.changed]
    groups = (
        ("-", "removed", [text(one) for one in changes.removed]),
        ("+", "new", [text(one) for one in changes.added]),
        ("!", "changed", changed),
    )
    counts = ", ".join(f"{len(lines)} {word}" for _, word, lines in groups if lines)
    return ["", f"{title}: {counts}", *(f"  {sign} {line}" for sign, _, lines in groups for line in lines)]


def _document(
    changes: Changes[Value],
    document: Callable[[Value], Mapping[str, Any]],
    more: Callable[[Value, Value], Mapping[str, Any]] = lambda _old, _new: {},
) -> dict[str, list[Mapping[str, Any]]]:
    return {
        "removed": [document(one) for one in changes.removed],
        "added": [document(one) for one in changes.added],
        "changed": [
            {"before": document(old), "after": document(new), **more(old, new)} for old, new in changes.changed
        ],
    }


def _listed(names: Sequence[str]) -> str:
    return first_of(names, 3) or "nothing"


def _gap(gap: Gap) -> str:
    return f"{gap.name} ({gap.cause}, {gap.phase} time, {gap.route.kind})"


def _changed_gap(before: Gap, after: Gap) -> str:
    return f"{after.name}: {'; '.join(gap_change(before, after).values())}"


def _moved_package(before: ChosenPackage, after: ChosenPackage) -> str:
    return f"{move_of(before, after)}: {_package(before)} -> {_package(after)}"


def _package(package: ChosenPackage) -> str:
    return f"{package.nevra} ({package.side}, {package.repo})"


def _distribution(one: PlannedDistribution) -> str:
    return f"{one.name}=={one.version} ({one.provision})"


def _dropped(one: DroppedRequirement) -> str:
    return f"{one.source}: {one.requirement} ({one.grounds})"


def _state(state: RepositoryState) -> str:
    what = state.problem or f"revision {state.revision or '-'}, {state.packages} packages, {state.digest[:12]}"
    enabled = "" if state.enabled else "not enabled, "
    return f"{state.id} ({state.side}, {enabled}{what})"


def _gap_document(gap: Gap) -> Mapping[str, Any]:
    return {
        "name": gap.name,
        "kind": gap.kind,
        "cause": gap.cause,
        "phase": gap.phase,
        "route": gap.route.kind,
        "subject": list(gap.route.subject),
        "wanted": list(map(str, gap.wanted)),
        "source": gap.source,
    }


def _package_document(one: ChosenPackage) -> Mapping[str, Any]:
    return {"nevra": str(one.nevra), "repo": one.repo, "side": one.side, "source": one.source}


def _distribution_document(one: PlannedDistribution) -> Mapping[str, Any]:
    return {"name": one.name, "version": one.version, "provision": one.provision}


def _fallback_document(changed: tuple[str, str] | None) -> Mapping[str, str | None] | None:
    return None if changed is None else {"before": changed[0] or None, "after": changed[1] or None}


def _dropped_document(one: DroppedRequirement) -> Mapping[str, Any]:
    return asdict(one)


def _state_document(state: RepositoryState) -> Mapping[str, Any]:
    return asdict(state)
