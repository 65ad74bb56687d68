"""Changes that a search makes to its universe: declared packages, placeholder providers, dependencies taken away."""

from collections.abc import Iterable
from typing import Any

from ppcdeps.model.capability import Capability, Requirement, Rich, capabilities_in, parse_requirement
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.isa import plain_dependency
from ppcdeps.rpm.universe import Universe

_ISA = {"ppc64le": "ppc-64", "x86_64": "x86-64", "aarch64": "aarch-64"}
"""How rpm marks the architecture in capabilities (rpm's platform macros, __isa)."""


def declare_package(universe: Universe, source: str, name: str) -> None:
    """Let a package stand in that a rebuild of the source gives though the reference does not have it.

    It has the version of the source's other stand-ins, and no requirements: these are not known before it is built.
    """
    solv = libsolv()
    model = universe.pool.id2solvable(universe.standins_of(source)[0])
    declared = universe.declared_packages.add_solvable()
    declared.name, declared.evr, declared.arch = name, model.evr, universe.arch
    for capability in (name, f"{name}({_ISA.get(universe.arch, universe.arch)})"):
        dep = universe.pool.Dep(capability).Rel(solv.REL_EQ, model.evrid)
        declared.add_deparray(solv.SOLVABLE_PROVIDES, dep)
    universe.declared[declared.id] = source
    universe.standins.add(declared.id)
    universe.index.outdate()


def add_placeholder(universe: Universe, requirement: str) -> None:
    """Add a provider of what nothing provides, so that the solver finds all else that is missing, too."""
    placeholder = universe.placeholder_providers.add_solvable()
    placeholder.name, placeholder.evr, placeholder.arch = f"unknown({requirement})", "0-0", "noarch"
    for capability in _satisfying(requirement):
        dep = plain_dependency(universe.pool, capability)
        placeholder.add_deparray(libsolv().SOLVABLE_PROVIDES, dep)
    universe.placeholders[placeholder.id] = requirement
    universe.index.outdate()


def set_requirements(universe: Universe, package: int, deps: Iterable[Any]) -> None:
    """Replace what a package requires."""
    _replace(universe, package, libsolv().SOLVABLE_REQUIRES, deps)


def ignore_dependency(universe: Universe, package: int, dependency: str) -> None:
    """Take away what a package conflicts with, or obsoletes, so that a search can go on past it."""
    solv = libsolv()
    for key in (solv.SOLVABLE_CONFLICTS, solv.SOLVABLE_OBSOLETES):
        kept = [dep for dep in universe.pool.id2solvable(package).lookup_deparray(key) if str(dep) != dependency]
        _replace(universe, package, key, kept)


def _replace(universe: Universe, package: int, key: int, deps: Iterable[Any]) -> None:
    solvable = universe.pool.id2solvable(package)
    solvable.unset(key)
    for dep in deps:
        solvable.add_deparray(key, dep)


def _satisfying(requirement: str) -> list[Capability]:
    """What a package must provide to satisfy a requirement, and no stricter one.

    A provided range would satisfy every range that overlaps with it, so of versions the nearest one is provided.
    """
    match _parsed(requirement):
        case Capability(name, relation, evr):
            nearest = {"": "0~~", "<": f"{evr}~", ">": f"{evr}.0"}.get(relation, evr)
            return [Capability(name, "=", nearest)]
        case Rich("without", (wanted, *_), _):
            return list(capabilities_in(wanted))
        case rich:
            return list(capabilities_in(rich))


def _parsed(text: str) -> Requirement:
    try:
        return parse_requirement(text)
    except ValueError:
        return Capability(text)
