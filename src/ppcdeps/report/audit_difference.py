"""Two audits compared: what became installable, what is no longer, and which builds are missing by now."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from ppcdeps.auditing.audit import (
    USABLE,
    Audit,
    AuditedGroup,
    AuditedPackage,
    AuditedRepository,
    AuditedSource,
    AuditedWorkload,
    Enabled,
    State,
    best_by_name,
    is_chosen,
)
from ppcdeps.report.audit import build_words, enabled_words, group_words
from ppcdeps.report.text import text_of

Value = TypeVar("Value")

_TOP = 30


@dataclass(frozen=True, slots=True)
class AuditDifference:
    """What is not the same in the second of two audits, packages by name.

    ``opened`` are usable now and were not, or are new and usable where nothing was; ``closed`` the other way around;
    ``came`` and ``went`` are names that only one audit has and that are not usable there; ``moved`` are usable in
    neither and wait for other builds, are blocked for another reason, or in another state. Of the sources that are
    missing no longer, ``sources_gone`` are those that neither the target nor the reference has: of which the second
    audit would have a package, and has none, nor the target one of the same name. ``groups`` are those of
    which other packages are not usable, or that wait for other builds; none where one of the audits has no groups at
    all, as of a snapshot. ``enabling`` are the repositories that are not enabled of which another opens, or can be
    read. Of a pair one side is None where the audit lacks it.
    """

    totals: tuple[tuple[State, int, int], ...]
    opened: tuple[tuple[AuditedPackage | None, AuditedPackage], ...]
    closed: tuple[tuple[AuditedPackage, AuditedPackage | None], ...]
    came: tuple[AuditedPackage, ...]
    went: tuple[AuditedPackage, ...]
    moved: tuple[tuple[AuditedPackage, AuditedPackage], ...]
    sources_built: tuple[AuditedSource, ...]
    sources_gone: tuple[AuditedSource, ...]
    sources_missing: tuple[AuditedSource, ...]
    sources_changed: tuple[tuple[AuditedSource, AuditedSource], ...]
    workloads: tuple[tuple[AuditedWorkload | None, AuditedWorkload | None], ...]
    enabling: tuple[tuple[Enabled | None, Enabled | None], ...]
    groups: tuple[tuple[AuditedGroup | None, AuditedGroup | None], ...]
    repositories: tuple[tuple[AuditedRepository | None, AuditedRepository | None], ...]

    def __bool__(self) -> bool:
        return self.answer_differs or bool(self.repositories)

    @property
    def answer_differs(self) -> bool:
        """Whether more is not the same than the repositories."""
        return any(
            (
                self.totals,
                self.opened,
                self.closed,
                self.came,
                self.went,
                self.moved,
                self.sources_built,
                self.sources_gone,
                self.sources_missing,
                self.sources_changed,
                self.workloads,
                self.enabling,
                self.groups,
            )
        )


def audit_difference(before: Audit, after: Audit) -> AuditDifference:
    """What is not the same in the second audit."""
    old, new = best_by_name(before.packages), best_by_name(after.packages)
    opened: list[tuple[AuditedPackage | None, AuditedPackage]] = []
    closed: list[tuple[AuditedPackage, AuditedPackage | None]] = []
    came, went, moved = [], [], []
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        was = one is not None and one.state in USABLE
        if other is not None and other.state in USABLE:
            if not was:
                opened.append((one, other))
        elif one is not None and was:
            closed.append((one, other))
        elif other is None and one is not None:
            went.append(one)
        elif one is None and other is not None:
            came.append(other)
        elif one is not None and other is not None and state_words(one) != state_words(other):
            moved.append((one, other))
    sources, sources_now = ({each.name: each for each in audit.sources} for audit in (before, after))
    workloads = _changed(before.workloads, after.workloads, lambda each: each.name, state_words)
    # Why one cannot be read names mirrors and snapshots: of both it is not known what the repository would open.
    enabling = _changed(
        before.enabling, after.enabling, lambda each: each.repository, lambda each: (each.opens, bool(each.problem))
    )
    groups = _changed(
        before.groups, after.groups, lambda each: each.id, lambda each: (each.waiting, each.blocked, each.needs)
    )
    repositories = _changed(before.repositories, after.repositories, lambda each: each.id, lambda each: each)
    past = [each for name, each in sources.items() if name not in sources_now]
    gone = {each.name for each in past if is_chosen(after.only, each.name)} - _sources_with_packages(before, after)
    return AuditDifference(
        totals=tuple(
            (state, before.totals[state], after.totals[state])
            for state in State
            if before.totals[state] != after.totals[state]
        ),
        opened=tuple(opened),
        closed=tuple(closed),
        came=tuple(came),
        went=tuple(went),
        moved=tuple(moved),
        sources_built=tuple(each for each in past if each.name not in gone),
        sources_gone=tuple(each for each in past if each.name in gone),
        sources_missing=tuple(each for name, each in sources_now.items() if name not in sources),
        sources_changed=tuple(
            (sources[name], each)
            for name, each in sources_now.items()
            if name in sources and source_changes(sources[name], each)
        ),
        workloads=workloads,
        enabling=enabling,
        groups=groups if before.groups and after.groups else (),
        repositories=repositories,
    )


def _sources_with_packages(before: Audit, after: Audit) -> set[str]:
    """The sources of packages of the second audit, and of those that the target has now, of whichever source."""
    there = {each.name for each in after.packages if each.side == "target"}
    return {each.source for each in (*after.packages, *(one for one in before.packages if one.name in there))}


def _changed(
    before: Iterable[Value], after: Iterable[Value], name_of: Callable[[Value], str], said: Callable[[Value], object]
) -> tuple[tuple[Value | None, Value | None], ...]:
    """The pairs of a name of which something else is ``said`` in the second, or that one of them lacks."""
    old, new = ({name_of(each): each for each in every} for every in (before, after))
    pairs = ((old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys()))
    return tuple((one, other) for one, other in pairs if one is None or other is None or said(one) != said(other))


def source_changes(old: AuditedSource, new: AuditedSource) -> list[tuple[str, str, str]]:
    """What is said otherwise of a source, as it was and as it is. What it holds back is a matter of the packages."""
    said = (
        ("cause", str(old.cause), str(new.cause)),
        ("recipe", old.recipe or "none", new.recipe or "none"),
        ("build", build_words(old), build_words(new)),
        ("workloads", ", ".join(old.workloads) or "none", ", ".join(new.workloads) or "none"),
    )
    return [each for each in said if each[1] != each[2]]


def render_audit_difference(shown: AuditDifference) -> str:
    """The difference, a thing on a line: `-` is of the first audit only, `+` of the second, `!` of both."""
    if not shown:
        return "The audits are the same.\n"
    lines = [f"{state}: {old} -> {new} packages" for state, old, new in shown.totals]
    lines += _section("Installable now", [f"+ {new.nevra}: {_was(old)} -> {new.state}" for old, new in shown.opened])
    lines += _section(
        "No longer installable", [f"- {old.nevra}: {old.state} -> {state_words(new)}" for old, new in shown.closed]
    )
    lines += _section("Not installable, and new", [f"+ {each.nevra}: {state_words(each)}" for each in shown.came])
    lines += _section("Not installable, and gone", [f"- {each.nevra}: {each.state}" for each in shown.went])
    lines += _section(
        "Not installable, and not as before",
        [f"! {new.nevra}: {state_words(old)} -> {state_words(new)}" for old, new in shown.moved],
    )
    lines += _section("Sources that are missing no longer", [f"- {_source(each)}" for each in shown.sources_built])
    lines += _section("Sources that neither side has any more", [f"- {_source(each)}" for each in shown.sources_gone])
    lines += _section("Sources that are missing now", [f"+ {_source(each)}" for each in shown.sources_missing])
    lines += _section(
        "Sources that are missing, and not as before", [_source_change(*pair) for pair in shown.sources_changed]
    )
    lines += _section(
        "Workloads", [_one_or_both(*pair, lambda one: (one.name, state_words(one))) for pair in shown.workloads]
    )
    lines += _section(
        "Repositories that are not enabled",
        [_one_or_both(*pair, lambda one: (one.repository, enabled_words(one))) for pair in shown.enabling],
    )
    lines += _section(
        "Package groups", [_one_or_both(*pair, lambda one: (one.id, group_words(one))) for pair in shown.groups]
    )
    lines += _section("Repositories", [line for pair in shown.repositories for line in _repository(*pair)])
    return text_of(lines)


def audit_difference_document(shown: AuditDifference) -> dict[str, Any]:
    """The difference in JSON's own kinds."""
    return {
        "schema": 1,
        "kind": "audit-difference",
        "same": not shown,
        "totals": {state: {"before": old, "after": new} for state, old, new in shown.totals},
        "opened": [_pair(*pair) for pair in shown.opened],
        "closed": [_pair(*pair) for pair in shown.closed],
        "came": [_brief(each) for each in shown.came],
        "went": [_brief(each) for each in shown.went],
        "moved": [_pair(*pair) for pair in shown.moved],
        "sources_built": [asdict(each) for each in shown.sources_built],
        "sources_gone": [asdict(each) for each in shown.sources_gone],
        "sources_missing": [asdict(each) for each in shown.sources_missing],
        **{
            key: [
                {"before": asdict(old) if old else None, "after": asdict(new) if new else None} for old, new in pairs
            ]
            for key, pairs in (
                ("sources_changed", shown.sources_changed),
                ("workloads", shown.workloads),
                ("enabling", shown.enabling),
                ("groups", shown.groups),
                ("repositories", shown.repositories),
            )
        },
    }


def _section(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    more = [f"  and {len(entries) - _TOP} more"] if len(entries) > _TOP else []
    return ["", f"{title}: {len(entries)}", *(f"  {entry}" for entry in entries[:_TOP]), *more]


def _was(package: AuditedPackage | None) -> str:
    return "not there" if package is None else str(package.state)


def state_words(package: AuditedPackage | AuditedWorkload | None) -> str:
    """The state of a package or workload, what it waits for, and why."""
    if package is None:
        return "not there"
    waits = f", waits for {', '.join(package.needs)}" if package.needs else ""
    return f"{package.state}{waits}" + (f", {package.reason}" if package.reason else "")


def _source(source: AuditedSource) -> str:
    return f"{source.name} ({source.cause}, holds back {source.holds_back})"


def _source_change(old: AuditedSource, new: AuditedSource) -> str:
    return f"! {new.name}: {'; '.join(f'{what}: {was} -> {now}' for what, was, now in source_changes(old, new))}"


def _one_or_both(old: Value | None, new: Value | None, words: Callable[[Value], tuple[str, str]]) -> str:
    """The line of a pair. ``words`` are the name of one of it, and what is said of it."""
    if old is None or new is None:
        sign, only = ("+", new) if old is None else ("-", old)
        assert only is not None
        return f"{sign} {': '.join(words(only))}"
    return f"! {': '.join(words(old))} -> {words(new)[1]}"


def _repository(old: AuditedRepository | None, new: AuditedRepository | None) -> Iterable[str]:
    if old is None or new is None:
        yield from (
            f"{sign} {each.id} (revision {each.revision or '-'}, {each.packages} packages)"
            for sign, each in (("-", old), ("+", new))
            if each is not None
        )
    else:
        yield (
            f"! {new.id}: revision {old.revision or '-'}, {old.packages} packages -> "
            f"{new.revision or '-'}, {new.packages}"
        )


def _pair(old: AuditedPackage | None, new: AuditedPackage | None) -> dict[str, Any]:
    return {"before": _brief(old) if old else None, "after": _brief(new) if new else None}


def _brief(package: AuditedPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "nevra": package.nevra,
        "state": package.state,
        "needs": list(package.needs),
        "reason": package.reason,
    }
