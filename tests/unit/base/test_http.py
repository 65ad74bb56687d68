"""Failover between mirrors, and what messages may show."""

import threading
from collections.abc import Callable

import pytest

from ppcdeps.base import http as transport
from ppcdeps.base.http import AllMirrorsFailed, TransportFault, try_mirrors
from ppcdeps.base.urls import has_host, join_url, path_of, shown_url


class Mirrors:
    """Mirrors that fail as they are told, and remember who was asked."""

    def __init__(self, **failures: list[TransportFault]) -> None:
        self._failures = failures
        self.asked: list[str] = []

    def __call__(self, mirror: str) -> str:
        self.asked.append(mirror)
        rest = self._failures.get(mirror, [])
        fault = rest.pop(0) if rest else None
        if fault is not None:
            raise fault
        return mirror


def transient() -> TransportFault:
    return TransportFault("http://x/", "answers 503", transient=True, unreachable=True)


def hung() -> TransportFault:
    return TransportFault("http://x/", "hangs", transient=True, unreachable=True, hung=True)


def permanent() -> TransportFault:
    return TransportFault("http://x/", "answers 404")


@pytest.fixture(autouse=True)
def quick_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF", 0.0)


def run(mirrors: Mirrors, *names: str, retries: int = 10) -> str:
    return try_mirrors(names, mirrors, retries=retries, stopping=threading.Event())


def test_the_first_that_works_is_taken() -> None:
    mirrors = Mirrors(a=[permanent()])
    assert run(mirrors, "a", "b", "c") == "b"
    assert mirrors.asked == ["a", "b"]


def test_all_mirrors_are_tried_before_one_is_tried_again() -> None:
    mirrors = Mirrors(a=[transient()], b=[transient()])
    assert run(mirrors, "a", "b") == "a"
    assert mirrors.asked == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("fault", "times"), [(permanent, 1), (transient, 3), (hung, 2)], ids=["permanent", "transient", "hung"]
)
def test_how_often_a_single_mirror_is_asked(fault: Callable[[], TransportFault], times: int) -> None:
    mirrors = Mirrors(a=[fault() for _ in range(9)])
    with pytest.raises(AllMirrorsFailed) as caught:
        run(mirrors, "a")
    assert mirrors.asked == ["a"] * times
    assert caught.value.unreachable == fault().unreachable


def test_a_mirror_that_hung_is_not_asked_again_while_there_are_others() -> None:
    mirrors = Mirrors(a=[hung()], b=[transient()])
    assert run(mirrors, "a", "b") == "b"
    assert mirrors.asked == ["a", "b", "b"]


def test_retries_bound_the_attempts_but_every_mirror_gets_one() -> None:
    names = tuple("abcdef")
    mirrors = Mirrors(**{name: [transient() for _ in range(9)] for name in names})
    with pytest.raises(AllMirrorsFailed):
        run(mirrors, *names, retries=2)
    assert mirrors.asked == list(names)


def test_no_limit_on_retries_still_ends() -> None:
    mirrors = Mirrors(a=[transient() for _ in range(99)], b=[transient() for _ in range(99)])
    with pytest.raises(AllMirrorsFailed):
        run(mirrors, "a", "b", retries=0)
    assert mirrors.asked == ["a", "b"] * 3


def test_the_message_names_three_mirrors_and_counts_the_rest() -> None:
    faults = [TransportFault(f"http://m{number}/", "answers 404") for number in range(5)]
    failure = AllMirrorsFailed(faults)
    assert str(failure) == (
        "http://m0/: answers 404; http://m1/: answers 404; http://m2/: answers 404; and 2 more mirrors"
    )
    assert not failure.unreachable


def test_a_stop_ends_the_waiting() -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(InterruptedError):
        try_mirrors(["a"], Mirrors(a=[transient()]), retries=3, stopping=stopping)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/a", "http://host/a"),
        ("http://me:secret@host:8080/a", "http://***@host:8080/a"),
        ("https://secret@host/", "https://***@host/"),
        ("https://host/?repo=x&access_token=secret&arch=y", "https://host/?repo=x&access_token=***&arch=y"),
        ("file:///a@b/c", "file:///a@b/c"),
    ],
)
def test_no_url_is_shown_with_its_credentials(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_joining_keeps_the_query_at_the_end() -> None:
    assert join_url("http://host/os", "repodata/x") == "http://host/os/repodata/x"
    assert join_url("http://host/os/?token=1", "repodata/x") == "http://host/os/repodata/x?token=1"


def test_file_urls_are_unquoted() -> None:
    assert str(path_of("file:///with%20space/x")) == "/with space/x"


@pytest.mark.parametrize(
    ("url", "is_there"),
    [
        ("https://example.org.", True),
        (f"https://{'x' * 63}.org:8443/v3", True),
        ("https://b\u00fccher.example", True),
        ("https://[2001:db8::7]:5000", True),
        ("https://[fe80::7%eth0]/", True),
        ("https://", False),
        ("https://x..y/", False),
        (f"https://{'x' * 64}.org", False),
        (f"https://b\u00fc{'x' * 70}.org", False),
        ("https://x:0", False),
        ("https://[x", False),
    ],
)
def test_a_host_is_a_name_that_can_be_looked_up(url: str, is_there: bool) -> None:
    assert has_host(url) is is_there
