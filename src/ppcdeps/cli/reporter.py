"""What a run reports on standard error: a progress bar on a terminal, plain lines anywhere else."""

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from ppcdeps.cli.output import Part, is_colored, is_terminal, lossy, painted, say
from ppcdeps.model.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress


class TerminalReporter:
    """Shows what the core reports. Safe for threads.

    ``quiet`` leaves warnings and errors alone. Without ``progress``, or where standard error is not a
    terminal, a task is one line when it begins. The bar appears with the first task and not before. ``stream`` is
    where all of it goes, by default standard error. ``complete`` puts into a message what commands that it names need
    to be typed.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        progress: bool = True,
        stream: TextIO | None = None,
        complete: Callable[[str], str] = str,
    ) -> None:
        self._quiet = quiet
        self._complete = complete
        self._stream = stream or sys.stderr
        terminal = is_terminal(self._stream)
        self._bar_wanted = progress and terminal and not quiet
        self._colored = is_colored(self._stream)
        self._guard = threading.RLock()
        self._bar: Progress | None = None
        self._tasks: dict[str, Any] = {}

    @property
    def quiet(self) -> bool:
        """Whether the user wants warnings and errors alone."""
        return self._quiet

    @property
    def progress(self) -> bool:
        """Whether something that moves may be shown."""
        return self._bar_wanted

    def note(self, message: str) -> None:
        """Show a line, unless the user wants quiet."""
        if not self._quiet:
            self._say(visible(self._complete(message)))

    def warn(self, message: str) -> None:
        """Show a warning."""
        self._say(("warning:", "yellow"), f" {visible(self._complete(message))}")

    def begin(self, task: str, total: int | None) -> None:
        """Show that a task starts."""
        if self._quiet:
            return
        if not self._bar_wanted:
            self._say(f"{visible(task)} ...")
            return
        with self._guard:
            if self._bar is None:
                self._bar = _progress_bar(self._stream, colored=self._colored)
                self._bar.start()
            self._tasks[task] = self._bar.add_task(visible(task), total=total)

    def advance(self, task: str, amount: int) -> None:
        """Move the task's bar on."""
        with self._guard:
            if self._bar is not None and task in self._tasks:
                self._bar.advance(self._tasks[task], amount)

    def end(self, task: str) -> None:
        """Take the task's bar away, and the whole display with the last one."""
        with self._guard:
            if self._bar is None or task not in self._tasks:
                return
            self._bar.remove_task(self._tasks.pop(task))
            if not self._tasks:
                self.close()

    def close(self) -> None:
        """Give the terminal back. Called at the end of the command, however it ends."""
        with self._guard:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
                self._tasks.clear()

    def _say(self, *parts: Part) -> None:
        with self._guard:
            if self._bar is not None:
                from rich.text import Text

                with lossy(self._stream):
                    self._bar.console.print(Text.from_ansi(painted(*parts, colored=self._colored)), soft_wrap=True)
            else:
                say(*parts, stream=self._stream)


def _progress_bar(stream: TextIO, *, colored: bool) -> "Progress":
    # Imported here: rich takes longer to import than most commands take to run.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(file=stream, no_color=not colored),
        transient=True,
    )
