"""The Python of small worlds: what pip takes over, and what a plan says where that differs from the RPMs."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from indexes import Shop, sdist, serving, wheel

from ppcdeps.base.cache import Cache
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.planning.plan import plan_of
from ppcdeps.planning.pythonpackages import native_python_advice
from ppcdeps.planning.pythonside import PythonSide, python_part, python_side
from ppcdeps.planning.solution import Solution
from ppcdeps.python.explain import ConflictError
from ppcdeps.python.index import Index
from ppcdeps.python.pipconfig import PipConfig

SolutionOf = Callable[..., Solution]

C_EXTENSION = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
# RDO's cinder: the package of the name has no distribution, only requirements.
CINDER = {
    "openstack-cinder-1:26-1.noarch": {"requires": ["python3-cinder = 1:26-1"]},
    "python3-cinder-1:26-1.noarch": {"from": "openstack-cinder", "requires": ["python3-cinder-common = 1:26-1"]},
    "python3-cinder-common-1:26-1.noarch": {
        "from": "openstack-cinder",
        "provides": ["python3.9dist(cinder) = 26", "python3dist(cinder) = 26"],
        "requires": ["python3-driver", "volume-tool"],
    },
    "python3-driver-2-1.noarch": {"provides": ["python3.9dist(driver) = 2", "python3dist(driver) = 2"]},
}


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An empty index."""
    with serving() as opened:
        yield opened


@pytest.fixture
def side_of(shop: Shop, tmp_path: Path) -> Iterator[Callable[[Solution], PythonSide]]:
    """Routes and resolves a solution over the index."""
    with contextlib.ExitStack() as stack:

        def side_of(solution: Solution) -> PythonSide:
            config = PipConfig((shop.url,), (), timeout=5.0, retries=0)
            return python_side(solution, stack.enter_context(Index(config, Cache.open(tmp_path / "pip"))))

        yield side_of


def planned(solution: Solution, side: PythonSide) -> Plan:
    return plan_of(solution, (), python_part(solution, side))


def native(name: str, version: str) -> dict[str, Any]:
    """An RPM with one distribution."""
    return {"from": f"python-{name}", "provides": [f"python3.9dist({name}) = {version}"]}


def test_a_distribution_in_another_subpackage_keeps_its_requirements(
    solution_of: SolutionOf, shop: Shop, side_of: Callable[[Solution], PythonSide]
) -> None:
    shop.add("cinder", wheel("cinder", "26", ("driver",)))
    shop.add("driver", wheel("driver", "2"))
    solution = solution_of("openstack-cinder", reference=CINDER, target={"volume-tool-1-1.ppc64le": {}})
    plan = planned(solution, side_of(solution))
    assert {gap.name: gap.route.kind for gap in plan.gaps} == {
        "cinder": RouteKind.PIP_WHEEL,
        "openstack-cinder": RouteKind.REUSE,
        "python3-driver": RouteKind.PIP_WHEEL,
    }
    reused = next(gap for gap in plan.gaps if gap.name == "openstack-cinder")
    assert [package.name for package in reused.packages] == ["openstack-cinder", "python3-cinder"]
    assert plan.python is not None
    assert plan.python.bridge == ("python3-cinder-common = 1:26",)
    assert plan.python.bridge_requires == ("volume-tool",)


def test_what_only_rpms_require_is_said_to_be_a_gap_of_the_other_policy(
    solution_of: SolutionOf, shop: Shop, side_of: Callable[[Solution], PythonSide]
) -> None:
    target = {"app-1-1.noarch": {"requires": ["python3-lib"]}}
    lib = {**native("lib", "1"), "requires": ["python3-nacl"]}
    reference = {"python3-lib-1-1.noarch": lib, "python3-nacl-1-1.x86_64": native("nacl", "1")}
    shop.add("lib", wheel("lib", "1"))
    solution = solution_of("app", target=target, reference=reference)
    plan = planned(solution, side_of(solution))
    assert [gap.name for gap in plan.gaps] == ["python-lib"]
    assert plan.advice[:1] == (
        "with --python rpm, python-nacl is one gap more: python3-lib-1-1.noarch requires python3-nacl, and no "
        "distribution of this plan requires nacl",
    )
    assert "python-nacl" in native_python_advice(solution)[0]


def test_what_only_distributions_require_is_said_not_to_be_one(
    solution_of: SolutionOf, shop: Shop, side_of: Callable[[Solution], PythonSide]
) -> None:
    target = {"app-1-1.noarch": {"requires": ["python3-lib"]}}
    shop.add("lib", wheel("lib", "1", ("title",)))
    shop.add("title", sdist("title", "1", {"setup.py": C_EXTENSION, "PKG-INFO": "Name: title\nVersion: 1\n"}))
    solution = solution_of("app", target=target, reference={"python3-lib-1-1.noarch": native("lib", "1")})
    plan = planned(solution, side_of(solution))
    assert {gap.name for gap in plan.gaps} == {"python-lib", "title"}
    assert plan.advice[:1] == (
        "with --python rpm, title is not a gap: the distribution lib requires it, and the RPMs do not",
    )
    assert native_python_advice(solution) == ()


def test_what_only_source_packages_need_to_be_built_is_said_to_be_a_gap_of_the_other_policy(
    solution_of: SolutionOf, shop: Shop, side_of: Callable[[Solution], PythonSide]
) -> None:
    target = {"app-1-1.noarch": {"requires": ["python3-nacl"]}, "zlib-devel-1-1.ppc64le": {}}
    reference = {"python3-nacl-1-1.x86_64": native("nacl", "1"), "sodium-devel-1-1.x86_64": {"from": "sodium"}}
    source = {"python-nacl-1-1.src": {"requires": ["sodium-devel", "zlib-devel"]}}
    shop.add("nacl", sdist("nacl", "1", {"setup.py": C_EXTENSION, "PKG-INFO": "Name: nacl\nVersion: 1\n"}))
    solution = solution_of("app", target=target, reference=reference, source=source)
    plan = planned(solution, side_of(solution))
    assert [gap.name for gap in plan.gaps if gap.route.kind is RouteKind.BUILD_SDIST] == ["python-nacl"]
    assert plan.advice[:1] == (
        "with --python rpm, sodium is one gap more: the source package of python-nacl requires sodium-devel to be "
        "built, and its sdist does not",
    )


def test_a_conflict_says_what_would_avoid_it(
    solution_of: SolutionOf, shop: Shop, side_of: Callable[[Solution], PythonSide]
) -> None:
    target = {
        "app-1-1.noarch": {"requires": ["python3-lib", "python3-width"]},
        "python3-width-0.2.6-6.noarch": native("width", "0.2.6"),
    }
    shop.add("lib", wheel("lib", "1", ("cmd>=2",)))
    shop.add("cmd", wheel("cmd", "2.5.11", ("width>=0.2.10",)))
    shop.add("width", wheel("width", "0.2.10"))
    solution = solution_of("app", target=target, reference={"python3-lib-1-1.noarch": native("lib", "1")})
    with pytest.raises(ConflictError) as caught:
        side_of(solution)
    assert caught.value.reason == (
        "width is 0.2.6 in the RPM python3-width-0.2.6-6.noarch, and cmd 2.5.11 requires >=0.2.10"
    )
    assert caught.value.ways_out == ("a repository of the target with python3-width >=0.2.10",)


def test_the_bridge_of_an_earlier_build_satisfies_nothing(
    solution_of: SolutionOf, shop: Shop, side_of: Callable[[Solution], PythonSide]
) -> None:
    shop.add("cinder", wheel("cinder", "26", ("driver",)))
    shop.add("driver", wheel("driver", "2"))
    bridge = {"provides": ["python3-cinder-common = 1:26"], "requires": ["volume-tool"]}
    target = {"volume-tool-1-1.ppc64le": {}, "ppcdeps-bridge-work-7-1.noarch": bridge}
    solution = solution_of("openstack-cinder", reference=CINDER, target=target)
    plan = planned(solution, side_of(solution))
    assert "ppcdeps-bridge-work" not in {package.nevra.name for package in plan.closure}
    assert {gap.name for gap in plan.gaps} == {"cinder", "openstack-cinder", "python3-driver"}
