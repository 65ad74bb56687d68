"""Publications as text and as JSON."""

import dataclasses
import json
from pathlib import Path

from ppcdeps.building.publishing.publishing import Published
from ppcdeps.building.publishing.repository import Manifest, PublishedPackage, PublishedWheel
from ppcdeps.report.publishing import dump_published, render_published

YAJL = PublishedPackage(
    nevra="yajl-2.1.0-22.ppc64le",
    path="packages/c40e073c7f0784f0/yajl-2.1.0-22.ppc64le.rpm",
    sha256="c" * 64,
    origin="a" * 64,
    source="yajl-2.1.0-22.src.rpm",
    licence="ISC",
    summary="A JSON parser",
    built=1_700_000_000,
    size=10,
    key="F" * 40,
)
WHEEL = PublishedWheel("msgpack-1.0-py3-none-any.whl", "packages/1/m.whl", "msgpack", "1.0", "b" * 64, "d" * 64)
DONE = Published(
    folder=Path("/srv/local"),
    manifest=Manifest(7, (YAJL,), "F" * 40, (WHEEL,)),
    added=(WHEEL.file, YAJL.nevra),
    replaced=(YAJL.nevra,),
    withdrawn=("old-1-1.noarch",),
    repo_file=Path("/srv/local/local.repo"),
    is_changed=True,
)


def test_the_text_says_what_came_was_replaced_and_went() -> None:
    assert render_published(DONE).splitlines() == [
        "/srv/local holds 1 package and 1 wheel, signed by FFFFFFFFFFFFFFFF",
        "  + msgpack-1.0-py3-none-any.whl",
        "  ! yajl-2.1.0-22.ppc64le",
        "  - old-1-1.noarch",
        "  for the target: /srv/local/local.repo",
    ]
    same = dataclasses.replace(DONE, manifest=Manifest(7, ()), added=(), withdrawn=(), is_changed=False)
    assert render_published(same).splitlines()[0] == "/srv/local holds 0 packages, as before"


def test_json_has_all_that_the_repository_holds() -> None:
    document = json.loads(dump_published(DONE))
    assert (document["generation"], document["changed"], document["replaced"]) == (7, True, [YAJL.nevra])
    assert document["packages"][0]["sha256"] == YAJL.sha256
    assert document["wheels"][0]["file"] == WHEEL.file
