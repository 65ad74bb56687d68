"""Mirror lists and metalinks."""

import hashlib

import pytest

from ppcdeps.metadata.mirrors import matches, parse_metalink, parse_mirrorlist
from ppcdeps.model.errors import RepositoryError

REPOMD = b"<repomd/>"


def state(data: bytes, timestamp: int = 1) -> str:
    return (
        f"<mm0:timestamp>{timestamp}</mm0:timestamp><size>{len(data)}</size><verification>"
        f'<hash type="md5">{hashlib.md5(data).hexdigest()}</hash>'
        f'<hash type="sha512">{hashlib.sha512(data).hexdigest()}</hash></verification>'
    )


def metalink(urls: str, own: str = "", alternates: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
        f"{own or state(REPOMD)}<mm0:alternates>{alternates}</mm0:alternates>"
        f'<resources maxconnections="1">{urls}</resources></file></files></metalink>'
    ).encode()


def url(text: str, preference: int) -> str:
    return f'<url protocol="http" preference="{preference}">{text}</url>'


GOOD = url("http://a.example/9/repodata/repomd.xml", 100)


def test_a_mirrorlist_is_lines_of_urls() -> None:
    found = parse_mirrorlist(
        b"# repo = x\r\nhttp://a.example/\r\n\nftp://b.example/\nhttps://c.example/9/\nhttp://a.example/\n",
        "w",
    )
    assert found.mirrors == ("http://a.example/", "https://c.example/9/")
    assert found.accepted == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"# invalid release\n", r"\(invalid release\)"),
        (b"<!DOCTYPE html><html></html>", "web page"),
    ],
)
def test_a_mirrorlist_without_mirrors_says_what_the_server_said(data: bytes, reason: str) -> None:
    with pytest.raises(RepositoryError, match=reason):
        parse_mirrorlist(data, "repository x")


def test_only_a_local_list_may_name_local_mirrors() -> None:
    lines = b"file:///srv/mirror/\nhttp://a.example/\n"
    assert parse_mirrorlist(lines, "w").mirrors == ("http://a.example/",)
    assert parse_mirrorlist(lines, "w", local=True).mirrors == ("file:///srv/mirror/", "http://a.example/")


def test_a_metalink_where_a_mirrorlist_was_expected() -> None:
    assert parse_mirrorlist(metalink(GOOD), "w").mirrors == ("http://a.example/9/",)


def test_mirrors_come_by_preference_and_https_first() -> None:
    found = parse_metalink(
        metalink(
            url("http://low.example/repodata/repomd.xml", 1)
            + url("http://same.example/repodata/repomd.xml", 99)
            + url("https://same.example/repodata/repomd.xml", 99)
            + url("rsync://never.example/repodata/repomd.xml", 100)
            + url("https://odd.example/elsewhere.xml", 100)
        ),
        "w",
    )
    assert found.mirrors == ("https://same.example/", "http://same.example/", "http://low.example/")


def test_the_strongest_hash_and_the_size_vouch() -> None:
    found = parse_metalink(metalink(GOOD), "w")
    assert found.accepted[0].checksum == f"sha512:{hashlib.sha512(REPOMD).hexdigest()}"
    assert matches(REPOMD, found.accepted)
    assert not matches(REPOMD + b" ", found.accepted)


def test_alternates_are_accepted_too() -> None:
    older = b"<repomd>old</repomd>"
    found = parse_metalink(metalink(GOOD, alternates=f"<mm0:alternate>{state(older, 0)}</mm0:alternate>"), "w")
    assert [matches(data, found.accepted) for data in (REPOMD, older, b"else")] == [True, True, False]


def test_files_other_than_repomd_do_not_count() -> None:
    text = metalink(GOOD).decode().replace("<files>", f'<files><file name="other.xml">{state(b"other")}{GOOD}</file>')
    found = parse_metalink(text.encode(), "w")
    assert not matches(b"other", found.accepted)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html></html>", "web page"),
        (b"<metalink", "not well-formed"),
        (b"<other/>", "the metalink is none"),
        (metalink(""), "names no usable mirror"),
        (metalink(GOOD, own='<verification><hash type="md5">00</hash></verification>'), "no strong checksum"),
        (b"<!DOCTYPE m [<!ENTITY a 'a'>]><metalink>&a;</metalink>", "document type"),
    ],
)
def test_a_metalink_that_cannot_be_used(data: bytes, reason: str) -> None:
    with pytest.raises(RepositoryError, match=reason):
        parse_metalink(data, "repository x")
