"""The solver problems of tests/cases, each over real repositories, in the given order and in the opposite one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from universes import Case, Outcome, read_cases, run_case

from ppcdeps.base.cache import Cache
from ppcdeps.rpm import fileprovides
from ppcdeps.rpm.requests import request_packages
from ppcdeps.rpm.solving import solve_requests

FOLDER = Path(__file__).parents[2] / "cases"
FILES = sorted(FOLDER.glob("*.toml"))
CASES = [pytest.param(case, id=f"{path.stem}: {case.name}") for path in FILES for case in read_cases(path)]
EMPTY: Mapping[str, Any] = {"sources": [], "unknown": [], "clashes": [], "dropped": [], "problems": []}


@pytest.mark.parametrize("case", CASES)
def test_case_has_the_expected_answer(case: Case, tmp_path: Path) -> None:
    cache = Cache.open(tmp_path / "cache")
    outcome = run_case(case, tmp_path / "given", cache)
    assert outcome.said == _expected(case)
    _check_irreducible(case, outcome)
    assert run_case(case, tmp_path / "again", cache).said == outcome.said, "from .solv files"
    assert run_case(case.reversed(), tmp_path / "reversed").said == outcome.said, "in the opposite order"


OF_PATHS = [case for case in CASES if "capabilities" in str(case.id) or "rich" in str(case.id)]


@pytest.mark.parametrize("case", OF_PATHS)
def test_case_has_the_same_answer_from_files_that_were_kept(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fileprovides, "_WORTH_KEEPING", 0)
    cache = Cache.open(tmp_path / "cache")
    searched = run_case(case, tmp_path / "given", cache)
    kept = run_case(case, tmp_path / "again", cache)
    assert searched.said == kept.said == _expected(case)
    for package in kept.closure.chosen:
        assert sorted(kept.universe.provides_of(package)) == sorted(searched.universe.provides_of(package))


def test_files_are_searched_once_for_the_same_repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(each for path in FILES for each in read_cases(path) if "/usr/bin/bar" in str(each.repositories))
    monkeypatch.setattr(fileprovides, "_WORTH_KEEPING", 0)
    cache = Cache.open(tmp_path / "cache")
    run_case(case, tmp_path / "given", cache)

    def unexpected(*_: object) -> None:
        raise AssertionError("searched once more")

    monkeypatch.setattr(fileprovides, "_mark_searched", unexpected)
    run_case(case, tmp_path / "again", cache)
    with pytest.raises(AssertionError, match="once more"):
        run_case(case, tmp_path / "elsewhere")


def _expected(case: Case) -> dict[str, Any]:
    assert "closure" in case.expect, "a case says its closure"
    expected = {**EMPTY, **case.expect}
    expected["closure"] = sorted(expected["closure"])
    expected["unknown"] = sorted(expected["unknown"])
    if "build" in expected:
        expected["build"] = {
            source: one if isinstance(one, str) else _build(one) for source, one in expected["build"].items()
        }
    return expected


def _build(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "closure": sorted(raw["closure"]),
        **{key: sorted(raw.get(key, ())) for key in ("sources", "unknown", "clashes")},
    }


def _check_irreducible(case: Case, outcome: Outcome) -> None:
    """Without any one of the sources, or of what nobody provides, there is no answer."""
    universe, closure = outcome.universe, outcome.closure
    request = request_packages(universe, "once more", case.roots)
    sources, placeholders = set(closure.sources), set(closure.unknown)
    assert solve_requests(universe, [request], sources, placeholders=placeholders).solved
    for source in sources:
        assert not solve_requests(universe, [request], sources - {source}, placeholders=placeholders).solved, (
            f"needless: {source}"
        )
    for placeholder in placeholders:
        assert not solve_requests(universe, [request], sources, placeholders=placeholders - {placeholder}).solved, (
            "needless: unknown"
        )
