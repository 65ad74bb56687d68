"""What the core tells while it works, and to whom: it never prints."""

from typing import Protocol


class Reporter(Protocol):
    """Receives the narrative of a run. The command line shows it on standard error."""

    def note(self, message: str) -> None:
        """Take a line of narrative."""

    def warn(self, message: str) -> None:
        """Take something the user should know, but which stops nothing."""

    def begin(self, task: str, total: int | None) -> None:
        """Learn that a task (a download: its repository and file) of ``total`` bytes or steps starts."""

    def advance(self, task: str, amount: int) -> None:
        """Learn that ``amount`` more bytes or steps of the task are done."""

    def end(self, task: str) -> None:
        """Learn that the task is over, well or not."""


class Silence:
    """A reporter that forgets everything."""

    def note(self, message: str) -> None:
        """Forget it."""

    def warn(self, message: str) -> None:
        """Forget it."""

    def begin(self, task: str, total: int | None) -> None:
        """Forget it."""

    def advance(self, task: str, amount: int) -> None:
        """Forget it."""

    def end(self, task: str) -> None:
        """Forget it."""
