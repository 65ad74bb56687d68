"""A virt driver for nova: its own fake one, as a POWER9 node whose guests say what they do on their consoles.

It goes to nova/virt/labnode.py. A guest of it is a list of lines: those that the real test guest writes to its serial
console, at the times when it would. What the file /laboratory/faults/HOST names, a line each, goes wrong:

    spawn TEXT      no guest starts, for this reason
    silent          guests start and say nothing
    restless        a paused guest goes on
    standstill      a resumed guest stands still
    deaf            guests do not obey the power button
    blind           a guest does not see disks that are attached
    read-only       a guest cannot write to a volume
    clinging        a guest keeps a disk that is detached for the second time
    forgetful       what a guest wrote to a volume is gone when it is attached again
    shrunken        a guest sees the old size of a volume that was extended
    attach          no volume can be attached, as with os-brick 6.1 on POWER
    refuse NAME     the driver's method of that name fails
    no-cirrus       the hypervisor has no video model cirrus
    x86             the node says that it is an x86 one, which emulates POWER
    emulates        the node says that it runs guests of x86, too
"""

import io
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import nova.conf
from nova import exception
from nova.virt import fake
from oslo_serialization import jsonutils

FAULTS = Path("/laboratory/faults")
CARDS = Path("/laboratory/cards")
MARKS = Path("/laboratory/marks")
TICK = 1
BOOT = 1.0
IDE = "unsupported configuration: IDE controllers are unsupported for this QEMU binary or machine type"
CIRRUS = "unsupported configuration: domain configuration does not support video model 'cirrus'"


def faults() -> dict[str, str]:
    """What is to go wrong on this host, with its text."""
    try:
        lines = (FAULTS / nova.conf.CONF.host).read_text().splitlines()
    except OSError:
        return {}
    return {name: text for name, _, text in (line.partition(" ") for line in lines)}


def get_system_uuid() -> None:
    """What os-brick 6.1 does where /sys/class/dmi is absent, and dmidecode, too."""
    raise FileNotFoundError(2, "No such file or directory", "dmidecode")


class Guest:
    """The console of one guest, and the disks that it sees."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.disks: dict[str, str] = {}
        self._detached = 0
        self.runs = False
        self._up_at = 0.0
        self._said_at = 0.0
        self._is_up = False
        self._ticks = 0
        self._cards: list[Path] = []

    def plug(self, card: Path) -> None:
        """A network card appears: what becomes of it will be in that file."""
        self._cards.append(card)

    def boot(self) -> None:
        """Begin anew: nova empties the console at each power cycle."""
        self.lines = ["SLOF **********", "Linux version 6.1.0 (ppc64le)"]
        self.runs, self._is_up, self._ticks = True, False, 0
        self._up_at = time.time() + BOOT

    def freeze(self) -> None:
        """Stand still."""
        self.text()
        self.runs = False

    def thaw(self) -> None:
        """Go on."""
        if not self.runs:
            self.runs, self._said_at = True, time.time()

    def say(self, what: str) -> None:
        """A line of the guest's."""
        if self._is_up:
            self.lines.append(f"ppcdeps-guest: {what}")

    def power_button(self) -> bool:
        """Whether the guest obeys it."""
        self.text()
        if self._is_up and self.runs and "deaf" not in faults():
            self.say("power button")
            return True
        return False

    def text(self) -> str:
        """What the console shows now."""
        now = time.time()
        if self.runs and not self._is_up and now >= self._up_at and "silent" not in faults():
            self._is_up, self._said_at = True, self._up_at
            self.say(f"up {uuid.uuid4()} ppc64le tick {TICK}")
            self.say("disk vda 67108864 foreign")
            for name, volume in self.disks.items():
                self._say_disk(name, volume)
        while self._is_up and self.runs and now - self._said_at >= TICK:
            self._said_at += TICK
            self._ticks += 1
            self.say(f"tick {self._ticks}")
        for card in [one for one in self._cards if one.is_file() and one.read_text()]:
            self._cards.remove(card)
            self.say(f"metadata {card.read_text().strip()}")
        return "\n".join(self.lines) + "\n"

    def attach(self, name: str, volume: str) -> None:
        """A disk appears: one that is empty is marked."""
        self.disks[name] = volume
        if "blind" not in faults():
            self.text()
            self._say_disk(name, volume)

    def detach(self, name: str) -> None:
        """A disk disappears."""
        self.disks.pop(name, None)
        self._detached += 1
        if self._detached < 2 or "clinging" not in faults():
            self.say(f"disk {name} removed")

    def _say_disk(self, name: str, volume: str) -> None:
        path = Path(volume)
        size = path.stat().st_size if path.is_file() and "shrunken" not in faults() else 1 << 30
        if "read-only" in faults():
            self.say(f"disk {name} {size} foreign")
            return
        MARKS.mkdir(exist_ok=True)
        mark = MARKS / path.name
        if not mark.is_file() or "forgetful" in faults():
            mark.write_text(str(uuid.uuid4()))
            self.say(f"disk {name} {size} written {mark.read_text()}")
        else:
            self.say(f"disk {name} {size} has {mark.read_text()}")


class PowerDriver(fake.MediumFakeDriver):  # type: ignore[misc]
    """A POWER9 node of ten processors."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._guests: dict[str, Guest] = {}
        self.host_status_base["hypervisor_type"] = "QEMU"
        self.host_status_base["hypervisor_version"] = 7002022
        self.host_status_base["supported_instances"] = [("ppc64le", "kvm", "hvm"), ("ppc64", "kvm", "hvm")]

    def _may(self, method: str) -> None:
        if faults().get("refuse") == method:
            raise RuntimeError(f"{method} does not work on this node")

    def _guest(self, instance: Any) -> Guest:
        return self._guests.setdefault(instance.uuid, Guest())

    def spawn(self, context: Any, instance: Any, image_meta: Any, *arguments: Any, **named: Any) -> None:
        """Start a guest, unless libvirt would not."""
        if (text := faults().get("spawn")) is not None:
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=text)
        properties = image_meta.properties
        if properties.get("hw_disk_bus") == "ide" or properties.get("hw_cdrom_bus") == "ide":
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=IDE)
        if properties.get("hw_video_model") == "cirrus" and "no-cirrus" in faults():
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=CIRRUS)
        super().spawn(context, instance, image_meta, *arguments, **named)
        guest = self._guest(instance)
        for name, volume in _volumes(named.get("block_device_info")):
            guest.disks[name] = volume
        guest.boot()

    def destroy(self, context: Any, instance: Any, *arguments: Any, **named: Any) -> None:
        """End a guest."""
        self._may("destroy")
        super().destroy(context, instance, *arguments, **named)
        self._guests.pop(instance.uuid, None)

    def reboot(
        self, context: Any, instance: Any, network_info: Any, reboot_type: str, *rest: Any, **named: Any
    ) -> None:
        """Soft, if the guest obeys; else hard."""
        self._may("reboot")
        super().reboot(context, instance, network_info, reboot_type, *rest, **named)
        if reboot_type == "SOFT":
            self._guest(instance).power_button()
        self._guest(instance).boot()

    def pause(self, instance: Any) -> None:
        """Stop its processors."""
        self._may("pause")
        if "restless" not in faults():
            self._guest(instance).freeze()

    def unpause(self, instance: Any) -> None:
        """Start its processors."""
        self._guest(instance).thaw()

    def suspend(self, context: Any, instance: Any) -> None:
        """Save it to the disk."""
        self._may("suspend")
        self._guest(instance).freeze()

    def resume(self, context: Any, instance: Any, *arguments: Any, **named: Any) -> None:
        """Restore it."""
        if "standstill" not in faults():
            self._guest(instance).thaw()

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        """Press its power button, then pull its plug."""
        self._may("power_off")
        guest = self._guest(instance)
        guest.power_button()
        guest.runs = False
        super().power_off(instance, timeout, retry_interval)

    def power_on(self, context: Any, instance: Any, *arguments: Any, **named: Any) -> None:
        """Start it again."""
        super().power_on(context, instance, *arguments, **named)
        self._guest(instance).boot()

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        """Give the guest's disk to glance, as the real drivers do: some bytes."""
        from nova.image import glance

        super().snapshot(context, instance, image_id, update_task_state)
        api = glance.API()
        known = api.get(context, image_id)
        known.update({"status": "active", "disk_format": "raw", "container_format": "bare"})
        api.update(context, image_id, known, data=io.BytesIO(b"disk"))

    def attach_volume(self, context: Any, connection_info: Any, instance: Any, mountpoint: str, **named: Any) -> None:
        """Plug a disk in."""
        if "attach" in faults():
            get_system_uuid()
        super().attach_volume(context, connection_info, instance, mountpoint, **named)
        self._guest(instance).attach(mountpoint.rpartition("/")[2], _path(connection_info))

    def detach_volume(self, context: Any, connection_info: Any, instance: Any, mountpoint: str, **named: Any) -> None:
        """Unplug it."""
        super().detach_volume(context, connection_info, instance, mountpoint, **named)
        self._guest(instance).detach(mountpoint.rpartition("/")[2])

    def get_console_output(self, context: Any, instance: Any) -> str:
        """What the guest has said."""
        return self._guest(instance).text()

    def get_available_resource(self, nodename: str) -> Any:
        """The node's figures, with a POWER9."""
        found = super().get_available_resource(nodename)
        power = [("ppc64le", "kvm", "hvm"), ("ppc64", "kvm", "hvm")]
        found["supported_instances"] = [*power, ("x86_64", "qemu", "hvm")] if "emulates" in faults() else power
        if "x86" not in faults():
            topology = {"cores": 5, "threads": 2, "sockets": 1, "cells": 1}
            cpu = {"arch": "ppc64le", "model": "POWER9", "vendor": "IBM", "features": [], "topology": topology}
            found["cpu_info"] = jsonutils.dumps(cpu)
        return found

    def update_provider_tree(self, provider_tree: Any, nodename: str, allocations: Any = None) -> None:
        """The same in placement, with the traits that libvirt's driver reports of a POWER node."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        if "x86" not in faults():
            traits = ["COMPUTE_GRAPHICS_MODEL_VGA"]
            # IDE, as nova unites those of all machine types.
            traits += [f"COMPUTE_STORAGE_BUS_{bus}" for bus in ("VIRTIO", "SCSI", "IDE")]
            provider_tree.add_traits(nodename, *traits)
            change = provider_tree.remove_traits if "no-cirrus" in faults() else provider_tree.add_traits
            change(nodename, "COMPUTE_GRAPHICS_MODEL_CIRRUS")


class CardDriver(PowerDriver):
    """The same with network cards, for a node with neutron's agent. It runs as root."""

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        """Plug a card in: the end of a cable in a network of the guest's own, whose other end is the port's tap."""
        super().attach_interface(context, instance, image_meta, vif)
        CARDS.mkdir(exist_ok=True)
        outcome = CARDS / vif["id"]
        card = (vif["devname"], vif["address"], vif["network"]["bridge"])
        with outcome.open("wb") as stream, outcome.with_suffix(".log").open("wb") as log:
            subprocess.Popen(
                ["/bin/sh", "/lab/cloud/card.sh", f"guest-{instance.uuid}", *card],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=log,
            )
        self._guest(instance).plug(outcome)

    def destroy(self, context: Any, instance: Any, *arguments: Any, **named: Any) -> None:
        """End a guest; its cables go with its network."""
        subprocess.run(["ip", "netns", "delete", f"guest-{instance.uuid}"], check=False, capture_output=True)
        super().destroy(context, instance, *arguments, **named)


def _volumes(block_device_info: Any) -> list[tuple[str, str]]:
    mapping = (block_device_info or {}).get("block_device_mapping") or []
    return [(one["mount_device"].rpartition("/")[2], _path(one["connection_info"])) for one in mapping]


def _path(connection_info: Any) -> str:
    return f"/srv/nfs/{connection_info['data'].get('name', connection_info['data'].get('device_path', ''))}"
