"""Two audits compared: what became installable, what is no longer, and which builds are missing by now."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ppcdeps.auditing.audit import (
    USABLE,
    Audit,
    AuditedGroup,
    AuditedPackage,
    AuditedRepository,
    AuditedSource,
    State,
    best_by_name,
)
from ppcdeps.report.audit import group_words
from ppcdeps.report.text import text_of

_TOP = 30


@dataclass(frozen=True, slots=True)
class AuditDifference:
    """What is not the same in the second of two audits, packages by name.

    ``opened`` are usable now and were not, or are new and usable where nothing was; ``closed`` the other way around;
    ``came`` and ``went`` are names that only one audit has and that are not usable there; ``moved`` are usable in
    neither and wait for other builds, or in another state. ``groups`` are those of which other packages are not
    usable, or that wait for other builds; none where one of the audits has no groups at all, as of a snapshot. Of a
    pair one side is None where the audit lacks it.
    """

    totals: tuple[tuple[State, int, int], ...]
    opened: tuple[tuple[AuditedPackage | None, AuditedPackage], ...]
    closed: tuple[tuple[AuditedPackage, AuditedPackage | None], ...]
    came: tuple[AuditedPackage, ...]
    went: tuple[AuditedPackage, ...]
    moved: tuple[tuple[AuditedPackage, AuditedPackage], ...]
    sources_built: tuple[AuditedSource, ...]
    sources_missing: tuple[AuditedSource, ...]
    groups: tuple[tuple[AuditedGroup | None, AuditedGroup | None], ...]
    repositories: tuple[tuple[AuditedRepository | None, AuditedRepository | None], ...]

    def __bool__(self) -> bool:
        return any(
            (
                self.opened,
                self.closed,
                self.came,
                self.went,
                self.moved,
                self.sources_built,
                self.sources_missing,
                self.groups,
                self.repositories,
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
        elif one is not None and other is not None and (one.state, one.needs) != (other.state, other.needs):
            moved.append((one, other))
    sources, sources_now = ({each.name: each for each in audit.sources} for audit in (before, after))
    repositories, repositories_now = ({each.id: each for each in audit.repositories} for audit in (before, after))
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
        sources_built=tuple(each for name, each in sources.items() if name not in sources_now),
        sources_missing=tuple(each for name, each in sources_now.items() if name not in sources),
        groups=_groups(before, after),
        repositories=tuple(
            (repositories.get(name), repositories_now.get(name))
            for name in sorted(repositories.keys() | repositories_now.keys())
            if repositories.get(name) != repositories_now.get(name)
        ),
    )


def _groups(before: Audit, after: Audit) -> tuple[tuple[AuditedGroup | None, AuditedGroup | None], ...]:
    if not (before.groups and after.groups):
        return ()
    old, new = ({each.id: each for each in audit.groups} for audit in (before, after))

    def lacks(group: AuditedGroup | None) -> tuple[Sequence[str], ...] | None:
        return None if group is None else (group.waiting, group.blocked, group.needs)

    pairs = ((old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys()))
    return tuple((one, other) for one, other in pairs if lacks(one) != lacks(other))


def render_audit_difference(shown: AuditDifference) -> str:
    """The difference, a thing on a line: `-` is of the first audit only, `+` of the second, `!` of both."""
    if not shown:
        return "The audits are the same.\n"
    lines = [f"{state}: {old} -> {new} packages" for state, old, new in shown.totals]
    lines += _section("Installable now", [f"+ {new.nevra}: {_was(old)} -> {new.state}" for old, new in shown.opened])
    lines += _section(
        "No longer installable", [f"- {old.nevra}: {old.state} -> {_is(new)}" for old, new in shown.closed]
    )
    lines += _section("Not installable, and new", [f"+ {each.nevra}: {_is(each)}" for each in shown.came])
    lines += _section("Not installable, and gone", [f"- {each.nevra}: {each.state}" for each in shown.went])
    lines += _section(
        "Not installable, and not as before",
        [f"! {new.nevra}: {_is(old)} -> {_is(new)}" for old, new in shown.moved],
    )
    lines += _section("Sources that are missing no longer", [f"- {_source(each)}" for each in shown.sources_built])
    lines += _section("Sources that are missing now", [f"+ {_source(each)}" for each in shown.sources_missing])
    lines += _section("Package groups", [_group(*pair) for pair in shown.groups])
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
        "sources_missing": [asdict(each) for each in shown.sources_missing],
        "groups": [
            {"before": asdict(old) if old else None, "after": asdict(new) if new else None}
            for old, new in shown.groups
        ],
        "repositories": [
            {"before": asdict(old) if old else None, "after": asdict(new) if new else None}
            for old, new in shown.repositories
        ],
    }


def _section(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    more = [f"  and {len(entries) - _TOP} more"] if len(entries) > _TOP else []
    return ["", f"{title}: {len(entries)}", *(f"  {entry}" for entry in entries[:_TOP]), *more]


def _was(package: AuditedPackage | None) -> str:
    return "not there" if package is None else str(package.state)


def _is(package: AuditedPackage | None) -> str:
    if package is None:
        return "not there"
    waits = f", waits for {', '.join(package.needs)}" if package.needs else ""
    return f"{package.state}{waits}" + (f", {package.reason}" if package.reason else "")


def _source(source: AuditedSource) -> str:
    return f"{source.name} ({source.cause}, holds back {source.holds_back})"


def _group(old: AuditedGroup | None, new: AuditedGroup | None) -> str:
    if old is None or new is None:
        sign, only = ("+", new) if old is None else ("-", old)
        assert only is not None
        return f"{sign} {only.id}: {group_words(only)}"
    return f"! {new.id}: {group_words(old)} -> {group_words(new)}"


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
