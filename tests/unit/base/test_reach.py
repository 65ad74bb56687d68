"""A source leads to its like, and no nearer to this machine: addresses, names, redirects, and names that change."""

import socket
from collections.abc import Iterator

import pytest

from ppcdeps.base.addresses import Nearness, nearness_of_address, nearness_of_host
from ppcdeps.base.reach import Reach, TooNearError
from ppcdeps.base.urls import refusal

FAR, OTHER = "192.0.2.7", "198.51.100.9"


class Names(dict[str, list[str]]):
    """What names resolve to: addresses of RFC 5737 are nobody's."""

    def __call__(self, host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host not in self:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self[host]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    known = Names({"far.example": [FAR], "other.example": [OTHER], "loop.example": ["127.0.0.1"]})
    monkeypatch.setattr(socket, "getaddrinfo", known)
    return known


@pytest.fixture
def far(names: Names) -> Iterator[Reach]:
    reach = Reach(["http://far.example/repo/"])
    with reach.transfer():
        reach.check("http://far.example/repo/repodata/repomd.xml")
        reach.check_peer(FAR)
        yield reach


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("localhost", Nearness.LOOPBACK),
        ("x.localhost.", Nearness.LOOPBACK),
        ("127.9.9.9", Nearness.LOOPBACK),
        ("0x7f.1", Nearness.LOOPBACK),
        ("2130706433", Nearness.LOOPBACK),
        ("0.0.0.0", Nearness.LOOPBACK),
        ("[::1]", Nearness.LOOPBACK),
        ("::ffff:127.0.0.1", Nearness.LOOPBACK),
        ("2002:7f00:1::", Nearness.LOOPBACK),
        ("169.254.169.254", Nearness.OWN),
        ("fe80::1%eth0", Nearness.OWN),
        (FAR, Nearness.ELSEWHERE),
        ("far.example", Nearness.ELSEWHERE),
    ],
)
def test_where_a_host_lies_by_its_spelling(host: str, place: Nearness) -> None:
    assert nearness_of_host(host) is place


def test_an_address_of_this_machine_is_known() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((FAR, 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        assert nearness_of_address(probe.getsockname()[0]) is Nearness.OWN


def test_a_server_elsewhere_names_no_address_of_a_link() -> None:
    assert "link" in refusal("http://169.254.169.254/latest/", "http://far.example/simple/")
    assert not refusal("http://other.example/x", "http://far.example/simple/")


def test_a_name_that_resolves_to_loopback_is_not_requested(far: Reach) -> None:
    with pytest.raises(TooNearError, match="loopback"):
        far.check("http://loop.example/x")
    far.check("http://other.example/x")


@pytest.mark.parametrize("near", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1"])
def test_one_near_address_among_others_is_enough(near: str, far: Reach, names: Names) -> None:
    names["mixed.example"] = [FAR, near]
    with pytest.raises(TooNearError):
        far.check("http://mixed.example/x")


def test_a_name_that_changes_between_the_look_and_the_connection(far: Reach) -> None:
    far.check("http://other.example/x")
    with pytest.raises(TooNearError, match=r"127\.0\.0\.1"):
        far.check_peer("127.0.0.1")


def test_the_sources_own_name_does_not_become_loopback(far: Reach, names: Names) -> None:
    names["far.example"] = ["127.0.0.1"]
    far.check("http://far.example/repo/x")
    with pytest.raises(TooNearError):
        far.check_peer("127.0.0.1")


def test_a_source_on_this_machine_by_name_is_the_users_own(names: Names) -> None:
    reach = Reach(["http://loop.example:8080/"])
    with reach.transfer():
        reach.check("http://loop.example:8080/x")
        reach.check_peer("127.0.0.1")
        # It may name what is on this machine as well, and other machines.
        names["here.example"] = ["127.0.0.1"]
        reach.check("http://here.example/x")
        reach.check_peer("127.0.0.1")
        reach.check("http://far.example/x")
        reach.check_peer(FAR)


def test_a_source_that_was_on_this_machine_does_not_move_away(names: Names) -> None:
    reach = Reach(["http://loop.example/"])
    with reach.transfer():
        reach.check("http://loop.example/x")
        with pytest.raises(TooNearError, match="before"):
            reach.check_peer(FAR)


def test_a_local_source_beside_a_remote_one_opens_nothing_for_it(names: Names) -> None:
    names["here.example"] = ["127.0.0.1"]
    reach = Reach(["http://far.example/simple/", "http://loop.example:3141/simple/"])
    with reach.transfer():
        reach.check("http://loop.example:3141/simple/x/")
        reach.check_peer("127.0.0.1")
        for url in ("http://here.example/x", "http://loop.example:6379/"):
            with pytest.raises(TooNearError):
                reach.check(url)


def test_a_redirect_leads_no_nearer_than_what_redirects(names: Names) -> None:
    names["here.example"] = ["127.0.0.1"]
    reach = Reach(["file:///srv/mirrors"])
    with reach.transfer():
        # The user's own list may name this machine by name; a mirror elsewhere may not redirect to it.
        reach.check("http://here.example/x")
        reach.check("http://far.example/x")
        reach.follow("http://far.example/x")
        with pytest.raises(TooNearError):
            reach.check("http://here.example/x")
