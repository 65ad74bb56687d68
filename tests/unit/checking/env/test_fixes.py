"""The requirement that a fix gives to pip: one that some version satisfies, or none."""

from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pythonroots import check_env, el_root, make_dist

from ppcdeps.checking.env.fixes import pin_for


@pytest.mark.parametrize(
    ("specifiers", "pin"),
    [
        (("<2", ">=2"), ""),
        (("<2", ">2"), ""),
        (("==1.*", ">=2"), ""),
        (("==1", "==2"), ""),
        (("!=1", "==1"), ""),
        (("~=1.4", "<1.4"), ""),
        ((">=2,<3", "<2"), ""),
        (("<2", ">=1"), "x==1"),
        (("<2", ">1"), "x<2,>1"),
        (("<1.0.1", ">1"), "x<1.0.1,>1"),
        (("<2",), "x<2"),
        (("!=1",), "x!=1"),
        (("~=1.4", ">1.4"), "x>1.4,~=1.4"),
        ((), "x"),
    ],
)
def test_a_pin_can_be_satisfied_or_is_not_there(specifiers: tuple[str, ...], pin: str) -> None:
    found = pin_for("x", [SpecifierSet(each) for each in specifiers])
    assert found == pin
    grid = [Version(f"{a}.{b}.{c}") for a in range(4) for b in range(6) for c in range(3)]
    together = SpecifierSet(",".join(specifiers))
    # Most of what can be satisfied is so by a plain version.
    assert bool(found) or not any(together.contains(each) for each in grid)


def test_requirements_that_contradict_each_other_have_no_command(tmp_path: Path) -> None:
    root = tmp_path / "root"
    plain, _ = el_root(root, "3.9")
    make_dist(plain, "one", "1", requires=["foo<2"])
    make_dist(plain, "two", "1", requires=["foo>=2"])
    (finding,) = (each for each in check_env(root).findings if each.rule == "env-missing-requirement")
    assert finding.fix == ()
    assert any("no version" in line for line in finding.detail)
    make_dist(plain, "foo", "1.0")
    (finding,) = (each for each in check_env(root).findings if each.rule == "env-wrong-version")
    assert not any("pip install" in line and "<2" in line for line in finding.fix)
