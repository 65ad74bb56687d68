"""The ABI of each architecture's programs, read from the rules file `abis.toml`: what built packages must have."""

from dataclasses import dataclass

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.base.toml import Table, TomlFile, closest, raise_faults, read_toml
from ppcdeps.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Abi:
    """The form of an architecture's programs.

    ``machine`` is elf.h's name without EM_; ``version`` the ABI's in e_flags, None where it has none there;
    ``marker`` rpm's ISA marker with its parentheses; ``loader`` the soname of the dynamic loader; ``oldest_glibc``
    the first glibc that it had.
    """

    arch: str
    bits: int
    endian: str
    machine: str
    marker: str
    loader: str
    oldest_glibc: str
    origin: str
    version: int | None = None


def load_abis(file: TomlFile | None = None) -> dict[str, Abi]:
    """All known architectures by rpm's names for them. Raises ConfigError with all faults of the file."""
    file = file or shipped_file("rules", "abis")
    table = read_toml(file, "file of ABIs")
    abis = {name: _abi(name, table.table(name)) for name in table.names()}
    raise_faults(table, file, "file of ABIs")
    return abis


def abi_of(arch: str) -> Abi:
    """The facts on an architecture. Raises ConfigError where it is not known."""
    abis = load_abis()
    if arch not in abis:
        raise ConfigError(
            f"packages of the architecture {arch} cannot be checked: its ABI is not known",
            hint=closest(arch, abis) or f"known are {', '.join(abis)}",
        )
    return abis[arch]


def _abi(arch: str, table: Table) -> Abi:
    abi = Abi(
        arch,
        bits=table.integer("bits", least=32),
        endian=table.text("endian"),
        machine=table.text("machine"),
        marker=table.text("marker"),
        loader=table.text("loader"),
        oldest_glibc=table.text("oldest_glibc"),
        origin=table.text("origin"),
        version=table.integer("abi", least=1) if "abi" in table else None,
    )
    table.finish(("abi",))
    return abi
