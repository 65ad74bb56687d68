"""Every door under generated damage: no defect, no hang, no memory, nothing outside, nothing forged on the terminal.

A few inputs a door here; with `-m long` 2,000. `python tests/hostile/run.py` brings more, and keeps what fails.
"""

from random import Random

import pytest
from damage import Words, damaged
from doors import DOORS, Door
from doortrial import Outcome, Scene, run_door

FEW = 6
FEWER = 2
"""For doors whose runs start other programs."""
SEED = 1


@pytest.fixture(params=sorted(DOORS))
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = DOORS[request.param]
    if lacks := found.lacks():
        pytest.skip(lacks)
    return found


def outcomes(door: Door, place: Scene, numbers: range) -> list[str]:
    """What is to be said against the runs with these inputs."""
    words = Words(str(place.canary))
    found = []
    for number in numbers:
        document = damaged(door.document(), door.form, Random(f"{SEED}/{door.name}/{number}"), words)
        outcome: Outcome = run_door(door, document, place)
        if not outcome.is_good:
            found.append(f"input {number} of seed {SEED}: {outcome.complaints} {outcome.err[-300:]}")
    return found


def test_a_valid_document_is_taken(door: Door, whole_scene: Scene) -> None:
    outcome = run_door(door, door.document(), whole_scene)
    assert outcome.is_good, outcome.complaints
    assert outcome.code in (0, 1), outcome.err


def test_a_damaged_document_is_an_answer_or_one_clear_error(door: Door, whole_scene: Scene) -> None:
    assert outcomes(door, whole_scene, range(FEWER if door.slow else FEW)) == []


@pytest.mark.long
def test_two_thousand_damaged_documents_are_answers_or_clear_errors(door: Door, whole_scene: Scene) -> None:
    assert outcomes(door, whole_scene, range(2000)) == []
