import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from ppcdeps.model.gap import Requirer
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage, Plan, RepositoryState
from ppcdeps.model.python_plan import (
    DistributionRequirer,
    PlannedDistribution,
    PlannedFile,
    PlannedPython,
    Provision,
)
from ppcdeps.report.formats.bills import dump_plan_cyclonedx, dump_plan_spdx


def chosen(nevra: str, side: str, *by: str) -> ChosenPackage:
    return ChosenPackage(Nevra.parse(nevra), "base", side, tuple(Requirer("x", one) for one in by), "source")


PLAN = Plan(
    "cloud",
    "centos-stream-9",
    "ppc64le",
    ("app",),
    (RepositoryState("base", "target", "1", 1_700_000_000, "0" * 64, 3),),
    (
        chosen("app-2:1.0~rc1-1.noarch", "reference", "cloud"),
        chosen("lib++-1-1.ppc64le", "standin", "app-2:1.0~rc1-1.noarch"),
        chosen("zsh-5-1.ppc64le", "target", "cloud", "lib++-1-1.ppc64le"),
    ),
    (),
    python=PlannedPython(
        "3.9.25",
        "ppc64le",
        "2.34",
        (
            PlannedDistribution(
                "oslo-db", "1.2", Provision.WHEEL,
                required_by=(DistributionRequirer("app-2:1.0~rc1-1.noarch", ""),),
                files=(PlannedFile("oslo_db-1.2-py3-none-any.whl", "a" * 64),),
            ),
            PlannedDistribution("six", "1", Provision.RPM, rpm="python3-six-1-1.noarch"),
        ),
    ),
)  # fmt: skip


def valid(text: str) -> dict[str, Any]:
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert fault is None, fault
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_plans_cyclonedx_is_valid_and_says_what_requires_what() -> None:
    document = valid(dump_plan_cyclonedx(PLAN))
    by_name = {one["name"]: one for one in document["components"]}
    # What an RPM provides is a component as that RPM alone.
    assert set(by_name) == {"app", "lib++", "zsh", "oslo-db"}
    assert by_name["app"]["purl"] == "pkg:rpm/app@1.0~rc1-1?arch=noarch&distro=centos-9&epoch=2"
    for one in by_name.values():
        assert PackageURL.from_string(one["purl"]).to_string() == one["purl"]
    assert by_name["oslo-db"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert {"name": "ppcdeps:side", "value": "standin"} in by_name["lib++"]["properties"]
    needed = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert needed["cloud"] == ["app-2:1.0~rc1-1.noarch", "zsh-5-1.ppc64le"]
    assert needed["app-2:1.0~rc1-1.noarch"] == ["lib++-1-1.ppc64le", "pkg:pypi/oslo-db@1.2"]
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_the_same_plan_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dump_plan_cyclonedx(PLAN) == dump_plan_cyclonedx(PLAN)
    assert dump_plan_spdx(PLAN) == dump_plan_spdx(PLAN)
    before = json.loads(dump_plan_cyclonedx(PLAN))["serialNumber"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    after = json.loads(dump_plan_cyclonedx(PLAN))
    assert after["metadata"]["timestamp"] == "1970-01-01T00:00:00+00:00" and after["serialNumber"] != before


@pytest.mark.parametrize("plan", [PLAN, Plan("cloud", "ad-hoc", "ppc64le", (), (), (), ())], ids=["plan", "nothing"])
def test_a_plans_spdx_is_valid(plan: Plan, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spdx_tools.spdx.parser.json.json_parser import parse_from_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

        path = tmp_path / "cloud.spdx.json"
        path.write_text(dump_plan_spdx(plan))
        document = parse_from_file(str(path))
        assert [one.validation_message for one in validate_full_spdx_document(document)] == []
    depends = [one for one in document.relationships if one.relationship_type.name == "DEPENDS_ON"]
    if plan is PLAN:
        assert {one.name for one in document.packages} == {"cloud", "app", "lib++", "zsh", "oslo-db"}
        # The workload's roots are app and zsh; app requires lib++ and oslo-db, lib++ zsh.
        assert len(depends) == 5
    else:
        assert [one.name for one in document.packages] == ["cloud"] and not depends
        assert valid(dump_plan_cyclonedx(plan)).get("components", []) == []
