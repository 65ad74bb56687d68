"""Which Python distributions of a closure pip installs, which stay RPMs, and which capabilities RPM then lacks."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from ppcdeps.model.capability import Capability, Requirement, Rich, requirement_of
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.python.bridge import BridgedCapability
from ppcdeps.python.lock import PythonRoot
from ppcdeps.python.names import (
    NamedDistribution,
    python_version,
    specifier_of,
    wanted_by,
    wanted_by_either,
)
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.rpmpackages import PythonPackage, distributions_of, is_meant, name_prefixes


class PythonPolicy(StrEnum):
    """Who installs pure Python that the target's repositories lack."""

    PIP = "pip"
    RPM = "rpm"


@dataclass(frozen=True, slots=True)
class PythonRouting:
    """``by_pip`` are the packages that need not be installed as RPMs, and ``roots`` what pip installs
    instead.

    ``fixed`` are the distributions that RPMs keep providing, ``reference`` the versions that the replaced
    RPMs have, ``bridged`` the capabilities that remaining RPMs require of the replaced ones, and ``inherited`` what
    replaced RPMs require of the remaining ones: programs, data, distributions that stay RPMs. Nothing else may ask
    RPM for these any more.
    """

    by_pip: tuple[str, ...]
    roots: tuple[PythonRoot, ...]
    fixed: tuple[FixedDistribution, ...]
    reference: tuple[tuple[str, str], ...]
    bridged: tuple[BridgedCapability, ...]
    inherited: tuple[str, ...] = ()


def route_python(
    packages: Sequence[PythonPackage],
    *,
    policy: PythonPolicy = PythonPolicy.PIP,
    python: str = "",
    beside: str = "",
    roots: Iterable[PythonRoot] = (),
    missing: Iterable[tuple[str, str]] = (),
    keep: Collection[str] = (),
    stated: Iterable[tuple[str, str]] = (),
) -> PythonRouting:
    """Route the Python distributions of a closure.

    ``python`` (``3.9``) is the interpreter whose distributions count; those of another one stay RPMs. ``beside``
    is the package of that interpreter (``python3.11``, ``python39``) where it is not the platform's.
    ``keep`` names packages that stay RPMs in any case. ``roots`` are the workload's own ``pypi:`` roots,
    ``missing`` the requirements that no repository satisfies, each with who has it. ``stated`` are
    distributions that packages outside of the closure state to have, each with the package's name. A package
    goes to pip where the target lacks it, it is named ``python3-…`` and states a distribution, and nothing that
    stays requires more of it than that distribution.
    """
    distributions = {each.nevra: distributions_of(each, python, beside) for each in packages}
    by_pip = {
        each.nevra: each
        for each in packages
        if policy is PythonPolicy.PIP and each.nevra not in keep and _may_go(each) and distributions[each.nevra]
    }
    missing = tuple(missing)
    # Repeated, as a package that stays may in turn require more of another.
    while held := _asked_for_more(packages, by_pip, distributions):
        for nevra in held:
            del by_pip[nevra]
    staying = [each for each in packages if each.nevra not in by_pip]
    lacking = [
        (text, meant, by)
        for text, by in missing
        if (meant := meant_by(text, by, packages)) is not None and is_meant(meant.python, python, beside)
    ]
    homes = {(name, each.name) for each in packages for name, _ in distributions[each.nevra]}.union(stated)
    wanted = [*roots, *(PythonRoot(meant.requirement, by) for _, meant, by in lacking)]
    there = {each.nevra for each in staying}
    # What no repository has and pip brings, dnf has to be told of as well.
    bridged = [
        # Which alternative holds depends on the version, which the bridge has.
        _bridged(capability, meant.name, by)
        if meant == wanted_by(text)
        else BridgedCapability(capability.name, meant.name, by=by, written=capability.evr)
        for text, meant, by in lacking
        if by in there
        for capability in _capabilities(requirement_of(text))
    ]
    for package in staying:
        for requirement, target in _requirements_on(package, by_pip):
            name = _meant(requirement, target, distributions[target.nevra])
            bridged.append(_bridged(requirement, name, package.nevra))
            wanted.append(PythonRoot(f"{name}{_specifier(requirement, target)}", package.nevra))
    # Replaced and required by replaced ones only: pip's metadata will bring it in where it is needed. A
    # root of the workload among them has no other requirer.
    wanted.extend(
        PythonRoot(_meant(Capability(package.name), package, distributions[package.nevra]), package.nevra)
        for package in by_pip.values()
        if not _is_required(package, packages)
    )
    return PythonRouting(
        by_pip=tuple(sorted(by_pip)),
        roots=tuple(sorted(set(wanted), key=lambda each: (each.requirement, each.by))),
        fixed=tuple(
            FixedDistribution(name, version, package.nevra)
            for package in sorted(staying, key=lambda each: each.nevra)
            for name, version in distributions[package.nevra] or _concluded(package, python, beside, homes)
        ),
        reference=tuple(
            sorted(each for nevra in by_pip for each in distributions[nevra]),
        ),
        bridged=tuple(sorted(set(bridged), key=_order)),
        inherited=tuple(sorted(_inherited(by_pip.values(), {requirement for requirement, _ in missing}))),
    )


def meant_by(text: str, by: str, packages: Iterable[PythonPackage]) -> NamedDistribution | None:
    """What a requirement that no repository satisfies means in Python, ``by`` being the package that has it.

    Where it is one of the alternatives of a boolean requirement of that package, all of these together count.
    """
    for package in packages:
        if package.nevra == by:
            for whole in package.requires:
                if text in whole and whole != text and (meant := wanted_by_either(whole)) is not None:
                    return meant
    return wanted_by(text)


_OF_THE_BUILD = re.compile(r"(?:rpmlib|rtld|config)\(|python\(abi\)|[^\s()]+\.so[.0-9]*(?:-[^\s()]*)?\(")
"""What says how a package was built, or which libraries its native code loads: pip's build loads its own."""


def _inherited(replaced: Iterable[PythonPackage], missing: Collection[str]) -> set[str]:
    """What replaced packages require, without what other replaced ones give or no repository has."""
    replaced = tuple(replaced)
    given = {package.name for package in replaced}
    given |= {provide.split(" ", 1)[0] for package in replaced for provide in package.provides}
    return {
        text
        for package in replaced
        for text in package.requires
        if text not in missing
        and not _OF_THE_BUILD.match(text)
        and not any(each.name in given for each in _capabilities(requirement_of(text)))
    }


def _concluded(
    package: PythonPackage, python: str, beside: str, homes: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What an RPM that states no distribution at all is named after, so that pip puts no second copy beside it.

    Metadata from before rpm's Python generators has such packages. A name that is no distribution's does no harm:
    nothing requires it. Where a package of another name states the distribution, it lies there: RDO's
    python3-cinder only requires python3-cinder-common, which has cinder.
    """
    named = package.name.startswith(name_prefixes(python, beside))
    if not named or any("dist(" in provide for provide in package.provides):
        return []
    own = wanted_by(package.name)
    if own is not None and any(name == own.name and home != package.name for name, home in homes):
        return []
    try:
        return [(own.name, python_version(Nevra.parse(package.nevra).version))] if own is not None else []
    except ValueError:
        return []


def _may_go(package: PythonPackage) -> bool:
    return not package.on_target and package.name.startswith("python")


def _asked_for_more(
    packages: Sequence[PythonPackage],
    by_pip: dict[str, PythonPackage],
    distributions: Mapping[str, Sequence[tuple[str, str]]],
) -> list[str]:
    """Packages on the way to pip of which one that stays requires something that no distribution gives: a
    file, a name, the version of a package that numbers itself otherwise than its distribution.
    """
    held: dict[str, None] = {}
    for package in packages:
        if package.nevra in by_pip:
            continue
        for requirement, target in _requirements_on(package, by_pip):
            stated = distributions[target.nevra]
            by_name = requirement.name == target.name
            if (
                requirement.is_path
                or (wanted_by(str(requirement)) is None and not by_name)
                or (
                    by_name
                    and requirement.relation
                    and not _numbered_alike(target, _meant(requirement, target, stated), stated)
                )
            ):
                held[target.nevra] = None
    return list(held)


def _requirements_on(
    package: PythonPackage, targets: dict[str, PythonPackage]
) -> Iterator[tuple[Capability, PythonPackage]]:
    providers: dict[str, PythonPackage] = {}
    for target in targets.values():
        providers.setdefault(target.name, target)
        for provide in target.provides:
            providers.setdefault(provide.split(" ", 1)[0], target)
        for path in target.paths:
            providers.setdefault(path, target)
    for text in package.requires:
        for capability in _capabilities(requirement_of(text)):
            found = providers.get(capability.name)
            if found is not None and found.nevra != package.nevra:
                yield capability, found


def _capabilities(requirement: Requirement) -> Iterator[Capability]:
    if isinstance(requirement, Capability):
        yield requirement
    elif isinstance(requirement, Rich):
        # What an `if` asks about is not required; its first operand is, where the rest holds.
        operands = requirement.operands[:1] if requirement.operator in ("if", "unless") else requirement.operands
        for operand in operands:
            yield from _capabilities(operand)


def _meant(requirement: Capability, target: PythonPackage, stated: Sequence[tuple[str, str]]) -> str:
    """Which of a package's distributions a requirement on it means: the one it names, else the
    package's own.
    """
    names = [name for name, _ in stated]
    for text in (str(requirement), target.name):
        wanted = wanted_by(text)
        if wanted is not None and wanted.name in names and wanted.certain:
            return wanted.name
    wanted = wanted_by(target.name)
    return wanted.name if wanted is not None and wanted.name in names else names[0]


def _order(each: BridgedCapability) -> tuple[str, ...]:
    return each.name, each.relation, each.evr, each.by, each.written


def _bridged(requirement: Capability, distribution: str, by: str) -> BridgedCapability:
    return BridgedCapability(requirement.name, distribution, requirement.relation, requirement.evr, by)


def _numbered_alike(package: PythonPackage, name: str, stated: Sequence[tuple[str, str]]) -> bool:
    """Whether a package has the version of its distribution of a name."""
    from packaging.version import Version

    try:
        own = Version(python_version(Nevra.parse(package.nevra).version))
        return any(Version(version) == own for other, version in stated if other == name)
    except ValueError:
        return False


def _specifier(requirement: Capability, target: PythonPackage) -> str:
    """The versions that a requirement leaves open, as packaging writes them.

    One on the package's own name speaks of its distribution's version, whatever the package is called.
    """
    wanted: NamedDistribution | None = wanted_by(str(requirement))
    if wanted is not None:
        return wanted.specifier
    return specifier_of(requirement.relation, requirement.evr) if requirement.name == target.name else ""


def _is_required(package: PythonPackage, packages: Sequence[PythonPackage]) -> bool:
    single = {package.nevra: package}
    return any(
        next(_requirements_on(other, single), None) is not None for other in packages if other.nevra != package.nevra
    )
