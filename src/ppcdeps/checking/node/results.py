"""The outcomes of an acceptance test: one for each step, with what explains a failure."""

from dataclasses import dataclass
from enum import StrEnum

from ppcdeps.checking.findings import Finding


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TestedPart(StrEnum):
    """What the steps of a test are grouped by, in the order in which they run."""

    HEARTBEAT = "heartbeat"
    STATISTICS = "statistics"
    LIFE_CYCLE = "life-cycle"
    CONSOLE = "console"
    NETWORK = "network"
    VOLUMES = "volumes"
    MIXED_CLOUD = "mixed-cloud"
    PROBES = "probes"
    CLEANUP = "cleanup"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the test.

    ``note`` is one line: what was seen, why it failed, or why it was skipped. ``evidence`` are lines of nova's, of
    the guest's console or of a log; ``explanations`` are the rules of ppcdeps that know the fault. ``seconds`` is
    how long it took.
    """

    part: TestedPart
    name: str
    outcome: Outcome
    seconds: float = 0.0
    note: str = ""
    evidence: tuple[str, ...] = ()
    explanations: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The outcome of one acceptance test. ``run`` is what all that it made was named by."""

    cloud: str
    host: str
    run: str
    image: str
    steps: tuple[Step, ...]

    @property
    def has_passed(self) -> bool:
        """Whether nothing failed, and something passed: that nothing is left behind says nothing of the node."""
        outcomes = {one.outcome for one in self.steps if one.part is not TestedPart.CLEANUP}
        return Outcome.PASSED in outcomes and all(one.outcome is not Outcome.FAILED for one in self.steps)

    def count(self, outcome: Outcome) -> int:
        """How many steps ended so."""
        return sum(one.outcome is outcome for one in self.steps)
