"""Roots with a release, as dnf is given them."""

import pytest

from ppcdeps.model.nevra import Nevra
from ppcdeps.planning.subjects import subject_of_dnf

THERE = [
    Nevra.parse(text)
    for text in ("lib-2-9.el9_1.ppc64le", "qemu-17:9-1.ppc64le", "foo-1-1.noarch", "foo-1-bar-3-1.noarch")
]


@pytest.mark.parametrize(
    ("root", "subject"),
    [
        ("lib-2-3.el9.ppc64le", "lib-2-9.el9_1.ppc64le"),
        ("lib-2-3.el9", "lib-2-9.el9_1.ppc64le"),
        ("lib-0:2-3.el9", "lib-2-9.el9_1.ppc64le"),
        ("qemu-17:9-8.ppc64le", "qemu-17:9-1.ppc64le"),
        ("qemu-9-8", "qemu-17:9-1.ppc64le"),
    ],
)
def test_a_release_that_is_not_there_becomes_the_one_that_is(root: str, subject: str) -> None:
    assert subject_of_dnf(root, THERE) == subject


@pytest.mark.parametrize(
    "root",
    [
        "lib", "lib.ppc64le", "lib-2", "lib-2-9.el9_1", "lib-2-9.el9_1.ppc64le", "lib-3-1.ppc64le",
        "qemu-1:9-8", "foo-1-bar", "foo-1-bar.noarch", "foo-1-bar-3", "lib-2-*", "lib = 2-3.el9",
        "/usr/bin/lib-2-3", "virt(lib-2-3)", "other",
    ],
)  # fmt: skip
def test_every_other_root_stays(root: str) -> None:
    assert subject_of_dnf(root, THERE) == root
