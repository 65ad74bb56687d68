"""The Python distributions of a plan that have no wheel, as fromager's `build-order.json`.

Follows fromager's docs/reference/files.md and what its `build-sequence` reads: an array, what is required first.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ppcdeps.model.plan import Plan
from ppcdeps.model.python_plan import DistributionRequirer, PlannedDistribution, Provision


def distributions_to_build(plan: Plan) -> tuple[PlannedDistribution, ...]:
    """The distributions that come as sdists, native or pure: each after those of them that it requires."""
    wanted = {
        each.name: each
        for each in (plan.python.distributions if plan.python else ())
        if each.provision in (Provision.BUILD, Provision.SDIST)
    }
    requires: dict[str, list[str]] = {name: [] for name in wanted}
    for name, each in wanted.items():
        for requirer in each.required_by:
            if requirer.by in requires:
                requires[requirer.by].append(name)
    done: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        for needed in sorted(requires[name]):
            # Distributions may require each other; either order then does.
            if needed not in done and needed not in above:
                visit(needed, above | {needed})
        done.setdefault(name)

    for name in sorted(wanted):
        visit(name, frozenset((name,)))
    return tuple(wanted[name] for name in done)


def dump_build_order(plan: Plan, urls: Mapping[str, str]) -> str:
    """`build-order.json` as text. ``urls`` has the address of the sdist of each distribution, by name."""
    return json.dumps(list(_entries(plan, urls)), indent=2) + "\n"


def _entries(plan: Plan, urls: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    known = {each.name for each in (plan.python.distributions if plan.python else ())}
    for each in distributions_to_build(plan):
        requirer = next((one for one in each.required_by if one.by in known), None)
        yield {
            "type": "install" if requirer else "toplevel",
            "req": f"{each.name}{_specifier(requirer or next(iter(each.required_by), None))}",
            "constraint": f"{each.name}=={each.version}",
            "dist": each.name,
            "version": each.version,
            "prebuilt": False,
            "source_url": urls[each.name],
            "source_url_type": "sdist",
        }


def _specifier(requirer: DistributionRequirer | None) -> str:
    """The versions that a requirer takes; empty where it takes any, which a plan says in words."""
    try:
        return str(SpecifierSet(requirer.specifier if requirer else ""))
    except InvalidSpecifier:
        return ""
