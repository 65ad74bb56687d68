"""ppcdeps.lock: its schema, reading back what was written, and what is refused."""

import functools
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.lock import (
    HeldPackage,
    Lock,
    LockedBuild,
    LockedBuildroot,
    LockedDistribution,
    LockedMetadata,
    LockedPackage,
    LockedRecipe,
    LockedRepository,
    LockedRootPackage,
    LockedSource,
)
from ppcdeps.model.lock_file import dump_lock, former_lock, load_lock

SHA = "0123456789abcdef" * 4
LOCK = Lock(
    workload="w",
    target="t",
    arch="ppc64le",
    plan=SHA,
    request=RequestRecord.of(["app"], {"target": ["t.toml"]}),
    repositories=(LockedRepository("base", "target", "1", SHA), LockedRepository("away", "reference", "", "")),
    metadata=(LockedMetadata("base", "primary", "repodata/primary.xml.gz", f"sha256:{SHA}", 10),),
    held=(HeldPackage("lib-2-1.ppc64le", "base"),),
    packages=(
        LockedPackage("lib-1:1-1.ppc64le", "base", "Packages/l/lib-1-1.ppc64le.rpm", f"sha256:{SHA}", 5, ("run",)),
        LockedPackage("app-1-1.noarch", "base", "", "", None, ("builds", "run")),
    ),
    python=(LockedDistribution("six", "1.16.0", "six-1.16.0.whl", SHA, 7, "index-url", "run", "index"),),
    recipes=(LockedRecipe("yajl", SHA, "yajl", "recipes"),),
    sources=(
        LockedSource("yajl", "yajl.tar.gz", SHA, "https://example.org/yajl.tar.gz"),
        LockedSource("yajl", "patches/a.patch", SHA, "upstream", "patch"),
    ),
    buildroots=(
        LockedBuildroot("r", "cross", "debian", SHA, "x86_64", ("zlib1g-dev",), ("bookworm of today",), "12", "4.18"),
        LockedBuildroot("s", "emulated", "image", SHA, "ppc64le", origin=(f"r/i@sha256:{SHA}",), image=SHA),
    ),
    root_packages=(LockedRootPackage("gcc:amd64", "4:12", "pool/g/gcc_12.deb", SHA, 9, ("r+",)),),
    builds=(LockedBuild("yajl-2-1.ppc64le", "yajl", SHA, SHA, SHA, SHA, 17, "cross", "r", "0.1.0"),),
)


METADATA = {"repo": "b", "kind": "primary", "path": "x", "checksum": f"sha256:{SHA}"}


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("ppcdeps") / "data/schemas/lock.schema.json").read_text())
    return found


def written(lock: Lock, place: Path) -> Path:
    place.write_text(dump_lock(lock))
    return place


def test_a_lock_fits_the_schema_and_reads_back_as_it_was(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(dump_lock(LOCK)), schema())
    found = load_lock(written(LOCK, tmp_path / "l"))
    assert set(found.packages) == set(LOCK.packages)
    assert dump_lock(found) == dump_lock(LOCK)
    assert replace(found, packages=LOCK.packages, repositories=LOCK.repositories, sources=LOCK.sources) == LOCK


@given(st.permutations(range(3)), st.permutations(range(2)))
def test_the_order_of_things_changes_no_byte(first: list[int], second: list[int]) -> None:
    packages = [LockedPackage(f"p{n}-1-1.noarch", "base", "", "", None, ("run",)) for n in first]
    sources = [LOCK.sources[n] for n in second]
    shuffled = replace(LOCK, packages=tuple(packages), sources=tuple(sources))
    sorted_ = replace(LOCK, packages=tuple(sorted(packages, key=lambda one: one.nevra)))
    assert dump_lock(shuffled) == dump_lock(sorted_)


def test_each_thing_has_a_line_and_moving_one_changes_that_line_and_the_digest() -> None:
    package = replace(LOCK.packages[0], nevra="lib-1:2-1.ppc64le")
    before, after = dump_lock(LOCK).splitlines(), dump_lock(replace(LOCK, packages=(package, LOCK.packages[1])))
    changed = [line for line in after.splitlines() if line not in before]
    assert [line.strip().split('"')[1] for line in changed] == ["digest", "checksum"]


def edited(**members: Any) -> str:
    document = json.loads(dump_lock(LOCK)) | members
    return json.dumps(document)


def without(member: str) -> str:
    document = json.loads(dump_lock(LOCK))
    del document[member]
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a whole lock: is not JSON"),
        (dump_lock(LOCK)[:-200], "is not a whole lock: is not JSON"),
        ("[]", "is not a lock of ppcdeps; write one with `ppcdeps lock PLAN`"),
        ('{"schema": 3, "workload": "w"}', "is not a lock of ppcdeps"),
        (edited(schema=2), "is a lock of schema 2, and schema 1 is read here; take a newer ppcdeps, or make it anew"),
        (edited(schema=0), "is a lock of schema 0, and schema 1 is read here; make it anew with"),
        (
            dump_lock(LOCK).replace('"held"', '<<<<<<< ours\n"held"'),
            "has the marks of a merge conflict (line 12), and locks cannot be merged; take plan and lock of one side",
        ),
        ("\ufeff" + dump_lock(LOCK), "is not a whole lock: is not JSON: Unexpected UTF-8 BOM"),
        (dump_lock(LOCK) * 2, "is not a whole lock: is not JSON: Extra data"),
        (
            dump_lock(LOCK).replace('"held"', '"packages": [],\n"held"'),
            "is not a whole lock: has the key packages twice in one object",
        ),
        (
            without("packages"),
            "packages is missing; make it anew with `ppcdeps lock plan-w.json`",
        ),
        (edited(plan="zz"), "is not a whole lock: plan is not a SHA-256"),
        (edited(packages=[{"nevra": "x"}]), "packages[0].nevra is not a package identity"),
        (
            edited(metadata=[{"repo": "b", "kind": "k", "path": "../x", "checksum": f"sha256:{SHA}"}]),
            "path is not the",
        ),
        (
            edited(metadata=[{"repo": "b", "kind": "k", "path": "x", "checksum": "md5:1"}]),
            "checksum is not a checksum",
        ),
        (
            edited(repositories=[{"id": "base", "side": "target", "enabled": True}]),
            "metadata has a file of the repository base, of whose metadata the lock has no digest",
        ),
        (edited(repositories=[{"id": "base", "side": "target", "digest": "12"}]), "digest is not a SHA-256"),
        (edited(arch="x86_64"), "was changed by something else than ppcdeps: its content does not fit its digest"),
        (edited(more=1), "was changed by something else than ppcdeps"),
    ],
)
def test_what_is_not_a_lock_as_it_was_written_is_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "ppcdeps.lock"
    file.write_text(text)
    with pytest.raises(ConfigError) as fault:
        load_lock(file)
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)
    if "is not a lock of ppcdeps" in message:
        with pytest.raises(ConfigError, match="is not a lock of ppcdeps, and would be written over"):
            former_lock(file)
    else:
        assert former_lock(file) is None


@pytest.mark.parametrize("end", [0, 1, 2, 12, 40, 60, 200])
def test_a_lock_that_ends_early_is_written_anew(end: int, tmp_path: Path) -> None:
    file = tmp_path / "ppcdeps.lock"
    file.write_text(dump_lock(LOCK)[:end])
    assert former_lock(file) is None


@pytest.mark.parametrize(
    "content", [b"[packages]\nx = 1\n", b'{"advice": [], "arch": "ppc64le"}', b"\x7fELF\x00", b"{}"]
)
def test_what_is_no_lock_is_not_written_over(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ppcdeps.lock"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="would be written over"):
        former_lock(file)


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in a document that are no lists or objects."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*place, key))
    else:
        yield place


@pytest.mark.parametrize("place", list(leaves(json.loads(dump_lock(LOCK)))), ids=lambda one: ".".join(map(str, one)))
@pytest.mark.parametrize("change", ["edited", "removed"])
def test_no_member_is_edited_by_hand(place: tuple[Any, ...], change: str, tmp_path: Path) -> None:
    document = json.loads(dump_lock(LOCK))
    holder = functools.reduce(lambda value, key: value[key], place[:-1], document)
    value = holder[place[-1]]
    if change == "removed":
        del holder[place[-1]]
    else:
        holder[place[-1]] = not value if isinstance(value, bool) else value + (1 if isinstance(value, int) else "0")
    (tmp_path / "l").write_text(json.dumps(document))
    with pytest.raises(ConfigError) as fault:
        load_lock(tmp_path / "l")
    assert "\n" not in str(fault.value)


def test_line_ends_and_indents_are_no_changes(tmp_path: Path) -> None:
    (tmp_path / "crlf").write_bytes(dump_lock(LOCK).replace("\n", "\r\n").encode())
    (tmp_path / "indented").write_text(json.dumps(json.loads(dump_lock(LOCK)), indent=4))
    assert dump_lock(load_lock(tmp_path / "crlf")) == dump_lock(load_lock(tmp_path / "indented")) == dump_lock(LOCK)


def test_a_packed_lock_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(gzip.compress(dump_lock(LOCK).encode()))
    with pytest.raises(ConfigError, match="is not a whole lock: is not UTF-8 text"):
        load_lock(tmp_path / "l")


def test_a_lock_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the lock .*: No such file.*; write one with"):
        load_lock(tmp_path / "none")
