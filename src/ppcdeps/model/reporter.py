"""Reporters: what receives the narrative and the progress of a run. The core never prints."""

from typing import Protocol


class Reporter(Protocol):
    """Receives the narrative of a run. The command line shows it on standard error."""

    def note(self, message: str) -> None:
        """Record a line of narrative."""

    def warn(self, message: str) -> None:
        """Record something that the user should know, but which stops nothing."""

    def begin(self, task: str, total: int | None) -> None:
        """Record that a task (a download: its repository and file) of ``total`` bytes or steps starts."""

    def advance(self, task: str, amount: int) -> None:
        """Record that ``amount`` more bytes or steps of the task are done."""

    def end(self, task: str) -> None:
        """Record that the task is over, successful or not."""


class Silence:
    """A reporter that ignores everything."""

    def note(self, message: str) -> None:
        """Ignore it."""

    def warn(self, message: str) -> None:
        """Ignore it."""

    def begin(self, task: str, total: int | None) -> None:
        """Ignore it."""

    def advance(self, task: str, amount: int) -> None:
        """Ignore it."""

    def end(self, task: str) -> None:
        """Ignore it."""
