"""The search for a closure: as few rebuilds as can be, placeholders, dropped requirements, ignored clashes.

Each universe is a few lines of data: the target's packages, and the reference's, whose native ones become stand-ins.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from universes import Outcome, case_of, run_case

from ppcdeps.model.errors import UsageError
from ppcdeps.rpm.requests import request_packages
from ppcdeps.rpm.solving import solve_requests

ClosureOf = Callable[..., Outcome]
Packages = Mapping[str, Mapping[str, Any]]
NOTHING: Packages = {}


@pytest.fixture
def closure_of(tmp_path: Path) -> ClosureOf:
    """Solves roots in a universe of packages by NEVRA; ``more`` are further keys of a case."""

    def closure_of(*roots: str, target: Packages = NOTHING, reference: Packages = NOTHING, **more: Any) -> Outcome:
        return run_case(case_of(roots=roots, target=target, reference=reference, **more), tmp_path)

    return closure_of


# As few rebuilds as can be ----------------------------------------------------------------------------------


def test_of_two_providers_only_one_is_rebuilt(closure_of: ClosureOf) -> None:
    found = closure_of(
        "app",
        target={"app-1-1.noarch": {"requires": ["mta"]}},
        reference={"exim-1-1.x86_64": {"provides": ["mta"]}, "postfix-1-1.x86_64": {"provides": ["mta"]}},
    )
    assert len(found.closure.sources) == 1


def test_without_any_of_its_sources_nothing_satisfies_the_request(closure_of: ClosureOf) -> None:
    found = closure_of(
        "app",
        reference={
            "app-1-1.x86_64": {"requires": ["lib", "data"]},
            "lib-1-1.x86_64": {},
            "data-1-1.noarch": {},
            "unused-1-1.x86_64": {"provides": ["lib = 0"]},
        },
    )
    assert found.closure.sources == ("app", "lib")
    request = request_packages(found.universe, "again", ["app"])
    assert solve_requests(found.universe, [request], {"app", "lib"}).solved
    for fewer in ({"app"}, {"lib"}):
        assert not solve_requests(found.universe, [request], fewer).solved


def test_a_package_of_the_target_wins_over_a_newer_stand_in(closure_of: ClosureOf) -> None:
    found = closure_of("lib", target={"lib-1-1.ppc64le": {}}, reference={"lib-9-1.x86_64": {}})
    assert found.said["closure"] == ["lib-1-1.ppc64le"]
    assert found.closure.sources == ()


def test_what_is_built_anyway_is_free(closure_of: ClosureOf) -> None:
    found = closure_of("a", "b", reference={"a-1-1.x86_64": {}, "b-1-1.x86_64": {}})
    request = request_packages(found.universe, "a alone", ["a"])
    assert found.search.closure([request], free=["a"]).sources == ()
    assert found.search.closure([request]).sources == ("a",)


# Placeholders -----------------------------------------------------------------------------------------------


def test_everything_that_nothing_provides_is_found_at_once(closure_of: ClosureOf) -> None:
    found = closure_of(
        "app",
        target={"app-1-1.noarch": {"requires": ["none", "lib"]}, "lib-1-1.noarch": {"requires": ["neither >= 2"]}},
    )
    assert found.said["unknown"] == ["neither >= 2", "none"]
    assert found.said["closure"] == ["app-1-1.noarch", "lib-1-1.noarch"]


def test_one_placeholder_satisfies_several_versions_where_it_can(closure_of: ClosureOf) -> None:
    found = closure_of(
        "a", "b", target={"a-1-1.noarch": {"requires": ["none"]}, "b-1-1.noarch": {"requires": ["none = 3"]}}
    )
    assert found.said["unknown"] == ["none = 3"]


def test_a_placeholder_is_not_used_where_a_rebuild_will_do(closure_of: ClosureOf) -> None:
    found = closure_of("app", target={"app-1-1.noarch": {"requires": ["lib >= 2"]}}, reference={"lib-2-1.x86_64": {}})
    assert (found.closure.sources, found.closure.unknown) == (("lib",), ())


@pytest.mark.parametrize(
    ("requirement", "unknown"),
    [
        ("(none and neither)", ["neither", "none"]),
        ("(none or neither)", ["none"]),
        ("(none if lib)", ["none"]),
        ("(none if absent)", []),
        ("(lib or none)", []),
    ],
)
def test_of_a_boolean_requirement_its_missing_parts_are_unknown(
    closure_of: ClosureOf, requirement: str, unknown: list[str]
) -> None:
    target = {"app-1-1.noarch": {"requires": [requirement, "lib"]}, "lib-1-1.noarch": {}}
    assert closure_of("app", target=target).said["unknown"] == unknown


# Dropped requirements ---------------------------------------------------------------------------------------


def test_a_source_that_only_a_dropped_requirement_needs_is_not_rebuilt(closure_of: ClosureOf) -> None:
    reference = {"virt-1-1.x86_64": {"requires": ["dmidecode"]}, "dmidecode-3-1.x86_64": {}}
    assert closure_of("virt", reference=reference).closure.sources == ("dmidecode", "virt")


def test_a_fact_drops_a_requirement_and_its_grounds_are_remembered(closure_of: ClosureOf) -> None:
    reference = {"virt-1-1.x86_64": {"requires": ["dmidecode"]}, "dmidecode-3-1.x86_64": {}}
    found = closure_of("virt", reference=reference, facts={"virt": ["dmidecode"]})
    assert found.closure.sources == ("virt",)
    (dropped,) = found.search.dropper.dropped_requirements.values()
    assert (dropped.source, dropped.requirement, dropped.grounds) == ("virt", "dmidecode", "known")


def test_a_library_that_the_build_environment_lacks_is_dropped(closure_of: ClosureOf) -> None:
    found = closure_of(
        "app",
        reference={
            "app-1-1.x86_64": {"requires": ["libx86.so.1()(64bit)"]},
            "libx86-1-1.x86_64": {"provides": ["libx86.so.1()(64bit)"]},
        },
        source={"app-1-1.src": {"requires": ["gcc"]}},
        target={"gcc-11-1.ppc64le": {}},
    )
    assert found.closure.sources == ("app",)
    (dropped,) = found.search.dropper.dropped_requirements.values()
    assert dropped.grounds == "nothing in the build environment of app provides libx86.so.1 to link with"


def test_a_requirement_of_a_target_package_is_never_dropped(closure_of: ClosureOf) -> None:
    found = closure_of(
        "virt",
        target={"virt-1-1.ppc64le": {"requires": ["dmidecode"]}},
        reference={"dmidecode-3-1.x86_64": {}},
        facts={"virt": ["dmidecode"]},
    )
    assert found.closure.sources == ("dmidecode",)


# Ignored clashes --------------------------------------------------------------------------------------------

CLASHES = {
    "conflicts": {"a-1-1.noarch": {"conflicts": ["b < 2"]}, "b-1-1.noarch": {}},
    "obsoletes": {"a-1-1.noarch": {"obsoletes": ["b < 2"]}, "b-1-1.noarch": {}},
}


@pytest.mark.parametrize("kind", CLASHES)
def test_a_clash_is_ignored_and_named_so_that_the_rest_is_found(closure_of: ClosureOf, kind: str) -> None:
    found = closure_of("app", target={"app-1-1.noarch": {"requires": ["a", "b", "none"]}, **CLASHES[kind]})
    assert found.said["clashes"] == [f"a-1-1.noarch {kind} b-1-1.noarch"]
    assert found.said["unknown"] == ["none"]


def test_two_versions_of_one_name_are_a_clash(closure_of: ClosureOf) -> None:
    target = {
        "a-1-1.noarch": {"requires": ["lib = 1"]},
        "b-1-1.noarch": {"requires": ["lib = 2"]},
        "lib-1-1.noarch": {},
        "lib-2-1.noarch": {},
    }
    (clash,) = closure_of("a", "b", target=target).closure.clashes
    assert clash.kind == "same-name"


def test_a_clash_that_another_provider_avoids_is_not_ignored(closure_of: ClosureOf) -> None:
    target = {
        "app-1-1.noarch": {"requires": ["plug"], "conflicts": ["a"]},
        "a-1-1.noarch": {"provides": ["plug"]},
        "b-1-1.noarch": {"provides": ["plug"]},
    }
    found = closure_of("app", target=target)
    assert (found.said["closure"], found.closure.clashes) == (["app-1-1.noarch", "b-1-1.noarch"], ())


# Requests ---------------------------------------------------------------------------------------------------


def test_a_request_that_is_not_well_formed_is_a_usage_error(closure_of: ClosureOf) -> None:
    with pytest.raises(UsageError, match=r"root: not a boolean dependency: \(a or"):
        closure_of("(a or", target={"a-1-1.noarch": {}})
