"""What a guest says of itself on its serial console, as nova's API gives it.

The test guest (`guestimage`) begins its lines with ``ppcdeps-guest:``. Of another guest only a text is looked for
that shows that it has booted.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ppcdeps.checking.node.api import ApiError, Service
from ppcdeps.checking.node.recorder import StepFailed

WORD = "ppcdeps-guest:"
"""What each line of the test guest begins with."""
_LINE = re.compile(rf"{WORD} (.*?)\r?$", re.MULTILINE)
_LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """A disk as the guest sees it: bytes, and the mark on it. ``written`` says that the guest has just written it."""

    size: int
    mark: str
    written: bool


@dataclass(frozen=True, slots=True)
class ConsoleState:
    """What a console says since the guest's last boot. ``boot`` is that boot's own identifier, empty before it is up;
    ``tick`` is the time between two ticks in seconds; ``keys`` are the codes of keys that it received.
    """

    text: str
    boot: str = ""
    arch: str = ""
    tick: float = 0.0
    ticks: int = 0
    disks: Mapping[str, DiskSeen] = field(default_factory=lambda: MappingProxyType({}))
    keys: tuple[str, ...] = ()
    metadata: str = ""
    is_going_down: bool = False

    @property
    def speaks(self) -> bool:
        """Whether it is the test guest's, and that is up."""
        return bool(self.boot)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """Its last lines, as evidence."""
        return tuple(f"console: {line}" for line in self.text.splitlines() if line.strip())[-_LAST_LINES:]


def parse_console(text: str) -> ConsoleState:
    """What a console's text says."""
    boot, arch, tick, ticks, down, metadata = "", "", 0.0, 0, False, ""
    disks: dict[str, DiskSeen] = {}
    keys: list[str] = []
    for line in _LINE.findall(text):
        match line.split():
            case ["up", name, machine, "tick", seconds]:
                boot, arch, tick, ticks, down, metadata = name, machine, _number(seconds), 0, False, ""
                disks, keys = {}, []
            case ["tick", count]:
                ticks = int(_number(count))
            case ["disk", name, "removed"]:
                disks.pop(name, None)
            case ["disk", name, size, how, *mark]:
                disks[name] = DiskSeen(int(_number(size)), " ".join(mark), how == "written")
            case ["key", code]:
                keys.append(code)
            case ["metadata", *rest]:
                metadata = " ".join(rest)
            case ["power", "button"]:
                down = True
            case _:
                pass
    return ConsoleState(text, boot, arch, tick, ticks, MappingProxyType(disks), tuple(keys), metadata, down)


class GuestConsole:
    """The console of one guest. ``up`` finds the text that a guest shows which is not the test guest."""

    def __init__(self, compute: Service, server: str, up: re.Pattern[str], patience: float) -> None:
        self._compute = compute
        self._server = server
        self._up = up
        self._patience = patience
        self.speaks: bool | None = None
        """Whether it is the test guest, as far as that has been seen."""
        self.booted = ""
        """Its last boot that was seen. The console itself may have lost that line: nova empties it when a guest is
        resumed, too.
        """
        self._tick = 0.0

    def read(self) -> ConsoleState:
        """What it says now; nothing where there is none, as of a guest that is off."""
        try:
            body = {"os-getConsoleOutput": {"length": None}}
            answer = self._compute.post(f"/servers/{self._server}/action", body).document
        except ApiError as error:
            if error.status in (404, 409):
                return ConsoleState("")
            raise
        return parse_console(answer.word("output"))

    def wait_for(self, what: str, test: Callable[[ConsoleState], bool], seconds: float) -> ConsoleState:
        """Wait until the console says something. Raises StepFailed with its last lines."""
        deadline = time.monotonic() + seconds
        while True:
            state = self.read()
            if test(state):
                return state
            if time.monotonic() > deadline:
                raise StepFailed(f"{what} within {seconds:.0f} s", state.last_lines or ("console: it is empty",))
            time.sleep(min(1.0, seconds / 10))

    def boot(self) -> str:
        """Wait until the guest is up, by a boot that has not been seen before. Returns what was seen."""
        what = "nothing on the console shows that the guest is up"

        def is_up(state: ConsoleState) -> bool:
            if state.speaks:
                return state.boot != self.booted
            return not self.booted and bool(self._up.search(state.text))

        state = self.wait_for(what, is_up, self._patience)
        self.speaks, self.booted, self._tick = state.speaks, state.boot, state.tick
        return f"the guest says that it is up, on {state.arch}" if state.speaks else "the console shows its text"

    def alive(self) -> str:
        """See that the guest runs. Returns what was seen; raises StepFailed where it stands still, or booted anew."""
        if not self.speaks:
            return "of this image no sign of life is known"
        before = self.read()
        state = self.wait_for(
            "the guest stands still: no tick on its console",
            lambda state: state.ticks > before.ticks or state.boot not in ("", self.booted),
            self._tick * 5 + 30,
        )
        if state.boot not in ("", self.booted):
            raise StepFailed("the guest has booted anew, in place of going on", state.last_lines)
        return "it ticks"

    def still(self) -> str:
        """See that the guest stands still. Returns what was seen; raises StepFailed where it goes on."""
        if not self.speaks:
            return "of this image no sign of life is known"
        before = self.read()
        time.sleep(self._tick * 3 + 1)
        after = self.read()
        if after.ticks != before.ticks:
            raise StepFailed("the guest goes on: its console ticks", after.last_lines)
        return "it stands still"


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return 0.0
    return found if 0 <= found < 1 << 62 else 0.0
