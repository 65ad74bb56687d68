"""An audit as text: totals, the builds that open most, and why a package or source is what it is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ppcdeps.auditing.audit import USABLE, Audit, AuditedGroup, AuditedPackage, AuditedSource, Enabled, State
from ppcdeps.auditing.explanation import Link, Subject
from ppcdeps.model.wording import counted, first_of
from ppcdeps.report.text import as_json, by_side, columns, date_of, text_of, wrapped

_TOP = 30
_MOST_SHOWN = 5
_MOST_LISTED = 20
_MOST_VERSIONS = 5

WORDS: Mapping[State, str] = {
    State.INSTALLABLE: "there, and installable",
    State.INSTALLABLE_WITH_NOARCH: "there, and installable with noarch packages of the reference",
    State.NOARCH: "noarch in the reference, and installable as they are",
    State.REPLACED: "not installable, and obsoleted by what is installable in their place",
    State.HELD_BACK: "there or noarch, and not installable before other sources are built",
    State.MISSING: "not there, and given by builds of sources",
    State.BLOCKED: "not installable even if every source were built",
    State.NOT_REBUILT: "only in the reference: no rebuild gives them",
}


def render_audit(audit: Audit) -> str:
    """The totals, the sources that hold back most, the order that opens most, what else there is to know."""
    title = f"{audit.target} ({audit.arch})"
    if audit.only:
        title += f": {', '.join(audit.only)}"
    rows = [(str(count), WORDS[state]) for state, count in audit.totals.items() if count]
    count = len(audit.packages)
    lines = [title, "", f"{count} package{'s' if count != 1 else ''}", *_counts(rows)]
    lines += ["", *_source_totals(audit)]
    lines += _top(audit.sources)
    lines += _steps(audit)
    lines += _cycles(audit)
    lines += _workloads(audit)
    lines += _groups(audit)
    lines += _enabling(audit)
    lines += _blocked(audit.packages)
    lines += ["", "Metadata this rests on"]
    lines += columns(
        [
            (o.id, o.side, counted(o.packages, "package"), date_of(o.date), o.revision)
            for o in by_side(audit.repositories)
        ]
    )
    return text_of(lines)


def render_subject(subject: Subject) -> str:
    """Why a package or a source is what it is, and what it holds back."""
    lines: list[str] = []
    for package in subject.packages[:_MOST_VERSIONS]:
        lines += [*([""] if lines else []), *_package(package, subject.chains)]
    if older := subject.packages[_MOST_VERSIONS:]:
        states = Counter(package.state for package in older)
        counts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
        lines += ["", f"and {len(older)} more, older ones: {counts}"]
    for source in subject.sources:
        lines += [*([""] if lines else []), *_source(source, subject)]
    return text_of(lines)


def dump_subject(subject: Subject) -> str:
    """The same as JSON."""
    document: dict[str, Any] = {
        "schema": 1,
        "name": subject.name,
        "packages": [asdict(each) for each in subject.packages],
        "sources": [
            {
                **asdict(each),
                "opens_alone": list(subject.alone[each.name]),
                "holds": list(subject.holds[each.name]),
                "groups": list(subject.groups[each.name]),
            }
            for each in subject.sources
        ],
        "chains": [
            {"package": nevra, "source": source, "chain": [asdict(link) for link in chain]}
            for (nevra, source), chain in subject.chains.items()
        ],
    }
    return as_json(document)


def _counts(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(count) for count, _ in rows), default=0)
    return [f"  {count.rjust(width)}  {what}" for count, what in rows]


def _source_totals(audit: Audit) -> list[str]:
    return ["Sources of the reference", *_counts(source_counts(audit))]


def source_counts(audit: Audit) -> list[tuple[str, str]]:
    """How many sources of the reference are complete, and of how many something is missing, by cause.

    With globs these are the sources of the packages that they chose; others have a row of their own.
    """
    rows = [(str(audit.built), "of which the target lacks nothing")]
    rows += [(str(audit.reused), "of which the target lacks noarch packages alone")] if audit.reused else []
    chosen = {each.source for each in audit.packages}
    sources = [each for each in audit.sources if not audit.only or each.name in chosen]
    for cause, what in (
        ("absent", "of which the target has no package"),
        ("excluded", "that leave the architecture out"),
        ("not-built", "of which the target has some packages only"),
        ("too-old", "that are older there than something requires"),
        ("not-installable", "whose packages are not what something requires"),
    ):
        count = sum(1 for source in sources if source.cause == cause)
        rows += [(str(count), what)] if count else []
    if others := len(audit.sources) - len(sources):
        rows.append((str(others), "others, for whose builds these wait"))
    return rows


def _top(sources: Sequence[AuditedSource]) -> list[str]:
    waiting = [source for source in sources if source.holds_back]
    if not waiting:
        return []
    rows = [("SOURCE", "HOLDS BACK", "ALONE", "WORKLOADS", "CAUSE", "RECIPE", "ITS BUILD WAITS FOR")]
    rows += [
        (
            source.name,
            str(source.holds_back),
            str(source.alone),
            str(len(source.workloads)),
            str(source.cause),
            source.recipe or "-",
            source.build_blocked or first_of(source.build_needs, _MOST_SHOWN) or "-",
        )
        for source in waiting[:_TOP]
    ]
    title = f"The {_TOP} of {len(waiting)} sources" if len(waiting) > _TOP else "The sources"
    what = "that hold back most: packages that wait for them, and those that nothing else holds back"
    return ["", f"{title} {what}", *columns(rows)]


def _steps(audit: Audit) -> list[str]:
    if len(audit.steps) < 2:
        return []
    blocked = {each.name for each in audit.sources if each.build_blocked}
    rows = [("", "OPENS", "SO FAR", "SOURCES")]
    for number, step in enumerate(audit.steps[:10], start=1):
        sources = (f"{name} (cannot be built)" if name in blocked else name for name in step.sources)
        rows.append((str(number), str(step.opens), str(step.so_far), ", ".join(sources)))
    return ["", "The builds that open most soonest, each after those before it", *columns(rows)]


def _cycles(audit: Audit) -> list[str]:
    if not audit.cycles:
        return []
    lines = ["", "Sources whose builds need one another"]
    for cycle in audit.cycles:
        lines += wrapped(", ".join(cycle), "  ", more="  ")
    return lines


def _workloads(audit: Audit) -> list[str]:
    if not audit.workloads:
        return []
    lines = ["", "Workloads, with all of their packages as RPMs"]
    for each in audit.workloads:
        what = each.reason or (f"waits for {', '.join(each.needs)}" if each.needs else "installable")
        lines += wrapped(f"{each.name}: {what}", "  ", more="  ")
    return lines


def _groups(audit: Audit) -> list[str]:
    lacking = [each for each in audit.groups if each.waiting or each.blocked]
    if not lacking:
        return []
    whose = ", by the packages that --only chose" if audit.only else ""
    lines = ["", f"Package groups that are not whole: {len(lacking)} of {len(audit.groups)}{whose}"]
    for each in lacking[:_TOP]:
        lines += wrapped(f"{each.id}: {group_words(each)}", "  ", more="    ")
    if len(lacking) > _TOP:
        lines.append(f"  and {len(lacking) - _TOP} more")
    return lines


def group_words(group: AuditedGroup) -> str:
    """How many packages of a group wait for which builds, and how many no build gives."""
    parts = []
    if group.waiting:
        wait = "waits" if len(group.waiting) == 1 else "wait"
        parts.append(f"{len(group.waiting)} of {group.packages} {wait} for {first_of(group.needs, 6)}")
    if group.blocked:
        parts.append(f"no build gives {len(group.blocked)} of {group.packages}")
    return "; ".join(parts) or f"whole, {counted(group.packages, 'package')}"


def _enabling(audit: Audit) -> list[str]:
    if not audit.enabling:
        return []
    lines = ["", "Repositories that are known and not enabled"]
    for each in audit.enabling:
        lines += wrapped(f"{each.repository}: {enabled_words(each)}", "  ", more="  ")
    return lines


def enabled_words(one: Enabled) -> str:
    """What enabling a repository opens, or why that is not known."""
    opened = f"opens {counted(len(one.opens), 'package')} with no build: {first_of(one.opens, _MOST_SHOWN)}"
    return one.problem or (opened if one.opens else "opens nothing")


def _blocked(packages: Iterable[AuditedPackage]) -> list[str]:
    ordered = blocking_reasons(packages)
    if not ordered:
        return []
    lines = ["", "Not installable even if every source were built"]
    for reason, names in ordered[:_TOP]:
        lines += wrapped(f"{reason}: {len(names)}, {first_of(sorted(set(names)), _MOST_SHOWN)}", "  ", more="  ")
    if len(ordered) > _TOP:
        lines.append(f"  and {len(ordered) - _TOP} more reasons")
    return lines


def blocking_reasons(packages: Iterable[AuditedPackage]) -> list[tuple[str, list[str]]]:
    """Why packages are blocked, with the names of those that are so, the reason of most first."""
    by_reason: dict[str, list[str]] = {}
    for package in packages:
        if package.state is State.BLOCKED:
            by_reason.setdefault(package.reason, []).append(package.name)
    return sorted(by_reason.items(), key=lambda each: (-len(each[1]), each[0]))


def _package(package: AuditedPackage, chains: Mapping[tuple[str, str], Sequence[Link]]) -> list[str]:
    lines = [package.nevra, f"  {package.side}, {package.repository}, source {package.source}: {package.state}"]
    if package.needs:
        lines.append(f"  waits for {', '.join(package.needs)}")
    if package.reason:
        lines += wrapped(package.reason, "  ", more="  ")
    for unmet in package.unmet[:_MOST_LISTED]:
        met = f"would be met by {first_of(unmet.met_by, 3)}" if unmet.met_by else "nothing that can be built meets it"
        lines += wrapped(f"requires {unmet.requirement}: {met}", "  ", more="    ")
    for source in package.needs:
        chain = chains.get((package.nevra, source), ())
        if len(chain) > 1:
            lines.append(f"  to {source}:")
            lines += [f"    {link.by} requires {link.requirement}" for link in chain]
    if package.state in USABLE:
        lines.append("  needs no build")
    return lines


def _source(source: AuditedSource, subject: Subject) -> list[str]:
    lines = [f"source {source.name}: {source.cause}"]
    lines += wrapped(source.detail, "  ", more="  ")
    if source.missing:
        lines += wrapped(f"gives {first_of(source.missing, _MOST_LISTED)}", "  ", more="  ")
    recipe = f"recipe {source.recipe}" if source.recipe else "no recipe"
    lines.append(f"  {recipe}; {build_words(source)}")
    holds, by_itself = subject.holds[source.name], subject.alone[source.name]
    lines += wrapped(f"opens {len(by_itself)} alone: {first_of(by_itself, _MOST_LISTED)}", "  ", more="  ")
    lines += wrapped(f"holds back {len(holds)}: {first_of(holds, _MOST_LISTED)}", "  ", more="  ")
    if source.workloads:
        lines.append(f"  workloads: {', '.join(source.workloads)}")
    if groups := subject.groups[source.name]:
        lines += wrapped(f"package groups: {first_of(groups, _MOST_LISTED)}", "  ", more="  ")
    return lines


def build_words(source: AuditedSource) -> str:
    """Whether a source can be built, and after which others."""
    if source.build_blocked:
        return f"not to be built: {source.build_blocked}"
    if source.build_needs:
        return f"its build waits for {', '.join(source.build_needs)}"
    return "its build waits for no other"
