"""Defects of built packages: what is not as it should be, and how bad that is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_NAMED = 5


class DefectSeverity(StrEnum):
    """How bad a defect is."""

    ERROR = "error"
    """The package is not to be published."""
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class PackageDefect:
    """Something that is not as it should be.

    ``package`` is the file's name, empty where it is about the set; ``path`` the file inside of it, if it is about
    one.
    """

    severity: DefectSeverity
    text: str
    package: str = ""
    path: str = ""

    def __str__(self) -> str:
        place = ": ".join(filter(None, (self.package, self.path)))
        return f"{place}: {self.text}" if place else self.text


def errors_in(defects: Iterable[PackageDefect]) -> list[PackageDefect]:
    """Those for which a package is not to be published."""
    return [one for one in defects if one.severity is DefectSeverity.ERROR]


def some(names: Sequence[str], most: int = _NAMED) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
