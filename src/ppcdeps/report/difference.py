"""Two plans compared: which gaps closed or opened, what moved in the closure, which repositories changed."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

from ppcdeps.model.evr import compare_evr
from ppcdeps.model.gap import Gap
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage, DroppedRequirement, Plan, RepositoryState

Value = TypeVar("Value")


class Move(StrEnum):
    """What became of a package that both closures have."""

    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    ELSEWHERE = "elsewhere"
    """The same version, of another architecture, repository or side: built by now, or no longer there."""


@dataclass(frozen=True, slots=True)
class PackageMove:
    """A package of both closures that is not the same in them."""

    move: Move
    before: ChosenPackage
    after: ChosenPackage


@dataclass(frozen=True, slots=True)
class GapChange:
    """A gap of both plans. ``changed`` names what is not the same: cause, phase, route, wanted."""

    before: Gap
    after: Gap
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Python distribution of a plan's lock: its version, and how it is provided."""

    name: str
    version: str
    provision: str


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """What is not the same in two plans; everything empty, and the names equal, where nothing is.

    ``request`` are the pairs of what was asked, where they differ: workload, target, arch, roots.
    """

    request: tuple[tuple[str, str, str], ...] = ()
    gaps_closed: tuple[Gap, ...] = ()
    gaps_new: tuple[Gap, ...] = ()
    gaps_changed: tuple[GapChange, ...] = ()
    packages_added: tuple[ChosenPackage, ...] = ()
    packages_removed: tuple[ChosenPackage, ...] = ()
    packages_moved: tuple[PackageMove, ...] = ()
    repositories_added: tuple[RepositoryState, ...] = ()
    repositories_removed: tuple[RepositoryState, ...] = ()
    repositories_changed: tuple[tuple[RepositoryState, RepositoryState], ...] = ()
    reliefs_added: tuple[DroppedRequirement, ...] = ()
    reliefs_removed: tuple[DroppedRequirement, ...] = ()
    distributions_added: tuple[Distribution, ...] = ()
    distributions_removed: tuple[Distribution, ...] = ()
    distributions_changed: tuple[tuple[Distribution, Distribution], ...] = ()

    def __bool__(self) -> bool:
        return self != PlanDifference()

    @property
    def answer_differs(self) -> bool:
        """Whether more than the state of the repositories differs."""
        empty = PlanDifference(
            repositories_added=self.repositories_added,
            repositories_removed=self.repositories_removed,
            repositories_changed=self.repositories_changed,
        )
        return self != empty


def difference(before: Plan, after: Plan) -> PlanDifference:
    """What is not the same in the second plan. Who requires what is left aside: it follows from the packages."""
    closed, opened, kept = _matched(before.gaps, after.gaps, lambda gap: (gap.kind, gap.name))
    # What was a gap of RPM and is one of Python now is the same gap with another route.
    closed, opened, turned = _matched(closed, opened, lambda gap: gap.name)
    kept += turned
    gone, come, states = _matched(before.repositories, after.repositories, lambda state: state.id)
    removed, added, moved = _packages(before.closure, after.closure)
    no_longer, now, both = _matched(_distributions(before), _distributions(after), lambda one: one.name)
    return PlanDifference(
        request=_question(before, after),
        gaps_closed=closed,
        gaps_new=opened,
        gaps_changed=tuple(change for pair in kept if (change := _gap_change(*pair)) is not None),
        packages_added=added,
        packages_removed=removed,
        packages_moved=moved,
        repositories_added=come,
        repositories_removed=gone,
        repositories_changed=tuple((old, new) for old, new in states if old != new),
        reliefs_added=tuple(
            dropped for dropped in after.dropped_requirements if dropped not in before.dropped_requirements
        ),
        reliefs_removed=tuple(
            dropped for dropped in before.dropped_requirements if dropped not in after.dropped_requirements
        ),
        distributions_added=now,
        distributions_removed=no_longer,
        distributions_changed=tuple((old, new) for old, new in both if old != new),
    )


def _question(before: Plan, after: Plan) -> tuple[tuple[str, str, str], ...]:
    pairs = (
        ("workload", before.workload, after.workload),
        ("target", before.target, after.target),
        ("arch", before.arch, after.arch),
        ("roots", ", ".join(sorted(before.roots)), ", ".join(sorted(after.roots))),
    )
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _matched(
    before: Iterable[Value], after: Iterable[Value], key: Callable[[Value], Hashable]
) -> tuple[tuple[Value, ...], tuple[Value, ...], tuple[tuple[Value, Value], ...]]:
    """What only the first has, what only the second has, and the pairs that have the same key."""
    old, new = {key(one): one for one in before}, {key(one): one for one in after}
    return (
        tuple(one for name, one in old.items() if name not in new),
        tuple(one for name, one in new.items() if name not in old),
        tuple((one, new[name]) for name, one in old.items() if name in new),
    )


def _gap_change(before: Gap, after: Gap) -> GapChange | None:
    changed = [
        name
        for name, old, new in (
            ("cause", before.cause, after.cause),
            ("phase", before.phase, after.phase),
            ("route", before.route.kind, after.route.kind),
            ("wanted", sorted(before.wanted), sorted(after.wanted)),
        )
        if old != new
    ]
    # A route's subject says again what is wanted, or which source: a change of its own where the rest is the same.
    if not changed and before.route.subject != after.route.subject:
        changed.append("route")
    return GapChange(before, after, tuple(changed)) if changed else None


# Packages ---------------------------------------------------------------------------------------------------


def _packages(
    before: Iterable[ChosenPackage], after: Iterable[ChosenPackage]
) -> tuple[tuple[ChosenPackage, ...], tuple[ChosenPackage, ...], tuple[PackageMove, ...]]:
    """Packages removed, added, and moved. Where a closure has several of a name, the ones that the other has
    too are left out first; what then is one against one is a move.
    """
    old, new = _by_name(before), _by_name(after)
    removed: list[ChosenPackage] = []
    added: list[ChosenPackage] = []
    moved: list[PackageMove] = []
    for name in sorted(old.keys() | new.keys()):
        left, right = _without_common(old.get(name, []), new.get(name, []))
        if len(left) == len(right) == 1:
            moved.append(PackageMove(_move(left[0], right[0]), left[0], right[0]))
        else:
            removed.extend(left)
            added.extend(right)
    return tuple(removed), tuple(added), tuple(moved)


def _by_name(packages: Iterable[ChosenPackage]) -> dict[str, list[ChosenPackage]]:
    ordered = sorted(packages, key=lambda one: (_name(one), one.nevra, one.repo))
    return {name: list(group) for name, group in groupby(ordered, key=_name)}


def _without_common(
    left: Sequence[ChosenPackage], right: Sequence[ChosenPackage]
) -> tuple[list[ChosenPackage], list[ChosenPackage]]:
    def places(packages: Iterable[ChosenPackage]) -> set[tuple[str, str, str]]:
        return {_place(one) for one in packages}

    return (
        [one for one in left if _place(one) not in places(right)],
        [one for one in right if _place(one) not in places(left)],
    )


def _place(package: ChosenPackage) -> tuple[str, str, str]:
    return package.nevra, package.repo, package.side


def _move(before: ChosenPackage, after: ChosenPackage) -> Move:
    sign = compare_evr(_evr(before), _evr(after))
    if sign == 0:
        return Move.ELSEWHERE
    return Move.UPGRADED if sign < 0 else Move.DOWNGRADED


def _name(package: ChosenPackage) -> str:
    try:
        return Nevra.parse(package.nevra).name
    except ValueError:
        return package.nevra


def _evr(package: ChosenPackage) -> str:
    try:
        return Nevra.parse(package.nevra).evr
    except ValueError:
        return "0-0"


def _distributions(plan: Plan) -> list[Distribution]:
    """The Python distributions of a plan, none where it has no lock."""
    entries = plan.python.get("distributions", ())
    return [
        Distribution(str(one["name"]), str(one.get("version", "")), str(one.get("provision", "")))
        for one in entries
        if isinstance(one, Mapping) and "name" in one
    ]


# Shown ------------------------------------------------------------------------------------------------------


def render_difference(shown: PlanDifference) -> str:
    """The difference as text: `-` was only before, `+` is only after, `!` is not the same."""
    lines = [f"{name}: {old} -> {new}" for name, old, new in shown.request]
    lines += _section(
        "Gaps",
        [f"- {_gap(gap)}" for gap in shown.gaps_closed],
        [f"+ {_gap(gap)}" for gap in shown.gaps_new],
        [f"! {_changed(change)}" for change in shown.gaps_changed],
    )
    lines += _section(
        "Packages",
        [f"- {_package(one)}" for one in shown.packages_removed],
        [f"+ {_package(one)}" for one in shown.packages_added],
        [f"! {one.move}: {_package(one.before)} -> {_package(one.after)}" for one in shown.packages_moved],
    )
    lines += _section(
        "Python distributions",
        [f"- {_distribution(one)}" for one in shown.distributions_removed],
        [f"+ {_distribution(one)}" for one in shown.distributions_added],
        [f"! {_distribution(old)} -> {_distribution(new)}" for old, new in shown.distributions_changed],
    )
    lines += _section(
        "Requirements of the x86 builds only",
        [f"- {one.source}: {one.requirement} ({one.grounds})" for one in shown.reliefs_removed],
        [f"+ {one.source}: {one.requirement} ({one.grounds})" for one in shown.reliefs_added],
        [],
    )
    lines += _section(
        "Repositories",
        [f"- {_state(state)}" for state in shown.repositories_removed],
        [f"+ {_state(state)}" for state in shown.repositories_added],
        [f"! {_state(old)} -> {_state(new)}" for old, new in shown.repositories_changed],
    )
    if not lines:
        return "The plans are the same.\n"
    if not shown.answer_differs:
        lines += ["", "Only the repositories' metadata differs; the answer is the same."]
    return "\n".join(lines).lstrip("\n") + "\n"


def difference_document(shown: PlanDifference) -> dict[str, Any]:
    """The difference in JSON's own kinds."""
    return {
        "schema": 1,
        "same": not shown,
        "question": {name: {"before": old, "after": new} for name, old, new in shown.request},
        "gaps": {
            "closed": [_gap_document(gap) for gap in shown.gaps_closed],
            "new": [_gap_document(gap) for gap in shown.gaps_new],
            "changed": [
                {
                    "changed": list(change.changed),
                    "before": _gap_document(change.before),
                    "after": _gap_document(change.after),
                }
                for change in shown.gaps_changed
            ],
        },
        "packages": {
            "removed": [_package_document(one) for one in shown.packages_removed],
            "added": [_package_document(one) for one in shown.packages_added],
            "moved": [
                {
                    "move": one.move,
                    "before": _package_document(one.before),
                    "after": _package_document(one.after),
                }
                for one in shown.packages_moved
            ],
        },
        "python": {
            "removed": [_distribution_document(one) for one in shown.distributions_removed],
            "added": [_distribution_document(one) for one in shown.distributions_added],
            "changed": [
                {"before": _distribution_document(old), "after": _distribution_document(new)}
                for old, new in shown.distributions_changed
            ],
        },
        "reliefs": {
            "removed": [_relief_document(one) for one in shown.reliefs_removed],
            "added": [_relief_document(one) for one in shown.reliefs_added],
        },
        "repositories": {
            "removed": [_state_document(state) for state in shown.repositories_removed],
            "added": [_state_document(state) for state in shown.repositories_added],
            "changed": [
                {"before": _state_document(old), "after": _state_document(new)}
                for old, new in shown.repositories_changed
            ],
        },
    }


def _section(title: str, *groups: Sequence[str]) -> list[str]:
    lines = [line for group in groups for line in group]
    if not lines:
        return []
    signs = ", ".join(
        f"{len(group)} {word}" for group, word in zip(groups, ("gone", "new", "changed"), strict=True) if group
    )
    return ["", f"{title}: {signs}", *(f"  {line}" for line in lines)]


def _gap(gap: Gap) -> str:
    return f"{gap.name} ({gap.cause}, {gap.phase} time, {gap.route.kind})"


def _changed(change: GapChange) -> str:
    old, new = change.before, change.after
    told = {
        "cause": f"cause {old.cause} -> {new.cause}",
        "phase": f"phase {old.phase} -> {new.phase}",
        "route": f"route {old.route.kind} -> {new.route.kind}",
        "wanted": f"wanted {_listed(old.wanted)} -> {_listed(new.wanted)}",
    }
    if old.route.kind is new.route.kind:
        told["route"] = f"{new.route.kind} of {_listed(old.route.subject)} -> {_listed(new.route.subject)}"
    return f"{new.name}: {'; '.join(told[name] for name in change.changed)}"


def _listed(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most]) or "nothing"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _package(package: ChosenPackage) -> str:
    return f"{package.nevra} ({package.side}, {package.repo})"


def _distribution(one: Distribution) -> str:
    return f"{one.name}=={one.version} ({one.provision})"


def _state(state: RepositoryState) -> str:
    what = state.problem or f"revision {state.revision or '-'}, {state.packages} packages, {state.digest[:12]}"
    return f"{state.id} ({state.side}, {what})"


def _gap_document(gap: Gap) -> dict[str, Any]:
    return {
        "name": gap.name,
        "kind": gap.kind,
        "cause": gap.cause,
        "phase": gap.phase,
        "route": gap.route.kind,
        "subject": list(gap.route.subject),
        "wanted": list(gap.wanted),
        "source": gap.source,
    }


def _package_document(package: ChosenPackage) -> dict[str, Any]:
    return {
        "nevra": package.nevra,
        "repo": package.repo,
        "side": package.side,
        "source": package.source,
    }


def _distribution_document(one: Distribution) -> dict[str, Any]:
    return {"name": one.name, "version": one.version, "provision": one.provision}


def _relief_document(one: DroppedRequirement) -> dict[str, Any]:
    return {"source": one.source, "requirement": one.requirement, "grounds": one.grounds}


def _state_document(state: RepositoryState) -> dict[str, Any]:
    return {
        "id": state.id,
        "side": state.side,
        "revision": state.revision,
        "date": state.date,
        "digest": state.digest,
        "packages": state.packages,
        "problem": state.problem,
    }
