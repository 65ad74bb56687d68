"""What the page of an audit shows, in values: the template lays them out and decides nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ppcdeps.auditing.audit import USABLE, Audit, AuditedRepository, AuditedSource, State, Unmet
from ppcdeps.auditing.explanation import chain_to
from ppcdeps.auditing.groups import groups_by_source
from ppcdeps.model.wording import counted
from ppcdeps.planning.explained import Link
from ppcdeps.report.audit import WORDS, blocking_reasons, source_counts
from ppcdeps.report.page.meanings import CAUSES, meanings_of
from ppcdeps.report.page.view import CommandView, Fact, RepositoryView, age_of, metadata_words, within
from ppcdeps.report.text import by_side, date_of

MOST_PACKAGES = 1200
"""How many packages have a row at most: those beyond are counted, so that a browser is quick with the page."""
MOST_SOURCES = 400
_MOST_NAMES = 40
_MOST_CHAINS = 3
_MOST_UNMET = 6
_MOST_TEXTS = 3
_MOST_PLANNED = 3

KINDS: Mapping[State, str] = {
    State.INSTALLABLE: "there",
    State.INSTALLABLE_WITH_NOARCH: "there",
    State.NOARCH: "reuse",
    State.REPLACED: "there",
    State.HELD_BACK: "enable",
    State.MISSING: "build",
    State.BLOCKED: "blocked",
    State.NOT_REBUILT: "package",
}
"""The color of each state."""


@dataclass(frozen=True, slots=True)
class NameLink:
    """A name, and the id of its row on the page; empty where it has none."""

    name: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class NamesView:
    """Names as far as they are listed; ``count`` counts all."""

    count: int
    listed: tuple[NameLink, ...]


@dataclass(frozen=True, slots=True)
class UnmetView:
    """Requirements that the same packages would meet, as far as they are listed."""

    texts: tuple[str, ...]
    more: int
    met_by: NamesView


@dataclass(frozen=True, slots=True)
class AuditedPackageView:
    """A row of what is not installable, and what it opens to. ``more_unmet`` counts requirements not listed."""

    id: str
    nevra: str
    state: State
    kind: str
    words: str
    repository: str
    side: str
    source: NameLink
    needs: tuple[NameLink, ...]
    reason: str
    unmet: tuple[UnmetView, ...]
    more_unmet: int
    chains: tuple[tuple[str, tuple[Link, ...]], ...]
    more_chains: int


@dataclass(frozen=True, slots=True)
class AuditedSourceView:
    """A row of the ranking, and what it opens to.

    ``build`` says in a word whether its build can begin: ready, waits or blocked. ``alone_share`` and ``held_share``
    are the lengths of its bars, of 100.
    """

    id: str
    name: str
    cause: str
    detail: str
    holds_back: int
    alone: int
    alone_share: float
    held_share: float
    build: str
    build_needs: tuple[NameLink, ...]
    build_blocked: str
    recipe: str
    workloads: tuple[str, ...]
    groups: NamesView
    missing: NamesView
    opens: NamesView
    holds: NamesView
    commands: tuple[CommandView, ...]


@dataclass(frozen=True, slots=True)
class StepView:
    """A build, or several, of the order that opens most soonest.

    ``before_share`` and ``share`` are the lengths of its bar, of 100: what is open before, and what it opens.
    ``blocked`` says of the sources whose build cannot be done why, a text each.
    """

    number: int
    sources: tuple[NameLink, ...]
    opens: int
    so_far: int
    before_share: float
    share: float
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """A shipped workload, and what it waits for."""

    name: str
    state: State
    kind: str
    needs: tuple[NameLink, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """A package group of which packages are not installable. ``count`` counts all of its packages."""

    id: str
    name: str
    title: str
    count: int
    waiting: NamesView
    blocked: NamesView
    needs: tuple[NameLink, ...]


@dataclass(frozen=True, slots=True)
class ListedView:
    """Something with the packages that are so because of it: a reason, or a repository that could be enabled."""

    id: str
    text: str
    packages: NamesView
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AuditView:
    """The whole page. ``more_packages`` and ``more_sources`` count those that have no row."""

    title: str
    target: str
    arch: str
    only: str
    made_on: str
    metadata: str
    verdict: str
    verdict_kind: str
    numbers: tuple[Fact, ...]
    shares: tuple[tuple[str, float, float, str], ...]
    source_numbers: tuple[Fact, ...]
    commands: tuple[CommandView, ...]
    sources: tuple[AuditedSourceView, ...]
    more_sources: int
    causes: tuple[str, ...]
    steps: tuple[StepView, ...]
    workloads: tuple[WorkloadView, ...]
    groups: tuple[GroupView, ...]
    all_groups: int
    packages: tuple[AuditedPackageView, ...]
    more_packages: int
    usable: int
    states: tuple[str, ...]
    meanings: tuple[tuple[str, str], ...]
    reasons: tuple[ListedView, ...]
    cycles: tuple[tuple[NameLink, ...], ...]
    enabling: tuple[ListedView, ...]
    repositories: tuple[RepositoryView, ...]


def audit_view(audit: Audit, now: float, *, command: Callable[..., str] | None = None) -> AuditView:
    """What the page of an audit shows.

    ``now`` is in seconds since 1970, for the ages. ``command`` writes out a command of ppcdeps for the same target;
    without it the page has none.
    """
    maker = _Rows(audit, command)
    only = ("--only", ",".join(audit.only)) if audit.only else ()
    waiting = [each for each in audit.packages if each.state not in USABLE]
    states = tuple(str(state) for state in State if state not in USABLE and audit.totals[state])
    return AuditView(
        title=f"Audit of {audit.target} ({audit.arch})",
        target=audit.target,
        arch=audit.arch,
        only=", ".join(audit.only),
        made_on=date_of(int(now)),
        metadata=metadata_words((one.date for one in audit.repositories), now),
        verdict=_verdict(audit),
        verdict_kind=_verdict_kind(audit),
        numbers=_numbers(audit),
        shares=_shares(audit),
        source_numbers=tuple(Fact(count, what) for count, what in source_counts(audit)),
        commands=(
            CommandView("all of one package or source", command("audit", "--why", "NAME", *only)),
            CommandView("to compare it with a later one", command("audit", "--output", "FILE", *only)),
        )
        if command is not None
        else (),
        sources=tuple(map(maker.source, audit.sources[:MOST_SOURCES])),
        more_sources=max(0, len(audit.sources) - MOST_SOURCES),
        causes=tuple(sorted({str(each.cause) for each in audit.sources})),
        steps=maker.steps(),
        workloads=tuple(
            WorkloadView(each.name, each.state, KINDS[each.state], maker.of_sources(each.needs), each.reason)
            for each in audit.workloads
        ),
        groups=tuple(maker.groups()),
        all_groups=len(audit.groups),
        packages=tuple(map(maker.package, range(len(maker.shown)))),
        more_packages=len(waiting) - len(maker.shown),
        usable=len(audit.packages) - len(waiting),
        states=states,
        meanings=(*meanings_of({each.cause for each in audit.sources}, CAUSES), *meanings_of(states, WORDS)),
        reasons=tuple(
            ListedView(f"reason-{number}", reason, maker.names(names))
            for number, (reason, names) in enumerate(blocking_reasons(audit.packages))
        ),
        cycles=tuple(map(maker.of_sources, audit.cycles)),
        enabling=tuple(
            ListedView(f"repository-{number}", each.repository, maker.names(each.opens), each.problem)
            for number, each in enumerate(audit.enabling)
        ),
        repositories=tuple(audited_repository_view(each, now) for each in by_side(audit.repositories)),
    )


class _Rows:
    def __init__(self, audit: Audit, command: Callable[..., str] | None) -> None:
        self._audit = audit
        self._command = command
        self._by_nevra = {each.nevra: each for each in audit.packages}
        self._source_ids = {each.name: f"source-{n}" for n, each in enumerate(audit.sources[:MOST_SOURCES])}
        order = [State.MISSING, State.HELD_BACK, State.BLOCKED, State.NOT_REBUILT]
        waiting = (each for each in audit.packages if each.state not in USABLE)
        by_state = sorted(waiting, key=lambda each: order.index(each.state))
        self.shown = within(by_state, MOST_PACKAGES, lambda each: each.state)
        self._package_ids = {each.nevra: f"package-{number}" for number, each in enumerate(self.shown)}
        self._id_of_name = {each.name: self._package_ids[each.nevra] for each in reversed(self.shown)}
        self._groups = groups_by_source(audit.groups)
        self._lacking = [each for each in audit.groups if each.waiting or each.blocked]
        self._group_ids = {each.id: f"group-{number}" for number, each in enumerate(self._lacking)}
        self._alone: dict[str, list[str]] = {}
        self._holds: dict[str, list[str]] = {}
        for package in audit.packages:
            for source in package.needs:
                self._holds.setdefault(source, []).append(package.name)
            if len(package.needs) == 1:
                self._alone.setdefault(package.needs[0], []).append(package.name)
        self._most = max((each.holds_back for each in audit.sources), default=0) or 1

    def of_sources(self, names: Iterable[str]) -> tuple[NameLink, ...]:
        return tuple(NameLink(name, self._source_ids.get(name, "")) for name in names)

    def names(self, names: Sequence[str]) -> NamesView:
        return _names(names, self._id_of_name)

    def source(self, one: AuditedSource) -> AuditedSourceView:
        return AuditedSourceView(
            id=self._source_ids[one.name],
            name=one.name,
            cause=one.cause,
            detail=one.detail,
            holds_back=one.holds_back,
            alone=one.alone,
            alone_share=round(100 * one.alone / self._most, 1),
            held_share=round(100 * one.holds_back / self._most, 1),
            build="blocked" if one.build_blocked else "waits" if one.build_needs else "ready",
            build_needs=self.of_sources(one.build_needs),
            build_blocked=one.build_blocked,
            recipe=one.recipe,
            workloads=one.workloads,
            groups=_names(self._groups.get(one.name, ()), self._group_ids),
            missing=self.names(one.missing),
            opens=self.names(self._alone.get(one.name, ())),
            holds=self.names(self._holds.get(one.name, ())),
            commands=tuple(self._source_commands(one)),
        )

    def _source_commands(self, one: AuditedSource) -> Iterable[CommandView]:
        if self._command is None:
            return
        if one.missing and not one.build_blocked:
            yield CommandView("plan its builds", self._command("plan", *one.missing[:_MOST_PLANNED]))
        if one.recipe:
            yield CommandView("its recipe", self._command("recipes", "show", one.recipe))

    def package(self, number: int) -> AuditedPackageView:
        one = self.shown[number]
        chains = [
            (source, tuple(Link(link.by, link.requirement, link.met_by) for link in chain))
            for source in one.needs
            if len(chain := chain_to(self._by_nevra, one, source)) > 1
        ]
        groups = _grouped(one.unmet)
        return AuditedPackageView(
            id=f"package-{number}",
            nevra=one.nevra,
            state=one.state,
            kind=KINDS[one.state],
            words=WORDS[one.state],
            repository=one.repository,
            side=one.side,
            source=NameLink(one.source, self._source_ids.get(one.source, "")),
            needs=self.of_sources(one.needs),
            reason=one.reason,
            unmet=tuple(self._unmet(*group) for group in groups[:_MOST_UNMET]),
            more_unmet=sum(len(texts) for _, texts in groups[_MOST_UNMET:]),
            chains=tuple(chains[:_MOST_CHAINS]),
            more_chains=len(chains[_MOST_CHAINS:]),
        )

    def groups(self) -> Iterable[GroupView]:
        """Those that lack anything."""
        for each in self._lacking:
            waiting, blocked = self.names(each.waiting), self.names(each.blocked)
            yield GroupView(
                self._group_ids[each.id],
                each.id,
                each.title,
                each.packages,
                waiting,
                blocked,
                self.of_sources(each.needs),
            )

    def _unmet(self, met_by: Sequence[str], texts: Sequence[str]) -> UnmetView:
        linked = tuple(NameLink(nevra, self._package_ids.get(nevra, "")) for nevra in met_by[:_MOST_TEXTS])
        return UnmetView(tuple(texts[:_MOST_TEXTS]), len(texts[_MOST_TEXTS:]), NamesView(len(met_by), linked))

    def steps(self) -> tuple[StepView, ...]:
        """Each with its share of all packages that builds open."""
        most = (self._audit.steps[-1].so_far if self._audit.steps else 0) or 1
        reasons = {each.name: each.build_blocked for each in self._audit.sources if each.build_blocked}
        return tuple(
            StepView(
                number,
                self.of_sources(step.sources),
                step.opens,
                step.so_far,
                round(100 * (step.so_far - step.opens) / most, 1),
                round(100 * step.opens / most, 1),
                tuple(f"{name}: {reasons[name]}" for name in step.sources if name in reasons),
            )
            for number, step in enumerate(self._audit.steps, start=1)
        )


def _names(names: Sequence[str], ids: Mapping[str, str]) -> NamesView:
    """The first of the names, each with the id of its row where it has one."""
    return NamesView(len(names), tuple(NameLink(name, ids.get(name, "")) for name in names[:_MOST_NAMES]))


def audited_repository_view(one: AuditedRepository, now: float) -> RepositoryView:
    """A repository of an audit as it is shown, its age counted from ``now``."""
    age = age_of(now - one.date) if one.date is not None and one.date <= now else ""
    packages = counted(one.packages, "package")
    return RepositoryView(one.id, one.side, packages, date_of(one.date), age, one.revision, "")


def _grouped(unmet: Iterable[Unmet]) -> list[tuple[tuple[str, ...], list[str]]]:
    """Requirements by the packages that would meet them: those that something meets come first."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in unmet:
        groups.setdefault(each.met_by, []).append(each.requirement)
    return sorted(groups.items(), key=lambda group: not group[0])


def _verdict_kind(audit: Audit) -> str:
    if audit.is_complete:
        return "done"
    return "work" if any(each.needs for each in audit.packages) else "blocked"


def _verdict(audit: Audit) -> str:
    totals = audit.totals
    replaced, only_there = totals[State.REPLACED], totals[State.NOT_REBUILT]
    if audit.is_complete:
        otherwise = ", or is replaced by one that can" if replaced else ""
        return f"Every package can be installed without a build{otherwise}."
    usable = sum(totals[state] for state in USABLE) - replaced
    waiting = totals[State.HELD_BACK] + totals[State.MISSING]
    blocked = totals[State.BLOCKED]
    parts = [f"{usable} of {counted(len(audit.packages), 'package')} can be installed without a build"]
    if replaced:
        parts.append(f"{replaced} {'is' if replaced == 1 else 'are'} replaced by others that can")
    if waiting:
        sources = sum(1 for each in audit.sources if each.holds_back)
        parts.append(f"{waiting} more wait for builds of {counted(sources, 'source')}")
    if blocked:
        parts.append(f"{blocked} cannot be installed even if every source were built")
    if only_there:
        parts.append(f"{only_there} {'is' if only_there == 1 else 'are'} in the reference only")
    return f"{'; '.join(parts)}."


def _numbers(audit: Audit) -> tuple[Fact, ...]:
    totals = audit.totals
    facts = (
        Fact(str(len(audit.packages)), "packages"),
        Fact(str(totals[State.INSTALLABLE] + totals[State.INSTALLABLE_WITH_NOARCH]), "there, installable", "there"),
        Fact(str(totals[State.NOARCH]), "noarch, used as they are", "reuse"),
        Fact(str(totals[State.REPLACED]), "replaced by others", "there"),
        Fact(str(totals[State.HELD_BACK]), "there, held back by others", "enable"),
        Fact(str(totals[State.MISSING]), "not there, given by builds", "build"),
        Fact(str(totals[State.BLOCKED]), "blocked", "blocked"),
        Fact(str(totals[State.NOT_REBUILT]), "in the reference only"),
    )
    return tuple(fact for number, fact in enumerate(facts) if number < 2 or fact.value != "0")


def _shares(audit: Audit) -> tuple[tuple[str, float, float, str], ...]:
    """A bar of all packages: the color of each state, where it begins and how long it is, of 100, and its words."""
    total = len(audit.packages) or 1
    shares, begin = [], 0.0
    for state, count in audit.totals.items():
        if count:
            length = 100 * count / total
            shares.append((KINDS[state], round(begin, 2), round(length, 2), f"{count} {WORDS[state]}"))
            begin += length
    return tuple(shares)
