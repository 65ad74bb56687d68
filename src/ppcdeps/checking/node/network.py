"""A network card of the guest: its port comes up, and the guest reaches the metadata service."""

import time

from ppcdeps.checking.node.api import ApiError, Cloud, Service
from ppcdeps.checking.node.lifecycle import LivingGuest
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.model.errors import UsageError

STEPS = ("port up", "metadata reached")
_SECONDS = 120.0


def find_network(cloud: Cloud, name: str) -> str:
    """The id of the network of that name or id. Raises UsageError where there is none."""
    if cloud.network is None:
        raise UsageError(f"the cloud {cloud.name} has no network service")
    for one in cloud.network.pages("/networks", "networks"):
        if name in (one.label("name"), one.label("id")):
            return one.identifier("id")
    raise UsageError(f"the cloud {cloud.name} has no network {name}")


def test_network(recorder: Recorder, cloud: Cloud, host: str, network: str, guest: LivingGuest) -> None:
    """Plug a card into the guest, and see what becomes of it. ``network`` is empty where none is named."""
    reason = _reason_to_skip(cloud, host, network)
    api = cloud.network
    if reason or api is None:
        recorder.skip(TestedPart.NETWORK, STEPS, reason)
        return
    before = guest.console.read()

    def port_up() -> str:
        body = {"interfaceAttachment": {"net_id": network}}
        made = cloud.compute.post(f"/servers/{guest.server.id}/os-interface", body).document
        port = made.inner("interfaceAttachment").identifier("port_id")
        return _wait_until_active(api, port)

    def metadata() -> str:
        if not before.speaks:
            raise StepSkipped("of this image it is not known how it says that it reached the metadata")
        state = guest.console.wait_for(
            "the guest says nothing of the metadata service", lambda one: bool(one.metadata), _SECONDS
        )
        if state.metadata != "reached":
            raise StepFailed("the guest does not reach the metadata service", state.last_lines)
        return "the guest has read it"

    if recorder.step(TestedPart.NETWORK, STEPS[0], port_up):
        recorder.step(TestedPart.NETWORK, STEPS[1], metadata)
    else:
        recorder.skip(TestedPart.NETWORK, STEPS[1:], "its port is not up")


def _reason_to_skip(cloud: Cloud, host: str, network: str) -> str:
    if cloud.network is None:
        return "the catalog has no network service (neutron), or none of this region"
    try:
        agents = [one for one in cloud.network.pages("/agents", "agents") if one.label("host") == host]
    except ApiError as error:
        if error.status != 404:
            return error.line
        agents = []
    if not any(one.flag("alive") for one in agents):
        return f"neutron has no agent on {host}"
    return "" if network else "no --network is named"


def _wait_until_active(api: Service, port: str) -> str:
    deadline = time.monotonic() + _SECONDS
    while True:
        found = api.get(f"/ports/{port}").inner("port")
        status = found.text("status")
        if status == "ACTIVE":
            return f"bound by {found.word('binding:vif_type') or 'an agent'}"
        if time.monotonic() > deadline:
            raise StepFailed(f"the port is {status} after {_SECONDS:.0f} s")
        time.sleep(1)
