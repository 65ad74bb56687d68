"""Indexes: pages, order, cache, and what they can do wrong."""

import json
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from indexes import OpenIndex, Shop, lock_of, wheel

from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.index import Index
from ppcdeps.python.pipconfig import PipConfig


def fill(shop: Shop) -> None:
    shop.add("six", wheel("six", "1.15.0"), **{"upload-time": "2020-05-21T00:00:00Z"})
    shop.add("six", wheel("six", "1.16.0"), **{"upload-time": "2021-05-05T00:00:00Z", "requires-python": ">=3.6"})


@pytest.mark.parametrize("html", [False, True])
def test_both_forms_of_the_simple_api_say_the_same(shop: Shop, open_index: OpenIndex, html: bool) -> None:
    fill(shop)
    shop.html = html
    project = open_index(shop).project("Six")
    assert sorted(project.files) == ["1.15.0", "1.16.0"]
    (file,) = project.files["1.16.0"]
    assert file.requires_python == ">=3.6"
    assert len(file.hashes["sha256"]) == 64
    assert file.url.startswith(shop.url.removesuffix("/simple") + "/files/")


def test_the_first_index_that_knows_a_name_owns_it(shop: Shop, second_shop: Shop, open_index: OpenIndex) -> None:
    shop.add("internal", wheel("internal", "1.0"))
    second_shop.add("internal", wheel("internal", "99.0"))
    second_shop.add("other", wheel("other", "1.0"))
    index = open_index(shop, second_shop)
    assert list(index.project("internal").files) == ["1.0"]
    assert list(index.project("other").files) == ["1.0"]
    assert second_shop.asked("internal") == 0


def test_an_index_that_refuses_does_not_open_the_way_to_a_lower_one(
    shop: Shop, second_shop: Shop, open_index: OpenIndex
) -> None:
    shop.pages["internal"] = lambda handler: _answer(handler, 403, b"")
    second_shop.add("internal", wheel("internal", "99.0"))
    with pytest.raises(RepositoryError, match="refuses access"):
        open_index(shop, second_shop).project("internal")


def test_credentials_in_the_indexs_url_are_used_for_its_files_and_shown_nowhere(
    shop: Shop, open_index: OpenIndex
) -> None:
    shop.password = "bWU6c2VjcmV0"
    shop.add("internal", wheel("internal", "1.0"))
    index = open_index(shop.url.replace("http://", "http://me:secret@"))
    lock = lock_of(index, "internal")
    assert "secret" not in index.project("internal").index
    assert lock.distributions[0].files[0].url.startswith("http://127.0.0.1")
    with pytest.raises(RepositoryError, match="refuses access"):
        open_index(shop).project("other")


def test_directories_of_files_add_to_the_index(shop: Shop, open_index: OpenIndex, tmp_path: Path) -> None:
    fill(shop)
    name, content = wheel("six", "1.16.0", tags="cp39-cp39-linux_ppc64le")
    (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("no distribution")
    found = open_index(shop, find_links=(str(tmp_path),)).project("six")
    assert [file.filename for file in found.files["1.16.0"]] == ["six-1.16.0-py3-none-any.whl", name]


def test_a_file_index_is_read(open_index: OpenIndex, tmp_path: Path) -> None:
    name, content = wheel("six", "1.16.0")
    (tmp_path / "six").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / name).write_bytes(content)
    (tmp_path / "six" / "index.html").write_text(f'<a href="../files/{name}">{name}</a>')
    (file,) = open_index(tmp_path.as_uri()).project("six").files["1.16.0"]
    assert file.url == (tmp_path / "files" / name).as_uri()


def test_the_index_of_a_published_repository_is_read_through_its_links(open_index: OpenIndex, tmp_path: Path) -> None:
    name, content = wheel("six", "1.16.0")
    pages = tmp_path / "generations" / "000001" / "wheels" / "simple" / "six"
    pages.mkdir(parents=True)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / name).write_bytes(content)
    (tmp_path / "wheels").symlink_to("generations/000001/wheels")
    (pages / "index.html").write_text(f'<a href="../../../packages/{name}">{name}</a>')
    (tmp_path / "wheels" / "index.html").write_text(f'<a href="../packages/{name}">{name}</a>')
    (file,) = open_index(f"{tmp_path.as_uri()}/wheels/simple").project("six").files["1.16.0"]
    (linked,) = open_index("http://127.0.0.1:9", find_links=(f"{tmp_path}/wheels/index.html",))._linked()["six"]
    assert file.url == linked.url == (tmp_path / "packages" / name).as_uri()


@pytest.mark.parametrize("href", ["../../../x/", "../../../packages/../x/", "/etc/", "../../../../packages/"])
def test_a_local_index_names_only_what_lies_beside_it(href: str, open_index: OpenIndex, tmp_path: Path) -> None:
    page = tmp_path / "top" / "wheels" / "simple" / "six" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{href}six-1.16.0-py3-none-any.whl">six</a>')
    with pytest.raises(RepositoryError, match="leads out of its folder"):
        open_index(page.parent.parent.as_uri()).project("six")


def test_a_local_page_of_links_names_only_what_lies_beside_it(open_index: OpenIndex, tmp_path: Path) -> None:
    page = tmp_path / "links" / "index.html"
    page.parent.mkdir()
    page.write_text('<a href="../six-1.16.0-py3-none-any.whl">six</a>')
    with pytest.raises(RepositoryError, match="leads out of its folder"):
        open_index("http://127.0.0.1:9", find_links=(str(page),))._linked()


def test_pages_are_asked_for_again_with_a_condition(shop: Shop, open_index: OpenIndex) -> None:
    fill(shop)
    shop.etag = True
    first = open_index(shop).project("six")
    again = open_index(shop).project("six")
    assert shop.asked("/simple/six") == 2
    assert {version: again.files[version] for version in again.files} == dict(first.files)


def test_a_page_in_the_cache_that_has_another_shape_is_fetched_anew(
    shop: Shop, open_index: OpenIndex, tmp_path: Path
) -> None:
    fill(shop)
    index = open_index(shop)
    good = dict(index.project("six").files)
    (path,) = (index.cache.root / "derived").rglob("*.json")
    record = json.loads(path.read_text())
    spoilt: list[Any] = [[], 1, {}, {"files": None}, record | {"expires": "soon"}, record | {"files": [1]}]
    odd: list[Any] = [1, "x", [1], [["six"]], [{}]]
    spoilt += [record | {"files": {"1.16.0": value}} for value in odd]
    for value in spoilt:
        path.write_text(json.dumps(value))
        assert dict(open_index(shop).project("six").files) == good


def test_offline_the_cache_must_do(shop: Shop, open_index: OpenIndex) -> None:
    fill(shop)
    open_index(shop).project("six")
    offline = open_index(shop, offline=True)
    assert sorted(offline.project("six").files) == ["1.15.0", "1.16.0"]
    with pytest.raises(RepositoryError, match="without --offline"):
        offline.project("never-seen")
    assert shop.asked("six") == 1


def test_a_date_hides_what_came_later(shop: Shop, open_index: OpenIndex) -> None:
    fill(shop)
    shop.add("six", wheel("six", "1.17.0"))
    index = open_index(shop, exclude_newer=datetime(2021, 1, 1, tzinfo=UTC))
    assert list(index.project("six").files) == ["1.15.0"]


def test_nobody_knows_a_name(shop: Shop, open_index: OpenIndex) -> None:
    project = open_index(shop).project("nothing")
    assert project.index == ""
    assert not project.files


def test_files_of_another_project_on_a_page_are_passed_over(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("six", wheel("six", "1.16.0"))
    shop.add("six", wheel("sixty", "2.0"))
    assert list(open_index(shop).project("six").files) == ["1.16.0"]


def test_an_index_that_is_down(open_index: OpenIndex) -> None:
    with pytest.raises(RepositoryError) as caught:
        open_index("http://user:secret@127.0.0.1:9/simple").project("six")
    assert caught.value.exit_code == 30
    assert "does not answer" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_index_that_is_slow(shop: Shop, open_index: OpenIndex) -> None:
    shop.pages["six"] = lambda handler: time.sleep(1.0)
    with pytest.raises(RepositoryError, match="too slow"):
        open_index(shop, timeout=0.2).project("six")


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/html", b"<html><title>Sign in</title><form></form></html>", "lists no files"),
        ("image/png", b"x", "image/png"),
        ("application/json", b"{", "not a project page"),
        ("application/vnd.pypi.simple.v1+json", b'{"files": [1], "name": "six"}', "malformed"),
        ("application/vnd.pypi.simple.v1+json", b'{"files": [], "name": "seven"}', "'seven'"),
        (
            "application/vnd.pypi.simple.v2+json",
            b'{"meta": {"api-version": "2.0"}, "files": []}',
            "lists no files",
        ),
    ],
)
def test_answers_that_are_no_project_page(
    shop: Shop, open_index: OpenIndex, kind: str, body: bytes, said: str
) -> None:
    shop.pages["six"] = lambda handler: _answer(handler, 200, body, kind)
    with pytest.raises(RepositoryError, match=said) as caught:
        open_index(shop).project("six")
    assert "\n" not in str(caught.value)


def test_a_server_error_is_an_error(shop: Shop, open_index: OpenIndex) -> None:
    shop.pages["six"] = lambda handler: _answer(handler, 500, b"")
    with pytest.raises(RepositoryError, match="HTTP 500"):
        open_index(shop).project("six")


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "text/html") -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_closed_index_begins_nothing_and_nobody_waits_for_it(tmp_path: Path) -> None:
    index = Index(PipConfig(indexes=("http://127.0.0.1:9/simple",)), Cache.open(tmp_path))
    index.submit(lambda: None).result()
    index.close()
    assert index.submit(lambda: None).cancelled()
    assert index.project_later("anything").cancelled()
