"""What a server sends decides nothing about what is read on this machine, or which others are asked."""

import hashlib
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from doortrial import Bring, Scene, served_at
from pythondoors import METADATA, WHEEL, lock_on, offer, wheel_of
from repositorydoors import PLAIN, QUICK, SOURCE, plan_on, repomd_of, repository, source_repository

ALONE = METADATA.replace(b'Requires-Dist: six >=1 ; python_version >= "3"\n', b"")


def fetch(place: Scene, url: str) -> tuple[object, ...]:
    return (
        "recipes",
        "fetch",
        "evil",
        "--to",
        "out",
        "--repofrompath",
        f"base,{repository(place)}",
        "--source",
        f"src,{url}",
    )


@pytest.mark.parametrize(
    "location",
    [
        'xml:base="file://@CANARY@/" href="secret.txt"',
        'href="file://@CANARY@/secret.txt"',
        'xml:base="FILE://@CANARY@/" href="secret.txt"',
        'xml:base="file:@CANARY@/" href="secret.txt"',
        'href="file://localhost@CANARY@/secret.txt"',
        'xml:base="ftp://127.0.0.1/" href="secret.txt"',
    ],
)
def test_a_remote_repository_names_http_and_https_only(location: str, place: Scene, bring: Bring) -> None:
    url = source_repository(place, location.replace("@CANARY@", str(place.canary)), remote=True)
    bring(*fetch(place, url), code=30)
    assert not list(place.work.rglob("secret*"))


@pytest.mark.parametrize(
    "href",
    [
        "%2e%2e/%2e%2e/canary/secret.txt",
        "../../../canary/secret.txt",
        "..%2f..%2f..%2fcanary%2fsecret.txt",
        "x/%2e%2e/%2e%2e/%2e%2e/canary/secret.txt",
        "%252e%252e/%252e%252e/canary/secret.txt",
        "/@CANARY@/secret.txt",
        "file://@CANARY@/secret.txt",
        "x%00/secret.txt",
    ],
)
def test_a_local_repository_names_what_lies_beneath_it(href: str, place: Scene, bring: Bring) -> None:
    url = source_repository(place, f'href="{href.replace("@CANARY@", str(place.canary))}"', remote=False)
    bring(*fetch(place, url), code=30)
    assert not list(place.work.rglob("secret*"))


def test_a_local_repository_leads_nowhere_by_links(place: Scene, bring: Bring) -> None:
    url = source_repository(place, 'href="link/secret.txt"', remote=False)
    (place.inputs / "src/link").symlink_to(place.canary)
    bring(*fetch(place, url), code=30)
    assert not list(place.work.rglob("secret*"))


def test_the_same_in_the_table_of_contents(place: Scene, bring: Bring) -> None:
    primary = SOURCE.format(digest="a" * 64, size=1, location='href="x"').encode()
    (place.canary / "primary.xml").write_bytes(primary)
    try:
        repomd = repomd_of({"repodata/primary.xml": primary})
        for href in (f"file://{place.canary}/primary.xml", "%2e%2e/%2e%2e/canary/primary.xml"):
            place.serve("repo/repodata/repomd.xml", repomd.replace(b"repodata/primary.xml", href.encode()))
            bring(*plan_on(f"{place.url}repo/", "evil"), code=30)
        place.file(
            "repo/repodata/repomd.xml", repomd.replace(b"repodata/primary.xml", b"%2e%2e/%2e%2e/canary/primary.xml")
        )
        bring(*plan_on((place.inputs / "repo").as_uri(), "evil"), code=30)
    finally:
        (place.canary / "primary.xml").unlink()


@pytest.mark.parametrize("kind", ["mirrorlist", "metalink"])
def test_a_remote_mirror_list_names_http_and_https_only(kind: str, place: Scene, bring: Bring) -> None:
    local = repository(place)
    text = (
        f"{local}/\n"
        if kind == "mirrorlist"
        else (
            '<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><resources>'
            f'<url protocol="file" type="file" preference="100">{local}/repodata/repomd.xml</url>'
            "</resources></file></files></metalink>"
        )
    )
    url = place.serve("list", text.encode())
    file = place.file("a.repo", f"[a]\n{kind}={url}\n{QUICK}".encode())
    bring("plan", "app", "--repo-file", file, *PLAIN, code=30)


# The index --------------------------------------------------------------------------------------------------


def local_wheel(place: Scene) -> Path:
    """A wheel on this machine that no index offers."""
    path = place.base / "run" / "private" / WHEEL
    path.parent.mkdir()
    path.write_bytes(wheel_of(ALONE))
    return path


@pytest.mark.parametrize(
    "page",
    [
        '<a href="file://@FOLDER@/@WHEEL@">@WHEEL@</a>',
        '<a href="FILE:///@FOLDER@/@WHEEL@">@WHEEL@</a>',
        '<base href="file://@FOLDER@/"><a href="@WHEEL@">@WHEEL@</a>',
        '<base href="file:///"><a href="@FOLDER@/@WHEEL@">@WHEEL@</a>',
        '<a href="file:@FOLDER@/@WHEEL@">@WHEEL@</a>',
    ],
)
def test_a_remote_page_names_http_and_https_only(page: str, place: Scene, bring: Bring) -> None:
    wheel = local_wheel(place)
    text = page.replace("@FOLDER@", str(wheel.parent)).replace("@WHEEL@", WHEEL)
    place.serve("simple/evil/index.html", text.encode())
    bring(*lock_on(place), code={3, 30})
    assert not list(place.work.rglob("requirements*"))


def test_a_remote_page_in_json_names_http_and_https_only(place: Scene, bring: Bring) -> None:
    wheel = local_wheel(place)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    entry = {"filename": WHEEL, "url": wheel.as_uri(), "hashes": {"sha256": digest}}
    page = {"meta": {"api-version": "1.1"}, "name": "evil", "files": [entry]}
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    bring(*lock_on(place), code={3, 30})
    assert not list(place.work.rglob("requirements*"))


@pytest.mark.parametrize("what", ["index", "repository"])
def test_a_redirect_leads_to_http_and_https_only(what: str, place: Scene, bring: Bring) -> None:
    wheel = local_wheel(place)
    leads = quote(wheel.as_uri(), safe="")
    if what == "index":
        page = f'<a href="/redirect/{leads}">{WHEEL}</a>'
        place.serve("simple/evil/index.html", page.encode())
        bring(*lock_on(place), code={3, 30})
    else:
        url = source_repository(place, f'href="../redirect/{leads}"', remote=True, content=wheel.read_bytes())
        bring(*fetch(place, url), code=30)
    assert not list(place.work.rglob("requirements*"))
    assert not list(place.work.rglob("*.whl"))


def own_address() -> str:
    """An address of this machine that is not loopback; empty where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only chooses the address.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        found = str(probe.getsockname()[0])
    return "" if found.startswith("127.") else found


@pytest.mark.parametrize("how", ["page", "redirect", "base", "mirrorlist"])
def test_another_machine_does_not_send_us_to_our_own_loopback(how: str, place: Scene, bring: Bring) -> None:
    address = own_address()
    if not address:
        pytest.skip("this machine has no address but loopback")
    with served_at(address, place) as url:
        target = f"{place.url}private/{WHEEL}"
        place.serve(f"private/{WHEEL}", wheel_of(ALONE))
        pages = {
            "page": f'<a href="{target}">{WHEEL}</a>',
            "redirect": f'<a href="/redirect/{quote(target, safe="")}">{WHEEL}</a>',
            "base": f'<base href="{place.url}private/"><a href="{WHEEL}">{WHEEL}</a>',
        }
        if how == "mirrorlist":
            place.serve("list", f"{place.url}private/\n".encode())
            file = place.file("a.repo", f"[a]\nmirrorlist={url}list\n{QUICK}".encode())
            bring("plan", "app", "--repo-file", file, *PLAIN, code=30)
        else:
            place.serve("simple/evil/index.html", pages[how].encode())
            bring(*lock_on(place), PIP_INDEX_URL=f"{url}simple/", PIP_TRUSTED_HOST=address)
            assert "/simple/evil/" in place.asked()
    assert not [path for path in place.asked() if "private" in path]


@pytest.mark.parametrize("how", ["page", "redirect", "base", "mirrorlist", "metadata", "rebinding"])
def test_nor_by_a_name_that_resolves_to_it(
    how: str, place: Scene, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = own_address()
    if not address:
        pytest.skip("this machine has no address but loopback")
    resolve, answers = socket.getaddrinfo, ["192.0.2.1"] if how == "rebinding" else []

    def named(host: str, *rest: Any, **more: Any) -> Any:
        if host == "evil.example":
            # An answer for the one who looks, and another one for who connects.
            host = answers.pop() if answers else "127.0.0.1"
        return resolve(host, *rest, **more)

    # The run is a fork of this process.
    monkeypatch.setattr(socket, "getaddrinfo", named)
    near = place.url.replace("127.0.0.1", "evil.example")
    with served_at(address, place) as url:
        target = f"{near}private/{WHEEL}"
        place.serve(f"private/{WHEEL}", wheel_of(ALONE))
        pages = {
            "page": f'<a href="{target}">{WHEEL}</a>',
            "rebinding": f'<a href="{target}">{WHEEL}</a>',
            "base": f'<base href="{near}private/"><a href="{WHEEL}">{WHEEL}</a>',
        }
        if how == "mirrorlist":
            place.serve("list", f"{near}private/\n".encode())
            file = place.file("a.repo", f"[a]\nmirrorlist={url}list\n{QUICK}".encode())
            outcome = bring("plan", "app", "--repo-file", file, *PLAIN, code=30)
        elif how == "metadata":
            location = f'xml:base="{near}private/" href="{WHEEL}"'
            served = source_repository(place, location, remote=True, content=wheel_of(ALONE))
            outcome = bring(*fetch(place, served.replace(place.url, url)), code=30)
        elif how == "redirect":
            offer(place, {WHEEL: wheel_of(ALONE)})
            leads = f"{url}redirect/{quote(f'{near}simple', safe='')}/"
            outcome = bring(*lock_on(place), code=30, PIP_INDEX_URL=leads, PIP_TRUSTED_HOST=address)
        else:
            place.serve("simple/evil/index.html", pages[how].encode())
            outcome = bring(*lock_on(place), PIP_INDEX_URL=f"{url}simple/", PIP_TRUSTED_HOST=address)
            assert "/simple/evil/" in place.asked()
        assert "resolves to" in outcome.err
    wanted = "/simple/" if how == "redirect" else "/private/"
    assert not [path for path in place.asked() if path.startswith(wanted)]


def test_a_source_on_loopback_by_name_is_the_users_own(
    place: Scene, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def named(host: str, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if host == "mirror.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", named)
    offer(place, {WHEEL: wheel_of(METADATA)})
    index = f"{place.url}simple/".replace("127.0.0.1", "mirror.example")
    bring(*lock_on(place), code=0, PIP_INDEX_URL=index, PIP_TRUSTED_HOST="mirror.example")


def test_a_machine_on_loopback_may_name_itself(place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: wheel_of(METADATA)})
    bring(*lock_on(place), code=0)


# Secrets in URLs --------------------------------------------------------------------------------------------


def test_a_token_in_the_path_of_an_index_is_not_shown(place: Scene, bring: Bring) -> None:
    token = "k3yTok9fAq2LxZ7vTr1mWq8"
    outcome = bring(*lock_on(place), code={3, 30}, PIP_INDEX_URL=f"{place.url}basic/{token}/simple/")
    assert token not in outcome.err + outcome.out


def test_a_token_in_the_path_of_a_repository_is_not_shown(place: Scene, bring: Bring) -> None:
    token = "k3yTok9fAq2LxZ7vTr1mWq8"
    outcome = bring(*plan_on(f"{place.url}basic/{token}/repo/", "app"), code=30)
    assert token not in outcome.err + outcome.out
