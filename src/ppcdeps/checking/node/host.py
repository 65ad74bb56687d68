"""The compute host under test: its service and its hypervisor, as nova and placement describe them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppcdeps.base.toml import closest
from ppcdeps.checking.node.api import Cloud
from ppcdeps.model.errors import CloudError, UsageError

POWER = ("ppc64le", "ppc64")
"""The architectures of POWER hosts, as nova names them."""
EMULATES = "COMPUTE_ARCH_PPC64LE"
"""The trait of a host that has an emulator for ppc64le guests."""


@dataclass(frozen=True, slots=True)
class ComputeService:
    """A nova-compute as nova sees it. ``updated_at`` is its last report, as nova writes the time."""

    id: str
    host: str
    zone: str
    state: str
    status: str
    updated_at: str
    disabled_reason: str
    forced_down: bool


@dataclass(frozen=True, slots=True)
class Hypervisor:
    """A hypervisor's figures: MB of memory, GB of disk."""

    id: str
    host: str
    arch: str
    model: str
    vcpus: int
    memory_mb: int
    local_gb: int
    version: str


def compute_services(cloud: Cloud) -> list[ComputeService]:
    """All of the cloud's. Raises CloudError."""
    found = cloud.compute.get("/os-services", binary="nova-compute").get("services", [])
    return [
        ComputeService(
            str(one.get("id", "")),
            str(one.get("host", "")),
            str(one.get("zone") or "nova"),
            str(one.get("state", "")),
            str(one.get("status", "")),
            str(one.get("updated_at") or ""),
            str(one.get("disabled_reason") or ""),
            one.get("forced_down") is True,
        )
        for one in found
        if isinstance(one, dict)
    ]


def service_of(cloud: Cloud, host: str) -> ComputeService:
    """That of a host. Raises UsageError where there is none, CloudError where nova does not say."""
    services = compute_services(cloud)
    for one in services:
        if one.host == host:
            return one
    names = sorted(one.host for one in services)
    # Their names have capitals and domains where the machine's own has; nova compares them as they are.
    same = [one for one in names if _short(one) == _short(host)]
    hint = f'did you mean "{same[0]}"?' if same else closest(host, names)
    hint = hint or (f"there are {', '.join(names[:10])}" if names else "the cloud has none at all")
    raise UsageError(f"the cloud {cloud.name} has no compute host {host}", hint=hint)


def _short(host: str) -> str:
    """A host's name without its domain."""
    return host.partition(".")[0].lower()


def hypervisors(cloud: Cloud) -> list[Hypervisor]:
    """All of the cloud's. Raises CloudError."""
    return [_hypervisor(one) for one in cloud.compute.pages("/os-hypervisors/detail", "hypervisors")]


def hypervisor_of(cloud: Cloud, host: str) -> Hypervisor | None:
    """That of a host; None where its service has not reported one."""
    return next((one for one in hypervisors(cloud) if one.host == host), None)


def traits_of(cloud: Cloud, hypervisor: Hypervisor) -> frozenset[str]:
    """Its traits in placement. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/traits")
    return frozenset(str(one) for one in found.get("traits", []))


def inventories_of(cloud: Cloud, hypervisor: Hypervisor) -> Mapping[str, int]:
    """How much of each resource class placement has of it. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/inventories").get("inventories", {})
    return {name: _count(one.get("total")) for name, one in found.items() if isinstance(one, dict)}


def usages_of(cloud: Cloud, hypervisor: Hypervisor) -> Mapping[str, int]:
    """How much of each resource class is allocated. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/usages").get("usages", {})
    return {name: _count(value) for name, value in found.items()}


def consumers_of(cloud: Cloud, hypervisor: Hypervisor) -> frozenset[str]:
    """The servers that have something allocated on it. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/allocations")
    return frozenset(str(one) for one in found.get("allocations", {}))


@dataclass(frozen=True, slots=True)
class Room:
    """What a test needs of the project's quota: MB of memory."""

    vcpus: int
    memory_mb: int


def require_quota(cloud: Cloud, room: Room) -> None:
    """See that the project's quota has room for one guest. Raises CloudError that says what is short."""
    limits = cloud.compute.get("/limits").get("limits", {}).get("absolute", {})
    for name, used, most, wanted in (
        ("servers", "totalInstancesUsed", "maxTotalInstances", 1),
        ("processors", "totalCoresUsed", "maxTotalCores", room.vcpus),
        ("MB of memory", "totalRAMUsed", "maxTotalRAMSize", room.memory_mb),
    ):
        ceiling, taken = _count(limits.get(most), -1), _count(limits.get(used))
        if 0 <= ceiling < taken + wanted:
            raise CloudError(
                f"the project's quota has no room for a guest: {taken} of {ceiling} {name} are used, {wanted} more "
                "are needed",
                hint="raise it, or use another project",
            )


def _hypervisor(one: Mapping[str, Any]) -> Hypervisor:
    cpu = one.get("cpu_info")
    cpu = cpu if isinstance(cpu, dict) else {}
    service = one.get("service")
    host = service.get("host") if isinstance(service, dict) else None
    return Hypervisor(
        str(one.get("id", "")),
        str(host or one.get("hypervisor_hostname", "")),
        str(cpu.get("arch") or ""),
        str(cpu.get("model") or ""),
        _count(one.get("vcpus")),
        _count(one.get("memory_mb")),
        _count(one.get("local_gb")),
        f"{one.get('hypervisor_type', '')} {_version(one.get('hypervisor_version'))}".strip(),
    )


def _version(number: object) -> str:
    """QEMU's version out of nova's number: 7002022 is 7.2.22."""
    if not isinstance(number, int) or number < 1_000_000:
        return str(number or "")
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _count(value: object, otherwise: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
