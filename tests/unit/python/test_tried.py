"""What an index has of a release, and why files of it do not serve the target."""

import pytest
from indexes import EL9_PYTHON, OpenIndex, Shop, lock_of, pkg_info, sdist, wheel

from ppcdeps.python.distfiles import IndexFile
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.gaps import python_gaps
from ppcdeps.python.tried import tried_files

C_SETUP = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
NATIVE = {"PKG-INFO": pkg_info("x", "1.0", metadata="2.2"), "setup.py": C_SETUP, "x.c": ""}


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["x-1-cp39-cp39-linux_ppc64le.whl"], "x-1-cp39-cp39-linux_ppc64le.whl fits: it is for ppc64le"),
        (["x-1-py3-none-any.whl"], "x-1-py3-none-any.whl fits: it is for every machine"),
        (
            ["x-1-cp39-cp39-manylinux_2_39_ppc64le.whl"],
            "x-1-cp39-cp39-manylinux_2_39_ppc64le.whl: for glibc 2.39, and the target has 2.34",
        ),
        (
            ["x-1-cp310-cp310-linux_ppc64le.whl", "x-1-cp38-cp38-win32.whl"],
            "2 wheels: for cp38, cp310, and not for cp39",
        ),
        (
            [
                "x-1-cp39-cp39-win_amd64.whl",
                "x-1-cp39-abi3-musllinux_1_1_ppc64le.whl",
                "x-1-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            ],
            "3 wheels: for Linux x86_64, Windows, musl ppc64le, and not for ppc64le",
        ),
    ],
)  # fmt: skip
def test_each_wheel_fits_or_says_why_not(names: list[str], line: str) -> None:
    files = [IndexFile(name, "", "1", {}) for name in names]
    first, *lines = tried_files(files, "index-url", TargetEnvironment.of(EL9_PYTHON))
    assert first.startswith(f"index-url: {len(names)} wheel")
    assert first.endswith(" of this version, and no source distribution")
    assert lines == [line]


def test_a_yanked_wheel_says_why() -> None:
    files = [IndexFile("x-1-py3-none-any.whl", "", "1", {}, yanked="broken"), IndexFile("x-1.tar.gz", "", "1", {})]
    assert tried_files(files, "find-links", TargetEnvironment.of(EL9_PYTHON)) == (
        "find-links: 1 wheel of this version, and x-1.tar.gz",
        "x-1-py3-none-any.whl: yanked: broken",
    )


def test_what_was_tried_is_in_the_gap_of_a_build(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("x", sdist("x", "1.0", NATIVE))
    shop.add("x", wheel("x", "1.0", tags="cp39-cp39-manylinux_2_17_x86_64"))
    shop.add("x", wheel("x", "2.0", tags="cp39-cp39-manylinux_2_17_ppc64le"))
    (gap,) = python_gaps(lock_of(open_index(shop), "x<2"))
    assert gap.tried == (
        "index-url: 1 wheel of this version, and x-1.0.tar.gz",
        "x-1.0-cp39-cp39-manylinux_2_17_x86_64.whl: for Linux x86_64, and not for ppc64le",
        "x-1.0.tar.gz: compiles C",
        "versions with a wheel that fits: 2.0",
    )


def test_the_second_index_is_named_by_its_option(shop: Shop, second_shop: Shop, open_index: OpenIndex) -> None:
    second_shop.add("y", wheel("y", "1.0"))
    (gap,) = python_gaps(lock_of(open_index(shop, second_shop), "y"))
    assert gap.tried[0].startswith("extra-index-url 1: ")
