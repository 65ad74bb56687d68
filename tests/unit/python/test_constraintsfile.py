"""Constraints files, for one target."""

from pathlib import Path

import el9
import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import parse_constraints, read_constraints
from ppcdeps.python.environment import TargetEnvironment

EL9 = TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34)))


def test_every_pin_of_a_release_is_read() -> None:
    found = read_constraints(el9.CONSTRAINTS, EL9)
    assert found.pins()["oslo-utils"] == "4.12.4"
    assert found.by_name["oslo-utils"].where.endswith(":" + str(_line("oslo.utils===")))
    assert "markupsafe" in found.elsewhere, "its two lines are for Python 3.6 and 3.8"
    assert "markupsafe" not in found.by_name


def _line(start: str) -> int:
    lines = el9.CONSTRAINTS.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_only_the_line_that_holds_for_the_target_counts() -> None:
    text = "Pint===0.17;python_version=='3.6'\nPint===0.18;python_version=='3.9'\n"
    assert parse_constraints(text, EL9, origin="c").pins() == {"pint": "0.18"}


def test_two_pins_for_one_name_are_an_error_whatever_the_spelling() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_constraints("oslo.utils===1\nsix==1\nOslo_Utils===2\nsix==2\n", EL9, origin="c.txt")
    assert [fault.partition(" ")[0] for fault in caught.value.faults] == ["c.txt:3:", "c.txt:4:"]
    assert "c.txt:1 holds it to ===1" in caught.value.faults[0]


def test_the_same_pin_twice_is_none() -> None:
    assert parse_constraints("six==1\nsix==1\n", EL9, origin="c").pins() == {"six": "1"}


def test_ranges_for_one_name_add_up() -> None:
    found = parse_constraints("six>=1\nsix<2\n", EL9, origin="c").by_name["six"]
    assert found.specifier.contains("1.5")
    assert not found.specifier.contains("2.5")
    assert found.pin == ""


def test_comments_options_hashes_and_continuations_are_understood() -> None:
    text = "# all\n--index-url https://x.example\nsix==1.16 \\\n    --hash=sha256:00\n    # via me\nurl @ https://h.example/u-1.tar.gz#sha256=ab\n"
    found = parse_constraints(text, EL9, origin="c")
    assert found.pins() == {"six": "1.16"}
    assert found.by_name["url"].url == "https://h.example/u-1.tar.gz#sha256=ab"


def test_all_faults_of_a_file_are_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_constraints("six=1\nrequests[security]==2\n", EL9, origin="c")
    assert len(caught.value.faults) == 2


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_constraints(tmp_path / "none.txt", EL9)
