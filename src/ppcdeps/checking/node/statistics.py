"""What nova and placement say of the node: its processor, its figures, its traits, and what guests use of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.host import (
    EMULATES,
    POWER,
    Hypervisor,
    consumers_of,
    hypervisor_of,
    inventories_of,
    traits_of,
    usages_of,
)
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart

_CLASSES = {"VCPU": "vcpus", "MEMORY_MB": "memory_mb", "DISK_GB": "local_gb"}
_EMULATED = "COMPUTE_ARCH_"
"""What traits of architectures that a host has an emulator for begin with. nova 26 reports none of any host."""
_SECONDS = 120.0
_GROUPS = {
    "COMPUTE_GRAPHICS_MODEL_": "video models",
    "COMPUTE_STORAGE_BUS_": "disk buses",
    "COMPUTE_NET_VIF_MODEL_": "network cards",
}


def test_statistics(recorder: Recorder, cloud: Cloud, host: str) -> Hypervisor | None:
    """Look at the figures. Returns the hypervisor, None where nova knows none of that host."""
    part = TestedPart.STATISTICS
    found: list[Hypervisor] = []

    def see_hypervisor() -> str:
        hypervisor = hypervisor_of(cloud, host)
        if hypervisor is None:
            raise StepFailed(f"nova shows no hypervisor of {host}: it has reported none, or is not mapped to a cell")
        found.append(hypervisor)
        return _described(hypervisor, traits_of(cloud, hypervisor))

    recorder.step(part, "hypervisor", see_hypervisor)
    if not found:
        recorder.skip(part, ("inventories", "traits"), "there is no hypervisor")
        return None
    hypervisor = found[0]
    recorder.step(part, "inventories", lambda: _inventories(cloud, hypervisor))
    recorder.step(part, "traits", lambda: _traits(cloud, hypervisor))
    return hypervisor


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used of a hypervisor, by resource class, and by which servers."""

    amounts: Mapping[str, int]
    consumers: frozenset[str]


def usage_of(cloud: Cloud, hypervisor: Hypervisor) -> Usage:
    """What is used of it now. Raises CloudError."""
    return Usage(usages_of(cloud, hypervisor), consumers_of(cloud, hypervisor))


def wait_for_usage(cloud: Cloud, hypervisor: Hypervisor, before: Usage, more: Mapping[str, int], server: str) -> str:
    """See that a server uses so much more than before, or nothing any more where ``more`` says 0 of each.

    Raises StepFailed where it does not, StepSkipped where other guests came or went meanwhile.
    """
    wanted = {name: before.amounts.get(name, 0) + count for name, count in more.items()}
    deadline = time.monotonic() + _SECONDS
    while True:
        now = usage_of(cloud, hypervisor)
        if (server in now.consumers) == any(more.values()) and all(
            now.amounts.get(name, 0) == count for name, count in wanted.items()
        ):
            return ", ".join(f"{name} {count}" for name, count in wanted.items())
        if now.consumers - {server} != before.consumers:
            raise StepSkipped("other guests came or went on this host meanwhile")
        if time.monotonic() > deadline:
            if (server in now.consumers) != any(more.values()):
                has = "still has the" if server in now.consumers else "has no"
                raise StepFailed(f"placement {has} allocation of the guest {server}")
            shown = ", ".join(f"{name} {now.amounts.get(name, 0)}, not {count}" for name, count in wanted.items())
            raise StepFailed(f"placement says that is used: {shown}")
        time.sleep(1)


def _described(hypervisor: Hypervisor, traits: frozenset[str]) -> str:
    if not hypervisor.vcpus or not hypervisor.memory_mb:
        raise StepFailed(f"it has {hypervisor.vcpus} processors and {hypervisor.memory_mb} MB of memory")
    what = f"{hypervisor.vcpus} processors, {hypervisor.memory_mb} MB, {hypervisor.local_gb} GB, {hypervisor.version}"
    if hypervisor.arch in POWER:
        return f"{hypervisor.arch}, {hypervisor.model}, {what}"
    if EMULATES in traits:
        return f"{hypervisor.arch}, which emulates ppc64le, {what}"
    if hypervisor.arch and not any(one.startswith(_EMULATED) for one in traits):
        return f"{hypervisor.arch}, {what}; whether it emulates ppc64le this nova does not say"
    raise StepFailed(f"it is {hypervisor.arch or 'of no architecture that nova knows'}, and emulates no ppc64le")


def _inventories(cloud: Cloud, hypervisor: Hypervisor) -> str:
    inventories = inventories_of(cloud, hypervisor)
    if not inventories:
        raise StepFailed("placement has no inventory of it: nova-compute does not report to placement")
    for name, attribute in _CLASSES.items():
        there, expected = inventories.get(name), getattr(hypervisor, attribute)
        if there is None and name == "DISK_GB":
            continue  # of a shared storage pool, which another provider has
        if there is None and name == "VCPU" and "PCPU" in inventories:
            continue
        if there != expected:
            raise StepFailed(f"placement has {name} {there}, nova's hypervisor {expected}")
    return ", ".join(f"{name} {count}" for name, count in sorted(inventories.items()))


def _traits(cloud: Cloud, hypervisor: Hypervisor) -> str:
    traits = traits_of(cloud, hypervisor)
    if not traits:
        raise StepFailed("placement has no traits of it")
    if EMULATES not in traits and not any(one.startswith(tuple(_GROUPS)) for one in traits):
        raise StepSkipped(f"this nova reports neither devices nor {EMULATES} of it")
    shown = [EMULATES] if EMULATES in traits else []
    for prefix, what in _GROUPS.items():
        names = sorted(one.removeprefix(prefix).lower() for one in traits if one.startswith(prefix))
        shown += [f"{what} {' '.join(names)}"] if names else []
    return "; ".join(shown)
