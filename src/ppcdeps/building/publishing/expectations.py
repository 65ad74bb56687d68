"""What a plan expects of the packages of one source, and what built packages lack of it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from ppcdeps.building.publishing.defects import DefectSeverity, PackageDefect
from ppcdeps.model import evr
from ppcdeps.model.capability import Capability, Requirement, Rich, parse_requirement
from ppcdeps.model.gap import Gap, GapKind
from ppcdeps.model.nevra import Nevra


@dataclass(frozen=True, slots=True)
class Expected:
    """What the plan expects of the packages of one source.

    ``packages`` are names, ``provides`` capabilities that one of them is to provide (versions as requirements have
    them; paths, too).
    """

    packages: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()


def expected_of(gaps: Iterable[Gap], source: str) -> Expected:
    """What the gaps of a plan expect of one source: the packages that are wanted, and what others require of them.

    What packages of the source require of each other is left out, as their builds say it in their own version.
    """
    own = [gap for gap in gaps if gap.kind is GapKind.RPM and (gap.source or gap.name) == source]
    names = dict.fromkeys(package.name for gap in own for package in gap.packages)
    required = {
        requirer.requirement: None
        for gap in own
        for requirer in gap.required_by
        if (by := _parsed(requirer.by)) is None or by.name not in names
    }
    return Expected(tuple(names), tuple(required))


def missing_from(names: Collection[str], provided: Sequence[str], expected: Expected) -> Iterator[PackageDefect]:
    """What the plan expects and a build lacks that made packages of these names, which provide this together."""
    for name in expected.packages:
        if name not in names:
            yield PackageDefect(DefectSeverity.ERROR, f"the plan expects the package {name}, and the build made none")
    for text in expected.provides:
        if not _is_met(text, provided):
            near = sorted({one for one in provided if _capability(one).name == _capability(text).name})
            instead = f"; they provide {', '.join(near)}" if near else ""
            text = f"the plan expects {text}, and none of the packages provides it{instead}"
            yield PackageDefect(DefectSeverity.ERROR, text)


def satisfies(provide: str, wanted: Requirement) -> bool:
    """Whether a provided capability satisfies a requirement, as rpm judges it.

    One without a version satisfies every version. A boolean requirement is satisfied as far as this one provide can;
    conditions count as met.
    """
    match wanted:
        case Capability():
            given = _capability(provide)
            if given.name != wanted.name:
                return False
            if not wanted.relation or given.relation != "=":
                return True
            return evr.satisfies(given.evr, wanted.relation, wanted.evr)
        case Rich("or", operands):
            return any(satisfies(provide, one) for one in operands)
        case Rich("if" | "unless"):
            return True
        case Rich(_, operands):
            return all(satisfies(provide, one) for one in operands)
        case _:
            assert_never(wanted)


def _is_met(wanted: str, provided: Iterable[str]) -> bool:
    try:
        requirement = parse_requirement(wanted)
    except ValueError:
        return False
    if isinstance(requirement, Rich) and requirement.operator in ("and", "with"):
        return all(_is_met(str(one), provided) for one in requirement.operands)
    return any(satisfies(one, requirement) for one in provided)


def _capability(text: str) -> Capability:
    """A plain capability; one that is not well-formed, or a boolean one, is a name."""
    try:
        parsed = parse_requirement(text)
    except ValueError:
        return Capability(text)
    return parsed if isinstance(parsed, Capability) else Capability(text)


def _parsed(text: str) -> Nevra | None:
    try:
        return Nevra.parse(text)
    except ValueError:
        return None
