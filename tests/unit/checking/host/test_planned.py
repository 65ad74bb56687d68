"""Every rule of a plan's packages on a node, with a node that breaks it, and one that does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rulecases import Cases, assert_complete, assert_fires, assert_silent

from ppcdeps.checking.findings import Finding, Report
from ppcdeps.checking.host.planned import check_planned
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage, Plan
from ppcdeps.model.python_plan import PlannedPython

ROOT = Nevra.parse("work-1-1.noarch")
LIBRARY = Nevra.parse("library-1:2.0-3.el9.ppc64le")
BUILT = Nevra.parse("tool-4.0-5.el9.ppc64le")
BUILD = Gap("tool", GapKind.RPM, Cause.ABSENT, Phase.RUN, (BUILT,), (), Route(RouteKind.REBUILD, ("tool",)), "tool")
PLAN = Plan(
    "work",
    "el9",
    "ppc64le",
    ("work", "libfoo.so.1()(64bit)"),
    (),
    (
        ChosenPackage(ROOT, "base", "target", (), "work"),
        ChosenPackage(LIBRARY, "base", "target", (), "library"),
        ChosenPackage(BUILT, "reference", "standin", (), "tool"),
    ),
    (BUILD,),
)


def report(*installed: str) -> Report:
    return check_planned(PLAN, map(Nevra.parse, installed), "node")


def of(*installed: str) -> Callable[[Path], tuple[Finding, ...]]:
    return lambda _: report(*installed).findings


BAD: Cases = {
    "plan-package-missing": of("work-1-1.noarch", "library-1:2.0-3.el9.ppc64le"),
    # An epoch counts for more than any version.
    "plan-package-older": of("work-1-1.noarch", "tool-4.0-5.el9.ppc64le", "library-9.0-3.el9.ppc64le"),
}
GOOD: Cases = {
    # A rebuild has the release of who builds it.
    "plan-package-missing": of("work-1-1.noarch", "tool-4.0-1.local.ppc64le"),
    "plan-package-older": of("work-2-1.noarch", "tool-4.0-1.local.ppc64le", "library-1:2.0-3.el9.ppc64le"),
}


def test_every_rule_has_its_cases() -> None:
    assert_complete("plan", BAD, GOOD)


@pytest.mark.parametrize("rule", BAD)
def test_the_bad_case_is_found(rule: str, tmp_path: Path) -> None:
    assert_fires(rule, BAD, tmp_path)


@pytest.mark.parametrize("rule", GOOD)
def test_the_good_case_is_silent(rule: str, tmp_path: Path) -> None:
    assert_silent(rule, GOOD, tmp_path)


def test_of_several_versions_of_a_package_the_newest_counts() -> None:
    found = report("work-1-1.noarch", "tool-3.9-1.ppc64le", "tool-4.1-1.ppc64le", "library-1:2.0-3.el9.ppc64le")
    assert found.findings == ()


def test_what_is_not_looked_for_is_named() -> None:
    skipped = {one.what for one in report("work-1-1.noarch", "tool-4.0-5.el9.ppc64le").skipped}
    assert skipped == {"libfoo.so.1()(64bit)", "1 packages of the plan that are not there"}


def test_what_a_repository_that_was_to_be_enabled_has_is_looked_for() -> None:
    plan = replace(PLAN, gaps=(replace(BUILD, route=Route(RouteKind.ENABLE, ("kvm-power",))),))
    (found,) = check_planned(
        plan, map(Nevra.parse, ("work-1-1.noarch", "library-1:2.0-3.el9.ppc64le")), "node"
    ).findings
    assert (found.where, found.message) == ("kvm-power", "not installed: tool, which the plan takes from kvm-power")


def test_a_root_that_the_bridge_stands_for_is_pips() -> None:
    bridged = replace(PLAN, python=PlannedPython("3.9.25", "ppc64le", "2.34", bridge=("work = 1", "other = 2")))
    there = tuple(map(Nevra.parse, ("tool-4.0-5.el9.ppc64le", "library-1:2.0-3.el9.ppc64le")))
    assert check_planned(bridged, there, "node").findings == ()
    assert [one.where for one in check_planned(PLAN, there, "node").findings] == ["the RPM database"]


def test_many_packages_stand_below_their_message() -> None:
    many = tuple(Nevra.parse(f"part{number:02}-1-1.noarch") for number in range(12))
    plan = replace(PLAN, gaps=(replace(BUILD, wanted=many, route=Route(RouteKind.REUSE)),))
    there = map(Nevra.parse, ("work-1-1.noarch", "library-1:2.0-3.el9.ppc64le"))
    (found,) = check_planned(plan, there, "node").findings
    assert "part09 and 2 more, noarch, which the plan reuses as they are" in found.message
    assert found.detail == tuple(each.name for each in many)
