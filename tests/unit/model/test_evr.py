"""The order of versions, held against libsolv and rpm."""

import json
import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ppcdeps.model.evr import compare_evr, compare_versions, evr_key, version_key
from ppcdeps.rpm.binding import libsolv

VERSIONS = st.text(alphabet="0129aAbz~^._+", min_size=1, max_size=8)
EVRS = st.builds(
    lambda epoch, version, release: f"{epoch}{version}-{release}",
    st.sampled_from(["", "0:", "1:", "10:"]),
    VERSIONS,
    VERSIONS,
)

ORDERED = [
    ("1.0", "1.0", 0),
    ("1.0", "2.0", -1),
    ("2.0.1", "2.0.1a", -1),
    ("5.5p1", "5.5p2", -1),
    ("5.5p10", "5.5p1", 1),
    ("10xyz", "10.1xyz", -1),
    ("xyz10", "xyz10.1", -1),
    ("xyz.4", "8", -1),
    ("1.05", "1.5", 0),
    ("1.0_1", "1.0.1", 0),
    ("1.0~rc1", "1.0", -1),
    ("1.0~rc1~git123", "1.0~rc1", -1),
    ("1.0^", "1.0", 1),
    ("1.0^git1", "1.01", -1),
    ("1.0^20160101", "1.0.1", -1),
    ("1.0~rc1^git1", "1.0~rc1", 1),
    ("1.0^git1~pre", "1.0^git1", -1),
    ("9" * 5000, "1" + "0" * 5000, -1),
]


@pytest.mark.parametrize(("left", "right", "sign"), ORDERED)
def test_versions_are_ordered_as_rpm_documents_it(left: str, right: str, sign: int) -> None:
    assert compare_versions(left, right) == sign
    assert compare_versions(right, left) == -sign


def test_rpm_itself_says_the_same() -> None:
    rpm = shutil.which("rpm")
    if rpm is None:
        pytest.skip("needs rpm, whose macros compare versions")
    pairs = [(left, right) for left, right, _ in ORDERED if len(left) < 100]
    calls = ", ".join(f"rpm.vercmp({json.dumps(left)}, {json.dumps(right)})" for left, right in pairs)
    said = subprocess.run(
        [rpm, "--eval", f"%{{lua: print(table.concat({{{calls}}}, ' '))}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(word) for word in said.stdout.split()] == [compare_versions(*pair) for pair in pairs]


@given(EVRS, EVRS)
@example("1.0-1", "1.0.-1")
@example("1.~-1", "1~-1")
@example("0:1-1", "1-1")
def test_libsolv_says_the_same(left: str, right: str) -> None:
    solv = libsolv()
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    repo = pool.add_repo("two")
    first, second = repo.add_solvable(), repo.add_solvable()
    first.name = second.name = "package"
    first.arch = second.arch = "noarch"
    first.evr, second.evr = left, right
    assert compare_evr(left, right) == first.evrcmp(second)


@given(st.lists(VERSIONS, min_size=3, max_size=3))
def test_the_order_is_transitive_and_total(versions: list[str]) -> None:
    oldest, middle, newest = sorted(versions, key=version_key)
    assert compare_versions(oldest, middle) <= 0
    assert compare_versions(middle, newest) <= 0
    assert compare_versions(oldest, newest) <= 0


def test_an_epoch_decides_before_the_version() -> None:
    assert compare_evr("1:1.0-1", "2.0-1") == 1
    assert compare_evr("0:2.0-1", "2.0-1") == 0


def test_the_release_decides_last() -> None:
    assert sorted(["1-10.el9", "1-9.el9", "1"], key=evr_key) == ["1", "1-9.el9", "1-10.el9"]
