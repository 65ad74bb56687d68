"""A scene for the session, cleared for each test, and the command line run in it under ceilings."""

from collections.abc import Iterator

import pytest
from doortrial import Bring, Outcome, Scene, run_line, scene


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
        outcome = run_line([str(one) for one in arguments], place, **variables)
        said = f"{outcome.code}: {outcome.err[-2000:]}"
        assert not outcome.complaints, f"{outcome.complaints}; exit {said}"
        if code is not None:
            assert outcome.code in (code if isinstance(code, set) else {code}), f"exit {said}"
        return outcome

    return run
