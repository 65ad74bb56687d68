"""Volumes of the guest: attached, seen in the guest, written, detached, attached again, extended, booted from."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ppcdeps.checking.node.api import Cloud, Service
from ppcdeps.checking.node.belongings import TAG, name_of
from ppcdeps.checking.node.console import ConsoleState, DiskSeen, GuestConsole
from ppcdeps.checking.node.documents import Document
from ppcdeps.checking.node.lifecycle import LivingGuest
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.checking.node.servers import Server, ServerOrder
from ppcdeps.model.errors import CloudError

STEPS = (
    "create volume",
    "attach",
    "seen in the guest",
    "written",
    "detach",
    "attach again",
    "data is there",
    "detach again",
    "extend",
    "snapshot",
    "boot from volume",
)
_GIB = 1 << 30
_SEEN_SECONDS = 90.0


class VolumeTest:
    """One volume, and the steps that it goes through with a guest. ``patience`` is in seconds."""

    def __init__(self, recorder: Recorder, cloud: Cloud, volume_api: Service, run: str, patience: float) -> None:
        self._recorder = recorder
        self._cloud = cloud
        self._api = volume_api
        self._run = run
        self._patience = patience
        self._volume = ""
        self._seen: tuple[str, DiskSeen] | None = None

    def all(self, guest: LivingGuest, order: ServerOrder, up: re.Pattern[str]) -> None:
        """Every step. A guest like ``order`` is booted from a volume of its image; ``up`` shows it to be up."""
        step = self._step
        if not step("create volume", self._create):
            self._skip(STEPS[1:-1], "there is no volume")
        elif not step("attach", lambda: self._attach(guest)):
            self._skip(STEPS[2:8], "the volume is not attached")
            self._settle()
            step("extend", self._extend)
            step("snapshot", self._snapshot)
        else:
            self._attached_steps(guest)
        step("boot from volume", lambda: self._boot(order, up))

    def _attached_steps(self, guest: LivingGuest) -> None:
        step = self._step
        seen = step("seen in the guest", lambda: self._see(guest))
        step("written", self._written)
        if not step("detach", lambda: self._detach(guest)):
            self._skip(STEPS[5:-1], "the volume is still attached")
            return
        first = self._seen
        if seen and step("attach again", lambda: self._attach(guest)):
            step("data is there", lambda: self._data(guest, first))
            if not step("detach again", lambda: self._detach(guest)):
                self._skip(STEPS[8:-1], "the volume is still attached")
                return
        else:
            self._skip(STEPS[5:8] if not seen else STEPS[6:8], "the guest did not see the volume")
            self._settle()
        if step("extend", self._extend) and seen:
            # That the guest sees the new size belongs to it.
            step("extended in the guest", lambda: self._larger(guest))
        step("snapshot", self._snapshot)

    def _step(self, name: str, action: Callable[[], str | None]) -> bool:
        return self._recorder.step(TestedPart.VOLUMES, name, action)

    def _skip(self, names: tuple[str, ...], reason: str) -> None:
        self._recorder.skip(TestedPart.VOLUMES, names, reason)

    def _create(self) -> str:
        self._volume = self._make("volume")
        self._wait_for("available")
        return "1 GiB"

    def _attach(self, guest: LivingGuest) -> str:
        before = guest.console.read()
        self._before = dict(before.disks)
        body = {"volumeAttachment": {"volumeId": self._volume}}
        self._cloud.compute.post(f"/servers/{guest.server.id}/os-volume_attachments", body)
        try:
            self._wait_for("in-use", "available")
            deadline = time.monotonic() + self._patience
            while self._volume not in (attached := guest.server.volumes()) or self._state() == "attaching":
                if self._state() == "available" and time.monotonic() > deadline - self._patience + 5:
                    raise StepFailed("nova did not attach it")
                if time.monotonic() > deadline:
                    raise StepFailed(f"it is not attached after {self._patience:.0f} s")
                time.sleep(0.5)
            self._wait_for("in-use")
        except StepFailed as failure:
            raise StepFailed(failure.reason, (*failure.evidence, *guest.server.evidence())) from failure
        return f"nova calls it {attached[self._volume]}"

    def _see(self, guest: LivingGuest) -> str:
        state = self._wait_seen(guest.console)
        name, disk = new_disks(state, self._before)[-1]
        self._seen = (name, disk)
        if disk.size != _GIB:
            raise StepFailed(f"the guest sees {name} with {disk.size} bytes, not {_GIB}", state.last_lines)
        return f"as {name}, {disk.size >> 30} GiB"

    def _written(self) -> str:
        if self._seen is None:
            raise StepSkipped("the guest did not see the volume")
        name, disk = self._seen
        if not disk.written or not disk.mark:
            raise StepFailed(f"the guest could not write to {name}, or what it wrote was not there when it read it")
        return f"the guest wrote to {name} and read it again"

    def _data(self, guest: LivingGuest, first: tuple[str, DiskSeen] | None) -> str:
        if first is None or not first[1].mark:
            raise StepSkipped("nothing was written to it")
        state = self._wait_seen(guest.console)
        name, disk = new_disks(state, self._before)[-1]
        if disk.written or disk.mark != first[1].mark:
            raise StepFailed(f"what the guest wrote is gone from {name}", state.last_lines)
        return f"what the guest wrote is on {name}"

    def _larger(self, guest: LivingGuest) -> str:
        self._attach(guest)
        try:
            state = self._wait_seen(guest.console)
            name, disk = new_disks(state, self._before)[-1]
            if disk.size != 2 * _GIB:
                raise StepFailed(f"the guest sees {name} with {disk.size} bytes, not {2 * _GIB}", state.last_lines)
        finally:
            self._detach(guest)
        return f"as {name}, {disk.size >> 30} GiB"

    def _wait_seen(self, console: GuestConsole) -> ConsoleState:
        if not console.speaks:
            raise StepSkipped("of this image it is not known how it says what disks it has")
        return console.wait_for(
            "attached says nova, and the guest has no new disk",
            lambda state: bool(new_disks(state, self._before)),
            min(_SEEN_SECONDS, self._patience),
        )

    def _detach(self, guest: LivingGuest) -> str:
        seen = [name for name, _ in new_disks(guest.console.read(), self._before)]
        self._cloud.compute.delete(f"/servers/{guest.server.id}/os-volume_attachments/{self._volume}")
        self._wait_for("available")
        if not seen:
            return "it is available again"
        state = guest.console.wait_for(
            "detached says nova, and the guest still has the disk",
            lambda one: not any(name in one.disks for name in seen),
            min(_SEEN_SECONDS, self._patience),
        )
        if lost := sorted(self._before.keys() - state.disks.keys()):
            raise StepFailed(f"the guest lost {', '.join(lost)} as well", state.last_lines)
        return "it is available again, and the guest has only its other disks"

    def _extend(self) -> str:
        self._api.post(f"/volumes/{self._volume}/action", {"os-extend": {"new_size": 2}})
        self._wait_for("available")
        found = self._read("volumes", self._volume)
        size = found.amount("size") if found is not None else 0
        if size != 2:
            raise StepFailed(f"cinder says that it has {size} GiB, not 2")
        return "2 GiB"

    def _snapshot(self) -> str:
        body = {
            "snapshot": {
                "volume_id": self._volume,
                "name": name_of(self._run, "snapshot"),
                "metadata": {TAG: self._run},
            }
        }
        made = self._api.post("/snapshots", body).document.inner("snapshot").identifier("id")
        self._wait_for("available", kind="snapshots", id_=made)
        self._api.delete(f"/snapshots/{made}")
        deadline = time.monotonic() + self._patience
        while self._read("snapshots", made) is not None:
            if time.monotonic() > deadline:
                raise StepFailed("the snapshot cannot be removed")
            time.sleep(0.5)
        return "made and removed"

    def _boot(self, order: ServerOrder, up: re.Pattern[str]) -> str:
        # Not the volume that nova makes of an image: that has no name by which a cleanup finds it, and cinder may
        # still be removing it when the server is gone.
        volume = self._make("boot-volume", imageRef=order.image)
        self._wait_for("available", id_=volume)
        booted = replace(order, image="", volume=volume)
        server = Server.create(self._cloud, self._run, booted, self._patience)
        try:
            server.wait_for("ACTIVE")
            return GuestConsole(self._cloud.compute, server.id, up, self._patience).boot()
        finally:
            server.delete()

    def _make(self, what: str, **more: str) -> str:
        """Request a new volume. Returns its id."""
        volume = {"size": 1, "name": name_of(self._run, what), "metadata": {TAG: self._run}, **more}
        return self._api.post("/volumes", {"volume": volume}).document.inner("volume").identifier("id")

    def _settle(self) -> None:
        """Wait until cinder has the volume free again; whether it has shows in the next step."""
        try:
            self._wait_for("available")
        except (StepFailed, CloudError):
            return

    def _state(self, kind: str = "volumes", id_: str = "") -> str:
        found = self._read(kind, id_ or self._volume)
        return found.text("status") if found is not None else "gone"

    def _read(self, kind: str, id_: str) -> Document | None:
        found = self._api.find(f"/{kind}/{id_}")
        return found.inner(kind.removesuffix("s")) if found is not None else None

    def _wait_for(self, *states: str, kind: str = "volumes", id_: str = "") -> None:
        deadline = time.monotonic() + self._patience
        while True:
            state = self._state(kind, id_)
            if state in states:
                return
            if "error" in state or state == "gone":
                raise StepFailed(f"cinder says of it: {state}", self._messages(id_ or self._volume))
            if time.monotonic() > deadline:
                raise StepFailed(f"it is {state}, not {states[0]}, after {self._patience:.0f} s")
            time.sleep(0.5)

    def _messages(self, id_: str) -> tuple[str, ...]:
        """What cinder tells users of it."""
        found = self._api.find("/messages", resource_uuid=id_)
        messages = found.objects("messages") if found is not None else ()
        return tuple(f"cinder: {one.word('user_message')}" for one in messages)


def new_disks(state: ConsoleState, before: Mapping[str, DiskSeen]) -> list[tuple[str, DiskSeen]]:
    """The disks that a guest has and had not before."""
    return [(name, disk) for name, disk in state.disks.items() if name not in before]
