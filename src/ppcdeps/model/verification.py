"""The result of `verify`: whether the gaps of a plan are closed, and every check that this rests on."""

from enum import StrEnum

from ppcdeps.model.gap import Gap
from ppcdeps.model.values import dataclass


class CheckOutcome(StrEnum):
    """How a part of a verification went."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be done, or there was nothing to do: ``detail`` says which."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. ``log`` is the end of what it wrote; ``seconds`` are of the clock.

    ``subject`` is what was tried, where there are several of a kind: a recipe, a module.
    """

    outcome: CheckOutcome
    detail: str
    subject: str = ""
    command: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    seconds: float = 0.0
    needed: bool = False
    """Whether it was left undone although there was something to do."""


@dataclass(frozen=True, slots=True)
class ClosedGap:
    """A gap of the plan that was closed, and what closes it: packages, or a distribution that pip installs."""

    gap: Gap
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GapReview:
    """The gaps of a plan against those of the same plan made with the local repository.

    ``remaining`` are as they are now, ``new`` those that the plan had not.
    """

    closed: tuple[ClosedGap, ...] = ()
    remaining: tuple[Gap, ...] = ()
    new: tuple[Gap, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether nothing is missing."""
        return not self.remaining and not self.new


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on a plan, and all that it rests on.

    ``ran`` says how the target's programs ran: ``native``, ``emulated``, or nothing where none did.
    """

    workload: str
    target: str
    arch: str
    repository: str
    gaps: GapReview
    installation: Check
    repoclosure: Check
    python: Check
    imports: Check
    smoke_tests: tuple[Check, ...] = ()
    ran: str = ""
    warnings: tuple[str, ...] = ()
    provenance: Check | None = None
    """Whether what the repository says of its builds is so; None where it says nothing."""

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks, in the order in which they were made."""
        stated = (self.provenance,) if self.provenance is not None else ()
        return (*stated, self.repoclosure, self.installation, self.python, self.imports, *self.smoke_tests)

    @property
    def is_closed(self) -> bool:
        """Whether the gap is closed, as far as was looked: nothing is missing, and nothing that was tried failed."""
        return self.gaps.is_closed and not any(check.outcome is CheckOutcome.FAILED for check in self.checks)

    @property
    def undone(self) -> tuple[str, ...]:
        """Why the verdict rests on less than it could: a reason each."""
        return tuple(dict.fromkeys(check.detail for check in self.checks if check.needed))
