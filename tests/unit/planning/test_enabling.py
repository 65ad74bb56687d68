"""Which sets of repositories are proposed, given what the plan would be with each."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.planning.enabling import Proposed, Survey, asks, propose


def gap(name: str, kind: RouteKind = RouteKind.REBUILD) -> Gap:
    by_pip = kind in (RouteKind.PIP_WHEEL, RouteKind.PIP_SDIST, RouteKind.BUILD_SDIST)
    return Gap(
        name, GapKind.PYTHON if by_pip else GapKind.RPM, Cause.ABSENT, Phase.RUN, (), (), Route(kind, (f"{name}-1",))
    )


def plan_of(*gaps: Gap) -> Plan:
    return Plan("work", "el9", "ppc64le", ("work",), (), (), gaps)


def proposed(plan: Plan, after: Mapping[str, Plan | str]) -> Proposed:
    """``after`` has the plan with the repositories of a key (``a b``), or why they cannot be planned with."""

    def replan(ids: frozenset[str]) -> Plan:
        found = after[" ".join(sorted(ids))]
        if isinstance(found, str):
            raise RepositoryError(found)
        return found

    known = frozenset(name for key in after for name in key.split())
    return propose(plan, Survey({}, known, {}, {}), replan)


def routes(found: Proposed) -> dict[str, str]:
    return {each.name: " ".join((each.route.kind, *each.route.subject)) for each in found.plan.gaps}


@pytest.mark.parametrize("kind", RouteKind)
def test_what_pip_installs_as_it_is_asks_for_no_repository(kind: RouteKind) -> None:
    assert asks(gap("x", kind)) == (kind not in (RouteKind.PIP_WHEEL, RouteKind.PIP_SDIST))


def test_what_pip_installs_stays_with_pip_where_a_repository_has_it_too() -> None:
    wheel, native = gap("wheel", RouteKind.PIP_WHEEL), gap("native", RouteKind.BUILD_SDIST)
    found = proposed(plan_of(native, wheel), {"epel": plan_of()})
    assert routes(found) == {"native": "enable epel", "wheel": "pip-wheel wheel-1"}
    assert found.plan.enablings[0].closes == ("native",)


def test_a_repository_with_which_python_can_no_longer_come_from_pip_is_not_proposed() -> None:
    wheels = [gap(f"wheel{number}", RouteKind.PIP_WHEEL) for number in range(3)]
    instead = [gap(each.name, RouteKind.REUSE) for each in wheels]
    found = proposed(plan_of(gap("native", RouteKind.BUILD_SDIST), *wheels), {"epel": plan_of(*instead)})
    assert routes(found)["native"] == "build-sdist native-1"
    (one,) = found.plan.enablings
    assert (one.closes, one.opens) == (("native",), ("wheel0", "wheel1", "wheel2"))


def test_a_repository_that_cannot_be_planned_with_does_not_keep_others_from_being_proposed() -> None:
    found = proposed(
        plan_of(gap("x"), gap("y")),
        {"bad": "bad is damaged", "good": plan_of(gap("y")), "bad good": "bad is damaged"},
    )
    assert found.faults == {"bad": "bad is damaged"}
    assert routes(found) == {"x": "enable good", "y": "rebuild y-1"}


def test_all_together_are_tried_where_no_two_of_them_close_a_gap() -> None:
    before = plan_of(gap("x"), gap("y"))
    sets = ("a", "b", "c", "d", "a b", "a c", "a d", "b c", "b d", "c d", "a b d", "a c d", "b c d")
    after: dict[str, Plan | str] = dict.fromkeys(sets, before)
    after |= {"a b c d": plan_of(gap("y")), "a b c": plan_of(gap("y"))}
    found = proposed(before, after)
    assert routes(found) == {"x": "enable a b c", "y": "rebuild y-1"}


def test_a_set_that_opens_as_much_as_it_closes_is_shown_and_not_proposed() -> None:
    found = proposed(plan_of(gap("x")), {"a": plan_of(gap("z"))})
    assert routes(found) == {"x": "rebuild x-1"}
    assert [(one.closes, one.opens) for one in found.plan.enablings] == [(("x",), ("z",))]


def test_the_alternative_is_the_route_without_enabling() -> None:
    before = plan_of(gap("x", RouteKind.RECIPE))
    (found,) = proposed(before, {"a": plan_of()}).plan.gaps
    assert found.route_without_enabling == before.gaps[0].route
    assert replace(found, route=before.gaps[0].route, alternative=None) == before.gaps[0]
