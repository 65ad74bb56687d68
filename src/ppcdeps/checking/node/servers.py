"""A server of nova's: created on one host, acted upon, waited for, and what nova says where that fails."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.belongings import TAG, name_of
from ppcdeps.checking.node.documents import Document
from ppcdeps.checking.node.recorder import StepFailed
from ppcdeps.model.errors import CloudError

_LAST_FRAMES = 14
_POLL = 0.5


@dataclass(frozen=True, slots=True)
class ServerOrder:
    """A server to be created. ``image`` is empty where it boots from ``volume``, which outlives it.

    ``zone`` is nova's availability zone, with a host behind a colon where nova is not to choose; ``host`` is one
    that the scheduler is to look at, with all its filters.
    """

    what: str
    image: str
    flavor: str
    zone: str = ""
    host: str = ""
    volume: str = ""
    networks: Sequence[Mapping[str, str]] = ()


StatusTest = Callable[[str], bool]


class Server:
    """One server. ``patience`` is in seconds: how long nova may take to do what it was requested."""

    def __init__(self, cloud: Cloud, id_: str, patience: float) -> None:
        self._cloud = cloud
        self.id = id_
        self._patience = patience

    @classmethod
    def create(cls, cloud: Cloud, run: str, order: ServerOrder, patience: float) -> "Server":
        """Request a server; nova has not made it yet. Raises CloudError."""
        body: dict[str, Any] = {
            "name": name_of(run, order.what),
            "flavorRef": order.flavor,
            "metadata": {TAG: run},
            "networks": list(order.networks) or "none",
        }
        if order.zone:
            body["availability_zone"] = order.zone
        if order.host:
            body["host"] = order.host
        if order.volume:
            volume = {
                "boot_index": 0,
                "uuid": order.volume,
                "source_type": "volume",
                "destination_type": "volume",
                "delete_on_termination": False,
            }
            body["block_device_mapping_v2"] = [volume]
        else:
            body["imageRef"] = order.image
        made = cloud.compute.post("/servers", {"server": body}).document
        return cls(cloud, made.inner("server").identifier("id"), patience)

    def read(self) -> Document | None:
        """The document that nova has of it; None once it is gone."""
        found = self._cloud.compute.find(f"/servers/{self.id}")
        return found.inner("server") if found is not None else None

    @property
    def host(self) -> str:
        """The host that it is on; empty where it is on none."""
        found = self.read()
        return found.word("OS-EXT-SRV-ATTR:host") if found is not None else ""

    def act(self, action: str, argument: object = None, *, until: "str | tuple[str, ...] | StatusTest") -> str:
        """Request an action, and wait until it is over, with the status that is to follow. Returns that.

        Raises StepFailed where nova fails, or takes too long; CloudError where it refuses.
        """
        reply = self._cloud.compute.post(f"/servers/{self.id}/action", {action: argument})
        return self.wait_for(until, reply.request)

    def wait_for(self, until: "str | tuple[str, ...] | StatusTest", request: str = "") -> str:
        """Wait for a status, with nothing going on. Returns it. Raises StepFailed as ``act`` does."""
        deadline = time.monotonic() + self._patience
        while True:
            found = self.read()
            if found is None:
                raise StepFailed("nova has no such server any more")
            status, task = found.text("status"), found.word("OS-EXT-STS:task_state")
            wanted = until(status) if callable(until) else status in ((until,) if isinstance(until, str) else until)
            if wanted and not task and self._is_over(request):
                return status
            if (status == "ERROR" or (request and self._has_failed(request))) and not task:
                raise self._failure(found, request)
            if time.monotonic() > deadline:
                doing = f", {task}" if task else ""
                raise StepFailed(f"after {self._patience:.0f} s it is still {status}{doing}", self._events(request))
            time.sleep(_POLL)

    def delete(self) -> None:
        """Delete it, and wait until it is gone. Raises StepFailed where it is not."""
        self._cloud.compute.delete(f"/servers/{self.id}")
        deadline = time.monotonic() + self._patience
        while (found := self.read()) is not None:
            if found.text("status") == "ERROR" and not found.word("OS-EXT-STS:task_state"):
                raise self._failure(found, "")
            if time.monotonic() > deadline:
                raise StepFailed(f"it is still there after {self._patience:.0f} s", self._events(""))
            time.sleep(_POLL)

    def volumes(self) -> Mapping[str, str]:
        """The devices of the volumes that are attached to it, by volume."""
        found = self._cloud.compute.get(f"/servers/{self.id}/os-volume_attachments")
        return {one.text("volumeId"): one.word("device") for one in found.objects("volumeAttachments")}

    def evidence(self) -> tuple[str, ...]:
        """What nova says of its last action that failed."""
        return self._events("")

    def _is_over(self, request: str) -> bool:
        """Whether nova has done what was requested: the status alone may be that from before."""
        if not request:
            return True
        events = list(self._action(request).parts("events"))
        return bool(events) and all(one.word("finish_time") for one in events)

    def _has_failed(self, request: str) -> bool:
        action = self._action(request)
        if action.word("message") == "Error":
            return True
        return any(one.word("result") == "Error" for one in action.parts("events"))

    def _action(self, request: str) -> Document:
        found = self._cloud.compute.find(f"/servers/{self.id}/os-instance-actions/{request}")
        return found.inner("instanceAction") if found is not None else Document({})

    def _failure(self, found: Document, request: str) -> StepFailed:
        fault = found.part("fault")
        lines = [f"nova: {line}" for line in fault.word("details").splitlines() if line.strip()]
        events = self._events(request)
        message = fault.word("message") or _reason_in(events) or "nova gives no reason"
        return StepFailed(message, (*lines[-_LAST_FRAMES:], *events))

    def _events(self, request: str) -> tuple[str, ...]:
        """What nova keeps of a request, or of the last one that failed: the end of its traceback."""
        try:
            if not request:
                found = self._cloud.compute.get(f"/servers/{self.id}/os-instance-actions")
                actions = list(found.objects("instanceActions"))
                failed = [one for one in actions if one.word("message") == "Error"]
                request = (failed or actions or [Document({})])[0].word("request_id")
            lines: list[str] = []
            for one in self._action(request).parts("events") if request else ():
                if one.word("result") == "Error":
                    # Without the marks beneath the lines.
                    shown = [line for line in one.word("traceback").splitlines() if line.strip(" ^~")]
                    told = (*shown[-_LAST_FRAMES:], one.word("details"))
                    lines += [f"nova {one.word('event')}: {line}" for line in told if line]
        except CloudError:
            return ()
        return tuple(lines)


def _reason_in(events: Sequence[str]) -> str:
    """The exception: the last line of what nova keeps. Of others' exceptions it keeps the class alone, and the reason
    is where it was raised.
    """
    lines = [one.partition(": ")[2].strip() for one in events]
    if not lines or " " in lines[-1] or len(lines) < 2:
        return lines[-1] if lines else ""
    return f"{lines[-1]} at: {lines[-2]}"
