"""A cloud of POWER and x86 hosts: whether its scheduler keeps each architecture's images to its own hosts."""

from dataclasses import dataclass

from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.host import POWER, Hypervisor, compute_services
from ppcdeps.checking.node.images import BootImage, variant
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.checking.node.servers import Server, ServerOrder

STEPS = ("x86 image stays off POWER", "ppc64le image stays off x86")
_SCHEDULED_SINCE = (2, 74)
"""The first microversion in which a host can be named that the scheduler still looks at with all its filters."""


@dataclass(frozen=True, slots=True)
class Placing:
    """What the guests of this part are made of."""

    run: str
    flavor: str
    image: BootImage
    patience: float


def test_mixed_cloud(
    recorder: Recorder, cloud: Cloud, hypervisor: Hypervisor, others: list[Hypervisor], placing: Placing
) -> None:
    """Have the scheduler choose between hosts of both architectures."""
    part = TestedPart.MIXED_CLOUD
    if cloud.compute.version < _SCHEDULED_SINCE:
        recorder.skip(part, STEPS, "this nova cannot be told to look at one host (its API is older than 2.74)")
        return

    def x86_stays_off() -> str:
        if hypervisor.arch not in POWER:
            raise StepSkipped(f"{hypervisor.host} is {hypervisor.arch}")
        return _refused(cloud, placing, hypervisor.host, "x86_64", "mixed-x86")

    def ppc64le_stays_off() -> str:
        up = {one.host for one in compute_services(cloud) if one.state == "up" and one.status == "enabled"}
        x86 = [one for one in others if one.arch == "x86_64" and one.host in up]
        if not x86:
            raise StepSkipped("the cloud has no x86 host that is up")
        return _refused(cloud, placing, x86[0].host, "ppc64le", "mixed-ppc64le")

    recorder.step(part, STEPS[0], x86_stays_off)
    recorder.step(part, STEPS[1], ppc64le_stays_off)


def _refused(cloud: Cloud, placing: Placing, host: str, arch: str, what: str) -> str:
    properties = {"hw_architecture": arch, "hw_emulation_architecture": "", "hw_machine_type": ""}
    image = variant(cloud, placing.run, placing.image, what, properties)
    server = Server.create(cloud, placing.run, ServerOrder(what, image, placing.flavor, host=host), placing.patience)
    try:
        try:
            server.wait_for("ACTIVE")
        except StepFailed as failure:
            if "No valid host" in failure.reason:
                return f"nova finds {host} not valid for an image of {arch}"
            raise StepFailed(
                f"the scheduler sends an image of {arch} to {host}, where it fails: {failure.reason}",
                failure.evidence,
            ) from failure
        raise StepFailed(f"an image of {arch} runs on {host}")
    finally:
        server.delete()
        cloud.image.delete(f"/images/{image}")
