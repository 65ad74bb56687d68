"""The build order of a plan: read off its waves, each build once, what is blocked named as such."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from ppcdeps.model.build_order import Bootstrap, Cycle
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.report.build_order import (
    BUILT,
    build_order_document,
    build_order_of,
    dump_build_order,
    render_build_order,
    undecided_of,
)


def gap(name: str, kind: RouteKind, subject: str = "", advice: str = "") -> Gap:
    native = kind in (RouteKind.RECIPE, RouteKind.REBUILD, RouteKind.REUSE)
    wanted: tuple[Nevra | str, ...] = (Nevra(name, 0, "1", "1", "ppc64le"),) if native else (name,)
    return Gap(
        name,
        GapKind.PYTHON if kind in (RouteKind.BUILD_SDIST, RouteKind.PIP_WHEEL) else GapKind.RPM,
        Cause.UNKNOWN if kind is RouteKind.BLOCKED else Cause.ABSENT,
        Phase.RUN,
        wanted,
        (Requirer(name, "app-1-1.noarch"),),
        Route(kind, (subject,) if subject else (), reason=f"why {name}", help=advice),
        name if native else None,
    )


PLAN = Plan(
    workload="app",
    target="here",
    arch="ppc64le",
    roots=("app",),
    repositories=(),
    closure=(),
    gaps=(
        gap("bcrypt", RouteKind.BUILD_SDIST, "bcrypt==3.2.0"),
        gap("data", RouteKind.REUSE, "data-1-1.noarch"),
        gap("hen", RouteKind.REBUILD, "hen-1-1.src"),
        gap("egg", RouteKind.REBUILD, "egg-1-1.src"),
        gap("knot", RouteKind.REBUILD, "knot-1-1.src"),
        gap("lib", RouteKind.RECIPE, "lib-on-power"),
        gap("lost >= 2", RouteKind.BLOCKED, advice="enable crb"),
        gap("pure", RouteKind.PIP_WHEEL, "pure==1"),
    ),
    waves=(("bcrypt", "lib"), ("hen (with bootstrap)",), ("egg",), ("hen",)),
    needs={"egg": ("hen",), "hen": ("egg", "lib")},
    blocked_by={"egg": ("lost >= 2",)},
    cycles=(
        Cycle(("egg", "hen"), ("egg", "hen"), Bootstrap("hen", "bootstrap", frozenset({"egg"}))),
        Cycle(("knot",), ("knot",)),
    ),
)


def test_every_gap_to_be_built_is_in_the_order_exactly_once_and_nothing_else() -> None:
    full = Counter(entry.source for wave in build_order_of(PLAN) for entry in wave if not entry.condition)
    full.update(gap.name for gap in undecided_of(PLAN))
    assert full == Counter(gap.name for gap in PLAN.gaps if gap.route.kind in BUILT)
    document = build_order_document(PLAN)
    assert [one["name"] for one in document["blocked"]] == ["lost >= 2"]
    assert document["undecided"] == [
        {"source": "knot", "route": "rebuild", "recipe": None, "subject": ["knot-1-1.src"]},
    ]


def test_each_step_says_its_route_its_recipe_what_it_needs_and_its_command() -> None:
    document = json.loads(dump_build_order(PLAN, "plan-app.json"))
    first, second, third, _ = document["waves"]
    assert [(one["source"], one["route"], one["recipe"]) for one in first] == [
        ("bcrypt", "build-sdist", None),
        ("lib", "recipe", "lib-on-power"),
    ]
    assert first[0]["subject"] == ["bcrypt==3.2.0"]
    assert (second[0]["bootstrap"], second[0]["command"]) == (
        "bootstrap",
        "ppcdeps build plan-app.json --only 'hen (with bootstrap)'",
    )
    assert (third[0]["needs"], third[0]["blocked_by"]) == (["hen"], ["lost >= 2"])
    assert third[0]["command"] == "ppcdeps build plan-app.json --only egg"
    assert [cycle["text"] for cycle in document["cycles"]] == ["egg needs hen needs egg", "knot needs knot"]


def test_the_text_names_each_step_in_order_and_what_would_help_what_is_blocked() -> None:
    text = render_build_order(PLAN, "plan-app.json")
    steps = [line.split()[:2] for line in text.splitlines() if line[2:3].isdigit()]
    assert steps == [["1", "bcrypt"], ["1", "lib"], ["2", "hen"], ["3", "egg"], ["4", "hen"]]
    assert "not built before lost >= 2 is there" in text
    assert text.index("lost >= 2: why lost >= 2") < text.index("-> enable crb")
    assert "a person must decide what is built first: 1\n  knot\n" in text


def test_without_a_plan_file_the_command_names_its_place() -> None:
    assert build_order_document(PLAN)["waves"][0][0]["command"] == "ppcdeps build PLAN --only bcrypt"


def test_a_plan_without_builds_has_an_empty_order() -> None:
    document = build_order_document(replace(PLAN, gaps=(), waves=(), needs={}, blocked_by={}, cycles=()))
    assert (document["waves"], document["undecided"], document["blocked"]) == ([], [], [])


@pytest.mark.parametrize("plan_file", [None, "plan.json"])
def test_the_same_plan_gives_the_same_bytes(plan_file: str | None) -> None:
    assert dump_build_order(PLAN, plan_file) == dump_build_order(PLAN, plan_file)
