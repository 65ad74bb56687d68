"""Requirements on distributions: what each allows, and what has it."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.values import dataclass
from ppcdeps.python.environment import MarkerError, TargetEnvironment
from ppcdeps.python.names import normalize

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet


_LONG_NUMBER = re.compile(r"\d{1000}")


@dataclass(frozen=True, slots=True)
class PythonRequirement:
    """One requirement on a distribution, or on one of its extras, that holds on the target.

    ``text`` is the version part as it was written, for people; ``by`` is what has the requirement.
    """

    name: str
    extra: str
    specifier: "SpecifierSet"
    url: str
    text: str
    by: str

    @property
    def identifier(self) -> str:
        """``name`` or ``name[extra]``: extras are resolved as distributions of their own, bound to the plain
        one.
        """
        return f"{self.name}[{self.extra}]" if self.extra else self.name


class RequirementError(ValueError):
    """A requirement of a file that cannot be used: why, as a phrase on one line."""


def usable_requirement(text: str, environment: TargetEnvironment) -> tuple["Requirement", bool]:
    """A requirement that people wrote, and whether it holds on the target.

    Raises RequirementError where it cannot be parsed, is too long, or has a marker that cannot be evaluated.
    """
    from packaging.requirements import InvalidRequirement

    if len(text) > CEILINGS.pip_requirement:
        raise RequirementError(beyond("pip_requirement"))
    try:
        requirement = parsed_requirement(text)
    except InvalidRequirement as fault:
        raise RequirementError(str(fault).partition("\n")[0]) from fault
    except (ValueError, RecursionError) as fault:
        raise RequirementError(f"it cannot be parsed: {fault}") from fault
    try:
        return requirement, environment.holds(requirement.marker)
    except MarkerError as fault:
        raise RequirementError(f"its marker cannot be evaluated: {fault}") from fault


def parsed_requirement(text: str) -> "Requirement":
    """A PEP 508 text. Raises packaging's InvalidRequirement.

    Numbers with which Python cannot compute are invalid, too: packaging takes them, and fails when it compares them.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    if _LONG_NUMBER.search(text):
        raise InvalidRequirement("it has a number of more than a thousand digits")
    return Requirement(text)


@lru_cache(maxsize=16384)
def requirement_of(text: str) -> "Requirement":
    """A PEP 508 text, parsed once in a run. Raises what ``parsed_requirement`` raises."""
    return parsed_requirement(text)


def exact_version(specifier: "SpecifierSet") -> str:
    """The version that a specifier pins, as it is written there; empty where it allows more than one."""
    pins = (each.version for each in specifier if each.operator in ("==", "===") and not each.version.endswith(".*"))
    return next(pins, "")


def wants_of(requirement: "Requirement", by: str) -> list[PythonRequirement]:
    """The wants that a requirement stands for: the plain distribution, and each extra."""
    name = normalize(requirement.name)
    shown = f"@ {requirement.url}" if requirement.url else str(requirement.specifier) or "any version"
    extras = sorted({normalize(extra) for extra in requirement.extras})
    return [
        PythonRequirement(name, extra, requirement.specifier, requirement.url or "", shown, by)
        for extra in ("", *extras)
    ]


def applying(
    requires: tuple[str, ...], environment: TargetEnvironment, extra: str, by: str
) -> list[PythonRequirement]:
    """The requirements among ``requires`` that hold on the target.

    For an ``extra``: those that hold with it and not without it. Raises packaging's InvalidRequirement.
    """
    found: list[PythonRequirement] = []
    for text in requires:
        requirement = requirement_of(text)
        marker = requirement.marker
        if not extra:
            if environment.holds(marker):
                found.extend(wants_of(requirement, by))
        elif marker is not None and not environment.holds(marker) and environment.holds(marker, (extra,)):
            found.extend(wants_of(requirement, by))
    return found
