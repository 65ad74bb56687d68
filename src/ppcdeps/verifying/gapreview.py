"""Which gaps of a plan the local repository closes."""

from collections.abc import Iterable

from ppcdeps.model.gap import Gap, GapKind, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.verification import ClosedGap, GapReview
from ppcdeps.rpm.own import OWN

_BY_PIP = frozenset({RouteKind.PIP_WHEEL, RouteKind.PIP_SDIST})


def review_gaps(before: Plan, after: Plan, local: str) -> GapReview:
    """The gaps of ``before`` compared with ``after``, which was made with the repository ``local`` as well.

    What pip installs without a build is closed by that; the installation shows whether pip does install it. A gap
    that was one of RPM and is one of Python now is the same gap.
    """
    now: dict[tuple[str, str], Gap] = {(gap.kind, gap.name): gap for gap in after.gaps}
    by_name = {gap.name: gap for gap in after.gaps}
    closers = _Closers(after, local)
    closed: list[ClosedGap] = []
    remaining: list[Gap] = []
    known: set[str] = set()
    for gap in before.gaps:
        still = now.get((gap.kind, gap.name)) or by_name.get(gap.name)
        if still is None or still.route.kind in _BY_PIP:
            closed.append(ClosedGap(gap, closers.of(gap, still)))
        else:
            remaining.append(still)
        if still is not None:
            known.add(still.name)
    new = (gap for gap in after.gaps if gap.name not in known and gap.route.kind not in _BY_PIP)
    return GapReview(tuple(closed), tuple(remaining), tuple(new))


def changed_metadata(before: Plan, after: Plan) -> tuple[str, ...]:
    """The ids of repositories whose metadata is another now than when the plan was made; the local one's is not."""
    # One's own packages are in the local repository by then.
    old = {state.id: state for state in before.repositories if state.enabled and state.id != OWN}
    new = {state.id: state for state in after.repositories if state.enabled and state.id != OWN}
    both = old.keys() & new.keys()
    moved = {name for name in both if old[name].digest != new[name].digest}
    return tuple(sorted(moved | (old.keys() - new.keys())))


class _Closers:
    """What the second plan has in place of a gap."""

    def __init__(self, after: Plan, local: str) -> None:
        self._by_source: dict[str, list[str]] = {}
        for package in after.closure:
            if package.repo == local:
                self._by_source.setdefault(package.source, []).append(str(package.nevra))
        distributions = after.python.distributions if after.python is not None else ()
        self._rpms = {each.name: each.rpm for each in distributions if each.rpm}

    def of(self, gap: Gap, still: Gap | None) -> tuple[str, ...]:
        if still is not None:
            return tuple(f"{subject} (pip)" for subject in still.route.subject)
        found = self._of_python(gap) if gap.kind is GapKind.PYTHON else ()
        return found or tuple(self._by_source.get(gap.name, ()))

    def _of_python(self, gap: Gap) -> tuple[str, ...]:
        return tuple(self._rpms[name] for name in _names(gap.wanted) if name in self._rpms)


def _names(wanted: Iterable[object]) -> Iterable[str]:
    return (str(each).partition("==")[0] for each in wanted)
