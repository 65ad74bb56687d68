"""What requirements for pip name for one target: of each distribution what is allowed, and where a file says so."""

from dataclasses import field
from typing import TYPE_CHECKING

from ppcdeps.model.values import dataclass
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.requirementfiles import RequirementFile, RequirementLine, refused
from ppcdeps.python.requirements import RequirementError, exact_version, usable_requirement

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

_SHOWN = 200
"""Characters of a line in an error."""


@dataclass(frozen=True, slots=True)
class StatedRequirement:
    """What one line says of a distribution; ``version`` where it names exactly one."""

    line: RequirementLine
    requirement: "Requirement"

    @property
    def name(self) -> str:
        """The normalized name."""
        return normalize(self.requirement.name)

    @property
    def version(self) -> str:
        """The version, where the line allows exactly one; else empty."""
        return exact_version(self.requirement.specifier)


@dataclass(frozen=True, slots=True)
class RequiredDistribution:
    """A distribution that the requirements install.

    ``specifier`` joins all lines, constraints included. ``pin`` is the line that gives it one version, if any does;
    ``digests`` are the SHA-256 of the files that are allowed, none where any is; ``url`` is a direct reference.
    """

    name: str
    spelling: str
    where: str
    specifier: "SpecifierSet"
    extras: tuple[str, ...] = ()
    pin: StatedRequirement | None = None
    digests: frozenset[str] = frozenset()
    url: str = ""

    @property
    def version(self) -> str:
        """The pinned version; empty where there is none."""
        return self.pin.version if self.pin else ""


@dataclass(frozen=True, slots=True)
class RequirementSet:
    """The distributions by normalized name, in the order of the file.

    ``projects`` are folders, files and URLs that name no distribution; ``elsewhere`` the names whose lines hold on
    other targets only.
    """

    distributions: dict[str, RequiredDistribution] = field(default_factory=dict)
    projects: tuple[RequirementLine, ...] = ()
    elsewhere: tuple[str, ...] = ()


def requirement_set(
    file: RequirementFile, environment: TargetEnvironment, *, what: str, origin: str
) -> RequirementSet:
    """What a file and those that it includes require on the target: constraints pin what requirements leave open.

    Raises ConfigError with all lines that are no requirement, or that contradict a pin: pip refuses these, too.
    """
    faults: list[str] = []
    said: list[StatedRequirement] = []
    elsewhere: dict[str, None] = {}
    for line in file.lines:
        if line.is_project:
            continue
        try:
            requirement, holds = usable_requirement(line.text, environment)
        except RequirementError as fault:
            faults.append(f"{line.where}: {line.text[:_SHOWN]!r} is not a requirement ({fault})")
            continue
        if holds:
            said.append(StatedRequirement(line, requirement))
        else:
            elsewhere[normalize(requirement.name)] = None
    pinned: dict[str, StatedRequirement] = {}
    for each in said:
        if each.version:
            pinned.setdefault(each.name, each)
    for each in said:
        holder = pinned.get(each.name)
        allowed = each.requirement.specifier
        if holder is not None and not allowed.contains(holder.version, prereleases=True):
            faults.append(
                f"{each.line.where}: {each.name} is held to {allowed}, and {holder.line.where} holds it to "
                f"{holder.requirement.specifier}: keep one of the two"
            )
    if faults:
        raise refused(what, origin, faults)
    return RequirementSet(
        _joined(said, pinned),
        tuple(line for line in file.lines if line.is_project),
        tuple(name for name in sorted(elsewhere) if not any(each.name == name for each in said)),
    )


def _joined(said: list[StatedRequirement], pinned: dict[str, StatedRequirement]) -> dict[str, RequiredDistribution]:
    lines: dict[str, list[StatedRequirement]] = {}
    for each in said:
        lines.setdefault(each.name, []).append(each)
    found: dict[str, RequiredDistribution] = {}
    for each in said:
        if each.line.is_constraint or each.name in found:
            continue
        specifier, digests, extras, urls = each.requirement.specifier, each.line.digests, set(), []
        for one in lines[each.name]:
            specifier = specifier & one.requirement.specifier
            digests = digests | one.line.digests
            extras |= one.requirement.extras
            urls += [one.requirement.url] if one.requirement.url else []
        found[each.name] = RequiredDistribution(
            each.name,
            each.requirement.name,
            each.line.where,
            specifier,
            tuple(sorted(extras)),
            pinned.get(each.name),
            digests,
            urls[0] if urls else "",
        )
    return found
