"""Why a Python distribution is in a plan: the chain of requirements from the workload or an RPM, and its route."""

import re

from ppcdeps.model.names import PYTHON_PREFIX
from ppcdeps.model.plan import Plan
from ppcdeps.model.python_plan import PlannedDistribution, PlannedPython, Provision
from ppcdeps.planning.explained import Explanation, Link
from ppcdeps.python.names import normalize

_HOW = {
    Provision.RPM: "an RPM provides it",
    Provision.WHEEL: "pip installs a wheel of it",
    Provision.SDIST: "pip installs its pure source distribution",
    Provision.BUILD: "native, and built from its source distribution",
}
_END_OF_NAME = re.compile(r"[\[<>=!~ ;]")


def explain_distribution(plan: Plan, name: str) -> Explanation | None:
    """Why a distribution is in the plan, None where it has none of that name.

    The name may have ``pypi:`` before it, and extras and versions after it. The chain begins with the workload, or
    with the RPM that requires the first of the distributions.
    """
    if plan.python is None:
        return None
    bare = _END_OF_NAME.split(name.removeprefix(PYTHON_PREFIX), maxsplit=1)[0]
    found = plan.python.distribution(normalize(bare))
    if found is None:
        return None
    how = _HOW[found.provision] + (f" ({found.rpm})" if found.rpm else "")
    return Explanation(
        name=name,
        subject=_pin(found),
        status=f"{how}, version by {found.pinned_by}" if found.pinned_by else how,
        chain=_chain(plan.python, found),
        gap=next((gap for gap in plan.gaps if gap.name == found.name), None),
        tried=next((gap.tried for gap in plan.gaps if gap.route.subject == (_pin(found),)), ()),
    )


def _chain(python: PlannedPython, found: PlannedDistribution) -> tuple[Link, ...]:
    """The shortest way from what is not a distribution of the plan; of equally long ones the first by its names."""
    ways: list[tuple[Link, ...]] = [()]
    seen = {found.name}
    while ways:
        longer: list[tuple[Link, ...]] = []
        for way in ways:
            current = python.distribution(way[0].by) if way else found
            if current is None:
                return way
            for requirer in sorted(current.required_by, key=lambda each: each.by):
                if requirer.by in seen:
                    continue
                seen.add(requirer.by)
                specifier = "" if requirer.specifier == "any version" else f" {requirer.specifier}"
                longer.append((Link(requirer.by, f"{current.name}{specifier}", _pin(current)), *way))
        ways = longer
    return ()


def _pin(one: PlannedDistribution) -> str:
    return f"{one.name}=={one.version}"
