"""What placement says is used while a guest lives, and after it."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest

from ppcdeps.checking.node import statistics
from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.documents import Document
from ppcdeps.checking.node.host import Hypervisor
from ppcdeps.checking.node.recorder import StepFailed, StepSkipped
from ppcdeps.checking.node.statistics import Usage, wait_for_usage

NODE = Hypervisor("a-provider", "power1", "ppc64le", "POWER9", 10, 8192, 100, "QEMU 7.2.22")
BEFORE = Usage({"VCPU": 2}, frozenset({"theirs"}))
NOTHING = {"VCPU": 0}
ONE = {"VCPU": 1}


class Placement:
    """placement, with these figures and consumers for ever."""

    def __init__(self, processors: int, *consumers: str) -> None:
        self._answers = {"usages": {"VCPU": processors}, "allocations": {one: {} for one in consumers}}

    def get(self, path: str) -> Document:
        name = path.rpartition("/")[2]
        return Document({name: self._answers[name]})


def wait(placement: Placement, more: Mapping[str, int]) -> str:
    return wait_for_usage(cast(Cloud, SimpleNamespace(placement=placement)), NODE, BEFORE, more, "ours")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_SECONDS", -1.0)


def test_figures_that_rise_and_return_are_seen() -> None:
    assert wait(Placement(3, "theirs", "ours"), ONE) == "VCPU 3"
    assert wait(Placement(2, "theirs"), NOTHING) == "VCPU 2"


@pytest.mark.parametrize(
    ("placement", "more", "reason"),
    [
        (Placement(2, "theirs", "ours"), ONE, "VCPU 2, not 3"),
        (Placement(3, "theirs"), ONE, "has no allocation of the guest ours"),
        (Placement(3, "theirs"), NOTHING, "VCPU 3, not 2"),
        (Placement(2, "theirs", "ours"), NOTHING, "still has the allocation of the guest ours"),
    ],
)
def test_figures_that_do_not_rise_or_return_fail(placement: Placement, more: Mapping[str, int], reason: str) -> None:
    with pytest.raises(StepFailed, match=reason):
        wait(placement, more)


def test_of_a_host_where_others_come_and_go_it_is_not_known() -> None:
    with pytest.raises(StepSkipped, match="other guests came or went"):
        wait(Placement(5, "theirs", "another"), NOTHING)
