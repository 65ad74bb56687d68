"""When a node is accepted."""

import pytest

from ppcdeps.checking.node.results import NodeReport, Outcome, Step
from ppcdeps.checking.node.results import TestedPart as Part

CLEAN = Step(Part.CLEANUP, "nothing left behind", Outcome.PASSED)


@pytest.mark.parametrize(
    ("outcomes", "is_accepted"),
    [
        ((Outcome.PASSED,), True),
        ((Outcome.PASSED, Outcome.SKIPPED), True),
        ((Outcome.PASSED, Outcome.FAILED), False),
        ((Outcome.SKIPPED,), False),
        ((), False),
    ],
)
def test_a_node_of_which_nothing_was_seen_is_not_accepted(outcomes: tuple[Outcome, ...], is_accepted: bool) -> None:
    steps = tuple(Step(Part.LIFE_CYCLE, f"step {one}", one) for one in outcomes)
    assert NodeReport("cloud", "power1", "1a2b3c4d", "image", (*steps, CLEAN)).has_passed is is_accepted


def test_a_cleanup_that_fails_fails_the_test() -> None:
    steps = (Step(Part.HEARTBEAT, "service up", Outcome.PASSED), Step(Part.CLEANUP, "x", Outcome.FAILED))
    assert not NodeReport("cloud", "power1", "1a2b3c4d", "image", steps).has_passed
