"""A constraints file: what pip's format says about the versions of distributions, for one target."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.model.values import dataclass
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.requirementfiles import (
    RequirementFile,
    parse_requirement_text,
    read_requirement_file,
    refused,
)
from ppcdeps.python.requirements import RequirementError, exact_version, usable_requirement

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet


_WHAT = "the constraints file"
_SHOWN = 200
"""Characters of a line in an error."""
_MOST_SPECIFIERS = 100
"""Of one distribution."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What one distribution may be. ``url`` is set for a direct reference, ``where`` is file and line."""

    name: str
    specifier: "SpecifierSet"
    where: str
    url: str = ""

    @property
    def pin(self) -> str:
        """The version, where the constraint allows exactly one; else empty."""
        return exact_version(self.specifier)


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints of a file by normalized name.

    ``elsewhere`` are the names that the file constrains only where the target is not (another Python, say);
    ``unfollowed`` are its options that say where pip looks, each with its file and line.
    """

    origin: str = ""
    by_name: Mapping[str, Constraint] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    unfollowed: tuple[tuple[str, str], ...] = ()

    def pins(self) -> dict[str, str]:
        """Name and version of everything that is held to one version."""
        return {name: each.pin for name, each in sorted(self.by_name.items()) if each.pin}


NO_CONSTRAINTS = Constraints()


def read_constraints(path: Path, environment: TargetEnvironment, *, shown: str | None = None) -> Constraints:
    """Read a constraints file, and those that it includes, for the target.

    ``shown`` is how messages call the file. Raises ConfigError with the faults of the files: lines that are no
    constraint, and names that are pinned twice to different versions where both lines hold for the target.
    """
    name = shown or str(path)
    found = read_requirement_file(path, what=_WHAT, shown=name, constraint=True)
    return _constraints_of(found, environment, name)


def parse_constraints(text: str, environment: TargetEnvironment, *, origin: str) -> Constraints:
    """Like ``read_constraints``, from the file's text."""
    found = parse_requirement_text(text, what=_WHAT, origin=origin, constraint=True)
    return _constraints_of(found, environment, origin)


def _constraints_of(file: RequirementFile, environment: TargetEnvironment, origin: str) -> Constraints:
    found: dict[str, Constraint] = {}
    elsewhere: dict[str, None] = {}
    faults: list[str] = []
    for line in file.lines:
        where = line.where
        if line.is_project:
            faults.append(f"{where}: {line.text[:_SHOWN]!r} has no name, which pip does not allow in constraints")
            continue
        try:
            requirement, holds = usable_requirement(line.text, environment)
        except RequirementError as fault:
            faults.append(f"{where}: {line.text[:_SHOWN]!r} is not a constraint ({fault})")
            continue
        name = normalize(requirement.name)
        if requirement.extras and not line.is_required:
            faults.append(f"{where}: {line.text!r} names extras, which pip does not allow in constraints")
            continue
        if not holds:
            elsewhere[name] = None
            continue
        faults.extend(_merged(found, name, requirement, where))
    if faults:
        raise refused(_WHAT, origin, faults)
    return Constraints(origin, found, tuple(sorted(set(elsewhere) - set(found))), file.unfollowed)


def _merged(found: dict[str, Constraint], name: str, requirement: "Requirement", where: str) -> list[str]:
    fresh = Constraint(name, requirement.specifier, where, requirement.url or "")
    known = found.get(name)
    if known is None:
        found[name] = fresh
        return []
    if (known.pin and fresh.pin and known.pin != fresh.pin) or known.url != fresh.url:
        return [
            f"{where}: {name} is held to {fresh.url or requirement.specifier}, and {known.where} holds it to "
            f"{known.url or known.specifier}: keep one of the two"
        ]
    if len(known.specifier) > _MOST_SPECIFIERS:
        return [f"{where}: {name} is constrained in more than {_MOST_SPECIFIERS} ways: keep few of them"]
    found[name] = Constraint(name, known.specifier & fresh.specifier, known.where, known.url)
    return []
