"""A scene for the session, cleared for each test, and the command line run in it under ceilings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from doortrial import Bring, Outcome, Scene, run_line, scene

FOLDER = Path(__file__).parent
PATIENCE = 40.0
"""Seconds by the clock after which a run is stuck, beside other tests. Of the processor it has 10, as ever."""
FIRST, SPREAD = 2, 2
"""Of a test with many variants, the first ones and some of the others are run every time; the rest are `long`."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `long` most variants of tests that have many: each variant is a run of the program."""
    variants: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.path.parent == FOLDER and item.path.name != "test_doors.py":
            variants.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for all_of_one in variants.values():
        rest = all_of_one[FIRST:]
        step = max(1, len(rest) // SPREAD)
        for number, item in enumerate(rest):
            if number % step:
                item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def whole_scene() -> Iterator[Scene]:
    """The scene that all tests of this folder share."""
    with scene() as made:
        yield made


@pytest.fixture
def place(whole_scene: Scene) -> Scene:
    """The scene, empty."""
    whole_scene.clear()
    return whole_scene


@pytest.fixture
def bring(place: Scene) -> Bring:
    """Run a command line in the scene: whatever the input, it must end well and with the documented exit code."""

    def run(*arguments: object, code: int | set[int] | None = None, **variables: str) -> Outcome:
        outcome = run_line([str(one) for one in arguments], place, variables, seconds=PATIENCE)
        said = f"{outcome.code}: {outcome.err[-2000:]}"
        assert not outcome.complaints, f"{outcome.complaints}; exit {said}"
        if code is not None:
            assert outcome.code in (code if isinstance(code, set) else {code}), f"exit {said}"
        return outcome

    return run
