"""Two plans compared."""

import json
from dataclasses import replace

import pytest

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage, DroppedRequirement, Plan, RepositoryState
from ppcdeps.model.python_plan import PlannedDistribution, PlannedPython, Provision, PythonFallback
from ppcdeps.report.difference import (
    Changes,
    Move,
    difference,
    difference_document,
    gap_change,
    move_of,
    render_difference,
)


def package(nevra: str, side: str = "target", repo: str = "base") -> ChosenPackage:
    return ChosenPackage(Nevra.parse(nevra), repo, side, (Requirer("x", "w"),))


def gap(name: str, cause: Cause = Cause.ABSENT, route: RouteKind = RouteKind.REBUILD) -> Gap:
    wanted = (Nevra.parse(f"{name}-1-1.ppc64le"),)
    return Gap(name, GapKind.RPM, cause, Phase.RUN, wanted, (), Route(route, (f"{name}-1-1.src",)), name)


def plan(*packages: ChosenPackage, gaps: tuple[Gap, ...] = ()) -> Plan:
    return Plan("w", "t", "ppc64le", ("app",), (), packages, gaps)


def moves(before: Plan, after: Plan) -> list[tuple[Move, str, str]]:
    found = difference(before, after).packages.changed
    return [(move_of(old, new), str(old.nevra), str(new.nevra)) for old, new in found]


def test_a_plan_does_not_differ_from_itself() -> None:
    one = plan(package("app-1-1.noarch"), gaps=(gap("lib"),))
    found = difference(one, one)
    assert not found
    assert (found.request, found.gaps, found.packages, found.repositories) == ((), Changes(), Changes(), Changes())
    assert render_difference(found) == "The plans are the same.\n"
    assert difference_document(found)["same"] is True


def test_the_order_of_packages_and_gaps_is_no_difference() -> None:
    packages = package("a-1-1.noarch"), package("b-1-1.noarch")
    gaps = gap("x"), gap("y")
    assert not difference(plan(*packages, gaps=gaps), plan(*packages[::-1], gaps=gaps[::-1]))


def test_gaps_close_and_open() -> None:
    found = difference(plan(gaps=(gap("old"), gap("kept"))), plan(gaps=(gap("kept"), gap("new"))))
    assert [one.name for one in found.gaps.removed] == ["old"]
    assert [one.name for one in found.gaps.added] == ["new"]
    assert found.gaps.changed == ()


def test_a_gap_with_another_route_or_cause_says_which() -> None:
    before = gap("lib", Cause.ABSENT, RouteKind.BLOCKED)
    after = gap("lib", Cause.TOO_OLD, RouteKind.REBUILD)
    found = difference(plan(gaps=(before,)), plan(gaps=(after,)))
    assert [list(gap_change(*pair)) for pair in found.gaps.changed] == [["cause", "route"]]
    assert "! lib: cause absent -> too-old; route blocked -> rebuild" in render_difference(found)


def test_a_gap_that_pip_closes_now_is_the_same_gap_with_another_route() -> None:
    rpm = gap("python-x")
    by_pip = replace(rpm, kind=GapKind.PYTHON, route=Route(RouteKind.PIP_WHEEL, ("x==1",)))
    found = difference(plan(gaps=(rpm,)), plan(gaps=(by_pip,)))
    assert (found.gaps.removed, found.gaps.added) == ((), ())
    assert len(found.gaps.changed) == 1


def test_another_source_of_the_same_route_is_a_change_of_the_route() -> None:
    after = replace(gap("lib"), route=Route(RouteKind.REBUILD, ("lib-1-2.src",)))
    found = difference(plan(gaps=(gap("lib"),)), plan(gaps=(after,)))
    assert [list(gap_change(*pair)) for pair in found.gaps.changed] == [["route"]]
    assert "rebuild of lib-1-1.src -> lib-1-2.src" in render_difference(found)


@pytest.mark.parametrize(
    ("old", "new", "move"),
    [
        ("lib-1.9-1.ppc64le", "lib-1.10-1.ppc64le", Move.UPGRADED),
        ("lib-1.10-1.ppc64le", "lib-1.9-1.ppc64le", Move.DOWNGRADED),
        ("lib-2:1-1.ppc64le", "lib-3-1.ppc64le", Move.DOWNGRADED),
        ("lib-1~rc1-1.ppc64le", "lib-1-1.ppc64le", Move.UPGRADED),
        ("lib-1-1.ppc64le", "lib-1-1.noarch", Move.ELSEWHERE),
    ],
)
def test_versions_are_compared_as_rpm_compares_them(old: str, new: str, move: Move) -> None:
    assert moves(plan(package(old)), plan(package(new))) == [(move, old, new)]


def test_what_was_built_since_is_elsewhere() -> None:
    before = plan(package("lib-1-1.ppc64le", "standin", "reference"))
    after = plan(package("lib-1-1.ppc64le", "target", "local"))
    assert moves(before, after) == [(Move.ELSEWHERE, "lib-1-1.ppc64le", "lib-1-1.ppc64le")]


def test_of_several_versions_side_by_side_only_the_one_that_changed_is_told() -> None:
    before = plan(package("kernel-1-1.ppc64le"), package("kernel-2-1.ppc64le"))
    after = plan(package("kernel-2-1.ppc64le"), package("kernel-3-1.ppc64le"))
    assert moves(before, after) == [(Move.UPGRADED, "kernel-1-1.ppc64le", "kernel-3-1.ppc64le")]


def test_packages_come_and_go() -> None:
    found = difference(plan(package("old-1-1.noarch")), plan(package("new-1-1.noarch")))
    assert [str(one.nevra) for one in found.packages.removed] == ["old-1-1.noarch"]
    assert [str(one.nevra) for one in found.packages.added] == ["new-1-1.noarch"]
    assert found.packages.changed == ()


def test_new_metadata_alone_is_told_as_such() -> None:
    old = RepositoryState("base", "target", "1", 0, "aa", 10)
    new = replace(old, revision="2", digest="bb")
    before, after = (replace(plan(), repositories=(state,)) for state in (old, new))
    found = difference(before, after)
    assert found
    assert not found.answer_differs
    assert found.repositories.changed == ((old, new),)
    assert "the answer is the same" in render_difference(found)


def test_dropped_requirements_and_python_distributions_are_compared() -> None:
    dropped = DroppedRequirement("qemu", "pmem", "x86 alone")
    old, new = (PlannedDistribution("six", version, Provision.WHEEL) for version in ("1", "2"))
    locks = [PlannedPython("3.9.25", "ppc64le", "2.34", (one,)) for one in (old, new)]
    before = replace(plan(), python=locks[0], dropped_requirements=(dropped,))
    after = replace(plan(), python=locks[1])
    found = difference(before, after)
    assert found.dropped_requirements.removed == (dropped,)
    assert found.python.changed == ((old, new),)
    assert "! six==1 (wheel) -> six==2 (wheel)" in render_difference(found)


def test_why_python_stays_rpms_is_compared() -> None:
    conflict, other = (replace(plan(), python_fallback=PythonFallback(reason)) for reason in ("six conflicts", "old"))
    assert not difference(conflict, conflict)
    found = difference(plan(), conflict)
    assert found.answer_differs
    assert render_difference(found) == "All of Python stays RPMs\n  + six conflicts\n"
    assert difference_document(found)["python_fallback"] == {"before": None, "after": "six conflicts"}
    assert "  - six conflicts\n  + old\n" in render_difference(difference(conflict, other))


def test_module_streams_are_compared() -> None:
    found = difference(plan(), replace(plan(), modules=("python39:3.9",)))
    assert found.request == (("modules", "", "python39:3.9"),)


def test_another_question_is_told_first() -> None:
    found = difference(plan(), replace(plan(), target="other"))
    assert found.request == (("target", "t", "other"),)
    assert render_difference(found).startswith("target: t -> other")


def test_the_document_is_json_and_holds_what_the_text_shows() -> None:
    before = plan(package("a-1-1.noarch"), package("lib-1-1.noarch"), gaps=(gap("x"), gap("y", Cause.ABSENT)))
    after = plan(package("b-1-1.noarch"), package("lib-2-1.noarch"), gaps=(gap("z"), gap("y", Cause.EXCLUDED)))
    document = json.loads(json.dumps(difference_document(difference(before, after))))
    assert document["same"] is False
    assert [one["name"] for one in document["gaps"]["closed"]] == ["x"]
    assert [one["name"] for one in document["gaps"]["new"]] == ["z"]
    assert document["gaps"]["changed"][0]["after"]["cause"] == "excluded"
    assert [one["nevra"] for one in document["packages"]["added"]] == ["b-1-1.noarch"]
    assert document["packages"]["moved"][0]["move"] == "upgraded"
