import json
from dataclasses import replace
from typing import Any

from ppcdeps.model.plan import Plan
from ppcdeps.model.python_plan import (
    DistributionRequirer,
    PlannedDistribution,
    PlannedFile,
    PlannedPython,
    Provision,
)
from ppcdeps.report.formats.fromager import dump_build_order


def distribution(name: str, provision: Provision, *by: tuple[str, str]) -> PlannedDistribution:
    requirers = tuple(DistributionRequirer(*one) for one in by)
    files = (PlannedFile(f"{name}-1.tar.gz", "a" * 64),)
    return PlannedDistribution(name, "1", provision, required_by=requirers, files=files)


def order_of(*distributions: PlannedDistribution) -> list[dict[str, Any]]:
    python = PlannedPython("3.9.25", "ppc64le", "2.34", distributions)
    plan = replace(Plan("cloud", "el9", "ppc64le", ("app",), (), (), ()), python=python)
    urls = {each.name: f"https://index.example/{each.name}-1.tar.gz#sha256={'a' * 64}" for each in distributions}
    found: list[dict[str, Any]] = json.loads(dump_build_order(plan, urls))
    return found


def test_what_is_required_is_built_first() -> None:
    order = order_of(
        distribution("app", Provision.SDIST, ("cloud", ">=1")),
        distribution("zlib-ng", Provision.BUILD, ("app", "<2")),
        distribution("cffi", Provision.BUILD, ("zlib-ng", "any version"), ("pure", "")),
        distribution("pure", Provision.WHEEL, ("app", "")),
    )
    assert [one["dist"] for one in order] == ["cffi", "zlib-ng", "app"]
    assert [(one["type"], one["req"]) for one in order] == [
        ("install", "cffi"),
        ("install", "zlib-ng<2"),
        ("toplevel", "app>=1"),
    ]
    assert order[0] == {
        "type": "install",
        "req": "cffi",
        "constraint": "cffi==1",
        "dist": "cffi",
        "version": "1",
        "prebuilt": False,
        "source_url": f"https://index.example/cffi-1.tar.gz#sha256={'a' * 64}",
        "source_url_type": "sdist",
    }


def test_distributions_that_require_each_other_are_there_once() -> None:
    order = order_of(
        distribution("one", Provision.BUILD, ("two", "")),
        distribution("two", Provision.BUILD, ("one", "")),
    )
    assert sorted(one["dist"] for one in order) == ["one", "two"]
