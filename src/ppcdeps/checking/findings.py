"""What a check found, what it looked at, and what it could not see."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: it breaks, it may break, or it could be better."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


_ORDER = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. ``rules.finding`` makes it, and takes severity and links from the rule.

    ``where`` is a file with its line, a path, a package or an option. ``detail`` are lines of evidence; ``fix``
    are commands or lines of a file to copy as they are; ``fixed_in`` names the first version without the fault.
    """

    rule: str
    severity: Severity
    message: str
    where: str
    detail: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    fixed_in: str | None = None
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examined:
    """How many of something were looked at; ``what`` is a plural: distributions."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be seen, and why: it is neither good nor bad."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one check (``env``, ``lock``, ``guest``, ``host``) of one subject. ``Report.of`` makes it."""

    check: str
    subject: str
    findings: tuple[Finding, ...] = ()
    examined: tuple[Examined, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @classmethod
    def of(
        cls,
        check: str,
        subject: str,
        findings: Iterable[Finding],
        examined: Iterable[Examined] = (),
        skipped: Iterable[Skipped] = (),
    ) -> "Report":
        """The report, each finding and each skip once, in an order that does not depend on when they were found."""
        return cls(
            check,
            subject,
            tuple(sorted(set(findings), key=_place)),
            tuple(examined),
            tuple(sorted(set(skipped), key=lambda one: (one.what, one.why))),
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing is broken or may break. Advice alone is clean."""
        return all(one.severity is Severity.ADVICE for one in self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(one.severity is severity for one in self.findings)


def _place(finding: Finding) -> tuple[object, ...]:
    line = finding.where.rpartition(":")
    # A file's lines in the order of their numbers.
    where = (line[0], int(line[2])) if line[2].isdecimal() else (finding.where, 0)
    return (
        _ORDER[finding.severity],
        finding.rule,
        where,
        finding.message,
        finding.detail,
        finding.fix,
        finding.fixed_in or "",
        finding.links,
    )
