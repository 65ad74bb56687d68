"""The use of names across real distributions, from the index that pip is configured for."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from indexes import index_of_pip

from ppcdeps.base.cache import Cache
from ppcdeps.checking.api.lockcheck import check_lock
from ppcdeps.checking.api.locks import read_lock
from ppcdeps.checking.findings import Report
from ppcdeps.cli.main import main
from ppcdeps.python.index import Index

BREAKAGES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "data" / "api" / "breakages.toml").read_text("utf-8")
)["breakage"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache.open(tmp_path_factory.mktemp("api-cache"))


@pytest.fixture(scope="module")
def index(cache: Cache) -> Iterator[Index]:
    """The index of pip's configuration. The tests are skipped where it is out of reach."""
    with index_of_pip(cache) as opened:
        yield opened


def report_of(index: Index, folder: Path, *pins: str, **options: Any) -> Report:
    path = folder / "lock.txt"
    path.write_text("".join(f"{pin}\n" for pin in pins), "utf-8")
    return check_lock(read_lock(path), index, **options)


def _case(breakage: Mapping[str, Any]) -> Any:
    name = f"{breakage['kind']}: {breakage['missing']}"
    return pytest.param(breakage, id=name, marks=() if breakage["core"] else pytest.mark.long)


@pytest.mark.parametrize("breakage", [_case(each) for each in BREAKAGES])
def test_a_released_breakage_is_found_with_the_broken_pair_and_not_with_the_right_one(
    index: Index, tmp_path: Path, breakage: dict[str, Any]
) -> None:
    broken = report_of(index, tmp_path, breakage["user"], breakage["broken"])
    told = [
        one
        for one in broken.findings
        if one.message.startswith(f"{breakage['missing']} is not ")
        and any(breakage["file"] in text for text in (one.where, *one.detail))
    ]
    assert len(told) == 1, broken.findings
    assert not broken.is_clean
    right = report_of(index, tmp_path, breakage["user"], breakage["right"])
    assert breakage["missing"] not in [one.message.split(" ")[0] for one in right.findings]
    assert not broken.skipped and not right.skipped


def test_the_breakages_are_of_different_kinds() -> None:
    assert len({breakage["kind"] for breakage in BREAKAGES}) == len(BREAKAGES)
    assert sum(breakage["core"] for breakage in BREAKAGES) > 10


def test_the_incident_names_the_line_the_release_that_has_the_name_and_the_pin(index: Index, tmp_path: Path) -> None:
    """oslo.concurrency of one site directory, oslo.utils of another: the node failed at its first instance."""
    report = report_of(index, tmp_path, "oslo.concurrency==3.20.0", "oslo.utils==3.4.0", find_versions=True)
    (finding,) = report.findings
    assert finding.rule == "api-missing-name"
    assert finding.where == "oslo_concurrency/processutils.py:287"
    assert "oslo_utils.encodeutils of oslo-utils 3.4.0 has no name to_utf8" in finding.message
    assert "oslo-concurrency 3.20.0 uses it" in finding.message
    assert finding.fixed_in == "3.5.0"
    assert finding.fix == ("oslo-utils>=3.5.0",)
    fixed = report_of(index, tmp_path, "oslo.concurrency==3.20.0", "oslo.utils==3.5.0")
    assert fixed.findings == ()


def test_what_took_a_name_out_is_found_by_looking_at_other_releases(index: Index, tmp_path: Path) -> None:
    report = report_of(index, tmp_path, "celery==4.4.7", "vine==5.0.0", find_versions=True)
    (finding,) = report.findings
    assert finding.rule == "api-missing-module"
    assert finding.fixed_in is None
    assert finding.fix == ("vine<5.0.0",)
    assert "vine had it until 1.3.0; 5.0.0 removed it" in finding.detail


def test_the_command_prints_findings_and_ends_with_1(
    cache: Cache, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("munch==2.5.0\nsetuptools==82.0.1  # as pip chose\nrequests>=2\nno-such-thing-here==1\n", "utf-8")
    asked = ["check", "lock", str(lock), "--cache-dir", str(cache.directory), "-q"]
    assert main([*asked, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [one["rule"] for one in document["findings"]] == ["api-removed-module"]
    assert document["findings"][0]["fix"] == ["setuptools<82.0.0"]
    assert {one["what"].split(" ")[0] for one in document["skipped"]} == {"requests", "no-such-thing-here"}
    lock.write_text("munch==2.5.0\nsetuptools==81.0.0\n", "utf-8")
    assert main(asked) == 0
    assert main([*asked, "--offline"]) == 0
    assert "Nothing found" in capsys.readouterr().out


def test_offline_without_the_files_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("munch==2.5.0\n", "utf-8")
    assert main(["check", "lock", str(lock), "--offline", "--cache-dir", str(tmp_path / "c"), "-q"]) == 30
    assert "none of the 1 distributions" in capsys.readouterr().err
