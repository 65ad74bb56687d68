"""What is known of POWER hosts: processors, kernel options, QEMU devices, distributions."""

from dataclasses import dataclass
from functools import cache

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, raise_faults, read_toml

FOLDER, NAME = "rules", "power"


@dataclass(frozen=True, slots=True)
class Processor:
    """A generation. ``hwcap2`` is the bit that shows its instruction set, ``pvr`` the upper halves of its PVR."""

    name: str
    isa: str
    hwcap2: int
    pvr: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelOption:
    """An option that is to be y or m, from which processor on, and the rule of the finding where it is not."""

    option: str
    rule: str
    first: str
    reason: str


@dataclass(frozen=True, slots=True)
class HostDistribution:
    """A release of a distribution by os-release's ID and VERSION_ID: its target, and whether it has KVM for POWER."""

    ids: tuple[str, ...]
    version: str
    target: str
    kvm: bool
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class HostPackage:
    """How a distribution, by os-release's ID, installs ``what`` (qemu, iso), and why it may be absent."""

    what: str
    id: str
    command: str
    reason: str


@dataclass(frozen=True, slots=True)
class PowerFacts:
    """All of it; processors stand in the order of their age."""

    processors: tuple[Processor, ...]
    options: tuple[KernelOption, ...]
    devices: tuple[tuple[str, str], ...]
    distributions: tuple[HostDistribution, ...]
    packages: tuple[HostPackage, ...] = ()

    def age_of(self, name: str) -> int | None:
        """The place of a processor among all, the oldest first; None for one that is not known."""
        names = [one.name for one in self.processors]
        return names.index(name) if name in names else None

    def named(self, name: str) -> Processor | None:
        """The processor of that name."""
        return next((one for one in self.processors if one.name == name), None)


@cache
def power_facts() -> PowerFacts:
    """What ppcdeps knows of POWER hosts."""
    return load_power_facts(shipped_file(FOLDER, NAME))


def load_power_facts(file: TomlFile) -> PowerFacts:
    """Read facts about POWER hosts. Raises ConfigError with all faults of the file."""
    what = "rules file"
    top = read_toml(file, what)
    processors = tuple(_processor(table) for table in top.tables("processor"))
    options = tuple(_option(table) for table in top.tables("kernel"))
    devices = tuple((table.text("name"), table.text("reason")) for table in top.tables("device"))
    distributions = tuple(_distribution(table) for table in top.tables("distribution"))
    packages = tuple(_package(table) for table in top.tables("package"))
    top.finish()
    raise_faults(top, file, what)
    return PowerFacts(processors, options, devices, distributions, packages)


def _processor(table: Table) -> Processor:
    found = Processor(table.text("name"), table.text("isa"), table.integer("hwcap2"), table.texts("pvr"))
    table.text("source")
    table.finish()
    return found


def _option(table: Table) -> KernelOption:
    first = table.optional_text("from") or ""
    found = KernelOption(table.text("option"), table.text("rule"), first, table.text("reason"))
    table.finish()
    return found


def _distribution(table: Table) -> HostDistribution:
    found = HostDistribution(
        table.texts("id"),
        table.text("version"),
        table.text("target"),
        table.flag("kvm"),
        table.text("reason"),
        table.text("source"),
    )
    table.finish()
    return found


def _package(table: Table) -> HostPackage:
    reason = table.optional_text("reason") or ""
    found = HostPackage(table.text("what"), table.text("id"), table.text("command"), reason)
    table.text("source")
    table.finish()
    return found
