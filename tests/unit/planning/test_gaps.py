"""Why a gap exists and by which route it is closed: each cause and route in a universe of a few packages."""

from collections.abc import Callable
from pathlib import Path

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.planning.gaps import gaps_of
from ppcdeps.planning.solution import Solution
from ppcdeps.recipebook.book import load_book, recipe_digest

RECIPE = """
source = "{source}"
kind = "srpm"
summary = "built without what only x86 has"
reason = "a test"
packages = ["{source}"]
"""

SolutionOf = Callable[..., Solution]


def only_gap(solution: Solution) -> Gap:
    (gap,) = gaps_of(solution)
    return gap


def packages(*nevras: str) -> tuple[Nevra, ...]:
    return tuple(map(Nevra.parse, nevras))


# Causes -----------------------------------------------------------------------------------------------------


def test_absent_no_target_repository_has_anything_of_the_source(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("lib", reference={"lib-1-1.x86_64": {}}))
    assert (gap.name, gap.kind, gap.cause, gap.phase) == ("lib", GapKind.RPM, Cause.ABSENT, Phase.RUN)
    assert gap.wanted == packages("lib-1-1.ppc64le")
    assert gap.detail == "no target repository has a package of this source"


def test_excluded_the_distribution_leaves_the_architecture_out(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("supermin", reference={"supermin-5-1.x86_64": {}}))
    assert gap.cause is Cause.EXCLUDED
    assert gap.detail


def test_not_built_the_target_has_other_packages_of_the_source(solution_of: SolutionOf) -> None:
    target = {"qemu-img-1-1.ppc64le": {"from": "qemu"}, "qemu-tools-1-1.ppc64le": {"from": "qemu"}}
    gap = only_gap(solution_of("qemu-core", target=target, reference={"qemu-core-1-1.x86_64": {"from": "qemu"}}))
    assert (gap.name, gap.cause) == ("qemu", Cause.NOT_BUILT)
    assert gap.detail == "ppc64le has of it only qemu-img, qemu-tools"


def test_too_old_the_target_has_an_older_build(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["lib >= 2"]}, "lib-1-1.ppc64le": {}}
    gap = only_gap(solution_of("app", target=target, reference={"lib-2-1.x86_64": {}}))
    assert (gap.cause, gap.wanted) == (Cause.TOO_OLD, packages("lib-2-1.ppc64le"))
    assert gap.detail == "lib-1-1.ppc64le does not satisfy lib >= 2"


def test_too_old_an_older_noarch_package_is_there(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["data >= 2"]}, "data-1-1.noarch": {}}
    gap = only_gap(solution_of("app", target=target, reference={"data-2-1.noarch": {}}))
    assert (gap.cause, gap.route.kind) == (Cause.TOO_OLD, RouteKind.REUSE)
    assert gap.detail == "data-1-1.noarch does not satisfy data >= 2"


def test_too_old_nothing_has_the_required_version(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("app", target={"app-1-1.noarch": {"requires": ["lib >= 2"]}, "lib-1-1.noarch": {}}))
    assert (gap.name, gap.cause, gap.wanted) == ("lib >= 2", Cause.TOO_OLD, ("lib >= 2",))
    assert gap.detail == "lib-1-1.noarch does not satisfy it"


def test_too_old_is_needed_by_who_requires_the_version_and_not_by_others(solution_of: SolutionOf) -> None:
    target = {
        "app-1-1.noarch": {"requires": ["lib >= 2", "another"]},
        "another-1-1.noarch": {"requires": ["lib"]},
        "lib-1-1.noarch": {},
    }
    gap = only_gap(solution_of("app", target=target))
    assert gap.required_by == (Requirer(requirement="lib >= 2", by="app-1-1.noarch"),)


def test_too_new_only_a_newer_version_than_the_exact_one_is_there(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["lib = 2.17.0"]}, "lib-2.24.0-2.noarch": {}}
    gap = only_gap(solution_of("app", target=target))
    assert (gap.name, gap.cause, gap.route.kind) == ("lib = 2.17.0", Cause.TOO_NEW, RouteKind.BLOCKED)
    assert gap.detail == "lib-2.24.0-2.noarch does not satisfy it"


def test_too_new_the_reference_has_what_is_below_the_bound(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["data < 2"]}, "data-2-1.noarch": {}}
    gap = only_gap(solution_of("app", target=target, reference={"data-1-1.noarch": {}}))
    assert (gap.cause, gap.route.kind) == (Cause.TOO_NEW, RouteKind.REUSE)
    assert gap.detail == "data-2-1.noarch does not satisfy data < 2"


def test_too_old_an_exact_version_that_is_newer_than_all_that_is_there(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("app", target={"app-1-1.noarch": {"requires": ["lib = 3"]}, "lib-2-1.noarch": {}}))
    assert gap.cause is Cause.TOO_OLD


def test_not_installable_the_same_noarch_package_requires_what_nothing_provides(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["data"]}, "data-1-1.noarch": {"requires": ["hardware-tool"]}}
    gap = only_gap(solution_of("app", target=target, reference={"data-1-1.noarch": {}}))
    assert (gap.name, gap.cause, gap.route.kind) == ("data", Cause.NOT_INSTALLABLE, RouteKind.REUSE)
    assert gap.detail == "data-1-1.noarch is there and requires hardware-tool"


def test_not_installable_what_is_required_requires_what_nothing_provides(solution_of: SolutionOf) -> None:
    target = {
        "app-1-1.noarch": {"requires": ["data >= 1"]},
        "data-2-1.noarch": {"requires": ["lib"]},
        "lib-1-1.ppc64le": {"requires": ["libodd.so.1()(64bit)"]},
    }
    gap = only_gap(solution_of("app", target=target, reference={"data-1-1.noarch": {}}))
    assert (gap.name, gap.cause) == ("data", Cause.NOT_INSTALLABLE)
    assert gap.detail == (
        "data-2-1.noarch is there, and what it requires leads to lib-1-1.ppc64le, which requires libodd.so.1()(64bit)"
    )


def test_not_installable_a_part_of_a_boolean_requirement_is_named(solution_of: SolutionOf) -> None:
    data = {"requires": ["(hardware-tool if app)"]}
    target = {"app-1-1.noarch": {"requires": ["data"]}, "data-1-1.noarch": data}
    gap = only_gap(solution_of("app", target=target, reference={"data-1-1.noarch": {}}))
    assert (gap.cause, gap.detail) == (Cause.NOT_INSTALLABLE, "data-1-1.noarch is there and requires hardware-tool")


def test_not_installable_the_targets_own_build_requires_what_must_be_built(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["tool"]}, "tool-1-1.ppc64le": {"requires": ["never"]}}
    gap = only_gap(solution_of("app", target=target, reference={"tool-1-1.x86_64": {}}))
    assert (gap.name, gap.cause, gap.route.kind) == ("tool", Cause.NOT_INSTALLABLE, RouteKind.BLOCKED)
    assert gap.detail == "tool-1-1.ppc64le is there and requires never"


def test_conflict_the_build_of_the_target_cannot_be_installed_with_the_rest(solution_of: SolutionOf) -> None:
    target = {
        "app-1-1.noarch": {"requires": ["a", "b"]},
        "a-1-1.noarch": {"conflicts": ["b < 2"]},
        "b-1-1.ppc64le": {},
    }
    gap = only_gap(solution_of("app", target=target, reference={"b-2-1.x86_64": {}}))
    assert (gap.name, gap.cause) == ("b", Cause.CONFLICT)
    assert gap.detail == "b-1-1.ppc64le cannot be installed with the rest"


def test_conflict_with_what_nothing_provides(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["lib = 1", "a"]}, "a-1-1.noarch": {"conflicts": ["lib < 2"]}}
    missing, conflict = sorted(
        gaps_of(solution_of("app", target=target)), key=lambda gap: gap.cause is Cause.CONFLICT
    )
    assert (missing.name, missing.cause) == ("lib = 1", Cause.UNKNOWN)
    assert (conflict.name, conflict.cause) == ("a-1-1.noarch and lib = 1", Cause.CONFLICT)
    assert conflict.detail == conflict.route.reason == "package a-1-1.noarch conflicts with lib < 2"


def test_conflict_two_packages_of_the_target_exclude_each_other(solution_of: SolutionOf) -> None:
    target = {
        "app-1-1.noarch": {"requires": ["a", "b"]},
        "a-1-1.noarch": {"conflicts": ["b"]},
        "b-1-1.noarch": {},
    }
    gap = only_gap(solution_of("app", target=target))
    assert (gap.cause, gap.route.kind, gap.source) == (Cause.CONFLICT, RouteKind.BLOCKED, None)
    assert gap.name == "a-1-1.noarch and b-1-1.noarch"
    assert gap.packages == packages("a-1-1.noarch", "b-1-1.noarch")


def test_unknown_nothing_provides_it(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("app", target={"app-1-1.noarch": {"requires": ["libfoo.so.1()(64bit)"]}}))
    assert (gap.name, gap.cause, gap.source) == ("libfoo.so.1()(64bit)", Cause.UNKNOWN, None)
    assert gap.route.reason == "nothing provides libfoo.so.1()(64bit)"
    assert gap.packages == ()


def test_unknown_what_only_an_older_build_of_the_reference_has(solution_of: SolutionOf) -> None:
    target = {"app-1-1.noarch": {"requires": ["emulator-gl"]}}
    reference = {"emulator-9-1.el9.x86_64": {}, "emulator-gl-6-1.el9.x86_64": {"from": "emulator-6-1.el9"}}
    gap = only_gap(solution_of("app", target=target, reference=reference))
    assert (gap.name, gap.cause, gap.route.kind) == ("emulator-gl", Cause.UNKNOWN, RouteKind.BLOCKED)
    assert gap.detail == (
        "emulator-gl-6-1.el9.x86_64 has it, and no rebuild gives it: a package of an older build of emulator, "
        "which is 9-1.el9 now"
    )


SPICE = {
    "qemu-kvm-9-1.el10.x86_64": {"requires": ["qemu-kvm-ui-spice", "qemu-kvm-core"]},
    "qemu-kvm-core-9-1.el10.x86_64": {"from": "qemu-kvm"},
    "qemu-kvm-ui-spice-9-1.el10.x86_64": {"from": "qemu-kvm", "requires": ["spice-server"]},
    "spice-server-1-1.el10.x86_64": {"from": "spice"},
}


def test_packages_that_only_the_x86_build_gives_are_not_wanted_of_a_rebuild(solution_of: SolutionOf) -> None:
    solution = solution_of("qemu-kvm", reference=SPICE)
    assert only_gap(solution).wanted == packages("qemu-kvm-9-1.el10.ppc64le", "qemu-kvm-core-9-1.el10.ppc64le")
    assert list(solution.search.dropper.dropped_requirements) == [("qemu-kvm", "qemu-kvm-ui-spice")]


def test_unknown_what_only_the_x86_build_gives(solution_of: SolutionOf) -> None:
    target = {"user-1-1.noarch": {"requires": ["qemu-kvm-ui-spice"]}}
    gap = only_gap(solution_of("user", target=target, reference=SPICE))
    assert (gap.name, gap.cause) == ("qemu-kvm-ui-spice", Cause.UNKNOWN)
    assert "x86_64 and aarch64 only" in gap.detail


# Routes -----------------------------------------------------------------------------------------------------


def test_a_noarch_package_of_the_reference_is_reused(solution_of: SolutionOf) -> None:
    reference = {"data-1-1.noarch": {"from": "src"}, "data-more-1-1.noarch": {"from": "src"}}
    gap = only_gap(solution_of("data", "data-more", reference=reference))
    assert (gap.name, gap.cause) == ("src", Cause.ABSENT)
    subject = ("data-1-1.noarch", "data-more-1-1.noarch")
    assert gap.route == Route(RouteKind.REUSE, subject, reason="noarch in reference")


def test_a_source_package_is_rebuilt(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("lib", reference={"lib-1-1.x86_64": {}}, source={"lib-1-1.src": {}}))
    assert gap.route == Route(RouteKind.REBUILD, ("lib-1-1.src",), reason="source package in source")


def test_a_recipe_wins_over_a_plain_rebuild(solution_of: SolutionOf, tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/recipe.toml").write_text(RECIPE.format(source="lib"))
    book = load_book([folder], shipped=False)
    gap = only_gap(solution_of("lib", book=book, reference={"lib-1-1.x86_64": {}}, source={"lib-1-1.src": {}}))
    assert (gap.route.kind, gap.route.subject) == (RouteKind.RECIPE, ("lib",))
    assert gap.route.digest == recipe_digest(next(iter(book)))


def test_without_a_source_package_a_build_is_blocked(solution_of: SolutionOf) -> None:
    route = only_gap(solution_of("lib", reference={"lib-1-1.x86_64": {}})).route
    assert (route.kind, route.reason) == (RouteKind.BLOCKED, "no source repository has the source package lib")
    assert "--source" in route.help


def test_what_pip_closes_is_not_a_gap_of_rpm_as_well(solution_of: SolutionOf) -> None:
    reference = {"python3-six-1-1.noarch": {"from": "python-six"}, "lib-1-1.x86_64": {}}
    solution = solution_of("python3-six", "lib", reference=reference)
    route = Route(RouteKind.PIP_WHEEL, ("six==1",))
    by_pip = Gap("python-six", GapKind.PYTHON, Cause.ABSENT, Phase.RUN, ("six==1",), (), route)
    assert [gap.name for gap in gaps_of(solution)] == ["lib", "python-six"]
    assert gaps_of(solution, [by_pip], ["python-six"])[1] == by_pip


def test_a_source_package_has_the_times_of_recorded_runs(solution_of: SolutionOf) -> None:
    reference: dict[str, dict[str, str]] = {"libvirt-1-1.x86_64": {}, "wrapt-1-1.x86_64": {}}
    solution = solution_of(
        "libvirt", "wrapt", reference=reference, source={"libvirt-1-1.src": {}, "wrapt-1-1.src": {}}
    )
    modes = {gap.name: {mode for mode, _ in gap.route.minutes} for gap in gaps_of(solution)}
    # The source package wrapt is not the distribution of that name, of which there are runs.
    assert modes == {"libvirt": {"emulated", "accelerated", "cross"}, "wrapt": set()}


# Who requires it, and when ----------------------------------------------------------------------------------


def test_the_requirers_are_those_outside_of_the_source(solution_of: SolutionOf) -> None:
    reference = {
        "lib-1-1.x86_64": {"from": "src", "requires": ["lib-data = 1"]},
        "lib-data-1-1.x86_64": {"from": "src"},
    }
    gap = only_gap(solution_of("app", target={"app-1-1.noarch": {"requires": ["lib"]}}, reference=reference))
    assert gap.required_by == (Requirer("lib", "app-1-1.noarch"),)


def test_a_root_is_required_by_the_workload(solution_of: SolutionOf) -> None:
    gap = only_gap(solution_of("lib", reference={"lib-1-1.x86_64": {}}))
    assert gap.required_by == (Requirer("lib", "work"),)


def test_what_only_a_build_needs_is_a_gap_of_the_build(solution_of: SolutionOf) -> None:
    solution = solution_of(
        "app",
        reference={"app-1-1.x86_64": {}, "gen-1-1.x86_64": {}},
        source={"app-1-1.src": {"requires": ["gen"]}, "gen-1-1.src": {"requires": ["never"]}},
    )
    found = [(gap.name, gap.phase, gap.required_by) for gap in gaps_of(solution)]
    assert found == [
        ("app", Phase.RUN, (Requirer("app", "work"),)),
        ("gen", Phase.BUILD, (Requirer("gen", "app-1-1.src (build)"),)),
        ("never", Phase.BUILD, (Requirer("never", "gen-1-1.src (build)"),)),
    ]


def test_what_the_run_time_lacks_is_not_repeated_for_a_build(solution_of: SolutionOf) -> None:
    solution = solution_of(
        "app",
        "lib",
        reference={"app-1-1.x86_64": {}, "lib-1-1.x86_64": {}},
        source={"app-1-1.src": {"requires": ["lib"]}, "lib-1-1.src": {}},
    )
    assert [(gap.name, gap.phase) for gap in gaps_of(solution)] == [("app", Phase.RUN), ("lib", Phase.RUN)]
