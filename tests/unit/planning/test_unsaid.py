"""What a target or a workload leaves out, and a plan says where its answer depends on it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ppcdeps.model.python_plan import NEWEST, PlannedDistribution, PlannedPython, Provision
from ppcdeps.planning.plan import PythonPart, plan_of
from ppcdeps.planning.solution import Solution
from ppcdeps.planning.workloads import load_workload
from ppcdeps.recipebook.book import load_book

SolutionOf = Callable[..., Solution]


def advice_of(solution: Solution, python: PlannedPython | None = None, **changed: object) -> str:
    target = replace(solution.target, **changed)  # type: ignore[arg-type]
    adaptation = replace(solution.adaptation, target=target, _found={})
    part = PythonPart((), frozenset(), python) if python is not None else None
    return "\n".join(plan_of(replace(solution, target=target, adaptation=adaptation), (), part).advice)


def test_without_reference_what_is_missing_is_not_known(solution_of: SolutionOf) -> None:
    alone = solution_of("app", target={"app-1-1.ppc64le": {}})
    assert "centos-stream-9 has no reference: without the x86_64 repositories" in advice_of(alone)


@pytest.mark.parametrize("root", ["lib-2-3.el9.ppc64le", "lib-2-3.el9", "lib-0:2-3.el9"])
def test_a_release_that_only_the_reference_has_is_said_with_the_one_that_is_judged(
    root: str, solution_of: SolutionOf
) -> None:
    said = advice_of(solution_of(root, target={"lib-2-9.el9_1.ppc64le": {}}, reference={"lib-2-3.el9.x86_64": {}}))
    assert f"{root} was requested, which no repository of the target has: lib-2-9.el9_1.ppc64le" in said


@pytest.mark.parametrize("root", ["lib", "lib-2", "lib-2-9.el9_1", "lib.ppc64le", "lib-2-9.el9_1.ppc64le", "lib-*"])
def test_a_release_that_the_target_has_is_not_remarked_on(root: str, solution_of: SolutionOf) -> None:
    assert "was requested" not in advice_of(
        solution_of(root, target={"lib-2-9.el9_1.ppc64le": {}}, reference={"lib-2-3.el9.x86_64": {}})
    )


def test_a_release_that_is_to_be_rebuilt_is_a_gap_and_not_another(solution_of: SolutionOf) -> None:
    solution = solution_of("lib-2-3.el9", target={"a-1-1.noarch": {}}, reference={"lib-2-3.el9.x86_64": {}})
    assert "was requested" not in advice_of(solution)


def test_with_a_reference_nothing_is_missed(solution_of: SolutionOf) -> None:
    beside = solution_of("app", target={"app-1-1.ppc64le": {}}, reference={"app-1-1.x86_64": {}})
    assert advice_of(beside, build_packages=(), openstack=None) == ""


def test_without_build_packages_what_every_build_needs_was_not_looked_at(solution_of: SolutionOf) -> None:
    solution = solution_of("app", target={}, reference={"app-1-1.x86_64": {}}, source={"app-1-1.src": {}})
    assert "has no build_packages: whether its repositories have what the build needs" in advice_of(solution)
    assert "build_packages" not in advice_of(solution, build_packages=("gcc",))


@pytest.fixture
def emulator(solution_of: SolutionOf) -> Solution:
    """One of a source that the platforms leave out, and that a recipe builds there."""
    reference = {"qemu-kvm-core-9.1.0-15.el9.x86_64": {"from": "qemu-kvm"}}
    return solution_of("qemu-kvm-core", book=load_book(), reference=reference, target={"bash-1-1.ppc64le": {}})


def test_without_platform_id_recipes_and_known_facts_count_for_nothing(emulator: Solution) -> None:
    said = advice_of(emulator, platform_id=None)
    assert "centos-stream-9 has no platform_id, so that these count for nothing here: the recipes of qemu-kvm" in said
    assert "platform:el9" in said
    assert "platform_id" not in advice_of(emulator)


def test_a_platform_id_that_changes_nothing_is_not_missed(solution_of: SolutionOf) -> None:
    solution = solution_of("app", target={}, reference={"app-1-1.x86_64": {}}, source={"app-1-1.src": {}})
    assert "platform_id" not in advice_of(solution, platform_id=None)


def locked(versions_by: str, pinned_by: str, provision: Provision = Provision.WHEEL) -> PlannedPython:
    one = PlannedDistribution("flask", "3.0", provision, pinned_by=pinned_by)
    return PlannedPython("3.9.25", "ppc64le", "2.34", (one,), versions_by=versions_by)


def test_the_release_that_pins_follow_is_said_where_the_target_names_none(solution_of: SolutionOf) -> None:
    solution = solution_of("app", target={"app-1-1.ppc64le": {}}, reference={"app-1-1.x86_64": {}})
    solution = replace(solution, workload=load_workload("nova-compute"))
    followed = locked("upper-constraints-yoga.txt", "upper-constraints-yoga.txt:7")
    assert "Python's versions are those of yoga, which is the workload's default" in advice_of(
        solution, followed, openstack=None
    )
    assert "default" not in advice_of(solution, followed, openstack="yoga")
    assert "default" not in advice_of(solution, locked("pins.txt (--constraints)", "pins.txt:1"), openstack=None)


def test_what_nothing_pins_is_named(solution_of: SolutionOf) -> None:
    solution = solution_of("app", target={"app-1-1.ppc64le": {}}, reference={"app-1-1.x86_64": {}})
    assert "Nothing pins flask: pip gets the newest that fits" in advice_of(solution, locked("", NEWEST))
    for python in (
        locked("pins.txt", "pins.txt:1"),
        locked("", NEWEST, Provision.RPM),
        locked("", "the former lock"),
    ):
        assert "Nothing pins" not in advice_of(solution, python)
