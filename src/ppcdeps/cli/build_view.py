"""Running builds on standard error: a live table on a terminal, plain lines anywhere else."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from ppcdeps.building.run.events import BuildEvent, BuildFinished, BuildOutcome, BuildStarted, StageReached
from ppcdeps.cli.output import Part, is_colored, is_terminal, lossy, painted, say
from ppcdeps.model.visible import visible
from ppcdeps.report.build import duration, finished_lines

if TYPE_CHECKING:
    from rich.live import Live

_LABELS = {
    BuildOutcome.BUILT: ("built", "green"),
    BuildOutcome.UNCHANGED: ("unchanged", "cyan"),
    BuildOutcome.FAILED: ("failed", "red"),
    BuildOutcome.SKIPPED: ("skipped", "yellow"),
}


class BuildView:
    """Shows the events of a run. Safe for threads.

    ``quiet`` shows failures alone; without ``live``, or where ``stream`` (default: standard error) is not a terminal,
    every event is a line.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        live: bool = True,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream or sys.stderr
        terminal = is_terminal(self._stream)
        self._quiet = quiet
        self._live_wanted = live and terminal and not quiet
        self._colored = is_colored(self._stream)
        self._now = now
        self._running: dict[str, tuple[float, float | None, str]] = {}
        self._progress = (0, 0)
        self._guard = threading.RLock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._live_wanted:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream, no_color=not self._colored)
            self._live = Live(get_renderable=self._table, console=console, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def watch(self, event: BuildEvent) -> None:
        """Show an event."""
        with self._guard:
            match event:
                case BuildStarted(task, expected, log):
                    self._running[task.name] = (self._now(), expected, "")
                    if self._live is None and not self._quiet:
                        usual = f", usually {duration(expected * 60)}" if expected else ""
                        self._say(visible(f"{task.name}: begins{usual}; log: {log}"))
                case StageReached(task, stage):
                    since, expected, _ = self._running.get(task.name, (self._now(), None, ""))
                    self._running[task.name] = (since, expected, str(stage))
                case BuildFinished(result, done, total):
                    self._running.pop(result.task.name, None)
                    self._progress = (done, total)
                    if self._quiet and result.outcome is not BuildOutcome.FAILED:
                        return
                    label = _LABELS[result.outcome]
                    lines = "\n".join(map(visible, finished_lines(result)))
                    self._say(f"[{done}/{total}] {visible(result.task.name)}: ", label, lines)

    def _table(self) -> Any:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        with self._guard:
            table = Table.grid(padding=(0, 2))
            now = self._now()
            for name, (since, expected, stage) in self._running.items():
                end = ""
                if expected:
                    until = since + expected * 60
                    when = time.strftime("%H:%M", time.localtime(until))
                    end = f"done about {when}" if until > now else f"usually {duration(expected * 60)}"
                table.add_row(Spinner("dots"), Text(visible(name)), stage, duration(now - since), end)
            done, total = self._progress
            if total:
                table.add_row("", f"{done} of {total} are done", "", "", "")
            return table

    def _say(self, *parts: Part) -> None:
        if self._live is not None:
            from rich.text import Text

            with lossy(self._stream):
                self._live.console.print(Text.from_ansi(painted(*parts, colored=self._colored)), soft_wrap=True)
        else:
            say(*parts, stream=self._stream)
