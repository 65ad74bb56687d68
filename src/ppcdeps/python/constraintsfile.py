"""A constraints file: what pip's format says about the versions of distributions, for one target."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import DocumentError, read_document
from ppcdeps.model.errors import ConfigError
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.requirements import RequirementError, usable_requirement

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet


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
        for each in self.specifier:
            if each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*")):
                return each.version
        return ""


@dataclass(frozen=True, slots=True)
class Constraints:
    """The constraints of a file by normalized name.

    ``elsewhere`` are the names that the file constrains only where the target is not (another Python, say).
    """

    origin: str = ""
    by_name: Mapping[str, Constraint] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()

    def pins(self) -> dict[str, str]:
        """Name and version of everything that is held to one version."""
        return {name: each.pin for name, each in sorted(self.by_name.items()) if each.pin}


NO_CONSTRAINTS = Constraints()


def read_constraints(path: Path, environment: TargetEnvironment, *, shown: str | None = None) -> Constraints:
    """Read a constraints file for the target.

    ``shown`` is how messages call the file. Raises ConfigError with every fault of the file: lines that are
    no constraint, and names that are pinned twice to different versions where both lines hold for the target.
    """
    name = shown or str(path)
    try:
        text = read_document(path, "pip_size").decode("utf-8")
    except OSError as fault:
        raise ConfigError(f"the constraints file {name} cannot be read: {fault.strerror or fault}") from None
    except UnicodeDecodeError as fault:
        raise ConfigError(f"the constraints file {name} cannot be read: {fault}") from None
    except DocumentError as fault:
        raise ConfigError(f"the constraints file {name} {fault}") from None
    return parse_constraints(text, environment, origin=name)


def parse_constraints(text: str, environment: TargetEnvironment, *, origin: str) -> Constraints:
    """Like ``read_constraints``, from the file's text."""
    found: dict[str, Constraint] = {}
    elsewhere: dict[str, None] = {}
    faults: list[str] = []
    for number_of, (number, line, _) in enumerate(logical_lines(text), 1):
        where = f"{origin}:{number}"
        if number_of > CEILINGS.pip_requirements:
            raise ConfigError(f"{where}: the constraints file has {beyond('pip_requirements', 'more than')}")
        try:
            requirement, holds = usable_requirement(line, environment)
        except RequirementError as fault:
            faults.append(f"{where}: {line[:_SHOWN]!r} is not a constraint ({fault})")
            continue
        name = normalize(requirement.name)
        if requirement.extras:
            faults.append(f"{where}: {line!r} names extras, which pip does not allow in constraints")
            continue
        if not holds:
            elsewhere[name] = None
            continue
        faults.extend(_merged(found, name, requirement, where))
    if faults:
        raise ConfigError(f"the constraints file {origin} cannot be used", faults=tuple(faults))
    return Constraints(origin, found, tuple(sorted(set(elsewhere) - set(found))))


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


def logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """The requirements of a file for pip: the number of the first line, the requirement, and the options after it.

    Lines that end in a backslash go on, comments are left out, and so are options that stand alone, such as
    --index-url: they are not ours to follow.
    """
    pending: list[str] = []
    start = 0
    for number, raw in enumerate(text.splitlines(), 1):
        # A hash begins a comment at the line's beginning or after a blank; within a URL it does not.
        body = "" if raw.lstrip().startswith("#") else raw.partition(" #")[0]
        start = start or number
        body = body.rstrip()
        if body.endswith("\\"):
            pending.append(body[:-1])
            continue
        line, _, options = " ".join((*pending, body)).partition(" --")
        if line.strip() and not line.strip().startswith("-"):
            yield start, line.strip(), f" --{options}" if options else ""
        pending, start = [], 0
