"""Running the steps of an acceptance test: each is timed, reported while it runs, and recorded with its outcome."""

import time
from collections.abc import Callable, Iterable

from ppcdeps.checking.node.explanations import explain
from ppcdeps.checking.node.results import Outcome, Step, TestedPart
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.visible import visible

_MOST_EVIDENCE = 40
_LONGEST_LINE = 400


class StepFailed(Exception):  # noqa: N818  # how a step ends, not a fault of the program
    """What a step looked for is not so: the reason in one line, and lines that show it."""

    def __init__(self, reason: str, evidence: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = tuple(evidence)


class StepSkipped(Exception):  # noqa: N818
    """A step cannot be done in this cloud, or with this guest: why, in one line."""


class Recorder:
    """Collects the steps of one test. ``wanted`` are the parts to run; ``context`` explains nothing but is searched
    for what explains a failure: lines of a log, for the identifiers in question.
    """

    def __init__(
        self, reporter: Reporter, wanted: Iterable[TestedPart], log_lines: Callable[[], tuple[str, ...]] | None = None
    ) -> None:
        self._reporter = reporter
        self._wanted = frozenset(wanted)
        self._log_lines = log_lines
        self.steps: list[Step] = []

    def wants(self, part: TestedPart) -> bool:
        """Whether that part is to run."""
        return part in self._wanted

    def step(self, part: TestedPart, name: str, action: Callable[[], str | None]) -> bool:
        """Do a step. The action returns a note, and raises StepFailed or StepSkipped. Returns whether it passed.

        An error of the cloud's is a failure of the step. Everything else that is raised ends the test.
        """
        task = f"{part}: {name}"
        self._reporter.begin(task, None)
        began = time.monotonic()
        evidence: tuple[str, ...] = ()
        try:
            note = action() or ""
            outcome = Outcome.PASSED
        except StepFailed as failure:
            outcome, note, evidence = Outcome.FAILED, failure.reason, failure.evidence
        except StepSkipped as skip:
            outcome, note = Outcome.SKIPPED, str(skip)
        except PpcdepsError as error:
            outcome, note = Outcome.FAILED, error.line
        finally:
            self._reporter.end(task)
        seconds = time.monotonic() - began
        if outcome is Outcome.FAILED and self._log_lines is not None:
            evidence += self._log_lines()
        self._record(part, name, outcome, seconds, note, evidence)
        return outcome is Outcome.PASSED

    def break_off(self, error: PpcdepsError) -> None:
        """Record that the test cannot go on, for an error between two steps."""
        part = self.steps[-1].part if self.steps else TestedPart.HEARTBEAT
        self._record(part, "what follows", Outcome.FAILED, 0.0, f"the test ends here: {error.line}", ())

    def skip(self, part: TestedPart, names: Iterable[str], reason: str) -> None:
        """Record steps that cannot be done."""
        for name in names:
            self._record(part, name, Outcome.SKIPPED, 0.0, reason, ())

    def _record(
        self, part: TestedPart, name: str, outcome: Outcome, seconds: float, note: str, evidence: tuple[str, ...]
    ) -> None:
        lines = tuple(visible(line)[:_LONGEST_LINE] for line in evidence[:_MOST_EVIDENCE])
        shown = visible(" ".join(note.split()))
        explanations = explain(name, (note, *evidence)) if outcome is Outcome.FAILED else ()
        self.steps.append(Step(part, name, outcome, round(seconds, 1), shown, lines, explanations))
        self._reporter.note(f"{part}: {name}: {outcome}{f' ({shown})' if shown else ''}")
