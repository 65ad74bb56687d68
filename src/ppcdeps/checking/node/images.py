"""The image that guests of a test boot from: one of the cloud, or the test guest, uploaded for the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppcdeps.base.toml import closest
from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.belongings import TAG, name_of
from ppcdeps.checking.node.guestimage import ARCH, COMMAND_LINE, GuestImage
from ppcdeps.model.errors import UsageError

_KEPT = ("kernel_id", "ramdisk_id", "os_command_line", "hw_", "os_", "architecture")


@dataclass(frozen=True, slots=True)
class BootImage:
    """An image of the cloud: what it is called, and what of its properties a guest is made by.

    ``content`` is that of the test guest's disk; empty where the image is the user's.
    """

    id: str
    name: str
    properties: Mapping[str, str]
    content: bytes = b""


def find_image(cloud: Cloud, name: str) -> BootImage:
    """The image of that name or id. Raises UsageError where there is none, or several."""
    by_id = cloud.image.find(f"/images/{name}") if "/" not in name else None
    found = [by_id] if by_id is not None else list(cloud.image.pages("/images", "images", name=name))
    if not found:
        names = [name for one in cloud.image.pages("/images", "images") if (name := one.label("name"))]
        hint = closest(name, names) or (f"it has {', '.join(sorted(names)[:10])}" if names else "it has none at all")
        raise UsageError(f"the cloud {cloud.name} has no image {name}", hint=hint)
    if len(found) > 1:
        raise UsageError(f"the cloud {cloud.name} has {len(found)} images {name}", hint="name one by its id")
    (one,) = found
    if (status := one.text("status")) != "active":
        raise UsageError(f"the image {name} is {status}, not active")
    properties = {key: value for key, value in one.words().items() if key.startswith(_KEPT)}
    return BootImage(one.identifier("id"), one.word("name") or name, properties)


def upload_guest(cloud: Cloud, run: str, guest: GuestImage, properties: Mapping[str, str]) -> BootImage:
    """Upload the test guest: its kernel, its memory, its disk. ``properties`` go to the image. Raises CloudError."""
    kernel = _create(cloud, run, "kernel", guest.kernel, {})
    ramdisk = _create(cloud, run, "ramdisk", guest.ramdisk, {})
    known = {
        "hw_architecture": ARCH,
        "kernel_id": kernel,
        "ramdisk_id": ramdisk,
        "os_command_line": COMMAND_LINE,
        **properties,
    }
    image = _create(cloud, run, "guest", guest.disk, known)
    return BootImage(image, f"the test guest (Linux {guest.version})", known, guest.disk)


def variant(cloud: Cloud, run: str, image: BootImage, what: str, properties: Mapping[str, str]) -> str:
    """An image like another, with other properties; an empty value takes one away. Returns its id.

    That of the user's image has no content of its own: it is the same guest only where that is ppcdeps' own. Raises
    CloudError.
    """
    merged = {key: value for key, value in {**image.properties, **properties}.items() if value}
    return _create(cloud, run, what, image.content or b"\0" * 512, merged)


def _create(cloud: Cloud, run: str, what: str, content: bytes, properties: Mapping[str, str]) -> str:
    body: dict[str, Any] = {
        "name": name_of(run, what),
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
        TAG: run,
        **properties,
    }
    made = cloud.image.post("/images", body).document.identifier("id")
    cloud.image.upload(f"/images/{made}/file", content)
    return made
