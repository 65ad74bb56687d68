"""Repositories over http and from disk, good and bad: what is fetched, what is refused, and what stays
intact.
"""

import gzip
import hashlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import zstandard
from mirror import PATIENCE, Answer, Mirror, send, serving
from reporters import Recorder

from ppcdeps.base import http as transport
from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import open_stream
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import ensure, fetch_repositories
from ppcdeps.model.errors import EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.repository import RepoConfig, Side

PRIMARY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" '
    'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="0">\n<!-- %s -->\n</metadata>\n'
)
FILELISTS = '<?xml version="1.0"?>\n<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="0"/>\n'
HTML = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n"


def hang(mirror: Mirror, after: bytes = b"", announced: int = 1000) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if after:
            handler.send_response(200)
            handler.send_header("Content-Length", str(announced))
            handler.end_headers()
            handler.wfile.write(after)
            handler.wfile.flush()
        mirror.released.wait(60)

    return answer


def write_repository(folder: Path, *, mark: str = "one", **changes: str) -> Path:
    """A small repository. ``changes`` replace parts of repomd.xml after the checksums were taken."""
    repodata = folder / "repodata"
    repodata.mkdir(parents=True, exist_ok=True)
    records = []
    for kind, text in (("primary", PRIMARY % mark), ("filelists", FILELISTS)):
        opened = text.encode()
        packed = gzip.compress(opened, mtime=0)
        name = f"{hashlib.sha256(packed).hexdigest()}-{kind}.xml.gz"
        (repodata / name).write_bytes(packed)
        records.append(record_of(kind, packed, opened, f"repodata/{name}"))
    write_repomd(repodata, records, **changes)
    return folder


def record_of(kind: str, packed: bytes, opened: bytes, location: str) -> str:
    return (
        f'<data type="{kind}"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
        f'<open-checksum type="sha256">{hashlib.sha256(opened).hexdigest()}</open-checksum>'
        f'<location href="{location}"/><timestamp>1700000000</timestamp>'
        f"<size>{len(packed)}</size><open-size>{len(opened)}</open-size></data>"
    )


def write_repomd(repodata: Path, records: list[str], **changes: str) -> None:
    text = (
        '<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>7</revision>'
        f"{''.join(records)}</repomd>"
    )
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    (repodata / "repomd.xml").write_text(text)


def primary_of(folder: Path) -> Path:
    (found,) = folder.glob("repodata/*-primary.xml.gz")
    return found


def repo(*urls: str, **options: object) -> RepoConfig:
    config = RepoConfig("test", Side.TARGET, baseurl=urls, timeout=1.0, retries=10, origin="a.repo [test]")
    return replace(config, **options)  # type: ignore[arg-type]


def snapshot_of(cache: Cache) -> dict[str, bytes]:
    """The whole cache, but for lock files and what differs by time."""
    return {
        str(path.relative_to(cache.root)): path.read_bytes()
        for path in sorted(cache.root.rglob("*"))
        if path.is_file() and path.parent.name != "locks"
    }


def fetch(
    config: RepoConfig,
    cache: Cache,
    told: Recorder | None = None,
    *,
    refresh: bool = False,
    offline: bool = False,
) -> RepoMetadata:
    (metadata,) = fetch_repositories([config], cache, told or Recorder(), refresh=refresh, offline=offline)
    return metadata


def fault_of(config: RepoConfig, cache: Cache, *, refresh: bool = False, offline: bool = False) -> str:
    """The one line of the RepositoryError that fetching ends with."""
    with pytest.raises(RepositoryError) as caught:
        fetch(config, cache, refresh=refresh, offline=offline)
    message = str(caught.value)
    assert "\n" not in message
    assert "repository test: " in message
    return message


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with serving(write_repository(tmp_path / "mirror")) as mirror:
        yield mirror


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Mirror]:
    with serving(write_repository(tmp_path / "second")) as mirror:
        yield mirror


@pytest.fixture(autouse=True)
def quick_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACK_OFF", 0.01)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# What works -------------------------------------------------------------------------------------------------


def test_a_repository_is_fetched_verified_and_named_by_its_state(mirror: Mirror, cache: Cache) -> None:
    told = Recorder()
    metadata = fetch(repo(mirror.url), cache, told)
    assert (metadata.revision, metadata.date, metadata.problem) == ("7", 1700000000, "")
    assert metadata.digest == hashlib.sha256((mirror.folder / "repodata/repomd.xml").read_bytes()).hexdigest()
    assert sorted(metadata.files) == ["primary"]
    with open_stream(metadata.files["primary"].path) as stream:
        assert stream.read() == (PRIMARY % "one").encode()
    assert told.tasks == [("test: primary", told.progress)]


def test_a_fresh_cache_asks_nobody(mirror: Mirror, cache: Cache) -> None:
    first = fetch(repo(mirror.url), cache)
    asked = len(mirror.seen)
    assert fetch(repo(mirror.url), cache) == first
    assert len(mirror.seen) == asked


def test_refresh_asks_conditionally_and_downloads_nothing_that_is_there(mirror: Mirror, cache: Cache) -> None:
    first = fetch(repo(mirror.url), cache)
    mirror.seen.clear()
    assert fetch(repo(mirror.url), cache, refresh=True) == first
    assert mirror.paths() == ["repodata/repomd.xml"]
    assert "If-None-Match" in mirror.seen[0][1]


def test_an_expired_state_is_renewed(mirror: Mirror, cache: Cache) -> None:
    fetch(repo(mirror.url), cache)
    write_repository(mirror.folder, mark="two")
    assert fetch(repo(mirror.url, metadata_expire=0), cache).files != {}
    with open_stream(fetch(repo(mirror.url), cache).files["primary"].path) as stream:
        assert b"two" in stream.read()


def test_a_local_repository_is_seen_to_change_at_once(tmp_path: Path, cache: Cache) -> None:
    folder = write_repository(tmp_path / "local")
    config = repo(folder.as_uri())
    before = fetch(config, cache)
    write_repository(folder, mark="two")
    after = fetch(config, cache)
    assert after.digest != before.digest
    assert before.files["primary"].path.exists(), "what another process may be reading stays"


def test_ensure_fetches_file_lists_of_the_same_state(mirror: Mirror, cache: Cache) -> None:
    metadata = fetch(repo(mirror.url), cache)
    (full,) = ensure([metadata], ("filelists",), cache, Recorder())
    assert sorted(full.files) == ["filelists", "primary"]
    assert full.digest == metadata.digest
    mirror.seen.clear()
    assert sorted(fetch(repo(mirror.url), cache).files) == ["filelists", "primary"]
    assert mirror.seen == []


def test_ensure_says_so_where_the_mirror_has_moved_on(mirror: Mirror, cache: Cache) -> None:
    metadata = fetch(repo(mirror.url), cache)
    for path in mirror.folder.glob("repodata/*-filelists*"):
        path.unlink()
    with pytest.raises(RepositoryError, match=r"filelists could not be fetched.*answers 404"):
        ensure([metadata], ("filelists",), cache, Recorder())


def test_a_kind_that_the_repository_lacks_is_no_error(mirror: Mirror, cache: Cache) -> None:
    metadata = fetch(repo(mirror.url), cache)
    (same,) = ensure([metadata], ("modules",), cache, Recorder())
    assert sorted(same.files) == ["primary"]


def test_the_next_mirror_takes_over(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    mirror.answers["primary.xml.gz"] = send(b"", 503)
    metadata = fetch(repo(mirror.url, second.url), cache)
    assert "primary" in metadata.files
    assert any(path.endswith("primary.xml.gz") for path in second.paths())


def test_a_transient_failure_is_tried_again(mirror: Mirror, cache: Cache) -> None:
    good = (mirror.folder / "repodata/repomd.xml").read_bytes()

    def once(handler: BaseHTTPRequestHandler) -> None:
        mirror.answers["repomd.xml"] = send(good)
        send(b"", 503)(handler)

    mirror.answers["repomd.xml"] = once
    assert fetch(repo(mirror.url), cache).problem == ""
    assert mirror.paths().count("repodata/repomd.xml") == 2


def test_a_mirrorlist_is_followed(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    mirror.answers["mirrors.txt"] = send(f"# mirrors\n\n{second.url}gone/\n{second.url}\n".encode())
    metadata = fetch(repo(mirrorlist=f"{mirror.url}mirrors.txt?arch=ppc64le"), cache)
    assert metadata.fetched_from == second.url


def metalink(repomd: bytes, *urls: str, alternate: bytes | None = None) -> bytes:
    def state(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        return (
            f"<size>{len(data)}</size>"
            f'<verification><hash type="md5">00</hash><hash type="sha256">{digest}</hash></verification>'
        )

    others = f"<a:alternates><a:alternate>{state(alternate)}</a:alternate></a:alternates>" if alternate else ""
    links = "".join(
        f'<url protocol="http" type="http" preference="{100 - place}">{url}repodata/repomd.xml</url>'
        for place, url in enumerate(urls)
    )
    return (
        '<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:a="urn:a">'
        f'<files><file name="repomd.xml">{state(repomd)}{others}'
        f"<resources>{links}</resources></file></files></metalink>"
    ).encode()


def test_a_metalink_leaves_a_mirror_with_another_state_aside(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    good = (second.folder / "repodata/repomd.xml").read_bytes()
    write_repository(mirror.folder, mark="old")
    second.answers["metalink"] = send(metalink(good, mirror.url, second.url))
    metadata = fetch(repo(metalink=f"{second.url}metalink"), cache)
    assert metadata.fetched_from == second.url
    assert "repodata/repomd.xml" in mirror.paths(), "the preferred mirror is asked first"


def test_a_metalink_alternate_is_accepted(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    older = (mirror.folder / "repodata/repomd.xml").read_bytes()
    second.answers["metalink"] = send(metalink(b"the newest", mirror.url, alternate=older))
    assert fetch(repo(metalink=f"{second.url}metalink"), cache).fetched_from == mirror.url


def test_no_mirror_of_a_metalink_has_the_state(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    second.answers["metalink"] = send(metalink(b"another", mirror.url))
    message = fault_of(repo(metalink=f"{second.url}metalink"), cache)
    assert "another state than the metalink vouches for" in message


def test_credentials_go_to_the_configured_host_and_into_no_message(
    mirror: Mirror, second: Mirror, cache: Cache
) -> None:
    mirror.answers["mirrors"] = send(f"{second.url}\n".encode())
    fetch(repo(mirrorlist=f"{mirror.url}mirrors", username="me", password="s3cret"), cache)
    assert "Authorization" in mirror.seen[0][1]
    assert all("Authorization" not in headers for _, headers in second.seen)
    second.answers["repomd.xml"] = send(b"", 403)
    secret = second.url.replace("http://", "http://me:s3cret@")
    message = fault_of(repo(f"{secret}?token=s3cret"), cache)
    assert "answers 403" in message
    assert "s3cret" not in message
    assert second.url.removeprefix("http://") in message


def test_the_configured_proxy_wins_over_that_of_the_environment(
    mirror: Mirror, second: Mirror, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", second.url)
    address = "http://repository.invalid/os/"
    assert "answers 404" in fault_of(repo(address, proxy=mirror.url), cache)
    assert mirror.paths() == [f"{address}repodata/repomd.xml"]
    assert second.seen == []
    assert "answers 404" in fault_of(repo(address), cache)
    assert len(second.seen) == 1
    assert fetch(repo(mirror.url, proxy=""), cache).problem == ""
    assert len(second.seen) == 1


def test_eight_repositories_at_once(tmp_path: Path, cache: Cache) -> None:
    configs = []
    for number in range(8):
        folder = write_repository(tmp_path / f"r{number}", mark=str(number))
        configs.append(repo(folder.as_uri(), id=f"r{number}"))
    result = fetch_repositories(configs, cache, Recorder())
    assert [one.config.id for one in result] == [f"r{number}" for number in range(8)]
    assert len({one.files["primary"].path for one in result}) == 8


# What does not answer ---------------------------------------------------------------------------------------


def test_a_missing_repomd(mirror: Mirror, cache: Cache) -> None:
    (mirror.folder / "repodata/repomd.xml").unlink()
    message = fault_of(repo(mirror.url), cache)
    assert f"repomd.xml could not be fetched: {mirror.url}repodata/repomd.xml: answers 404 Not Found" in message
    assert "a.repo [test]" in message
    assert mirror.paths() == ["repodata/repomd.xml"], "a 404 is not asked for again"


def test_a_missing_local_repository(tmp_path: Path, cache: Cache) -> None:
    assert "cannot be read: No such file or directory" in fault_of(repo((tmp_path / "none").as_uri()), cache)


def test_a_hanging_mirror_is_left_for_the_next(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    mirror.answers["repomd.xml"] = hang(mirror)
    assert fetch(repo(mirror.url, second.url, timeout=2.0), cache).fetched_from == second.url
    assert mirror.paths() == ["repodata/repomd.xml"]


def test_a_mirror_that_hangs_in_the_middle_of_a_file(mirror: Mirror, cache: Cache) -> None:
    mirror.answers["primary.xml.gz"] = hang(mirror, primary_of(mirror.folder).read_bytes()[:50])
    message = fault_of(repo(mirror.url, timeout=1.5), cache)
    assert "primary could not be fetched" in message


def test_a_mirror_that_trickles_counts_as_hanging(mirror: Mirror, cache: Cache) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not mirror.released.wait(0.05):
            handler.wfile.write(b"<")
            handler.wfile.flush()

    mirror.answers["repomd.xml"] = trickle
    assert "bytes a second" in fault_of(repo(mirror.url, timeout=1.0), cache)


def test_a_refused_connection_is_told_in_plain_words(cache: Cache) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        message = fault_of(repo(f"http://127.0.0.1:{unused.getsockname()[1]}/"), cache)
    assert "no connection: Connection refused" in message
    assert "check the network" in message


def test_unreachable_mirrors_leave_the_cached_copy_in_use(mirror: Mirror, cache: Cache) -> None:
    first = fetch(repo(mirror.url), cache)
    before = snapshot_of(cache)
    mirror.answers["repomd.xml"] = send(b"", 503)
    told = Recorder()
    assert fetch(repo(mirror.url, metadata_expire=0), cache, told).files == first.files
    assert len(told.warnings) == 1
    assert "using the copy of" in told.warnings[0]
    assert "answers 503" in fault_of(repo(mirror.url), cache, refresh=True)
    assert snapshot_of(cache) == before


def test_offline_uses_what_is_there_and_says_what_is_not(mirror: Mirror, cache: Cache) -> None:
    assert "run `ppcdeps sync`" in fault_of(repo(mirror.url), cache, offline=True)
    assert mirror.seen == []
    first = fetch(repo(mirror.url), cache)
    mirror.seen.clear()
    assert fetch(repo(mirror.url, metadata_expire=0), cache, offline=True).digest == first.digest
    assert mirror.seen == []


def test_offline_says_which_file_lists_are_missing(mirror: Mirror, cache: Cache) -> None:
    metadata = fetch(repo(mirror.url), cache)
    with pytest.raises(RepositoryError, match=r"filelists is not in the cache.*offline"):
        ensure([metadata], ("filelists",), cache, Recorder(), offline=True)


def test_offline_is_about_the_network_and_not_about_local_repositories(tmp_path: Path, cache: Cache) -> None:
    folder = write_repository(tmp_path / "local")
    first = fetch(repo(folder.as_uri()), cache, offline=True)
    write_repository(folder, mark="two")
    assert fetch(repo(folder.as_uri()), cache, offline=True).digest != first.digest


def test_a_certificate_that_is_not_there_is_named(mirror: Mirror, cache: Cache, tmp_path: Path) -> None:
    message = fault_of(repo(mirror.url, sslcacert=str(tmp_path / "no.pem")), cache)
    assert f"sslcacert {tmp_path}/no.pem does not exist" in message


def test_a_cache_that_cannot_be_used_is_named(mirror: Mirror, cache: Cache) -> None:
    shutil.rmtree(cache.root / "objects")
    (cache.root / "objects").write_text("in the way")
    with pytest.raises(EnvironmentLacksError, match=r"the cache in .* cannot be used"):
        fetch(repo(mirror.url), cache)


@pytest.mark.parametrize(("option", "warnings"), [("optional", 0), ("skip_if_unavailable", 1)])
def test_a_repository_that_need_not_answer(option: str, warnings: int, mirror: Mirror, cache: Cache) -> None:
    told = Recorder()
    metadata = fetch(repo(f"{mirror.url}none/", **{option: True}), cache, told)
    assert "answers 404" in metadata.problem
    assert metadata.files == {}
    assert len(told.warnings) == warnings


def test_all_failing_repositories_are_told_at_once(mirror: Mirror, cache: Cache) -> None:
    configs = [repo(f"{mirror.url}{name}/", id=name) for name in ("a", "b")] + [repo(mirror.url)]
    with pytest.raises(RepositoryError) as caught:
        fetch_repositories(configs, cache, Recorder())
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 repositories could not be read:"
    assert [line.split(":")[0] for line in lines[1:]] == ["  repository a", "  repository b"]
    assert fetch(repo(mirror.url), cache, offline=True).problem == "", "the good one is kept"


# What cannot be trusted -------------------------------------------------------------------------------------


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (HTML, "is a web page \\(HTML\\)"),
        (b"", "is empty"),
        (b"<repomd><revision>", "is not well-formed XML .*: truncated or corrupt"),
        (b"<metadata/>", "is not a repomd.xml: its root is <metadata>"),
        (b"<repomd/>", "names no primary"),
        (b"x" * (9 * 1024 * 1024), "is larger than"),
        (
            b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><repomd>&b;</repomd>',
            "document type declaration",
        ),
    ],
)
def test_a_repomd_that_is_none(body: bytes, reason: str, mirror: Mirror, cache: Cache) -> None:
    first = fetch(repo(mirror.url), cache)
    before = snapshot_of(cache)
    mirror.answers["repomd.xml"] = send(body)
    message = fault_of(repo(mirror.url), cache, refresh=True)
    assert re.search(reason, message)
    assert snapshot_of(cache) == before
    assert fetch(repo(mirror.url), cache, offline=True) == first


@pytest.mark.parametrize("kind", ["primary", "filelists"])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncated, r"ends after \d+ of \d+ bytes"),
        (flipped, "has another sha256 checksum than repomd.xml says"),
        (lambda data: data + b"more", r"has \d+ bytes instead of \d+"),
        (lambda _: HTML, r"web page \(HTML\) with status 200"),
        (None, "answers 404"),
    ],
    ids=["truncated", "corrupt", "too-long", "html", "missing"],
)
def test_a_file_that_is_not_the_announced_one(
    kind: str, spoil: Callable[[bytes], bytes] | None, reason: str, mirror: Mirror, cache: Cache
) -> None:
    first = fetch(repo(mirror.url), cache)
    # A new state, whose file is broken: the old state must survive.
    write_repository(mirror.folder, mark="two" * 30)
    repomd = (mirror.folder / "repodata/repomd.xml").read_bytes()
    if kind == "filelists":
        opened = FILELISTS.replace("/>", "><!-- two --></filelists>").encode()
        packed = gzip.compress(opened, mtime=0)
        (mirror.folder / "repodata/new-filelists.xml.gz").write_bytes(packed)
        fine = primary_of_repomd(mirror.folder)
        write_repomd(
            mirror.folder / "repodata",
            [fine, record_of("filelists", packed, opened, "repodata/new-filelists.xml.gz")],
        )
        repomd = (mirror.folder / "repodata/repomd.xml").read_bytes()
    name = f"{kind}.xml.gz"
    body = _file_of(repomd, kind, mirror.folder)
    mirror.answers[name] = send(b"", 404) if spoil is None else send(spoil(body))
    before = snapshot_of(cache)
    with pytest.raises(RepositoryError) as caught:
        fetch_repositories([repo(mirror.url)], cache, Recorder(), refresh=True, kinds=("primary", "filelists"))
    assert re.search(reason, str(caught.value)), str(caught.value)
    assert f"repository test: {kind} could not be fetched: {mirror.url}" in str(caught.value)
    after = snapshot_of(cache)
    assert {name: after[name] for name in before} == before
    assert not any(name.startswith("tmp/") for name in after)
    assert fetch(repo(mirror.url), cache, offline=True) == first


def primary_of_repomd(folder: Path) -> str:
    text = (folder / "repodata/repomd.xml").read_text()
    start = text.index('<data type="primary">')
    return text[start : text.index("</data>", start) + len("</data>")]


def _file_of(repomd: bytes, kind: str, folder: Path) -> bytes:
    from ppcdeps.metadata.repomd import parse_repomd

    return (folder / parse_repomd(repomd, "").records[kind].location).read_bytes()


def test_a_wrong_open_checksum(tmp_path: Path, cache: Cache) -> None:
    folder = write_repository(tmp_path / "r")
    digest = hashlib.sha256((PRIMARY % "one").encode()).hexdigest()
    write_repository(folder, **{digest: "0" * 64})
    assert "its content has another sha256" in fault_of(repo(folder.as_uri()), cache)


def test_a_compression_bomb_is_not_opened_beyond_its_announced_size(tmp_path: Path, cache: Cache) -> None:
    repodata = tmp_path / "bomb" / "repodata"
    repodata.mkdir(parents=True)
    packed = zstandard.ZstdCompressor(level=1).compress(PRIMARY.encode() + b" " * 200_000_000)
    (repodata / "primary.xml.zst").write_bytes(packed)
    write_repomd(repodata, [record_of("primary", packed, b"x" * 1000, "repodata/primary.xml.zst")])
    assert "opens to more than 1000 bytes" in fault_of(repo(repodata.parent.as_uri()), cache)


def test_an_xml_bomb_in_primary(tmp_path: Path, cache: Cache) -> None:
    repodata = tmp_path / "bomb" / "repodata"
    repodata.mkdir(parents=True)
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    opened = f'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY l0 "lol">{levels}]><metadata>&l11;</metadata>'.encode()
    (repodata / "primary.xml").write_bytes(opened)
    write_repomd(repodata, [record_of("primary", opened, opened, "repodata/primary.xml")])
    assert "document type declaration" in fault_of(repo(repodata.parent.as_uri()), cache)


@pytest.mark.parametrize(
    "location",
    ["../../../etc/passwd", "repodata/%2e%2e/%2e%2e/x", "/etc/passwd", "http://elsewhere.invalid/x"],
)
def test_a_location_outside_of_the_repository(location: str, tmp_path: Path, cache: Cache) -> None:
    folder = write_repository(tmp_path / "r")
    name = primary_of(folder).name
    write_repository(folder, **{f"repodata/{name}": location})
    message = fault_of(repo(folder.as_uri()), cache)
    assert "primary climbs out" in message or "primary has an impossible" in message or "lies elsewhere" in message


def test_a_redirect_to_a_local_file_is_not_followed(mirror: Mirror, cache: Cache) -> None:
    mirror.answers["repomd.xml"] = send(b"", 302, Location="file:///etc/passwd")
    assert "redirects to what is a file of this machine, which no server may name" in fault_of(
        repo(mirror.url), cache
    )


def test_a_redirect_to_another_mirror_is_followed(mirror: Mirror, second: Mirror, cache: Cache) -> None:
    mirror.answers["repomd.xml"] = send(b"", 302, Location=f"{second.url}repodata/repomd.xml")
    assert fetch(repo(mirror.url), cache).problem == ""


def test_a_damaged_object_in_the_cache_is_fetched_again(mirror: Mirror, cache: Cache) -> None:
    metadata = fetch(repo(mirror.url), cache)
    path = metadata.files["primary"].path
    good = path.read_bytes()
    path.write_bytes(good[:10])
    assert fetch(repo(mirror.url), cache).files["primary"].path.read_bytes() == good


def test_an_unreadable_state_is_no_state(mirror: Mirror, cache: Cache) -> None:
    first = fetch(repo(mirror.url), cache)
    (state,) = (cache.root / "repositories").iterdir()
    for spoilt in (
        "",
        "{",
        "[]",
        json.dumps({"state": 99}),
        json.dumps({"state": 1, "records": {"primary": [1]}}),
    ):
        state.write_text(spoilt)
        assert fetch(repo(mirror.url), cache) == first


def test_a_state_of_another_shape_is_no_state(mirror: Mirror, cache: Cache) -> None:
    first = fetch(repo(mirror.url), cache)
    (path,) = (cache.root / "repositories").iterdir()
    good = json.loads(path.read_text())
    values: list[object] = [None, -1, 1e300, "x", [], [1], {}, {"primary": {}}]
    for key in good:
        for value in values:
            path.write_text(json.dumps(good | {key: value}))
            found = fetch(repo(mirror.url), cache)
            assert (found.digest, found.files.keys()) == (first.digest, first.files.keys())
            assert found.date is None or found.date == first.date


# The machine fails ------------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_state(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted: {mounted.stderr.decode().strip()}")
    try:
        folder = write_repository(tmp_path / "r")
        cache = Cache.open(place / "cache")
        first = fetch(repo(folder.as_uri()), cache)
        repodata = folder / "repodata"
        packed = (PRIMARY % "big").encode() + b" " * 2_000_000
        (repodata / "primary.xml").write_bytes(packed)
        write_repomd(repodata, [record_of("primary", packed, packed, "repodata/primary.xml")])
        before = snapshot_of(cache)
        with pytest.raises(EnvironmentLacksError, match="no space left while writing to") as caught:
            fetch(repo(folder.as_uri()), cache)
        assert caught.value.exit_code == 20
        after = snapshot_of(cache)
        assert {name: after[name] for name in before} == before
        assert not any(name.startswith("tmp/") for name in after)
        write_repository(folder)
        assert fetch(repo(folder.as_uri()), cache) == first
    finally:
        subprocess.run(["umount", str(place)], check=True)


SYNC = """
import sys
from pathlib import Path
from ppcdeps.base.cache import Cache
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side
class Told(Silence):
    def advance(self, task, amount):
        print("downloading", flush=True)
cache = Cache.open(Path(sys.argv[1]))
config = RepoConfig("test", Side.TARGET, baseurl=(sys.argv[2],), timeout=20.0)
try:
    (one,) = fetch_repositories([config], cache, Told())
    print(one.digest, flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_in_the_middle_of_a_download_leaves_nothing_half_written(mirror: Mirror, cache: Cache) -> None:
    fetch(repo(mirror.url), cache)
    (state,) = (cache.root / "repositories").iterdir()
    raw = json.loads(state.read_text())
    state.write_text(json.dumps(raw | {"checked": 0}))
    write_repository(mirror.folder, mark="two")
    before = snapshot_of(cache)
    body = _file_of((mirror.folder / "repodata/repomd.xml").read_bytes(), "primary", mirror.folder)
    mirror.answers["primary.xml.gz"] = hang(mirror, body[:60], announced=len(body))
    process = subprocess.Popen(
        [sys.executable, "-c", SYNC, str(cache.directory), mirror.url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "downloading\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 130
    after = snapshot_of(cache)
    assert {name: after[name] for name in before} == before
    assert not any(name.startswith("tmp/") for name in after)


def test_two_processes_at_once_download_once(mirror: Mirror, cache: Cache) -> None:
    good = _file_of((mirror.folder / "repodata/repomd.xml").read_bytes(), "primary", mirror.folder)

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        send(good)(handler)

    mirror.answers["primary.xml.gz"] = slowly
    command = [sys.executable, "-c", SYNC, str(cache.directory), mirror.url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {process.communicate(timeout=60)[0].split()[-1] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(digests) == 1
    assert sum(path.endswith("primary.xml.gz") for path in mirror.paths()) == 1


def test_the_warm_path_imports_no_network_library(tmp_path: Path, cache: Cache) -> None:
    folder = write_repository(tmp_path / "r")
    program = SYNC + "\nprint(sorted({'requests', 'urllib3', 'yaml', 'zstandard'} & set(sys.modules)))"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, str(cache.directory), folder.as_uri()],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.splitlines()[-1] == "[]"


def test_errors_of_the_machine_have_their_own_exit_codes() -> None:
    assert (RepositoryError.exit_code, EnvironmentLacksError.exit_code) == (30, 20)
    assert issubclass(RepositoryError, PpcdepsError)
