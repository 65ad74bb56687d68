"""A reporter that records what it gets."""


class Recorder:
    """Messages, tasks with their totals, and the sum of all progress, in the order in which they came."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.tasks: list[tuple[str, int | None]] = []
        self.ended: list[str] = []
        self.progress = 0

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def begin(self, task: str, total: int | None) -> None:
        self.tasks.append((task, total))

    def advance(self, task: str, amount: int) -> None:
        self.progress += amount

    def end(self, task: str) -> None:
        self.ended.append(task)
