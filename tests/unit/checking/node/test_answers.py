"""What is before a cloud's APIs, or what they send, that is not what they are to answer."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reporters import Recorder as Reports
from smallcloud import HOST, PAGE, SmallCloud, small_cloud

from ppcdeps.checking.node import acceptance, consoles, results
from ppcdeps.checking.node import host as hosts
from ppcdeps.checking.node.api import ApiError, CertificatesError, Cloud, open_cloud
from ppcdeps.checking.node.belongings import find_belongings
from ppcdeps.checking.node.console import GuestConsole
from ppcdeps.checking.node.images import find_image
from ppcdeps.checking.node.lifecycle import LivingGuest
from ppcdeps.checking.node.recorder import Recorder
from ppcdeps.checking.node.servers import Server, ServerOrder
from ppcdeps.model.errors import CloudError, ConfigError

pytest.importorskip("openstack", reason="openstacksdk is not installed")
# Of what the SDK is to lose: it warns of that itself.
pytestmark = pytest.mark.filterwarnings(r"ignore:.*removed in a future\s+release")

GUEST = "ppcdeps-check-1a2b3c4d-guest"
ORDER = ServerOrder("guest", "an-image", "1")
NODE = hosts.Hypervisor("a-provider", HOST, "ppc64le", "POWER9", 8, 8192, 100, "QEMU 7.2.0")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallCloud]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with small_cloud() as made:
        made.configure(tmp_path)
        yield made


def opened(timeout: float = 30) -> Cloud:
    return open_cloud("small", timeout)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PAGE, r"\(text/html\) is not JSON"),
        (b"", r"is not JSON"),
        (None, r"\(application/json\) is not an object"),
        ([], r"\(application/json\) is not an object"),
        (b"[" * 100_000, r"is nested deeper"),
    ],
)
def test_what_is_not_an_object_of_json_is_no_answer(small: SmallCloud, body: Any, reason: str) -> None:
    cloud = opened()
    small.faults[".*/os-services|.*/images/an-image|.*/detail"] = body
    address = f"{small.url}/nova/v2.1/os-services"
    with pytest.raises(
        CloudError, match=rf"nova did not answer GET /os-services with JSON: what {address}.*{reason}"
    ):
        hosts.service_of(cloud, HOST)
    with pytest.raises(CloudError, match=r"nova did not answer GET /os-hypervisors/detail with JSON"):
        hosts.hypervisor_of(cloud, HOST)
    with pytest.raises(CloudError, match=r"glance did not answer GET /images/an-image with JSON"):
        find_image(cloud, "an-image")
    found = find_belongings(cloud)
    assert found.things == ()
    assert [one.partition(" with JSON")[0] for one in found.unseen] == [
        "servers: nova did not answer GET /servers/detail",
        "flavors: nova did not answer GET /flavors/detail",
    ]


@pytest.mark.parametrize("address", ["placement", "glance"])
@pytest.mark.parametrize(
    ("body", "reason"), [(PAGE, r"\(text/html\) is not JSON"), (None, r"\(application/json\) is not an object")]
)
def test_a_service_whose_versions_are_something_else_is_named(
    small: SmallCloud, address: str, body: Any, reason: str
) -> None:
    small.faults[f"GET /{address}.*"] = body
    expected = rf"{address} did not answer GET with JSON: what {small.url}/{address} sent {reason}"
    with pytest.raises(CloudError, match=expected):
        opened()


def test_an_endless_redirection_of_the_version_is_not_a_version_that_is_hidden(small: SmallCloud) -> None:
    small.endless = "GET /nova/v2.1/"
    with pytest.raises(CloudError, match="nova redirects GET / without end: the last address is http://"):
        opened()


def test_a_redirection_to_no_address_is_not_endless(small: SmallCloud) -> None:
    cloud = opened()
    small.endless, small.location = ".*/images/an-image", ""
    address = f"{small.url}/glance/v2/images/an-image"
    expected = rf"glance redirects GET /images/an-image to no address: {address} \(302\) names no Location"
    with pytest.raises(CloudError, match=expected):
        find_image(cloud, "an-image")


def test_a_redirection_without_end_is_no_answer(small: SmallCloud) -> None:
    cloud = opened()
    small.endless = ".*/servers/detail"
    (reason,) = find_belongings(cloud).unseen
    assert reason.startswith("servers: nova redirects GET /servers/detail without end: the last address is http://")


def test_what_rightly_has_no_document_is_done(small: SmallCloud) -> None:
    cloud = opened()
    server = Server.create(cloud, "1a2b3c4d", ORDER, 30)
    cloud.compute.post(f"/servers/{server.id}/action", {"pause": None})
    assert cloud.compute.delete(f"/servers/{server.id}")
    assert not cloud.compute.delete(f"/servers/{server.id}")


def test_a_page_in_place_of_what_was_done_is_no_answer(small: SmallCloud) -> None:
    cloud = opened()
    small.faults["DELETE .*"] = PAGE
    with pytest.raises(ApiError, match="did not answer DELETE /servers/a-server with JSON"):
        cloud.compute.delete("/servers/a-server")


def own_hypervisor(**members: Any) -> dict[str, Any]:
    return {"hypervisors": [{"service": {"host": HOST}, **members}]}


def of_host(cloud: Cloud) -> hosts.Hypervisor | None:
    return hosts.hypervisor_of(cloud, HOST)


READERS: list[tuple[str, Any, Callable[[Cloud], object], str]] = [
    ("os-services", {"services": None}, hosts.compute_services, "services is not an array"),
    ("os-services", {"services": {"a": 1}}, hosts.compute_services, "services is not an array"),
    ("os-services", {"services": [1]}, hosts.compute_services, r"services\[0\] is not an object"),
    (
        "os-services",
        {"services": [{"host": HOST, "state": None}]},
        lambda cloud: hosts.service_of(cloud, HOST),
        r"services\[0\]\.state is not a text",
    ),
    ("detail", {"hypervisors": None}, hosts.hypervisors, "hypervisors is not an array"),
    ("detail", {"hypervisors": [1]}, hosts.hypervisors, r"hypervisors\[0\] is not an object"),
    ("detail", own_hypervisor(id=[]), of_host, r"hypervisors\[0\]\.id is not a text"),
    ("detail", own_hypervisor(id="a/../b"), of_host, r"hypervisors\[0\]\.id is not an identifier"),
    ("detail", own_hypervisor(id="a", vcpus="8"), of_host, r"hypervisors\[0\]\.vcpus is not a whole number"),
    ("detail", own_hypervisor(id="a", cpu_info=""), of_host, ""),
    ("traits", {"traits": None}, lambda cloud: hosts.traits_of(cloud, NODE), "traits is not an array"),
    (
        "inventories",
        {"inventories": []},
        lambda cloud: hosts.inventories_of(cloud, NODE),
        "inventories is not an obj",
    ),
    ("usages", {"usages": {"VCPU": None}}, lambda cloud: hosts.usages_of(cloud, NODE), ""),
    ("usages", {"usages": None}, lambda cloud: hosts.usages_of(cloud, NODE), "usages is not an object"),
    ("allocations", {}, lambda cloud: hosts.consumers_of(cloud, NODE), "allocations is missing"),
    ("limits", {"limits": None}, lambda cloud: hosts.require_quota(cloud, hosts.Room(1, 1)), "limits is not an"),
    (
        "limits",
        {"limits": {"absolute": None}},
        lambda cloud: hosts.require_quota(cloud, hosts.Room(1, 1)),
        r"limits\.absolute is not an object",
    ),
    ("an-image", {"id": "x", "status": 1}, lambda cloud: find_image(cloud, "an-image"), "status is not a text"),
    (
        "servers",
        {"server": None},
        lambda cloud: Server.create(cloud, "1a2b3c4d", ServerOrder("a", "b", "c"), 1),
        "server is",
    ),
    ("a-server", {"server": None}, lambda cloud: Server(cloud, "a-server", 1).read(), "server is not an object"),
    (
        "os-volume_attachments",
        {"volumeAttachments": None},
        lambda cloud: Server(cloud, "a-server", 1).volumes(),
        "volumeAttachments is not an array",
    ),
]


@pytest.mark.parametrize(("path", "body", "read", "reason"), READERS)
def test_a_value_of_another_kind_is_a_fault_of_the_api(
    small: SmallCloud, path: str, body: Any, read: Callable[[Cloud], object], reason: str
) -> None:
    cloud = opened()
    small.faults[f".*/{path}"] = body
    if not reason:
        read(cloud)
        return
    with pytest.raises(CloudError, match=rf"(nova|placement|glance)'s answer to .* cannot be understood: {reason}"):
        read(cloud)


def test_what_is_odd_of_others_does_not_end_a_test(small: SmallCloud) -> None:
    cloud = opened()
    others: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "os-services": ("services", [{"host": None}, {"host": "a", "state": 1}]),
        "os-hypervisors/detail": (
            "hypervisors",
            [{"id": "a  b"}, {"id": "c", "service": 1, "cpu_info": 1, "vcpus": ""}],
        ),
        "flavors/detail": ("flavors", [{"id": "a  b", "name": "odd"}, {"name": []}, {"id": "a/b", "name": 1.5}]),
    }
    for path, (key, odd) in others.items():
        (own,) = small.answer("GET", f"/nova/v2.1/{path}", None)[1][key]
        small.faults[f".*/{path}"] = {key: [*odd, own]}
    report = accepted(cloud, "statistics")
    assert report.has_passed, report.steps
    assert [one.host for one in hosts.compute_services(cloud)] == [HOST]
    assert HOST in [one.host for one in hosts.hypervisors(cloud)]
    assert find_belongings(cloud).unseen == ()
    with pytest.raises(CloudError, match=r"flavors\[0\]\.id is not an identifier"):
        acceptance.test_node(cloud, acceptance.NodeTest(HOST, "1a2b3c4d", "an-image", flavor="odd"), Reports())


def test_lists_of_what_runs_left_that_are_none_are_not_taken_for_empty(small: SmallCloud) -> None:
    cloud = opened()
    nameless = {"name": GUEST, "metadata": {"ppcdeps-check-run": "1a2b3c4d"}, "id": None}
    others = [{"name": None, "id": "a  b"}, {"name": "other", "id": None}]
    null = ({"servers": None}, "is not an array")
    without = ({"servers": [*others, nameless]}, "is not an identifier")
    for body, reason in (null, without):
        small.faults[".*/servers/detail"] = body
        (unseen,) = find_belongings(cloud).unseen
        assert unseen.startswith("servers: nova's answer to GET /servers/detail cannot be understood: servers")
        assert unseen.endswith(reason)


def accepted(cloud: Cloud, *parts: str) -> results.NodeReport:
    chosen = frozenset(map(results.TestedPart, parts))
    test = acceptance.NodeTest(HOST, "1a2b3c4d", "an-image", flavor="small", parts=chosen, patience=5)
    return acceptance.test_node(cloud, test, Reports())


def test_a_wrong_answer_in_mid_test_leaves_the_report_of_what_was_found(small: SmallCloud) -> None:
    cloud = opened()
    small.faults[".*/traits"] = {"traits": None}
    report = accepted(cloud, "statistics")
    outcomes = {one.name: one.outcome.value for one in report.steps}
    assert outcomes == {
        "hypervisor": "failed",
        "inventories": "passed",
        "traits": "failed",
        "nothing left behind": "passed",
    }
    small.faults[".*/usages"] = {"usages": None}
    last = accepted(cloud, "life-cycle").steps[-2]
    assert (last.name, last.outcome.value) == ("what follows", "failed")
    assert "usages is not an object" in last.note


def test_a_guest_that_is_known_goes_though_the_list_cannot_be_seen(small: SmallCloud) -> None:
    cloud = opened()
    small.state = "ERROR"
    small.faults[".*/servers/detail"] = PAGE
    last = accepted(cloud, "life-cycle").steps[-1]
    assert (last.name, last.outcome.value) == ("nothing left behind", "failed")
    assert last.evidence[0].startswith("cannot be seen: servers: nova did not answer GET /servers/detail with JSON")
    assert small.servers == {}


@pytest.mark.parametrize("url", [None, "http://[fd00::1:6080/", "http://console:99999/", "console"])
def test_a_console_whose_address_is_none_fails(small: SmallCloud, url: str | None) -> None:
    cloud = opened()
    small.faults[".*/remote-consoles"] = {"remote_console": {"url": url}}
    recorder = Recorder(Reports(), results.TestedPart)
    console = GuestConsole(cloud.compute, "a-server", re.compile("login:"), 1)
    small.servers["a-server"] = {"name": GUEST, "metadata": {}}
    consoles.test_consoles(recorder, cloud, LivingGuest(Server(cloud, "a-server", 1), console, "an-image"))
    assert [one.outcome.value for one in recorder.steps] == ["failed", "failed"]
    assert all("cannot be understood: remote_console.url is not a" in one.note for one in recorder.steps)


@pytest.mark.parametrize(
    ("dripping", "reason"),
    [
        (".*/os-services", "nova does not answer in time: no answer in 1 s from http://.*/nova/v2.1/os-services"),
        (".*/tokens", "keystone does not answer in time: no answer in 1 s from http://.*/v3/auth/tokens"),
        ("GET /nova/v2.1/", "nova does not answer in time"),
        ("GET /placement.*", "placement does not answer in time: no answer in 1 s from http://.*/placement"),
    ],
)
def test_an_api_that_sends_a_byte_from_time_to_time_does_not_answer_in_time(
    small: SmallCloud, dripping: str, reason: str
) -> None:
    small.dripping = dripping
    began = time.monotonic()
    with pytest.raises(CloudError, match=reason):
        hosts.service_of(opened(1), HOST)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("redirected", [".*/os-services", ".*/tokens"])
def test_redirections_do_not_begin_the_time_anew(small: SmallCloud, redirected: str) -> None:
    small.endless, small.pause = redirected, 0.4
    began = time.monotonic()
    with pytest.raises(CloudError, match="does not answer in time: no answer in 1 s from http://"):
        hosts.service_of(opened(1), HOST)
    assert time.monotonic() - began < 10
    small.pause = 0
    sent = len(small.requests)
    time.sleep(1)
    assert len(small.requests) <= sent + 1, "what is over goes on"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PAGE, r"did not answer POST with JSON: what {} sent \(text/html\) is not JSON"),
        (None, r"did not answer POST with JSON: what {} sent \(application/json\) is not an object"),
        ({}, "'s answer cannot be understood: what {} sent has no token"),
    ],
)
def test_a_login_that_is_answered_by_something_else_is_said(small: SmallCloud, body: Any, reason: str) -> None:
    small.faults[".*/tokens"] = body
    with pytest.raises(CloudError, match="keystone ?" + reason.format(f"{small.url}/v3/auth/tokens")):
        opened()


def test_a_login_that_is_redirected_without_end_is_said(small: SmallCloud) -> None:
    small.endless = ".*/tokens"
    expected = f"keystone redirects POST without end: the last address is {small.url}/v3/auth/tokens"
    with pytest.raises(CloudError, match=expected):
        opened()


def test_a_login_without_a_token_is_no_answer(small: SmallCloud) -> None:
    small.token = ""
    with pytest.raises(
        CloudError, match=r"keystone's answer cannot be understood: what .*/tokens sent has no 'x-sub"
    ):
        opened()


@pytest.mark.parametrize(
    "address",
    [
        "nope",
        "http://[fd00::1:5000/v3",
        "ftp://cloud/v3",
        "http:///v3",
        "http://cloud:99999/v3",
        "http://cloud..x/v3",
    ],
)
def test_an_address_in_clouds_yaml_that_is_none(small: SmallCloud, tmp_path: Path, address: str) -> None:
    small.configure(tmp_path, auth_url=address)
    with pytest.raises(ConfigError) as caught:
        opened()
    assert f"auth_url of the cloud small is not a URL of http or https: {address}; look at it in clouds.yaml" in str(
        caught.value
    )


def test_an_address_of_one_service_in_clouds_yaml_that_is_none(small: SmallCloud, tmp_path: Path) -> None:
    small.configure(tmp_path, compute_endpoint_override="nope")
    expected = "compute_endpoint_override of the cloud small is not a URL of http or https: nope"
    with pytest.raises(ConfigError, match=expected):
        opened()


@pytest.mark.parametrize("name", ["cacert", "cert", "key"])
def test_a_file_that_clouds_yaml_names_and_that_is_not_there(small: SmallCloud, tmp_path: Path, name: str) -> None:
    there = tmp_path / "there.pem"
    there.write_text("no certificate")
    small.configure(tmp_path, **({"cert": str(there)} if name == "key" else {}), **{name: "/nosuch.pem"})
    expected = f"{name} of the cloud small cannot be used: /nosuch.pem: No such file or directory; look at it"
    with pytest.raises(ConfigError, match=expected):
        opened()


def test_a_path_of_trusted_certificates_has_the_name_of_its_key(small: SmallCloud, tmp_path: Path) -> None:
    small.configure(tmp_path, verify="/nosuch.pem")
    with pytest.raises(ConfigError, match=r"verify of the cloud small cannot be used: /nosuch\.pem: No such file"):
        opened()


@pytest.mark.parametrize("name", ["verify", "cacert", "cert", "key"])
def test_what_is_no_path_in_clouds_yaml_is_named(small: SmallCloud, tmp_path: Path, name: str) -> None:
    small.configure(tmp_path, **{"cert": "a.pem", name: ["a.pem"]})
    with pytest.raises(ConfigError, match=rf"{name} of the cloud small is not a path: \['a\.pem'\]; look at it in"):
        opened()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_variable_that_names_what_to_trust(
    small: SmallCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, "/nosuch.pem")
    assert opened().name == "small", "nothing is of https"
    small.configure(tmp_path, auth_url=small.url.replace("http:", "https:"))
    expected = rf"the variable {variable} cannot be used: /nosuch\.pem: No such file or directory; set it to"
    with pytest.raises(ConfigError, match=expected):
        opened()


def test_a_variable_that_names_what_to_trust_shows_at_a_service_of_https(
    small: SmallCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nosuch.pem")
    cloud = opened()
    small.endless, small.location = ".*/os-services", small.url.replace("http:", "https:")
    expected = r"nova cannot be reached: .*/nosuch\.pem; look at .*REQUESTS_CA_BUNDLE"
    with pytest.raises(CertificatesError, match=expected):
        hosts.service_of(cloud, HOST)


def test_a_file_of_trusted_certificates_without_any(small: SmallCloud, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    small.configure(tmp_path, cacert=str(tmp_path / "empty.pem"))
    with pytest.raises(ConfigError, match=r"cacert of the cloud small cannot be used: .*/empty\.pem: "):
        opened()
