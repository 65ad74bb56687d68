"""plan.json: its schema, and reading back what was written."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.plan import ChosenPackage, DroppedRequirement, Plan, RepositoryState
from ppcdeps.model.plan_file import dump_plan, load_plan

PLAN = Plan(
    workload="w",
    target="t",
    arch="ppc64le",
    roots=("app",),
    repositories=(RepositoryState("base", "target", "7", None, "00", 2, "did not answer"),),
    closure=(ChosenPackage("app-1-1.noarch", "base", "target", (Requirer("app", "w"),), "app"),),
    gaps=(
        Gap(
            name="lib",
            kind=GapKind.RPM,
            cause=Cause.ABSENT,
            phase=Phase.BUILD,
            wanted=("lib-1-1.ppc64le",),
            required_by=(Requirer("lib.so()(64bit)", "app-1-1.noarch"),),
            route=Route(RouteKind.BLOCKED, (), "why", "help", (("cross", 3.0), ("emulated", 35.5))),
            source="lib",
            detail="d",
        ),
    ),
    dropped_requirements=(DroppedRequirement("lib", "x", "y"),),
    waves=(("lib",), ("app",)),
    python={"lock": []},
    advice=("mind the gap",),
)


def test_a_plan_fits_the_schema() -> None:
    schema = json.loads((files("ppcdeps") / "data/schemas/plan.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(dump_plan(PLAN)), schema)


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(dump_plan(PLAN))
    assert load_plan(path) == PLAN


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "is not a plan"), ("[]", "schema 1"), ('{"schema": 9}', "schema 1"), ('{"schema": 1}', "not a whole plan")],
)
def test_what_is_no_plan_is_refused_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=told) as fault:
        load_plan(path)
    assert "\n" not in str(fault.value)


def test_a_plan_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the plan .*No such file"):
        load_plan(tmp_path / "none.json")
