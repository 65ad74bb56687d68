"""What the audit says of a name, held against what a plan for it says, and against dnf."""

import random
from pathlib import Path
from types import ModuleType

import el9
import el10
import pytest
from againstdnf import ask_dnf, dnf_lacks

from ppcdeps.auditing.audit import USABLE, AuditedPackage, State, best_by_name
from ppcdeps.model.gap import Phase, RouteKind
from ppcdeps.model.reporter import Silence
from ppcdeps.workflows.audit import audit
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan
from ppcdeps.workflows.repositories import ResolvedTarget, resolve_target
from ppcdeps.workflows.request import plan_request

SEED = 20240229
DISTRIBUTIONS = pytest.mark.parametrize(
    ("distribution", "releasever"), [(el9, "9"), (el10, "10")], ids=["el9", "el10"]
)


def _audited(distribution: ModuleType, cache: Path) -> tuple[ResolvedTarget, dict[str, AuditedPackage]]:
    choice = RepositoryChoice(target=str(distribution.TARGET_FILE), cache_directory=cache)
    resolved = resolve_target(choice, Silence())
    return resolved, best_by_name(audit(resolved, Silence()).packages)


def _said_by_plan(name: str, resolved: ResolvedTarget) -> tuple[str, tuple[str, ...]]:
    """Whether the name is there, reuses noarch packages, waits for builds (and for which), or is blocked."""
    gaps = [g for g in plan(plan_request([name], resolved, python="rpm"), Silence()).gaps if g.phase is Phase.RUN]
    if any(gap.source is None for gap in gaps):
        # A requirement that nothing provides, in any version or in the right one.
        return "blocked", ()
    builds = {gap.source for gap in gaps if gap.route_without_enabling.kind is not RouteKind.REUSE}
    if builds:
        return "builds", tuple(sorted(map(str, builds)))
    return "reuses" if gaps else "there", ()


def _said_by_audit(package: AuditedPackage) -> tuple[str, tuple[str, ...]]:
    match package.state:
        case State.INSTALLABLE:
            return "there", ()
        case State.INSTALLABLE_WITH_NOARCH | State.NOARCH:
            return "reuses", ()
        case State.HELD_BACK | State.MISSING:
            return "builds", package.needs
        case _:
            return package.state, ()


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.long)])
@DISTRIBUTIONS
def test_names_drawn_at_random_are_judged_as_a_plan_for_them_is(
    distribution: ModuleType, releasever: str, count: int, tmp_path: Path
) -> None:
    resolved, audited = _audited(distribution, tmp_path / "cache")
    # Of what no rebuild gives a plan says why, too, and in which way that is closed is not the audit's matter.
    known = sorted(name for name, package in audited.items() if package.state is not State.NOT_REBUILT)
    waiting = [name for name in known if audited[name].state not in (State.INSTALLABLE, State.NOARCH)]
    chance = random.Random(SEED)
    # What waits is the interesting part, and too rare to be drawn often.
    drawn = chance.sample(known, count // 2) + chance.sample(waiting, count // 2)
    different = {}
    for name in drawn:
        ours, plans = _said_by_audit(audited[name]), _said_by_plan(name, resolved)
        same = plans[0] in ("there", "reuses") if ours[0] == State.REPLACED else ours == plans
        if not same:
            different[name] = ours, plans
    assert different == {}


@pytest.mark.skipif(bool(dnf_lacks()), reason=dnf_lacks() or "dnf is there")
@DISTRIBUTIONS
def test_dnf_installs_every_name_that_the_target_has_and_the_audit_calls_usable(
    distribution: ModuleType, releasever: str, tmp_path: Path
) -> None:
    _, audited = _audited(distribution, tmp_path / "cache")
    names = sorted(name for name, package in audited.items() if package.side == "target")
    said = ask_dnf(tmp_path / "root", distribution.urls(distribution.TARGET), names, releasever)
    # dnf has no noarch packages of a reference here.
    by_target = USABLE - {State.INSTALLABLE_WITH_NOARCH}
    assert {name for name in names if said[name]["installable"]} == {
        name for name in names if audited[name].state in by_target
    }
