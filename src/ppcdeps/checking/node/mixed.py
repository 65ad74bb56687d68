"""A cloud of POWER and x86 hosts: whether its scheduler keeps each architecture's images to its hosts, and by what.

nova has three means. `ImagePropertiesFilter` compares `hw_architecture` with what a host runs; the prefilter of image
metadata makes a required trait of it; an isolated aggregate takes only flavors that ask for its trait.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.documents import readable
from ppcdeps.checking.node.host import EMULATES, POWER, Hypervisor, compute_services, traits_of
from ppcdeps.checking.node.images import BootImage, variant
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.checking.node.servers import Server, ServerOrder
from ppcdeps.model.wording import first_of

STEPS = (
    "x86 image stays off POWER",
    "ppc64le image stays off x86",
    "ppc64le image finds POWER",
    "image without architecture",
)
_SCHEDULED_SINCE = (2, 74)
"""The first microversion in which a host can be named that the scheduler still looks at with all its filters."""
_MOST_HOSTS = 5
"""How many x86 hosts are looked at, and how many others are named."""
_REFUSED = "No valid host"
_BY_A_FILTER = "not enough hosts"
"""What nova adds where placement offered a host and a filter refused it; placement's refusals have no reason."""


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
    """Have the scheduler look at hosts of both architectures."""
    part = TestedPart.MIXED_CLOUD
    if cloud.compute.version < _SCHEDULED_SINCE:
        recorder.skip(part, STEPS, "this nova cannot be told to look at one host (its API is older than 2.74)")
        return
    scheduler = _Scheduler(cloud, placing)

    def on_power() -> Hypervisor:
        if hypervisor.arch not in POWER:
            raise StepSkipped(f"{hypervisor.host} is {hypervisor.arch}")
        return hypervisor

    def ppc64le_stays_off() -> str:
        x86 = [one for one in others if one.arch == "x86_64"]
        looked_at = _looked_at(cloud, x86)
        left = first_of(sorted(one.host for one in x86 if one not in looked_at), _MOST_HOSTS)
        if not looked_at:
            raise StepSkipped(
                f"the cloud's x86 hosts are down or disabled: {left}" if left else "the cloud has no x86 host"
            )
        notes = [scheduler.keeps_off(one, "ppc64le") for one in looked_at]
        return "; ".join([*notes, f"not looked at: {left}"] if left else notes)

    recorder.step(part, STEPS[0], lambda: scheduler.keeps_off(on_power(), "x86_64"))
    recorder.step(part, STEPS[1], ppc64le_stays_off)
    recorder.step(part, STEPS[2], lambda: scheduler.lets_in(on_power(), "ppc64le"))
    recorder.step(part, STEPS[3], lambda: scheduler.without_architecture(on_power()))


def _looked_at(cloud: Cloud, x86: list[Hypervisor]) -> list[Hypervisor]:
    """Some of those that are up and enabled; first those that say that they emulate ppc64le."""
    up = {one.host for one in compute_services(cloud) if one.state == "up" and one.status == "enabled"}
    found = [one for one in x86 if one.host in up]
    return sorted(found, key=lambda one: (EMULATES not in traits_of(cloud, one), one.host))[:_MOST_HOSTS]


@dataclass(slots=True)
class _Scheduler:
    """What nova's scheduler makes of images, found out by guests that it is to send to one host."""

    cloud: Cloud
    placing: Placing
    _answers: dict[tuple[str, str], "_Answer"] = field(default_factory=dict)

    def keeps_off(self, hypervisor: Hypervisor, arch: str) -> str:
        """See that an image does not come to a host, and for its architecture. Returns by what it is kept off."""
        host = hypervisor.host
        answer = self._ask(host, arch)
        if not answer.refusal:
            if answer.failure is None:
                raise StepFailed(f"an image of {arch} runs on {host}")
            raise StepFailed(
                f"the scheduler sends an image of {arch} to {host}, where it fails: {answer.failure.reason}",
                answer.failure.evidence,
            )
        if answer.is_by_a_filter:
            return f"a filter keeps an image of {arch} off {host}, by hw_architecture"
        if not self._ask(host, "").refusal:
            return f"the prefilter keeps an image of {arch} off {host}, which lacks the trait {_trait(arch)}"
        return self._isolation(host) or self._else(hypervisor)

    def lets_in(self, hypervisor: Hypervisor, arch: str) -> str:
        """See that the scheduler sends an image of a host's own architecture to it."""
        host = hypervisor.host
        answer = self._ask(host, arch)
        if not answer.refusal:
            return f"the scheduler sends it to {host}"
        if answer.is_by_a_filter:
            raise StepFailed(f"a filter of the scheduler keeps an image of {arch} off {host}")
        if not self._ask(host, "").refusal:
            raise StepFailed(
                f"the prefilter keeps an image of {arch} off {host}, which lacks the trait {_trait(arch)}"
            )
        if isolation := self._isolation(host):
            raise StepSkipped(f"{isolation}: name a flavor that has it with --flavor")
        raise StepFailed(self._else(hypervisor))

    def without_architecture(self, hypervisor: Hypervisor) -> str:
        """What becomes of an image that does not say its architecture: nothing but isolation keeps it off a host."""
        host = hypervisor.host
        answer = self._ask(host, "")
        if not answer.refusal:
            return f"nothing keeps it off {host}: set hw_architecture on every image, or isolate the host"
        if answer.is_by_a_filter:
            return f"a filter keeps it off {host}"
        return self._isolation(host) or self._else(hypervisor)

    def _isolation(self, host: str) -> str:
        """Which aggregate isolates a host; empty where none does."""
        aggregates = self.cloud.compute.get("/os-aggregates").objects("aggregates")
        read = readable(aggregates, lambda one: (one.word("name"), one.texts("hosts"), one.words("metadata")))
        for name, members, metadata in read:
            if host in members and (traits := _required(metadata)):
                return f"the aggregate {name} isolates {host} by the trait {', '.join(traits)}"
        return ""

    def _else(self, hypervisor: Hypervisor) -> str:
        """Why placement does not offer a host for any image, where no aggregate isolates it.

        Raises StepSkipped where it is no matter of architectures.
        """
        specs = self.cloud.compute.get(f"/flavors/{self.placing.flavor}/os-extra_specs")
        missing = set(_required(specs.inner("extra_specs").words())) - traits_of(self.cloud, hypervisor)
        if missing:
            return f"the flavor asks for the trait {', '.join(sorted(missing))}, which {hypervisor.host} lacks"
        raise StepSkipped(f"placement offers {hypervisor.host} for no image at all: it has no room")

    def _ask(self, host: str, arch: str) -> "_Answer":
        known = self._answers.get((host, arch))
        if known is None:
            known = self._answers[host, arch] = self._try(host, arch)
        return known

    def _try(self, host: str, arch: str) -> "_Answer":
        """Have a guest of an image made, with one host for the scheduler to look at."""
        cloud, placing = self.cloud, self.placing
        properties = {
            "hw_architecture": arch,
            "architecture": "",
            "hw_emulation_architecture": "",
            "hw_machine_type": "",
        }
        what = f"mixed-{len(self._answers)}"
        image = variant(cloud, placing.run, placing.image, what, properties)
        order = ServerOrder(what, image, placing.flavor, host=host)
        server = Server.create(cloud, placing.run, order, placing.patience)
        try:
            server.wait_for("ACTIVE")
        except StepFailed as failure:
            return _Answer(failure.reason if _REFUSED in failure.reason else "", failure)
        finally:
            server.delete()
            cloud.image.delete(f"/images/{image}")
        return _Answer("", None)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a guest: ``refusal`` is nova's text where no host was valid, ``failure`` how else it failed."""

    refusal: str
    failure: StepFailed | None

    @property
    def is_by_a_filter(self) -> bool:
        return _BY_A_FILTER in self.refusal


def _required(values: Mapping[str, str]) -> list[str]:
    """The traits that the metadata of an aggregate, or the extra specs of a flavor, require."""
    required = ("trait:", "required")
    return sorted(key.removeprefix("trait:") for key, value in values.items() if (key[:6], value) == required)


def _trait(arch: str) -> str:
    """The trait that the prefilter makes of an architecture."""
    return f"HW_ARCH_{arch.upper()}"
