"""What a test makes in a cloud: all is named by its run, so that another command finds and removes it."""

import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ppcdeps.checking.node.api import ApiError, Cloud
from ppcdeps.checking.node.documents import Document
from ppcdeps.model.errors import CloudError

PREFIX = "ppcdeps-check"
TAG = "ppcdeps-check-run"
"""The key of the metadata that says which run made something."""
_NAME = re.compile(rf"{PREFIX}-([0-9a-f]{{8}})-[a-z0-9-]{{1,60}}")
RUN = re.compile(r"[0-9a-f]{8}")
REMOVAL_SECONDS = 180.0


def new_run() -> str:
    """The name of a new run."""
    return secrets.token_hex(4)


def name_of(run: str, what: str) -> str:
    """What something of a run is called."""
    return f"{PREFIX}-{run}-{what}"


@dataclass(frozen=True, slots=True)
class Belonging:
    """Something of a run that is in the cloud: ``kind`` is server, snapshot, volume, image, flavor or port."""

    kind: str
    id: str
    name: str
    run: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.id})"


@dataclass(frozen=True, slots=True)
class Belongings:
    """What runs have left, in the order in which it can be removed; ``unseen`` says of what it could not be seen."""

    things: tuple[Belonging, ...]
    unseen: tuple[str, ...] = ()


def find_belongings(cloud: Cloud, run: str | None = None) -> Belongings:
    """What runs have left in this project; of one run, if one is named.

    Something is a run's by its name, and where it has metadata, by these as well: nobody else's goes for its name
    alone. What nova names after a guest (the image of a shelved one) has the name alone.
    """
    found: list[Belonging] = []
    unseen: list[str] = []
    for kind, service, path, more, tag in (
        ("server", cloud.compute, "/servers/detail", {"name": PREFIX}, _metadata_tag),
        ("port", cloud.network, "/ports", {"project_id": cloud.project}, _no_tag),
        ("snapshot", cloud.volume, "/snapshots", {}, _metadata_tag),
        ("volume", cloud.volume, "/volumes/detail", {}, _metadata_tag),
        ("image", cloud.image, "/images", {"owner": cloud.project}, _own_tag),
        ("flavor", cloud.compute, "/flavors/detail", {"is_public": "None"}, _no_tag),
    ):
        if service is None:
            continue
        try:
            for one in service.pages(path, path.split("/")[1], **more):
                match = _NAME.fullmatch(one.label("name"))
                if match and (run is None or match[1] == run) and tag(one) in (match[1], None):
                    found.append(Belonging(kind, one.identifier("id"), match[0], match[1]))
        except CloudError as error:
            unseen.append(f"{kind}s: {error.line}")
    return Belongings(tuple(found), tuple(unseen))


def remove(cloud: Cloud, things: Iterable[Belonging], seconds: float = REMOVAL_SECONDS) -> dict[Belonging, str]:
    """Remove them, and wait until they are gone. Returns those that are still there, with the reason."""
    things = tuple(things)
    left: dict[Belonging, str] = {}
    for kind in ("server", "port", "snapshot", "volume", "image", "flavor"):
        some = [one for one in things if one.kind == kind]
        for one in some:
            try:
                _remove(cloud, one)
            except CloudError as error:
                left[one] = error.line
        deadline = time.monotonic() + seconds
        for one in some:
            if one not in left and (reason := _wait_until_gone(cloud, one, deadline)):
                left[one] = reason
    return left


_PATHS = {
    "server": ("compute", "/servers/"),
    "port": ("network", "/ports/"),
    "snapshot": ("volume", "/snapshots/"),
    "volume": ("volume", "/volumes/"),
    "image": ("image", "/images/"),
    "flavor": ("compute", "/flavors/"),
}


def _remove(cloud: Cloud, one: Belonging) -> None:
    service, path = _PATHS[one.kind]
    api = getattr(cloud, service)
    try:
        api.delete(f"{path}{one.id}")
    except ApiError as error:
        if one.kind not in ("server", "volume", "snapshot") or error.status not in (400, 409):
            raise
        # What is in the midst of something, or in an error, is removed by force.
        force = "forceDelete" if one.kind == "server" else "os-force_delete"
        api.post(f"{path}{one.id}/action", {force: None if one.kind == "server" else {}})


def _wait_until_gone(cloud: Cloud, one: Belonging, deadline: float) -> str:
    """Empty once it is gone, else why it is not."""
    service, path = _PATHS[one.kind]
    tried_again = False
    while True:
        try:
            found = getattr(cloud, service).find(f"{path}{one.id}")
            if found is None:
                return ""
            # glance has no name around an image.
            state = (found if one.kind == "image" else found.inner(one.kind)).word("status")
        except CloudError as error:
            return error.line
        if state.lower() in ("error", "error_deleting", "available") and not tried_again and one.kind != "image":
            # A volume that was in use while its server went; a server whose first removal failed.
            tried_again = True
            try:
                _remove(cloud, one)
            except CloudError as error:
                return error.line
        if time.monotonic() > deadline:
            return f"it is still there: {state or 'no state'}"
        time.sleep(0.5)


def _metadata_tag(one: Document) -> str:
    return one.part("metadata").word(TAG)


def _own_tag(one: Document) -> str | None:
    return one.word(TAG) if TAG in one else None


def _no_tag(_one: Document) -> None:
    """What has no metadata."""
