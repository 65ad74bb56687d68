"""Plans for tests of pages: one with every kind of route, and one whose every text is hostile."""

import dataclasses
from enum import StrEnum
from typing import Any, TypeVar

from ppcdeps.model.build_order import Bootstrap, Cycle
from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import (
    ChosenPackage,
    DroppedRequirement,
    Enabling,
    OwnPackages,
    Plan,
    Replacement,
    RepositoryState,
)
from ppcdeps.model.python_plan import (
    DistributionRequirer,
    PlannedDistribution,
    PlannedFile,
    PlannedPython,
    Provision,
    PythonFallback,
)

Value = TypeVar("Value")
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onload=alert(1) x='{{ 7*7 }}"
HOSTILE = f"{MARKUP}\x1b[31m\x07\n\u202egnp.exe\u2066\u200b\u2028"
"""Markup that breaks out of texts and attributes, terminal controls, line breaks, direction, unseen characters."""


def package(nevra: str, side: str, *required_by: tuple[str, str]) -> ChosenPackage:
    requirers = tuple(Requirer(requirement, by) for by, requirement in required_by)
    return ChosenPackage(Nevra.parse(nevra), "base", side, requirers, Nevra.parse(nevra).name)


APP, LIB, TOOL, DATA, THERE = (
    "app-1-1.noarch",
    "lib-2-1.ppc64le",
    "tool-3-1.ppc64le",
    "data-4-1.noarch",
    "there-5-1.ppc64le",
)

PLAN = Plan(
    workload="cloud",
    target="el9",
    arch="ppc64le",
    roots=("app",),
    repositories=(
        RepositoryState("base", "target", "7", 1_700_000_000, "ab" * 32, 10),
        RepositoryState("extra", "target", "", None, "", 0, problem="did not answer", enabled=False),
    ),
    closure=(
        package(APP, "reference", ("cloud", "app")),
        package(DATA, "reference", (APP, "data")),
        package(LIB, "standin", (APP, "lib >= 2"), (TOOL, "lib")),
        package(THERE, "target", (LIB, "there")),
        package(TOOL, "standin", (APP, "/usr/bin/tool")),
    ),
    gaps=(
        Gap("app", GapKind.RPM, Cause.ABSENT, Phase.RUN, (Nevra.parse(APP),), (Requirer("app", "cloud"),),
            Route(RouteKind.REUSE, (APP,), "noarch in ref"), "app"),
        Gap("data", GapKind.RPM, Cause.ABSENT, Phase.RUN, (Nevra.parse(DATA),), (Requirer("data", APP),),
            Route(RouteKind.REUSE, (DATA,), "noarch in ref"), "data"),
        Gap("lib", GapKind.RPM, Cause.NOT_BUILT, Phase.RUN, (Nevra.parse(LIB),),
            (Requirer("lib >= 2", APP), Requirer("lib", TOOL)),
            Route(RouteKind.RECIPE, ("lib",), minutes=(("emulated", 100.0), ("cross", 1.5)), digest="1"), "lib"),
        Gap("tool", GapKind.RPM, Cause.EXCLUDED, Phase.RUN, (Nevra.parse(TOOL),), (Requirer("/usr/bin/tool", APP),),
            Route(RouteKind.REBUILD, ("tool",)), "tool", "ExclusiveArch: x86_64",
            tried=("/usr/bin/tool: no package of base provides it",), build_requires=("make",)),
        Gap("maker", GapKind.RPM, Cause.ABSENT, Phase.BUILD, (Nevra.parse("maker-6-1.ppc64le"),),
            (Requirer("maker", "tool-3-1.ppc64le"),), Route(RouteKind.REBUILD, ("maker",)), "maker"),
        Gap("firmware", GapKind.RPM, Cause.UNKNOWN, Phase.BUILD, ("firmware(x)",),
            (Requirer("firmware(x)", "lib-2-1.ppc64le"),),
            Route(RouteKind.BLOCKED, (), "nobody provides it", "write a recipe")),
        Gap("speedups", GapKind.PYTHON, Cause.NO_WHEEL, Phase.RUN, ("speedups==1.0",),
            (Requirer("speedups >=1", "web"),),
            Route(RouteKind.BUILD_SDIST, ("speedups==1.0",), "builds C"), "speedups-1.0.tar.gz"),
        Gap("web", GapKind.PYTHON, Cause.ABSENT, Phase.RUN, ("web==2.0",), (Requirer("web", APP),),
            Route(RouteKind.PIP_WHEEL, ("web==2.0",))),
    ),
    dropped_requirements=(DroppedRequirement("lib", "efi", "x86 only"),),
    waves=(("maker", "lib", "speedups"), ("tool",)),
    needs={"tool": ("maker",)},
    blocked_by={"lib": ("firmware",)},
    python=PlannedPython(
        "3.9.1", "ppc64le", "2.34",
        distributions=(
            PlannedDistribution("speedups", "1.0", Provision.BUILD, "pins.txt:1",
                                (DistributionRequirer("web", ">=1"),)),
            PlannedDistribution("web", "2.0", Provision.WHEEL, "pins.txt:2", (DistributionRequirer(APP, ""),),
                                (PlannedFile("web-2.0-py3-none-any.whl", "cd" * 32),)),
        ),
        notes=("a note",), bridge=("python3-web = 2.0",), versions_by="pins.txt",
    ),
    advice=("a piece of advice",),
    release="yoga",
    request=RequestRecord(("cloud",)),
)  # fmt: skip
"""Every column of the graph has something: app leads to lib, tool and web, tool is built after maker."""


def hostile(value: Value, text: str = HOSTILE) -> Value:
    """The value with this text in all its texts, also in those of values in it; enumerations and sides stay."""
    found: Value = _hostile(value, text, "")
    return found


def _hostile(value: Any, text: str, name: str) -> Any:
    if isinstance(value, StrEnum) or name in ("side", "arch"):
        return value
    if isinstance(value, str):
        return f"{value}{text}"
    if isinstance(value, frozenset):
        return frozenset(_hostile(one, text, name) for one in value)
    if isinstance(value, tuple):
        return tuple(_hostile(one, text, name) for one in value)
    if isinstance(value, dict):
        return {_hostile(key, text, name): _hostile(one, text, name) for key, one in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            each.name: _hostile(getattr(value, each.name), text, each.name) for each in dataclasses.fields(value)
        }
        if isinstance(value, RequestRecord):
            return RequestRecord(fields["words"], (("target", (text,)),))
        return dataclasses.replace(value, **fields)
    return value


CYCLE = Cycle(("a", "b"), ("a", "b"), Bootstrap("a", "doc", frozenset({"b"})))
OWN = OwnPackages("lib", "./lib.spec", "ef" * 32, (Nevra.parse(LIB),), ("make",), ("lib.tar.gz",), ("a note",))


def _full() -> Plan:
    gaps = [
        dataclasses.replace(
            gap,
            route=dataclasses.replace(gap.route, timed_by="slim") if gap.route.minutes else gap.route,
            alternative=Route(RouteKind.ENABLE, ("extra",), "has it", "enable it") if gap.name == "lib" else None,
        )
        for gap in PLAN.gaps
    ]
    assert PLAN.python is not None
    speedups, web = PLAN.python.distributions
    speedups = dataclasses.replace(
        speedups, rpm="python3-speedups-1-1.noarch", extras=("fast",), builds_from=("speedups-1.0.tar.gz",),
        evidence=("setup.py has ext_modules",), metadata="of the sdist",
    )  # fmt: skip
    python = dataclasses.replace(
        PLAN.python, distributions=(speedups, web), added_rpms=("python3-six",), bridge_requires=("python3",)
    )
    replacement = Replacement(Nevra.parse(THERE), Nevra.parse("there-6-1.ppc64le"), True)
    return dataclasses.replace(
        PLAN, gaps=tuple(gaps), python=python, cycles=(CYCLE,), own=(OWN,), modules=("idm:DL1",),
        python_fallback=PythonFallback("no index", "name one"),
        enablings=(Enabling(("extra",), ("lib",), ("more",), (replacement,), ("far",)),),
    )  # fmt: skip


FULL = _full()
"""The plan with something in every field that has text."""


def unfilled(value: Any) -> set[tuple[str, str]]:
    """The fields, by class, that are empty in every value of their class in this one: hostile text reaches none."""
    filled: dict[tuple[str, str], bool] = {}

    def look(one: Any) -> None:
        if dataclasses.is_dataclass(one) and not isinstance(one, type):
            for field in dataclasses.fields(one):
                key, found = (type(one).__name__, field.name), getattr(one, field.name)
                filled[key] = filled.get(key, False) or bool(found)
                look(found)
        elif isinstance(one, tuple | frozenset):
            for each in one:
                look(each)

    look(value)
    return {key for key, has in filled.items() if not has}
