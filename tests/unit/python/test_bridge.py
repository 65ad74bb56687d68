"""The bridge RPM's spec."""

import re

import pytest
from indexes import OpenIndex, Shop, lock_of, wheel

from ppcdeps.model.errors import ConfigError
from ppcdeps.python.bridge import BridgedCapability, bridge_provides, spec_of_bridge
from ppcdeps.python.lock import PythonLock


@pytest.fixture
def lock(shop: Shop, open_index: OpenIndex) -> PythonLock:
    shop.add("cfg", wheel("cfg", "8.8.1"))
    shop.add("young", wheel("young", "3.0rc1"))
    return lock_of(open_index(shop), "cfg", "young")


def test_it_provides_exactly_what_is_required_at_the_pinned_versions(lock: PythonLock) -> None:
    wanted = [
        BridgedCapability("python3-cfg", "cfg", ">=", "2:8.1", "a"),
        BridgedCapability("python3-cfg", "cfg", "", "", "b"),
        BridgedCapability("python3.9dist(cfg)", "cfg", ">=", "8", "c"),
        BridgedCapability("python3dist(young)", "young"),
    ]
    text = spec_of_bridge("demo", bridge_provides("demo", wanted, lock), serial=4)
    assert re.findall(r"(?m)^Provides: +(.*)$", text) == [
        "python3-cfg = 2:8.8.1",
        "python3.9dist(cfg) = 8.8.1",
        "python3dist(young) = 3.0~rc1",
    ]
    assert re.search(r"(?m)^Version: +4$", text)
    assert spec_of_bridge("demo", bridge_provides("demo", wanted[::-1], lock), serial=4) == text


def test_what_pip_cannot_satisfy_is_told_at_once(lock: PythonLock) -> None:
    with pytest.raises(ConfigError) as caught:
        bridge_provides(
            "demo",
            [
                BridgedCapability("python3-cfg", "cfg", "<", "8", "a-1-1.noarch"),
                BridgedCapability("python3-none", "none", "", "", "b-1-1.noarch"),
                BridgedCapability("x\nRequires: y", "cfg"),
            ],
            lock,
        )
    assert caught.value.faults[0] == "nothing provides python3-cfg < 8 needed by a-1-1.noarch: pip has 8.8.1"
    assert caught.value.faults[1] == "nothing provides python3-none needed by b-1-1.noarch: none is not in the lock"
    assert len(caught.value.faults) == 3


def test_it_requires_what_the_replaced_packages_require(lock: PythonLock) -> None:
    provides = bridge_provides("demo", [BridgedCapability("python3-cfg", "cfg")], lock)
    text = spec_of_bridge("demo", provides, ["lvm2", "(tool >= 1:2 if app)", "/usr/sbin/useradd", "lvm2"])
    assert re.findall(r"(?m)^Requires: +(.*)$", text) == ["(tool >= 1:2 if app)", "/usr/sbin/useradd", "lvm2"]


@pytest.mark.parametrize("requirement", ["%(touch /x)", "a\nProvides: b", "-o", ""])
def test_what_a_spec_would_read_otherwise_is_not_required(requirement: str) -> None:
    with pytest.raises(ConfigError) as caught:
        spec_of_bridge("demo", [], ["lvm2", requirement])
    assert len(caught.value.faults) == 1
