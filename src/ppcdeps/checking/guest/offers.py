"""What a hypervisor offers to a guest: a distribution's QEMU build, and what a pseries machine can have at all."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, closest, raise_faults, read_toml
from ppcdeps.model.errors import UsageError

FOLDER, NAME = "rules", "hypervisors"
ARCH = "ppc64le"
VIRTTYPES = ("kvm", "qemu")


@dataclass(frozen=True, slots=True)
class PseriesSupport:
    """What of a kind a pseries machine can have with any build.

    Where ``refused`` is not empty, it names what it cannot have, and all else is left to others. ``silent`` is what
    libvirt takes although it is not there.
    """

    kind: str
    has: frozenset[str]
    refused: frozenset[str]
    silent: frozenset[str]
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class QemuBuild:
    """A distribution's QEMU for pseries guests. ``machines`` are globs; ``offers`` is by kind."""

    id: str
    title: str
    virttypes: tuple[str, ...]
    machines: tuple[str, ...]
    reason: str
    source: str
    offers: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class HypervisorOffer:
    """What the hypervisor that a guest is checked against has.

    ``origin`` says where that is known from; ``machines`` are names or globs of machine types; ``virttypes`` are kvm
    and qemu as far as they can be used, ``lacking`` as far as they surely cannot; ``offers`` is what there is by
    kind: a kind that is not in it is not known. ``host_cpu`` is the host's model where it is known; ``reason`` and
    ``source`` say why a distribution's build is as it is.
    """

    origin: str
    arch: str
    machines: tuple[str, ...]
    virttypes: tuple[str, ...]
    offers: Mapping[str, frozenset[str]]
    lacking: tuple[str, ...] = ()
    host_cpu: str = ""
    emulator: str = ""
    reason: str = ""
    source: str = ""

    @property
    def virttype(self) -> str:
        """The better of what can be used."""
        return self.virttypes[0] if self.virttypes else "qemu"

    def has_machine(self, name: str) -> bool:
        """Whether a machine type is among those that are offered."""
        return any(fnmatch.fnmatchcase(name, one) for one in self.machines)


@dataclass(frozen=True, slots=True)
class HypervisorFacts:
    """The builds by id, and what pseries is by kind."""

    builds: Mapping[str, QemuBuild]
    pseries: Mapping[str, PseriesSupport]


@cache
def hypervisor_facts() -> HypervisorFacts:
    """What ppcdeps knows of hypervisors."""
    return load_hypervisor_facts(shipped_file(FOLDER, NAME))


def offer_of_build(name: str, virttype: str | None = None) -> HypervisorOffer:
    """What a distribution's QEMU offers: under KVM where it has that, unless ``virttype`` says qemu.

    Raises UsageError where no build of that name is known, or it has no such virtualization.
    """
    builds = hypervisor_facts().builds
    if name not in builds:
        raise UsageError(
            f'nothing is known of a hypervisor "{name}"', hint=closest(name, builds) or f"known: {', '.join(builds)}"
        )
    build = builds[name]
    if virttype is not None and virttype not in build.virttypes:
        raise UsageError(f"{build.title} offers {', '.join(build.virttypes)}, not {virttype}", hint=build.reason)
    used = (virttype,) if virttype else build.virttypes
    offers = dict(build.offers)
    offers["cpu.mode"] = (
        frozenset({"custom"})
        if "kvm" not in used
        else frozenset({"custom", "host-model", "host-passthrough", "maximum"})
    )
    lacking = tuple(one for one in VIRTTYPES if one not in build.virttypes)
    return with_pseries(
        HypervisorOffer(
            f"what is known of {build.title}",
            ARCH,
            build.machines,
            used,
            MappingProxyType(offers),
            lacking,
            reason=build.reason,
            source=build.source,
        )
    )


def with_pseries(offer: HypervisorOffer) -> HypervisorOffer:
    """The offer, with what pseries machines have in general for each kind that it says nothing of."""
    pseries = hypervisor_facts().pseries
    known = {kind: support.has for kind, support in pseries.items() if not support.refused}
    return replace(offer, offers=MappingProxyType({**known, **offer.offers}))


def in_pseries(kind: str, values: frozenset[str]) -> frozenset[str]:
    """Those of the values of a kind that a pseries machine can have at all."""
    support = hypervisor_facts().pseries.get(kind)
    if support is None:
        return values
    return values - support.refused if support.refused else values & support.has


def load_hypervisor_facts(file: TomlFile) -> HypervisorFacts:
    """Read facts about hypervisors. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    pseries = {}
    for table in top.tables("pseries"):
        support = _pseries_support(table)
        table.finish()
        pseries[support.kind] = support
    builds = {}
    for table in top.tables("build"):
        build = _build(table)
        table.finish()
        builds[build.id] = build
    top.finish()
    raise_faults(top, file, what)
    return HypervisorFacts(MappingProxyType(builds), MappingProxyType(pseries))


def _pseries_support(table: Table) -> PseriesSupport:
    return PseriesSupport(
        table.text("kind"),
        frozenset(table.texts("has")),
        frozenset(table.texts("refused")),
        frozenset(table.texts("silent")),
        table.text("reason"),
        table.text("source"),
    )


def _build(table: Table) -> QemuBuild:
    return QemuBuild(
        table.text("id"),
        table.text("title"),
        table.texts("virttypes"),
        table.texts("machines"),
        table.text("reason"),
        table.text("source"),
        MappingProxyType({name: frozenset(table.texts(name)) for name in table.names() if "." in name}),
    )
