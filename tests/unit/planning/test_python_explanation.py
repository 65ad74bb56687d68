"""Why a Python distribution is in a plan: the shortest chain to it, by any spelling of its name."""

import pytest

from ppcdeps.model.plan import Plan
from ppcdeps.model.python_plan import DistributionRequirer, PlannedDistribution, PlannedPython, Provision
from ppcdeps.planning.explained import Link
from ppcdeps.planning.python_explanation import explain_distribution


def distribution(name: str, *required_by: tuple[str, str], rpm: str = "", pinned_by: str = "") -> PlannedDistribution:
    requirers = tuple(DistributionRequirer(*each) for each in required_by)
    return PlannedDistribution(name, "1.0", Provision.RPM if rpm else Provision.WHEEL, pinned_by, requirers, rpm=rpm)


PYTHON = PlannedPython(
    "3.9.25",
    "ppc64le",
    "2.34",
    (
        distribution("app", ("workload web", "any version")),
        distribution("base-lib", ("loop", ">=1"), ("middle", ">=2"), ("app", "<3")),
        distribution("loop", ("base-lib", "any version"), ("nova-1-1.noarch", ">=0")),
        distribution("middle", ("app", "any version"), pinned_by="upper-constraints.txt"),
        distribution("six", ("base-lib", "any version"), rpm="python3-six-1-1.noarch"),
    ),
)
PLAN = Plan("web", "t", "ppc64le", ("pypi:app",), (), (), (), python=PYTHON)
APP = Link("workload web", "app", "app==1.0")


@pytest.mark.parametrize("name", ["base-lib", "Base_Lib", "pypi:base.lib[x]>=1", "base-lib==1.0"])
def test_the_shortest_chain_by_any_spelling(name: str) -> None:
    found = explain_distribution(PLAN, name)
    assert found is not None
    assert (found.name, found.subject) == (name, "base-lib==1.0")
    assert found.chain == (APP, Link("app", "base-lib <3", "base-lib==1.0"))
    assert found.gap is None


def test_a_chain_may_begin_with_an_rpm_and_no_circle_is_followed() -> None:
    found = explain_distribution(PLAN, "loop")
    assert found is not None
    assert found.chain == (Link("nova-1-1.noarch", "loop >=0", "loop==1.0"),)


def test_how_it_gets_there_is_said() -> None:
    six, middle = explain_distribution(PLAN, "six"), explain_distribution(PLAN, "middle")
    assert six is not None
    assert six.status == "an RPM provides it (python3-six-1-1.noarch)"
    assert middle is not None
    assert middle.status == "pip installs a wheel of it, version by upper-constraints.txt"


def test_a_name_that_no_distribution_has() -> None:
    assert explain_distribution(PLAN, "other") is None
    assert explain_distribution(Plan("w", "t", "ppc64le", (), (), (), ()), "app") is None
