from ppcdeps.auditing.audit import Step
from ppcdeps.auditing.ranking import alone, steps_of, together

NEEDS = [("a",), ("a",), ("a", "b"), ("b", "c"), ("b", "c"), ("b", "c"), ("b", "c"), ("b", "c"), ("d",)]


def test_alone_counts_what_waits_for_nothing_else_and_together_everything() -> None:
    assert alone(NEEDS) == {"a": 2, "d": 1}
    assert together(NEEDS) == {"a": 3, "b": 6, "c": 5, "d": 1}


def test_each_step_opens_most_for_each_build_after_those_before() -> None:
    assert steps_of(NEEDS) == (
        Step(("b", "c"), 5, 5),
        Step(("a",), 3, 8),
        Step(("d",), 1, 9),
    )


def test_a_large_set_is_counted_as_a_small_one() -> None:
    many = tuple("abcdefgh")
    steps = steps_of([many, many, ("a", "b"), ("z",)])
    assert [(step.sources, step.opens) for step in steps] == [(("z",), 1), (("a", "b"), 1), (tuple("cdefgh"), 2)]


def test_the_order_of_the_needs_changes_nothing_and_there_is_an_end() -> None:
    assert steps_of(reversed(NEEDS)) == steps_of(NEEDS)
    assert len(steps_of([(f"s{number}",) for number in range(50)], at_most=7)) == 7
    assert steps_of([]) == ()
