"""The bad and the good case of every rule: a rule that never fires in a test is a failing test.

A family's test module has two tables by rule id, and three tests:

    BAD: Cases = {"env-shadowed": two_copies, ...}
    GOOD: Cases = {"env-shadowed": one_copy, ...}

    def test_every_rule_has_its_cases() -> None:
        assert_complete("env", BAD, GOOD)

    @pytest.mark.parametrize("rule", BAD)
    def test_the_bad_case_is_found(rule: str, tmp_path: Path) -> None:
        assert_fires(rule, BAD, tmp_path)

    @pytest.mark.parametrize("rule", GOOD)
    def test_the_good_case_is_silent(rule: str, tmp_path: Path) -> None:
        assert_silent(rule, GOOD, tmp_path)
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ppcdeps.checking.findings import Finding
from ppcdeps.checking.rules import rules_of

Case = Callable[[Path], Iterable[Finding]]
"""Makes its input in the empty folder, and gives what the check finds in it."""
Cases = Mapping[str, Case]


def assert_complete(family: str, bad: Cases, good: Cases) -> None:
    """Every rule of the family's TOML file has both cases, and no case is of a rule that is not there."""
    rules = set(rules_of(family))
    assert rules, f"the family {family} has no rules"
    assert set(bad) == rules
    assert set(good) == rules


def assert_fires(rule: str, bad: Cases, folder: Path) -> None:
    """The rule is among the findings, and each finding says what and where."""
    found = list(bad[rule](folder))
    assert rule in {one.rule for one in found}, found
    assert all(one.message and one.where for one in found)


def assert_silent(rule: str, good: Cases, folder: Path) -> None:
    """The rule is not among the findings."""
    assert [one for one in good[rule](folder) if one.rule == rule] == []
