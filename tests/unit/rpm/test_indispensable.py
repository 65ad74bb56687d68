"""Sources that are indispensable by unit propagation, checked by the solver on the problems of tests/cases."""

from pathlib import Path

import pytest
from universes import Case, read_cases, run_case

from ppcdeps.rpm.indispensable import indispensable_sources
from ppcdeps.rpm.requests import request_packages
from ppcdeps.rpm.solving import solve_requests

FOLDER = Path(__file__).parents[2] / "cases"
NAMES = ("reference.toml", "rich.toml", "builds.toml", "dropped_requirements.toml", "versions.toml")
CASES = [pytest.param(case, id=f"{name}: {case.name}") for name in NAMES for case in read_cases(FOLDER / name)]


def shown(case: Case, folder: Path) -> tuple[set[str], set[str]]:
    """What is shown to be indispensable of all sources there are, and what the solver cannot do without."""
    outcome = run_case(case, folder)
    universe, placeholders = outcome.universe, set(outcome.closure.unknown)
    request = request_packages(universe, "once more", case.roots)
    sources = {universe.source_of(standin) for standin in universe.standins}
    needed = {
        source
        for source in sources
        if not solve_requests(universe, [request], sources - {source}, placeholders=placeholders).solved
    }
    return indispensable_sources(universe, [request], sources, (), placeholders), needed


@pytest.mark.parametrize("case", CASES)
def test_the_solver_finds_nothing_without_what_is_indispensable(case: Case, tmp_path: Path) -> None:
    found, needed = shown(case, tmp_path)
    assert found <= needed


def test_most_of_what_is_indispensable_is_shown(tmp_path: Path) -> None:
    results = [shown(case, tmp_path / str(at)) for at, case in enumerate(read_cases(FOLDER / "reference.toml"))]
    assert sum(len(found) for found, _ in results) > sum(len(needed) for _, needed in results) / 2 > 0
