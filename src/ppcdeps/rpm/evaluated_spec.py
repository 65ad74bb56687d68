"""What the evaluation of a spec says, for one architecture, and how two architectures differ."""

from collections.abc import Iterable, Mapping

from ppcdeps.model.gap import Cause
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.isa import translated


@dataclass(frozen=True, slots=True)
class SpecPackage:
    """A package that a build of the spec gives.

    The dependencies are those that the spec states, sorted; what rpmbuild finds in the files (sonames, Python
    distributions) is not known before the build. ``files`` are the paths that `%files` names in so many words,
    ``patterns`` those with wildcards.
    """

    nevra: Nevra
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecEvaluation:
    """A spec evaluated for an architecture.

    ``packages`` are those that are built, none where the architecture is ``excluded``; ``declared`` are the names
    of all that the spec describes, built or not. ``build_requires`` lack what `%generate_buildrequires` prints, if
    it ``generates_build_requires``: its lines run on the unpacked sources, which the build does. ``files`` are the
    names of its sources and patches; ``if_not_excluded`` the packages that it would give for the architecture.
    """

    arch: str
    platform: str
    source: Nevra
    packages: tuple[SpecPackage, ...]
    declared: tuple[str, ...]
    build_requires: tuple[str, ...]
    exclusive_arch: tuple[str, ...]
    exclude_arch: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    build_conflicts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    generates_build_requires: bool = False
    if_not_excluded: tuple[SpecPackage, ...] = ()

    @property
    def excluded(self) -> str:
        """Why the spec is not built for the architecture, in the words of its tags; empty where it is."""
        if self.arch in self.exclude_arch:
            return f"ExcludeArch: {' '.join(self.exclude_arch)}"
        if self.exclusive_arch and self.arch not in self.exclusive_arch:
            return f"ExclusiveArch: {' '.join(self.exclusive_arch)}"
        return ""

    def package(self, name: str) -> SpecPackage | None:
        """The built package of a name."""
        return next((one for one in self.packages if one.nevra.name == name), None)

    def why_missing(self, name: str) -> tuple[Cause, str] | None:
        """Why a package of this spec is not there on the architecture; None where the spec does build it."""
        if self.excluded:
            return Cause.EXCLUDED, f"the spec of {self.source.name} says {self.excluded}"
        if self.package(name) is not None:
            return None
        how = "describes it and has no files for it" if name in self.declared else "does not describe it"
        return Cause.NOT_BUILT, f"the spec of {self.source.name}, evaluated for {self.arch}, {how}"


@dataclass(frozen=True, slots=True)
class Differences:
    """What only the reference's evaluation of a spec has, so that a stand-in need not have it.

    ``requires`` has, for each package built on both sides, the stated requirements in the target's terms, and
    ``source_requires`` those of them that no package has in the target's evaluation; ``packages`` are the names of
    packages that the target's evaluation does not build. ``required_names`` are the names of all that packages of
    the reference's evaluation require, and none of the target's does, in whichever version.
    """

    packages: tuple[str, ...]
    requires: Mapping[str, tuple[str, ...]]
    build_requires: tuple[str, ...]
    source_requires: tuple[str, ...] = ()
    arch: str = ""
    required_names: frozenset[str] = frozenset()

    def grounds(self, requirement: str) -> str | None:
        """Why a stand-in of the source need not have a requirement; None where it must."""
        # A stand-in may be of another build than the spec, and require its own packages in that version.
        if requirement not in self.source_requires and _name_in(requirement) not in self.required_names:
            return None
        return f"the spec, evaluated for {self.arch}, does not require it"


def differences(target: SpecEvaluation, reference: SpecEvaluation) -> Differences:
    """Compare the evaluations of one spec for the target's and for the reference's architecture (x86_64)."""
    requires = {}
    for package in reference.packages:
        here = target.package(package.nevra.name)
        if here is None:
            continue
        only = _only(package.requires, here.requires)
        if only:
            requires[package.nevra.name] = only
    kept = tuple(text for package in target.packages for text in package.requires)
    return Differences(
        packages=tuple(p.nevra.name for p in reference.packages if target.package(p.nevra.name) is None),
        requires=requires,
        build_requires=_only(reference.build_requires, target.build_requires),
        source_requires=_only(tuple(text for only in requires.values() for text in only), kept),
        arch=target.arch,
        required_names=frozenset(
            _names_in(text for package in reference.packages for text in package.requires)
            - _names_in(text for package in target.packages or target.if_not_excluded for text in package.requires)
        ),
    )


def _names_in(requirements: Iterable[str]) -> set[str]:
    return {name for text in requirements if (name := _name_in(translated(text)))}


def _name_in(requirement: str) -> str:
    """The name in a plain requirement; nothing for a boolean one."""
    return "" if requirement.startswith("(") else requirement.partition(" ")[0]


def _only(reference: tuple[str, ...], target: tuple[str, ...]) -> tuple[str, ...]:
    # Both sides translated: a spec may name the marker of another architecture in so many words.
    return tuple(sorted({translated(text) for text in reference}.difference(map(translated, target))))
