"""The compute host under test: its service and its hypervisor, as nova and placement describe them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ppcdeps.base.toml import closest
from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.documents import Document, readable
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
    """All of the cloud's that can be read. Raises CloudError."""
    return list(readable(_services(cloud), _compute_service))


def service_of(cloud: Cloud, host: str) -> ComputeService:
    """That of a host. Raises UsageError where there is none, CloudError where nova does not say."""
    services = list(_services(cloud))
    for one in services:
        if one.label("host") == host:
            return _compute_service(one)
    names = sorted(filter(None, (one.label("host") for one in services)))
    # Their names have capitals and domains where the machine's own has; nova compares them as they are.
    same = [name for name in names if _short(name) == _short(host)]
    hint = f'did you mean "{same[0]}"?' if same else closest(host, names)
    hint = hint or (f"there are {', '.join(names[:10])}" if names else "the cloud has none at all")
    raise UsageError(f"the cloud {cloud.name} has no compute host {host}", hint=hint)


def _short(host: str) -> str:
    """A host's name without its domain."""
    return host.partition(".")[0].lower()


def hypervisors(cloud: Cloud) -> list[Hypervisor]:
    """All of the cloud's that can be read. Raises CloudError."""
    return list(readable(_hypervisors(cloud), _hypervisor))


def hypervisor_of(cloud: Cloud, host: str) -> Hypervisor | None:
    """That of a host; None where its service has not reported one. Raises CloudError."""
    return next((_hypervisor(one) for one in _hypervisors(cloud) if _host_of(one) == host), None)


def traits_of(cloud: Cloud, hypervisor: Hypervisor) -> frozenset[str]:
    """Its traits in placement. Raises CloudError."""
    return frozenset(cloud.placement.get(f"/resource_providers/{hypervisor.id}/traits").texts("traits"))


def inventories_of(cloud: Cloud, hypervisor: Hypervisor) -> Mapping[str, int]:
    """How much of each resource class placement has of it. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/inventories").inner("inventories")
    return {name: found.inner(name).amount("total") for name in found.names}


def usages_of(cloud: Cloud, hypervisor: Hypervisor) -> Mapping[str, int]:
    """How much of each resource class is allocated. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/usages").inner("usages")
    return {name: found.amount(name) for name in found.names}


def consumers_of(cloud: Cloud, hypervisor: Hypervisor) -> frozenset[str]:
    """The servers that have something allocated on it. Raises CloudError."""
    found = cloud.placement.get(f"/resource_providers/{hypervisor.id}/allocations")
    return frozenset(found.inner("allocations").names)


@dataclass(frozen=True, slots=True)
class Room:
    """What a test needs of the project's quota: MB of memory."""

    vcpus: int
    memory_mb: int


def require_quota(cloud: Cloud, room: Room) -> None:
    """See that the project's quota has room for one guest. Raises CloudError that says what is short."""
    limits = cloud.compute.get("/limits").inner("limits").inner("absolute")
    for name, used, most, wanted in (
        ("servers", "totalInstancesUsed", "maxTotalInstances", 1),
        ("processors", "totalCoresUsed", "maxTotalCores", room.vcpus),
        ("MB of memory", "totalRAMUsed", "maxTotalRAMSize", room.memory_mb),
    ):
        ceiling, taken = limits.amount(most, -1), limits.amount(used)
        if 0 <= ceiling < taken + wanted:
            raise CloudError(
                f"the project's quota has no room for a guest: {taken} of {ceiling} {name} are used, {wanted} more "
                "are needed",
                hint="raise it, or use another project",
            )


def _services(cloud: Cloud) -> Iterator[Document]:
    return cloud.compute.get("/os-services", binary="nova-compute").objects("services")


def _compute_service(one: Document) -> ComputeService:
    return ComputeService(
        one.word("id"),
        one.text("host"),
        one.word("zone") or "nova",
        one.text("state"),
        one.text("status"),
        one.word("updated_at"),
        one.word("disabled_reason"),
        one.flag("forced_down"),
    )


def _hypervisors(cloud: Cloud) -> Iterator[Document]:
    return cloud.compute.pages("/os-hypervisors/detail", "hypervisors")


def _host_of(hypervisor: Document) -> str:
    return hypervisor.words("service").get("host") or hypervisor.label("hypervisor_hostname")


def _hypervisor(one: Document) -> Hypervisor:
    # Each driver writes that in its own way, and some as a text.
    cpu = one.words("cpu_info")
    return Hypervisor(
        one.identifier("id"),
        _host_of(one),
        cpu.get("arch", ""),
        cpu.get("model", ""),
        one.amount("vcpus"),
        one.amount("memory_mb"),
        one.amount("local_gb"),
        f"{one.word('hypervisor_type')} {_version(one.amount('hypervisor_version'))}".strip(),
    )


def _version(number: int) -> str:
    """QEMU's version out of nova's number: 7002022 is 7.2.22."""
    if number < 1_000_000:
        return str(number or "")
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
