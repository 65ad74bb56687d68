"""The packages of a plan on a host: what is missing there, and what is older than planned."""

from collections.abc import Iterable, Iterator, Mapping

from ppcdeps.checking.findings import Examined, Finding, Report, Skipped
from ppcdeps.checking.rules import finding
from ppcdeps.model.evr import EvrKey, compare_evr, evr_key
from ppcdeps.model.gap import Gap, GapKind, Phase, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.model.wording import first_of

_DATABASE = "the RPM database"
_MOST_NAMED = 10
"""Packages in a message; more of them stand below it."""


def check_planned(plan: Plan, installed: Iterable[Nevra], subject: str) -> Report:
    """How a host's packages (``installed``) differ from a plan's. ``subject`` says whose they are.

    Looked for are the roots and the packages of gaps; all others of the plan may be others on a host, which has its
    own history, and may not be older.
    """
    there: dict[str, list[Nevra]] = {}
    for package in installed:
        there.setdefault(package.name, []).append(package)
    bridged = {each.partition(" ")[0] for each in plan.python.bridge} if plan.python is not None else frozenset()
    roots = [root for root in plan.roots if any(package.nevra.name == root for package in plan.closure)]
    closed = [gap for gap in plan.gaps if _is_installed(gap)]
    findings = [
        *_missing((root for root in roots if root not in bridged), there, _DATABASE, "which the plan was asked for"),
        *_older(plan, there),
    ]
    for place, why in dict.fromkeys(map(_origin, closed)):
        names = [package.name for gap in closed if _origin(gap) == (place, why) for package in gap.packages]
        findings += _missing(names, there, place, why)
    examined = [
        Examined("roots", len(roots)),
        Examined("packages that close gaps", sum(len(gap.packages) for gap in closed)),
        Examined("packages of the plan", sum(package.nevra.name in there for package in plan.closure)),
    ]
    absent = sum(package.nevra.name not in there for package in plan.closure)
    skipped = [Skipped(root, "a root that is not the name of a package") for root in plan.roots if root not in roots]
    if absent:
        skipped.append(
            Skipped(f"{absent} packages of the plan that are not there", "others, or pip, may provide the same")
        )
    return Report.of("plan", f"{subject}, for {plan.workload} on {plan.target}", findings, examined, skipped)


def _is_installed(gap: Gap) -> bool:
    """Whether a gap is closed by packages that are installed."""
    closing = gap.route.kind in (RouteKind.RECIPE, RouteKind.REBUILD, RouteKind.REUSE, RouteKind.ENABLE)
    return gap.kind is GapKind.RPM and gap.phase is Phase.RUN and closing


def _origin(gap: Gap) -> tuple[str, str]:
    """Where a gap's packages come from: what a finding is about, and the words for it."""
    match gap.route.kind:
        case RouteKind.REUSE:
            return _DATABASE, "noarch, which the plan reuses as they are"
        case RouteKind.ENABLE:
            repositories = " and ".join(gap.route.subject)
            return repositories, f"which the plan takes from {repositories}"
        case _:
            return gap.source or gap.name, f"which the plan takes from a build of {gap.source}"


def _missing(names: Iterable[str], there: Mapping[str, list[Nevra]], place: str, why: str) -> Iterator[Finding]:
    missing = sorted(name for name in names if name not in there)
    if missing:
        yield finding(
            "plan-package-missing",
            f"not installed: {first_of(missing, _MOST_NAMED)}, {why}",
            place,
            detail=missing if len(missing) > _MOST_NAMED else (),
            fix=[f"dnf install {' '.join(missing)}"],
        )


def _older(plan: Plan, there: Mapping[str, list[Nevra]]) -> Iterator[Finding]:
    """One finding for all that are older: they come from one missed upgrade more often than not."""
    older = []
    for planned in plan.closure:
        newest = max(there.get(planned.nevra.name, ()), key=_by_age, default=None)
        if newest is not None and compare_evr(newest.evr, _at_least(planned.nevra, planned.side)) < 0:
            older.append((planned.nevra, newest))
    if older:
        yield finding(
            "plan-package-older",
            f"{len(older)} packages are older than the plan's",
            _DATABASE,
            detail=[f"{newest}, and the plan has {planned}" for planned, newest in older],
            fix=[f"dnf upgrade {' '.join(sorted({planned.name for planned, _ in older}))}"],
        )


def _by_age(package: Nevra) -> EvrKey:
    return evr_key(package.evr)


def _at_least(planned: Nevra, side: str) -> str:
    """What a rebuild has of the version is decided by its spec: its release is the builder's."""
    return planned.evr if side != "standin" else planned.any_release.rpartition(" = ")[2]
