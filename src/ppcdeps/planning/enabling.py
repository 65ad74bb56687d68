"""Which repositories that are known and not enabled would close gaps: found by planning with them, not by names.

A package of such a repository may close a gap by being there, or by being newer than one that has the requirement; it
may open others, and may take packages of a further repository to be installable. All of that shows when the workload
is planned again as if the repositories were enabled, so that is what is done.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import combinations

from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.gap import Gap, Route, RouteKind
from ppcdeps.model.plan import Enabling, Plan, Replacement
from ppcdeps.model.values import dataclass
from ppcdeps.model.wording import first_of

Replan = Callable[[frozenset[str]], Plan]
"""The plan as it would be with these repositories enabled. Raises PpcdepsError where they cannot be used."""

_AS_IT_IS = frozenset({RouteKind.PIP_WHEEL, RouteKind.PIP_SDIST})

_MOST_SHOWN = 3


def asks(gap: Gap) -> bool:
    """Whether a gap is a reason to look at further repositories.

    What pip installs without a build is not: it comes from the index because the user wants Python from there.
    """
    return gap.route.kind not in _AS_IT_IS


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at repositories that are not enabled found, by their ids.

    ``packages`` counts those of each; ``concerned`` are the repositories that have to do with the plan's gaps;
    ``replaces`` is what dnf would take from each in place of packages of enabled ones. ``offers`` has, by the name
    of a gap, packages that would satisfy what it is wanted for, each with its repository.
    """

    packages: Mapping[str, int]
    concerned: frozenset[str]
    replaces: Mapping[str, tuple[Replacement, ...]]
    offers: Mapping[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan with what enabling would change; ``faults`` says of repositories why they could not be planned with."""

    plan: Plan
    faults: Mapping[str, str]


def propose(plan: Plan, found: Survey, replan: Replan) -> Proposed:
    """The plan with the route `enable` where a concerned repository, or several together, close a gap."""
    trials = _Trials(plan, replan)
    effects = _effects(sorted(found.concerned), trials)
    chosen, apart = _chosen(plan, effects, trials)
    used = list(dict.fromkeys(chosen.values()))
    used.sort(key=lambda one: (-len(one.closes), one.ids))
    others = sorted((one for one in effects if one not in used), key=lambda one: (-len(one.closes), one.ids))
    enablings = (
        Enabling(
            repositories=one.ids,
            closes=tuple(sorted(one.closes)),
            opens=tuple(sorted(gap.name for gap in one.opens)),
            replaces=_replaced(one, found.replaces),
            apart_from=apart.get(one, ()),
        )
        for one in (*used, *others)
    )
    gaps = tuple(
        replace(gap, route=_route(found.offers.get(gap.name, ()), chosen[gap.name]), alternative=gap.route)
        if gap.name in chosen
        else gap
        for gap in plan.gaps
    )
    return Proposed(replace(plan, gaps=gaps, enablings=tuple(enablings)), trials.faults)


@dataclass(frozen=True, slots=True)
class _Effect:
    """What enabling a set of repositories does: ``closes`` are names of gaps, ``opens`` the gaps that it brings,
    ``changes`` packages of the closure that come from these repositories in another version.
    """

    ids: tuple[str, ...]
    closes: frozenset[str]
    opens: tuple[Gap, ...]
    changes: tuple[Replacement, ...] = ()

    @property
    def helps(self) -> bool:
        """Whether less is missing with it, and nothing that could not be had."""
        blocked = any(gap.route.kind is RouteKind.BLOCKED for gap in self.opens)
        return not blocked and len(self.closes) > len(self.opens)

    def cost(self) -> tuple[int, int, int, tuple[str, ...]]:
        """Orders sets that close the same gap: nothing new that is missing first, then few repositories."""
        return len(self.opens), len(self.ids), -len(self.closes), self.ids


@dataclass(slots=True)
class _Trials:
    """Plans with repositories enabled, each made once."""

    plan: Plan
    replan: Replan
    faults: dict[str, str] = field(default_factory=dict)
    _found: dict[frozenset[str], _Effect | None] = field(default_factory=dict)

    def of(self, ids: Iterable[str]) -> _Effect | None:
        """What enabling these does, None where they cannot be planned with."""
        key = frozenset(ids)
        if key not in self._found:
            self._found[key] = self._tried(key)
        return self._found[key]

    def _tried(self, ids: frozenset[str]) -> _Effect | None:
        try:
            after = self.replan(ids)
        except PpcdepsError as fault:
            if len(ids) == 1:
                self.faults[min(ids)] = str(fault)
            return None
        asked = {gap.name for gap in self.plan.gaps if asks(gap)}
        closed = asked.difference(gap.name for gap in after.gaps)
        opened = tuple(gap for gap in after.gaps if asks(gap) and gap.name not in asked)
        return _Effect(tuple(sorted(ids)), frozenset(closed), opened, tuple(_changes(self.plan, after, ids)))


def _changes(before: Plan, after: Plan, ids: Collection[str]) -> Iterator[Replacement]:
    there = {package.nevra.name: package.nevra for package in before.closure if package.side == "target"}
    for package in after.closure:
        old = there.get(package.nevra.name, package.nevra)
        if package.repo in ids and old.evr != package.nevra.evr:
            yield Replacement(old, package.nevra, needed=True)


def _effects(known: Sequence[str], trials: _Trials) -> list[_Effect]:
    """The sets of repositories that close anything, without those that are no better than smaller ones."""
    found = [one for name in known if (one := trials.of([name])) is not None and one.closes]
    usable = [name for name in known if name not in trials.faults]
    if len(usable) < 2:
        return found
    everything = trials.of(usable)
    # Where all together neither close more nor get into each other's way, no two of them do.
    if everything is not None and not everything.opens and not _is_better(everything, found):
        return found
    for pair in combinations(usable, 2):
        both = trials.of(pair)
        if both is not None and _is_better(both, found):
            found.append(both)
    if everything is not None and _is_better(everything, found):
        found.append(_reduced(everything, found, trials))
    return found


def _is_better(one: _Effect, others: Iterable[_Effect]) -> bool:
    """Whether it closes a gap that none of the others closes, or only by opening more."""
    return one.helps and bool(_gained(one, others))


def _gained(one: _Effect, others: Iterable[_Effect]) -> set[str]:
    as_good = {
        name for other in others if other.helps and len(other.opens) <= len(one.opens) for name in other.closes
    }
    return set(one.closes) - as_good


def _reduced(one: _Effect, others: Sequence[_Effect], trials: _Trials) -> _Effect:
    """The set without the repositories that it does not need for what it gains."""
    gained = _gained(one, others)
    for name in one.ids:
        fewer = trials.of(each for each in one.ids if each != name) if len(one.ids) > 1 else None
        if fewer is not None and fewer.helps and gained <= fewer.closes and len(fewer.opens) <= len(one.opens):
            one = fewer
    return one


def _chosen(
    plan: Plan, effects: Sequence[_Effect], trials: _Trials
) -> tuple[dict[str, _Effect], dict[_Effect, tuple[str, ...]]]:
    """For each gap that enabling closes the set that is proposed, and the sets that do not go together with those."""
    names = [gap.name for gap in plan.gaps if asks(gap)]
    helpful = sorted((one for one in effects if one.helps), key=_Effect.cost)
    best = {name: one for name in names for one in reversed(helpful) if name in one.closes}
    wanted = sorted(set(best.values()), key=lambda one: (-sum(each is one for each in best.values()), one.cost()))
    accepted: list[_Effect] = []
    apart: dict[_Effect, tuple[str, ...]] = {}
    for one in wanted:
        together = sorted({name for each in (*accepted, one) for name in each.ids})
        all_of_them = trials.of(together)
        closes = {name for each in (*accepted, one) for name in each.closes}
        opens = {gap.name for each in (*accepted, one) for gap in each.opens}
        if all_of_them is not None and _goes_well(all_of_them, closes, opens):
            accepted.append(one)
        else:
            apart[one] = tuple(sorted({name for each in accepted for name in each.ids}.difference(one.ids)))
    accepted.sort(key=_Effect.cost)
    return {name: one for name in names for one in reversed(accepted) if name in one.closes}, apart


def _goes_well(together: _Effect, closes: Collection[str], opens: Collection[str]) -> bool:
    return together.closes.issuperset(closes) and all(gap.name in opens for gap in together.opens)


def _route(offers: Iterable[tuple[str, str]], one: _Effect) -> Route:
    return Route(RouteKind.ENABLE, one.ids, reason=_reason(offers, one), help=f"--enablerepo {','.join(one.ids)}")


def _reason(offers: Iterable[tuple[str, str]], one: _Effect) -> str:
    """Which packages of the repositories come in place of what is missing."""
    mine = [(repository, package) for repository, package in offers if repository in one.ids]
    if not mine:
        return f"with {' and '.join(one.ids)}, nothing needs it"
    having = sorted({repository for repository, _ in mine})
    there = sorted({package for _, package in mine})
    others = [name for name in one.ids if name not in having]
    takes = f", which takes packages of {' and '.join(others)}" if others else ""
    return f"{' and '.join(having)} {'has' if len(having) == 1 else 'have'} {first_of(there, _MOST_SHOWN)}{takes}"


def _replaced(one: _Effect, replaces: Mapping[str, Sequence[Replacement]]) -> tuple[Replacement, ...]:
    """What dnf would take from the repositories in place of others, and what the workload itself takes from them.

    That may be an older package, where the newer one has a requirement that nothing satisfies.
    """
    found = {each for name in one.ids for each in replaces.get(name, ())}.union(one.changes)
    return tuple(sorted(found, key=lambda each: (not each.needed, str(each.package), str(each.by))))
