"""The life of one guest: each action, nova's state after it, and a sign of life, or none, on the guest's console."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ppcdeps.checking.node.console import GuestConsole
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.checking.node.servers import Server
from ppcdeps.model.errors import CloudError

_UNPLUGGED = 50.0
"""Seconds after which nova's stop was not the guest's own: nova waits for 60 before it pulls the plug."""

ACTIONS = (
    "pause",
    "unpause",
    "suspend",
    "resume",
    "soft reboot",
    "hard reboot",
    "stop",
    "start",
    "rebuild",
)


@dataclass(frozen=True, slots=True)
class LivingGuest:
    """A guest that is up: its server, its console, the image that it is rebuilt from."""

    server: Server
    console: GuestConsole
    image: str


def test_actions(recorder: Recorder, guest: LivingGuest) -> bool:
    """Do everything to the guest that leaves it where it is. Returns whether it is usable afterwards.

    After a failure the guest is brought back by a hard reboot, so that the other steps say something of their own.
    """
    usable = True
    for name in ACTIONS:
        if not usable:
            recorder.skip(TestedPart.LIFE_CYCLE, (name,), "the guest could not be brought back")
            continue
        action = _ACTIONS[name]
        if not recorder.step(TestedPart.LIFE_CYCLE, name, lambda action=action: action(guest)):  # type: ignore[misc]
            usable = _bring_back(guest)
    return usable


def test_shelving(recorder: Recorder, guest: LivingGuest, host: str) -> bool:
    """Shelve the guest, and take it back. Returns whether it is usable, on that host, afterwards."""

    def shelve() -> str:
        # Whether and when a shelved guest leaves its host is a setting of nova's.
        if guest.server.act("shelve", until=("SHELVED", "SHELVED_OFFLOADED")) == "SHELVED":
            guest.server.act("shelveOffload", until="SHELVED_OFFLOADED")
        return "its disk is an image, and it is on no host"

    def unshelve() -> str:
        guest.server.act("unshelve", until="ACTIVE")
        seen = guest.console.boot()
        where = guest.server.host
        return seen if where == host else f"{seen}; nova took it to {where}"

    if not recorder.step(TestedPart.LIFE_CYCLE, "shelve", shelve):
        recorder.skip(TestedPart.LIFE_CYCLE, ("unshelve",), "the guest is not shelved")
        return _bring_back(guest)
    return recorder.step(TestedPart.LIFE_CYCLE, "unshelve", unshelve) and guest.server.host == host


def test_resize(recorder: Recorder, guest: LivingGuest, flavor: str, others: tuple[str, ...]) -> bool:
    """Resize the guest to another host, and revert that. ``others`` are the hosts that it can go to."""
    names = ("resize", "revert resize")
    if not others:
        recorder.skip(TestedPart.LIFE_CYCLE, names, "there is no second host of its architecture")
        return True
    before = guest.server.host

    def resize() -> str:
        guest.server.act("resize", {"flavorRef": flavor}, until="VERIFY_RESIZE")
        return f"to {guest.server.host}; {guest.console.boot()}"

    def revert() -> str:
        guest.server.act("revertResize", until="ACTIVE")
        seen = guest.console.boot()
        if guest.server.host != before:
            raise StepFailed(f"it is on {guest.server.host}, not back on {before}")
        return seen

    if not recorder.step(TestedPart.LIFE_CYCLE, names[0], resize):
        recorder.skip(TestedPart.LIFE_CYCLE, names[1:], "it was not resized")
        return _bring_back(guest)
    return recorder.step(TestedPart.LIFE_CYCLE, names[1], revert)


def _pause(guest: LivingGuest) -> str:
    guest.server.act("pause", until="PAUSED")
    return guest.console.still()


def _unpause(guest: LivingGuest) -> str:
    _require(guest, "PAUSED")
    guest.server.act("unpause", until="ACTIVE")
    return guest.console.alive()


def _suspend(guest: LivingGuest) -> str:
    guest.server.act("suspend", until="SUSPENDED")
    return "its memory is on the disk"


def _resume(guest: LivingGuest) -> str:
    _require(guest, "SUSPENDED")
    guest.server.act("resume", until="ACTIVE")
    return guest.console.alive()


def _reboot(guest: LivingGuest, kind: str) -> str:
    guest.server.act("reboot", {"type": kind}, until="ACTIVE")
    return guest.console.boot()


def _stop(guest: LivingGuest) -> str:
    speaks = guest.console.speaks
    seen = False

    def look(status: str) -> bool:
        nonlocal seen
        # It can be read until the guest is off.
        seen = seen or bool(speaks and guest.console.read().is_going_down)
        return status == "SHUTOFF"

    began = time.monotonic()
    guest.server.act("os-stop", until=look)
    seconds = time.monotonic() - began
    if not speaks:
        return "of this image no sign is known that it obeys the power button"
    if seen:
        return "the guest obeyed the power button"
    if seconds > _UNPLUGGED:
        raise StepFailed(f"the guest did not obey the power button: nova pulled the plug after {seconds:.0f} s")
    return "it was off before its console could be read"


def _start(guest: LivingGuest) -> str:
    _require(guest, "SHUTOFF")
    guest.server.act("os-start", until="ACTIVE")
    return guest.console.boot()


def _rebuild(guest: LivingGuest) -> str:
    guest.server.act("rebuild", {"imageRef": guest.image}, until="ACTIVE")
    return guest.console.boot()


_ACTIONS: dict[str, Callable[[LivingGuest], str]] = {
    "pause": _pause,
    "unpause": _unpause,
    "suspend": _suspend,
    "resume": _resume,
    "soft reboot": lambda guest: _reboot(guest, "SOFT"),
    "hard reboot": lambda guest: _reboot(guest, "HARD"),
    "stop": _stop,
    "start": _start,
    "rebuild": _rebuild,
}


def _require(guest: LivingGuest, status: str) -> None:
    found = guest.server.read()
    there = found.text("status") if found is not None else "gone"
    if there != status:
        raise StepSkipped(f"the guest is not {status}, but {there}")


def _bring_back(guest: LivingGuest) -> bool:
    """Start the guest anew after a failure. Returns whether it is up."""
    try:
        guest.server.act("reboot", {"type": "HARD"}, until="ACTIVE")
        guest.console.boot()
    except (CloudError, StepFailed):
        return False
    return True
