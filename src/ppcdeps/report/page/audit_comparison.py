"""What the page of two audits shows: packages that became installable or are no longer, builds that are missing."""

from collections.abc import Iterator, Mapping, Sequence

from ppcdeps.auditing.audit import (
    USABLE,
    Audit,
    AuditedGroup,
    AuditedPackage,
    AuditedRepository,
    AuditedSource,
    is_chosen,
)
from ppcdeps.auditing.explanation import chain_to
from ppcdeps.model.wording import counted, first_of
from ppcdeps.planning.explained import Link
from ppcdeps.report.audit import enabled_words, group_words
from ppcdeps.report.audit_difference import AuditDifference, audit_difference, source_changes, state_words
from ppcdeps.report.page.audit import MOST_PACKAGES, MOST_SOURCES, audited_repository_view
from ppcdeps.report.page.comparison import ChangeRow, ComparisonView, changes_view
from ppcdeps.report.page.view import Fact, RepositoryView, listed
from ppcdeps.report.text import date_of

_MOST_NAMED = 5
_GONE = "neither the target nor the reference has it any more"
_OF_ONE = "only one of the audits has it"
_CHANGED = ("changed", "enable")
Change = tuple[tuple[str, str], ChangeRow]
Pair = tuple[AuditedPackage | None, AuditedPackage | None]


def audit_comparison_view(before: Audit, after: Audit, now: float, *, names: tuple[str, str]) -> ComparisonView:
    """What the page of two audits shows. ``now`` is in seconds since 1970, ``names`` are what it calls the audits."""
    found = audit_difference(before, after)
    request = (("target", before.target, after.target), ("only", ", ".join(before.only), ", ".join(after.only)))
    tables = (
        changes_view("packages", "Packages", _packages(found, before, after), MOST_PACKAGES),
        changes_view("sources", "Sources whose builds are missing", _sources(found, after), MOST_SOURCES),
        changes_view("workloads", "Workloads", _workloads(found)),
        changes_view("groups", "Package groups", _groups(found, before, after), MOST_SOURCES),
        changes_view("enabling", "Repositories that are not enabled", _enabling(found)),
    )
    return ComparisonView(
        title=f"{_from(before, after)}{after.target} ({after.arch}): what changed",
        made_on=date_of(int(now)),
        before=names[0],
        after=names[1],
        verdict=_verdict(found),
        verdict_kind=_verdict_kind(found),
        request=tuple(row for row in request if row[1] != row[2]),
        numbers=_numbers(found, before, after),
        tables=tuple(table for table in tables if table.rows),
        repositories=tuple(_repository(old, new, now) for old, new in found.repositories),
    )


def _from(before: Audit, after: Audit) -> str:
    return "" if before.target == after.target else f"{before.target} to "


def _packages(found: AuditDifference, before: Audit, after: Audit) -> Iterator[Change]:
    by_nevra = {each.nevra: each for each in after.packages}
    kinds: tuple[tuple[tuple[str, str], Sequence[Pair]], ...] = (
        (("no longer", "blocked"), found.closed),
        (("installable now", "there"), found.opened),
        (("new", "build"), [(None, each) for each in found.came]),
        (("gone", "package"), [(each, None) for each in found.went]),
        (("moved", "enable"), found.moved),
    )
    for kind, pairs in kinds:
        for old, new in pairs:
            shown = new or old
            assert shown is not None
            why = _why(old, new, before, after)
            yield kind, ChangeRow(shown.name, _is(old), _is(new), why, _chain(new, by_nevra))


def _is(package: AuditedPackage | None) -> str:
    """A package of a known name: its state, and the rest of its identity."""
    return "" if package is None else f"{package.state}, {package.nevra.removeprefix(f'{package.name}-')}"


def _why(old: AuditedPackage | None, new: AuditedPackage | None, before: Audit, after: Audit) -> str:
    """What a package waits for now, else what it waited for; the reason where no build helps."""
    if new is None:
        return _GONE if old is not None and is_chosen(after.only, old.name) else _OF_ONE
    if new.needs:
        return f"waits for {first_of(new.needs, _MOST_NAMED)}"
    if new.reason:
        return new.reason
    if old is None:
        return "neither the target nor the reference had it" if is_chosen(before.only, new.name) else _OF_ONE
    return f"waited for {first_of(old.needs, _MOST_NAMED)}" if old.needs else old.reason


def _chain(new: AuditedPackage | None, by_nevra: Mapping[str, AuditedPackage]) -> tuple[Link, ...]:
    """The chain to the first source that it waits for and that is not its own."""
    if new is not None:
        for source in new.needs:
            if chain := chain_to(by_nevra, new, source):
                return tuple(Link(link.by, link.requirement, link.met_by) for link in chain)
    return ()


def _sources(found: AuditDifference, after: Audit) -> Iterator[Change]:
    for one in found.sources_missing:
        yield ("missing now", "blocked"), ChangeRow(one.name, "", _source(one), one.detail)
    for one in found.sources_built:
        what = "of it is missing" if is_chosen(after.only, one.name) else "that was chosen waits for it"
        yield ("no longer", "there"), ChangeRow(one.name, _source(one), "", f"nothing {what} any more")
    for one in found.sources_gone:
        yield ("gone", "package"), ChangeRow(one.name, _source(one), "", _GONE)
    for old, new in found.sources_changed:
        changes = source_changes(old, new)
        was, now = ("; ".join(f"{what}: {change[side]}" for what, *change in changes) for side in (0, 1))
        yield _CHANGED, ChangeRow(new.name, was, now, f"another {' and '.join(one[0] for one in changes)}")


def _workloads(found: AuditDifference) -> Iterator[Change]:
    for old, new in found.workloads:
        shown = new or old
        assert shown is not None
        was, now = (one is not None and one.state in USABLE for one in (old, new))
        kind = _CHANGED if was is now else ("installable now", "there") if now else ("no longer", "blocked")
        before, after = (state_words(one) if one is not None else "" for one in (old, new))
        yield kind, ChangeRow(shown.name, before, after, "" if old and new else _OF_ONE)


def _enabling(found: AuditDifference) -> Iterator[Change]:
    for old, new in found.enabling:
        shown = new or old
        assert shown is not None
        before, after = (enabled_words(one) if one is not None else "" for one in (old, new))
        why = "" if old and new else "only one of the audits knows it"
        yield _CHANGED, ChangeRow(shown.repository, before, after, why)


def _source(one: AuditedSource) -> str:
    return f"{one.cause}, holds back {one.holds_back}"


def _groups(found: AuditDifference, before: Audit, after: Audit) -> Iterator[Change]:
    for old, new in found.groups:
        shown = new or old
        assert shown is not None
        was, now = (group_words(one) if one is not None else "" for one in (old, new))
        if new is None or old is None:
            kind = ("gone", "package") if new is None else ("new", "enable")
            without = after if new is None else before
            reason = f"no repository has it {'any more' if new is None else 'in the first audit'}"
            why = _OF_ONE if without.only else reason
        else:
            kind, why = _group_change(old, new)
        yield kind, ChangeRow(shown.id, was, now, why)


def _group_change(old: AuditedGroup, new: AuditedGroup) -> tuple[tuple[str, str], str]:
    """Whether a group is whole now, or no longer, with the color of that; and which packages make the difference."""
    was, lacks = {*old.waiting, *old.blocked}, {*new.waiting, *new.blocked}
    kind = ("whole now", "there") if not lacks else ("no longer", "blocked") if not was else ("moved", "enable")
    parts = (
        ("usable or no longer in it", sorted(was - lacks)),
        ("not usable, or new in it", sorted(lacks - was)),
    )
    why = [f"{what}: {first_of(names, _MOST_NAMED)}" for what, names in parts if names]
    return kind, "; ".join(why) or "the same packages wait for other builds"


def _verdict(found: AuditDifference) -> str:
    if not found:
        return "The audits are the same."
    parts = []
    waiting = [pair for pair in found.moved if pair[1].needs]
    stuck = [pair for pair in found.moved if not pair[1].needs]
    changed: Sequence[object]
    for changed, one, many in (
        (found.opened, "package became installable", "packages became installable"),
        (found.closed, "package is no longer installable", "packages are no longer installable"),
        (found.came, "new package is not installable", "new packages are not installable"),
        (found.went, "package that was not installable went", "packages that were not installable went"),
        (waiting, "package waits for other builds", "packages wait for other builds"),
        (stuck, "package is blocked otherwise", "packages are blocked otherwise"),
        (found.sources_missing, "source is missing now", "sources are missing now"),
        (found.sources_built, "source is missing no longer", "sources are missing no longer"),
        (found.sources_gone, "source went", "sources went"),
        (found.sources_changed, "source is not as before", "sources are not as before"),
        (found.workloads, "workload is not as before", "workloads are not as before"),
        (found.enabling, "repository that is not enabled changed", "repositories that are not enabled changed"),
        (found.groups, "package group changed", "package groups changed"),
    ):
        if changed:
            parts.append(counted(len(changed), one, many))
    text = listed(parts) or (
        "Only how many versions of packages there are differs"
        if found.answer_differs
        else "Only the repositories differ; the answer is the same"
    )
    return f"{text[0].upper()}{text[1:]}."


def _verdict_kind(found: AuditDifference) -> str:
    if found.closed:
        return "blocked"
    lost = (found.came, found.moved, found.sources_missing, found.sources_changed, found.workloads)
    return "work" if any(lost) else "done"


def _numbers(found: AuditDifference, before: Audit, after: Audit) -> tuple[Fact, ...]:
    usable = [sum(audit.totals[state] for state in USABLE) for audit in (before, after)]
    return (
        Fact(f"{len(before.packages)} → {len(after.packages)}", "packages"),
        Fact(f"{usable[0]} → {usable[1]}", "need no build", "there"),
        Fact(str(len(found.opened)), "installable now", "there"),
        Fact(str(len(found.closed)), "no longer", "blocked"),
        Fact(str(len(found.came)), "new, not installable", "build"),
        Fact(str(len(found.went)), "gone"),
        Fact(str(len(found.moved)), "moved", "enable"),
    )


def _repository(
    old: AuditedRepository | None, new: AuditedRepository | None, now: float
) -> tuple[str, RepositoryView | None, RepositoryView | None]:
    shown = new or old
    assert shown is not None
    views = [audited_repository_view(one, now) if one is not None else None for one in (old, new)]
    return shown.id, views[0], views[1]
