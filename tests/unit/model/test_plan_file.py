"""plan.json: its schema, reading back what was written, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ppcdeps.model.build_order import Bootstrap, Cycle
from ppcdeps.model.commands import RECORDED_OPTIONS, RequestRecord
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import (
    SCHEMA,
    ChosenPackage,
    DroppedRequirement,
    Enabling,
    OwnPackages,
    Plan,
    Replacement,
    RepositoryState,
)
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.python_plan import (
    DistributionRequirer,
    PlannedDistribution,
    PlannedFile,
    PlannedPython,
    Provision,
    PythonFallback,
)
from ppcdeps.python.coremetadata import MetadataSource

SHA256 = "0" * 64
LIB = Nevra.parse("lib-1-1.ppc64le")


def rpm_gap(name: str, cause: Cause, route: Route) -> Gap:
    """A gap of RPM; one whose cause is unknown wants a requirement, all others want packages."""
    wanted: tuple[Nevra | str, ...] = (name,) if cause is Cause.UNKNOWN else (Nevra.parse(f"{name}-2:1-1.ppc64le"),)
    source = None if cause in (Cause.UNKNOWN, Cause.CONFLICT) else name
    return Gap(name, GapKind.RPM, cause, Phase.RUN, wanted, (), route, source)


def python_gap(name: str, cause: Cause, route: RouteKind) -> Gap:
    pin = f"{name}==1"
    requirers = (Requirer(f"{name} >=1", "app"),)
    return Gap(name, GapKind.PYTHON, cause, Phase.RUN, (pin,), requirers, Route(route, (pin,)), f"{name}-1.tar.gz")


PYTHON = PlannedPython(
    python="3.9.25",
    machine="ppc64le",
    glibc="2.34",
    distributions=(
        PlannedDistribution("six", "1.15.0", Provision.RPM, "an RPM", rpm="python3-six-1.15.0-9.el9.noarch"),
        PlannedDistribution(
            "native",
            "1",
            Provision.BUILD,
            pinned_by="the constraints",
            required_by=(DistributionRequirer("app", ">=1"),),
            files=(PlannedFile("native-1.tar.gz", SHA256),),
            extras=("fast",),
            builds_from=("C",),
            evidence=("native-1/x.c",),
            optional=True,
            metadata="egg-info",
        ),
    ),
    added_rpms=("python3-numpy-1:1.23.5-1.el9.ppc64le",),
    notes=("six is 1.15.0 from an RPM",),
    bridge=("python3-native = 1",),
    bridge_requires=("(tool if app)", "lvm2"),
)
PLAN = Plan(
    workload="w",
    target="t",
    arch="ppc64le",
    roots=("app",),
    repositories=(
        RepositoryState("base", "target", "7", None, "00", 2, "did not answer"),
        RepositoryState("crb", "target", "1", 1, "00", 3, enabled=False),
    ),
    closure=(ChosenPackage(Nevra.parse("app-1-1.noarch"), "base", "target", (Requirer("app", "w"),), "app"),),
    gaps=(
        Gap(
            name="lib",
            kind=GapKind.RPM,
            cause=Cause.ABSENT,
            phase=Phase.BUILD,
            wanted=(LIB,),
            required_by=(Requirer("lib.so()(64bit)", "app-1-1.noarch"),),
            route=Route(RouteKind.BLOCKED, (), "why", "help", (("cross", 3.0), ("emulated", 35.5))),
            source="lib",
            detail="d",
        ),
    ),
    dropped_requirements=(DroppedRequirement("lib", "x", "y"),),
    waves=(("lib",), ("app",)),
    needs={"app": ("lib",)},
    blocked_by={"app": ("gone >= 2",)},
    cycles=(
        Cycle(("app", "lib"), ("app", "lib"), Bootstrap("lib", "bootstrap", frozenset({"app"}))),
        Cycle(("ghc",), ("ghc",)),
    ),
    own=(OwnPackages("lib", "./lib.spec", SHA256, (LIB,), ("gcc >= 4",), ("lib-%{macro}.tar.gz",), ("a note",)),),
    python=PYTHON,
    advice=("mind the gap",),
)
ALL_KINDS = replace(
    PLAN,
    gaps=(
        rpm_gap("absent", Cause.ABSENT, Route(RouteKind.REUSE, ("absent-2:1-1.noarch",))),
        rpm_gap("excluded", Cause.EXCLUDED, Route(RouteKind.RECIPE, ("r",), digest=SHA256)),
        replace(
            rpm_gap("not-built", Cause.NOT_BUILT, Route(RouteKind.REBUILD, ("not-built-1-1.src",))),
            tried=("libx.so: no package of base provides it", "no recipe is for not-built"),
            build_requires=("gcc", "pkgconfig(x) >= 2"),
        ),
        rpm_gap("too-new", Cause.TOO_NEW, Route(RouteKind.REUSE, ("too-new-2:1-1.noarch",))),
        rpm_gap("odd", Cause.NOT_INSTALLABLE, Route(RouteKind.REUSE, ("odd-2:1-1.noarch",))),
        replace(
            rpm_gap("too-old", Cause.TOO_OLD, Route(RouteKind.ENABLE, ("crb",), "crb has it", "--enablerepo crb")),
            alternative=Route(RouteKind.RECIPE, ("r",), digest=SHA256),
        ),
        rpm_gap("clash", Cause.CONFLICT, Route(RouteKind.BLOCKED, reason="both")),
        rpm_gap("libfoo.so.1()(64bit)", Cause.UNKNOWN, Route(RouteKind.BLOCKED, reason="nothing")),
        python_gap("built", Cause.NO_WHEEL, RouteKind.BUILD_SDIST),
        python_gap("wheel", Cause.ABSENT, RouteKind.PIP_WHEEL),
        python_gap("pure", Cause.ABSENT, RouteKind.PIP_SDIST),
    ),
    enablings=(
        Enabling(
            ("crb",),
            ("too-old",),
            ("libfoo.so.2()(64bit)",),
            (Replacement(Nevra.parse("app-1-1.noarch"), Nevra.parse("app-1:2-1.noarch"), needed=True),),
            ("epel", "sig"),
        ),
        Enabling(("epel", "sig"), ("too-old",)),
    ),
)
FALLBACK = replace(PLAN, python=None, python_fallback=PythonFallback("width is 0.2.6", "another width"))
REQUEST = RequestRecord.of(
    ["app", "pypi:flask>=2"], {"target": ["my target.toml"], "enablerepo": ["crb", "epel*"], "python": ["rpm"]}
)
REQUESTED = replace(PLAN, request=REQUEST)
PLANS = [PLAN, replace(PLAN, python=None), FALLBACK, ALL_KINDS, REQUESTED]


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("ppcdeps") / "data/schemas/plan.schema.json").read_text())
    return found


@pytest.mark.parametrize(
    "plan", PLANS, ids=["python", "rpm alone", "rpm after all", "gaps of every kind", "requested"]
)
def test_a_plan_fits_the_schema_and_reads_back_as_it_was(plan: Plan, tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(dump_plan(plan)), schema())
    path = tmp_path / "plan.json"
    path.write_text(dump_plan(plan))
    assert load_plan(path) == plan


def test_a_plan_that_does_not_say_what_was_tried_is_read(tmp_path: Path) -> None:
    document = json.loads(dump_plan(ALL_KINDS))
    for gap in document["gaps"]:
        del gap["tried"], gap["build_requires"]
    jsonschema.validate(document, schema())
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    assert load_plan(path) == replace(
        ALL_KINDS, gaps=tuple(replace(gap, tried=(), build_requires=()) for gap in ALL_KINDS.gaps)
    )


def test_every_cause_and_route_is_among_the_gaps_of_every_kind() -> None:
    assert {gap.cause for gap in ALL_KINDS.gaps} == set(Cause)
    assert {gap.route.kind for gap in ALL_KINDS.gaps} == set(RouteKind)


def test_the_schema_is_closed_and_names_what_the_program_knows() -> None:
    def objects(node: Any) -> Any:
        if isinstance(node, dict):
            yield from [node] if node.get("type") == "object" else []
            for value in node.values():
                yield from objects(value)
        if isinstance(node, list):
            for value in node:
                yield from objects(value)

    assert all({"additionalProperties", "maxProperties"} & each.keys() for each in objects(schema()))
    gap, distribution = schema()["properties"]["gaps"]["items"]["properties"], schema()["$defs"]["distribution"]
    assert gap["cause"]["enum"] == list(Cause)
    assert schema()["$defs"]["route"]["properties"]["kind"]["enum"] == list(RouteKind)
    assert distribution["properties"]["provision"]["enum"] == list(Provision)
    assert distribution["properties"]["metadata"]["enum"] == list(MetadataSource)
    assert schema()["properties"]["schema"]["const"] == SCHEMA
    options = schema()["properties"]["request"]["properties"]["options"]["properties"]
    assert set(options) == set(RECORDED_OPTIONS)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is not a plan: it is not JSON: "),
        ("[]", "names no schema"),
        ("[" * 100_000, "is not a plan: it is nested deeper than"),
        ('{"schema": "2"}', "names no schema"),
        (
            '{"schema": 9}',
            "is a plan of schema 9, and schema 3 is read here; make it anew with `ppcdeps plan WORKLOAD`",
        ),
        ('{"schema": 1, "reliefs": []}', "is a plan of schema 1, and schema 3 is read here"),
        ('{"schema": 3}', "is not a whole plan: created_from is missing"),
    ],
)
def test_what_is_not_a_plan_is_refused_in_one_line(tmp_path: Path, content: str, fault: str) -> None:
    assert fault in refusal(tmp_path, content)


def set_to(value: object, *place: str | int) -> Callable[[Any], None]:
    """Puts a value at a place of a document."""

    def change(document: Any) -> None:
        for step in place[:-1]:
            document = document[step]
        document[place[-1]] = value

    return change


def without(*place: str | int) -> Callable[[Any], None]:
    """Removes the member at a place of a document."""

    def change(document: Any) -> None:
        for step in place[:-1]:
            document = document[step]
        del document[place[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (set_to(1, "workload"), "workload is not a text"),
        (set_to("app", "roots"), "roots is not an array"),
        (set_to([1], "roots"), "roots has an entry that is not a text"),
        (set_to([], "created_from"), "created_from is not an object"),
        (set_to("now", "created_from", "base", "date"), "created_from.base.date is not a whole number"),
        (set_to(True, "created_from", "base", "packages"), "created_from.base.packages is not a whole number"),
        (
            set_to("left", "created_from", "base", "side"),
            'created_from.base.side is "left", not one of target, refer',
        ),
        (set_to("app", "closure", 0, "nevra"), "closure[0].nevra is not a package identity"),
        (without("closure", 0, "source"), "closure[0].source is missing"),
        (set_to({}, "closure", 0, "required_by"), "closure[0].required_by is not an array"),
        (set_to("lost", "gaps", 0, "cause"), 'gaps[0].cause is "lost", not one of absent, '),
        (set_to("fly", "gaps", 0, "route", "kind"), 'gaps[0].route.kind is "fly", not one of enable, '),
        (without("gaps", 0, "alternative"), "gaps[0].alternative is missing"),
        (set_to("crb", "gaps", 0, "alternative"), "gaps[0].alternative is not an object"),
        (set_to("no", "created_from", "base", "enabled"), "created_from.base.enabled is not true or false"),
        (without("enabling"), "enabling is missing"),
        (set_to([{"repositories": ["--repo"]}], "enabling"), "enabling[0].repositories is not a repository id"),
        (set_to(-1, "gaps", 0, "route", "minutes", "cross"), "gaps[0].route.minutes.cross is not a number of 0"),
        (set_to(1e307, "gaps", 0, "route", "minutes", "cross"), "gaps[0].route.minutes.cross is not a number of 0"),
        (set_to(["lib"], "gaps", 0, "wanted"), "gaps[0].wanted is not a package identity"),
        (set_to([1], "gaps"), "gaps[0] is not an object"),
        (without("dropped_requirements"), "dropped_requirements is missing"),
        (set_to([["a"], "b"], "waves"), "waves is not an array of arrays of texts"),
        (set_to([1], "needs", "app"), "needs.app has an entry that is not a text"),
        (set_to(None, "python"), "python is not an object"),
        (without("python", "bridge"), "python.bridge is missing"),
        (set_to("egg", "python", "distributions", 0, "provision"), 'python.distributions[0].provision is "egg"'),
        (set_to("yes", "python", "distributions", 1, "optional"), "distributions[1].optional is not true or false"),
        (set_to([{}], "python", "distributions", 1, "files"), "python.distributions[1].files[0].name is missing"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(tmp_path: Path, change: Callable[[Any], None], fault: str) -> None:
    document = json.loads(dump_plan(PLAN))
    change(document)
    assert fault in refusal(tmp_path, json.dumps(document))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (set_to([], "request"), "request is not an object"),
        (set_to([], "request", "words"), "request.words names nothing to plan"),
        (set_to(["a\nb"], "request", "words"), 'request.words is not a word of a command line: "a\\nb"'),
        (set_to(["x" * 5000], "request", "words"), "request.words is not a word of a command line"),
        (set_to("app", "request", "options", "target"), "request.options.target is not an array"),
        (set_to(["x"], "request", "options", "cache-dir"), "an option that plans do not record: cache-dir"),
        (set_to(["x"], "request", "options", "a\x1bb"), r"an option that plans do not record: a\x1bb"),
        (without("request", "options"), "request.options is missing"),
    ],
)
def test_a_wrong_request_is_refused_with_its_place(tmp_path: Path, change: Callable[[Any], None], fault: str) -> None:
    document = json.loads(dump_plan(REQUESTED))
    change(document)
    told = refusal(tmp_path, json.dumps(document))
    assert fault in told
    assert told.endswith("make it anew with `ppcdeps plan WORKLOAD`")


def test_a_plan_of_another_schema_is_made_anew_as_it_was_requested(tmp_path: Path) -> None:
    document = json.loads(dump_plan(REQUESTED)) | {"schema": 9}
    command = REQUEST.command()
    assert command == (
        "ppcdeps plan app 'pypi:flask>=2' --target 'my target.toml' --enablerepo crb --enablerepo 'epel*' "
        "--python rpm"
    )
    assert refusal(tmp_path, json.dumps(document)).endswith(f"make it anew with `{command}`")


def refusal(folder: Path, content: str) -> str:
    """The one line that a plan file of this content is refused with."""
    path = folder / "plan.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as fault:
        load_plan(path)
    assert str(fault.value).startswith(f"{path} is ")
    assert "\n" not in str(fault.value)
    assert fault.value.exit_code == 3
    return str(fault.value)


def test_a_plan_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the plan .*No such file"):
        load_plan(tmp_path / "none.json")
