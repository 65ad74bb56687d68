"""The plan of nova-compute on CentOS Stream 9 as the embedded snapshot has it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ppcdeps.building.run.tasks import tasks_of
from ppcdeps.model.gap import Cause, Gap, Phase, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan
from ppcdeps.planning.plan import plan_of
from ppcdeps.planning.solution import Solution
from ppcdeps.recipebook.book import RecipeBook, load_book
from ppcdeps.report.build_order import BUILT, build_order_of, undecided_of
from ppcdeps.rpm.solving import solve_requests
from ppcdeps.workflows.targets import with_python

NATIVE_RUN_TIME_GAPS = {
    "libguestfs",
    "libvirt",
    "openvswitch3.1",
    "python-bcrypt",
    "python-msgpack",
    "python-pynacl",
    "python-simplejson",
    "python-wrapt",
    "python-yappi",
    "qemu-kvm",
    "supermin",
}


def gap_named(plan: Plan, name: str) -> Gap:
    return next(gap for gap in plan.gaps if gap.name == name)


def test_the_closure_has_the_size_that_the_reference_gives_it(nova_plan: Plan) -> None:
    assert 450 <= len(nova_plan.closure) <= 480
    assert len({package.nevra for package in nova_plan.closure}) == len(nova_plan.closure)


def test_the_native_gaps_of_the_run_time_are_found_and_no_others(nova_plan: Plan) -> None:
    native = {gap.name for gap in nova_plan.gaps if gap.phase is Phase.RUN and gap.route.kind is not RouteKind.REUSE}
    assert native == NATIVE_RUN_TIME_GAPS


@pytest.mark.parametrize("source", ["dmidecode", "nvml", "syslinux"])
def test_what_only_x86_builds_ask_for_is_no_gap(nova_plan: Plan, source: str) -> None:
    assert source not in {gap.name for gap in nova_plan.gaps}
    assert source not in {package.source for package in nova_plan.closure}


def test_noarch_firmware_is_reused_and_that_of_x86_guests_is_not_wanted(nova_plan: Plan) -> None:
    gap = gap_named(nova_plan, "seabios")
    assert gap.route.kind is RouteKind.REUSE
    assert [(package.name, package.arch) for package in gap.packages] == [("seavgabios-bin", "noarch")]
    dropped = {each.requirement.split()[0] for each in nova_plan.dropped_requirements if each.source == "qemu-kvm"}
    assert {"edk2-ovmf", "seabios-bin"} <= dropped
    assert "edk2" not in {gap.name for gap in nova_plan.gaps}


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("qemu-kvm", Cause.NOT_BUILT),
        ("libvirt", Cause.NOT_BUILT),
        ("libguestfs", Cause.EXCLUDED),
        ("supermin", Cause.EXCLUDED),
        ("python-yappi", Cause.ABSENT),
    ],
)
def test_each_gap_has_its_cause(nova_plan: Plan, source: str, cause: Cause) -> None:
    assert gap_named(nova_plan, source).cause is cause


def test_every_reference_package_of_the_closure_is_told_as_a_gap(nova_plan: Plan) -> None:
    told = {gap.name for gap in nova_plan.gaps}
    assert {package.source for package in nova_plan.closure if package.side != "target"} <= told


def test_the_run_time_gaps_are_irreducible(nova: Solution) -> None:
    universe, sources = nova.universe, set(nova.run.closure.sources)
    assert solve_requests(universe, [nova.run.request], sources).solved
    for source in sources:
        assert not solve_requests(universe, [nova.run.request], sources - {source}).solved, source


def test_what_the_builds_lack_is_a_gap_of_the_build_phase(nova_plan: Plan) -> None:
    gap = gap_named(nova_plan, "libsodium")
    assert gap.phase is Phase.BUILD
    assert any("python-pynacl" in requirer.by for requirer in gap.required_by)


def test_every_gap_of_nova_compute_has_a_route(nova_plan: Plan) -> None:
    assert {gap.name for gap in nova_plan.gaps if gap.route.kind is RouteKind.BLOCKED} == set()


def test_requirements_taken_away_are_told_with_their_grounds(nova_plan: Plan) -> None:
    taken = {(dropped.source, dropped.requirement): dropped.grounds for dropped in nova_plan.dropped_requirements}
    assert taken["libvirt", "dmidecode"]
    assert taken["qemu-kvm", "libpmem.so.1()(64bit)"]


def test_the_same_input_gives_the_same_bytes(planner: Any, nova: Solution, nova_plan: Plan) -> None:
    assert dump_plan(planner.plan()) == dump_plan(nova_plan)
    backwards = planner.metadata()[::-1]
    assert dump_plan(plan_of(nova, backwards)) == dump_plan(nova_plan)


def test_a_root_may_be_a_package_a_capability_or_a_path(planner: Any) -> None:
    for root in ("bash", "libc.so.6()(64bit)", "/usr/bin/bash", "bash >= 5", "(bash or zsh)"):
        plan = planner.plan(root)
        assert not plan.gaps, root
        assert plan.closure


def test_a_root_that_only_filelists_know_is_found(planner: Any) -> None:
    plan = planner.plan("/usr/lib64/qemu-kvm/hw-display-virtio-vga.so")
    assert gap_named(plan, "qemu-kvm").cause is Cause.NOT_BUILT


def test_a_root_that_nobody_provides_is_a_blocked_gap(planner: Any) -> None:
    plan = planner.plan("no-such-package >= 3")
    assert [(gap.name, gap.cause, gap.route.kind) for gap in plan.gaps] == [
        ("no-such-package >= 3", Cause.UNKNOWN, RouteKind.BLOCKED)
    ]


def test_a_root_in_a_newer_version_than_any_is_too_old(planner: Any) -> None:
    gap = planner.plan("bash >= 99").gaps[0]
    assert (gap.name, gap.cause) == ("bash >= 99", Cause.TOO_OLD)
    assert "bash-5" in gap.detail


def test_recipes_are_the_route_where_they_apply_and_their_packages_stand_in(nova_plan: Plan) -> None:
    for source in ("libvirt", "qemu-kvm", "libguestfs", "supermin"):
        route = gap_named(nova_plan, source).route
        assert (route.kind, route.subject) == (RouteKind.RECIPE, (source,))
    # supermin-devel comes with the recipe; the reference's placeholder is too old for libguestfs.
    assert not [gap for gap in nova_plan.gaps if gap.name.startswith("supermin-devel")]


def test_waves_put_first_what_others_are_built_with(nova_plan: Plan) -> None:
    wave = {source: number for number, sources in enumerate(nova_plan.waves) for source in sources}
    assert wave["supermin"] < wave["libguestfs"]
    assert wave["qemu-kvm"] < wave["libguestfs"]
    assert set(wave) == {
        gap.name for gap in nova_plan.gaps if gap.route.kind in (RouteKind.RECIPE, RouteKind.REBUILD)
    }


def test_without_recipes_sources_are_rebuilt_as_they_are(planner: Any) -> None:
    solution = planner.solve("supermin", book=RecipeBook(()))
    assert plan_of(solution, planner.metadata()).gaps[0].route.kind is RouteKind.REBUILD


def test_recorded_runs_say_how_long_a_build_takes(nova_plan: Plan) -> None:
    assert dict(gap_named(nova_plan, "libvirt").route.minutes)["emulated"] > 30
    assert gap_named(nova_plan, "seabios").route.minutes == ()


def test_what_is_ordered_is_what_is_built_and_every_blocked_gap_is_left_out(nova_plan: Plan) -> None:
    """The order that is printed, the plan's gaps and the tasks of `build` are one."""
    ordered = [entry.step for wave in build_order_of(nova_plan) for entry in wave]
    assert ordered == [task.name for task in tasks_of(nova_plan, load_book())]
    names = sorted(gap.name for gap in nova_plan.gaps if gap.route.kind in BUILT)
    assert sorted(ordered) == names
    assert not undecided_of(nova_plan)


def test_a_build_says_which_blocked_gaps_it_waits_for(nova_plan: Plan) -> None:
    blocked = {gap.name for gap in nova_plan.gaps if gap.route.kind is RouteKind.BLOCKED}
    for source, waits in nova_plan.blocked_by.items():
        assert blocked.issuperset(waits), source


def test_where_pip_has_nothing_to_install_for_the_chosen_interpreter_the_plan_says_why(
    solution_of: Callable[..., Solution],
) -> None:
    solution = solution_of("app", target={"app-1-1.noarch": {}})
    assert plan_of(solution, ()).python_fallback is None
    beside = replace(solution, target=with_python(solution.target, "3.11"))
    found = plan_of(beside, ()).python_fallback
    assert found is not None
    assert "pip has nothing to install for Python 3.11" in found.reason
    assert "leave --python-version out" in found.help


def test_a_gap_says_where_it_could_have_come_from_which_recipes_there_are_and_what_its_build_requires(
    nova_plan: Plan,
) -> None:
    gaps = {gap.name: gap for gap in nova_plan.gaps}
    libvirt = gaps["libvirt"]
    wanted = "libvirt-daemon-driver-qemu >= 5.0.0"
    assert libvirt.tried[:2] == (
        f"{wanted}: no package of appstream, baseos, crb, epel provides it",
        f"{wanted}: libvirt-daemon-driver-qemu-10.10.0-3.el9.x86_64 (reference-appstream) provides it, native: needs "
        "a rebuild",
    )
    assert "recipe libvirt-debian: for other targets" in libvirt.tried
    assert not any(line.startswith("recipe libvirt:") for line in libvirt.tried), "that is used"
    # The source package's own, and what the recipe adds and drops.
    assert {"libacl-devel", "glib2-devel >= 2.56", "meson >= 0.56.0"} <= set(libvirt.build_requires)
    assert not any(text.startswith(("rpmlib(", "sanlock")) for text in libvirt.build_requires)
    assert gaps["seabios"].build_requires == ()
    assert any("noarch: usable as it is" in line for line in gaps["seabios"].tried)


def test_where_no_recipe_is_for_a_source_that_is_said(planner: Any) -> None:
    solution = planner.solve("supermin", book=RecipeBook(()))
    gap = gap_named(plan_of(solution, planner.metadata()), "supermin")
    assert gap.tried[-1] == "no recipe is for supermin"
    assert "rpm-devel" in gap.build_requires
