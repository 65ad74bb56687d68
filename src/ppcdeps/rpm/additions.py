"""Changes that a search makes to its universe: declared packages, placeholder providers, dependencies taken away."""

from collections.abc import Iterable
from functools import cmp_to_key
from typing import Any

from ppcdeps.model.capability import Capability, Requirement, Rich, capabilities_in, parse_requirement
from ppcdeps.model.evr import satisfies
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.isa import plain_dependency
from ppcdeps.rpm.universe import Universe

_ISA = {"ppc64le": "ppc-64", "x86_64": "x86-64", "aarch64": "aarch-64"}
"""How rpm marks the architecture in capabilities (rpm's platform macros, __isa)."""


_SUFFIXES = ("-devel", "-libs", "-lib", "-static", "-tools", "-utils", "-common", "-doc", "-data")
"""How packages are called after their source."""


def declare_from_source(universe: Universe, requirement: str) -> bool:
    """Let a source package stand for what it is called after, where no repository has packages that say so.

    A source repository does not say which packages its sources give. One of the source's own name is nearly always
    among them; ``foo-devel`` and the like are taken to be of ``foo`` where no packages of that are known at all.
    Returns whether there is such a source, in a version that satisfies the requirement.
    """
    parsed = _parsed(requirement)
    if not isinstance(parsed, Capability) or parsed.is_path or "(" in parsed.name:
        return False
    source = _source_of_name(universe, parsed.name)
    if source is None:
        return False
    model = max(universe.source_packages(source), key=cmp_to_key(universe.compare_versions))
    if parsed.relation and not satisfies(universe.nevra(model).evr, parsed.relation, parsed.evr):
        return False
    _declare(universe, source, parsed.name, model)
    return True


def _source_of_name(universe: Universe, name: str) -> str | None:
    # Python's packages are named after distributions, which an index has.
    if name.startswith("python3-") or name in universe.own:
        return None
    if universe.source_packages(name):
        return name
    stem = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), "")
    known = stem and (universe.standins_of(stem) or universe.built_for_target(stem))
    return stem if stem and not known and universe.source_packages(stem) else None


def declare_package(universe: Universe, source: str, name: str) -> None:
    """Let a package stand in that a rebuild of the source gives though the reference does not have it.

    It has the version of the source's other stand-ins, and no requirements: these are not known before it is built.
    """
    _declare(universe, source, name, universe.standins_of(source)[0])


def _declare(universe: Universe, source: str, name: str, like: int) -> None:
    solv = libsolv()
    model = universe.pool.id2solvable(like)
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


def extend_placeholder(universe: Universe, requirement: str) -> bool:
    """Let the placeholder of a bare name satisfy a requirement of a version, too. Returns whether there is one.

    That is for what is said of the version only in case that the name is there: the name is what is missing.
    """
    parsed = _parsed(requirement)
    name = parsed.name if isinstance(parsed, Capability) else ""
    found = next((each for each, wanted in universe.placeholders.items() if wanted == name), None)
    if found is None:
        return False
    for capability in _satisfying(requirement):
        dep = plain_dependency(universe.pool, capability)
        universe.pool.id2solvable(found).add_deparray(libsolv().SOLVABLE_PROVIDES, dep)
    universe.index.outdate()
    return True


def set_requirements(universe: Universe, package: int, deps: Iterable[Any]) -> None:
    """Replace what a package requires."""
    universe.forget_requirements(package)
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
