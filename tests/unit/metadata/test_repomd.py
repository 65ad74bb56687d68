"""repomd.xml, read without trusting it."""

import hashlib
from pathlib import Path

import el9
import pytest

from ppcdeps.base.responses import looks_like_html
from ppcdeps.metadata.repomd import parse_repomd
from ppcdeps.model.errors import RepositoryError

HEX = "ab" * 32


def repomd(*records: str) -> bytes:
    return (
        f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision> 42 </revision>{"".join(records)}</repomd>'
    ).encode()


def record(
    kind: str = "primary",
    href: str = "repodata/primary.xml.gz",
    algorithm: str = "sha256",
    value: str = HEX,
    extra: str = "",
    base: str = "",
) -> str:
    return (
        f'<data type="{kind}"><checksum type="{algorithm}">{value}</checksum>'
        f'<location href="{href}"{base}/>{extra}</data>'
    )


def fault_of(data: bytes) -> str:
    with pytest.raises(RepositoryError) as caught:
        parse_repomd(data, "here")
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_of_createrepo(project_root: Path) -> None:
    data = (project_root / "tests/data/repositories/k8s-lts-x86_64/repodata/repomd.xml").read_bytes()
    found = parse_repomd(data, "here")
    assert (found.revision, found.date) == ("1630409631", 1630409632)
    assert found.digest == hashlib.sha256(data).hexdigest()
    assert sorted(found.records) == ["filelists", "other", "primary"], "not the databases"
    primary = found.records["primary"]
    assert (primary.size, primary.open_size) == (4323, 45275)
    assert primary.checksum == "sha256:1ab5fd660dc37a1703df7d4eefc91fa952612bafda7428fc61573720b6fddc58"
    assert primary.open_checksum is not None


def test_every_published_one_is_read(project_root: Path) -> None:
    paths = [*el9.SNAPSHOT.rglob("repomd.xml"), *(project_root / "tests/data/repositories").rglob("repomd.xml")]
    assert len(paths) >= 10
    for path in paths:
        assert {"primary", "filelists"} <= set(parse_repomd(path.read_bytes(), str(path)).records)


def test_what_is_optional_may_be_left_out() -> None:
    found = parse_repomd(repomd(record()), "here")
    primary = found.records["primary"]
    assert (primary.size, primary.open_checksum, primary.open_size, primary.timestamp) == (None,) * 4
    assert (found.date, found.revision) == (None, "42")


def test_a_timestamp_that_stands_for_none_is_no_date() -> None:
    for seconds, date in ((0, None), (1, None), (1_700_000_000, 1_700_000_000)):
        found = parse_repomd(repomd(record(extra=f"<timestamp>{seconds}</timestamp>")), "here")
        assert found.date == date


@pytest.mark.parametrize(
    ("algorithm", "value", "reason"),
    [
        ("md5", "ab" * 16, "checksum of kind md5, which is not accepted"),
        ("", HEX, r"of kind (none)"),
        ("sha256", "ab" * 20, "malformed checksum"),
        ("sha256", "zz" * 32, "malformed checksum"),
        ("sha256", "../" + "a" * 61, "malformed checksum"),
    ],
)
def test_checksums_that_prove_nothing(algorithm: str, value: str, reason: str) -> None:
    assert reason in fault_of(repomd(record(algorithm=algorithm, value=value)))


def test_sha1_is_taken_under_its_two_names_and_told_as_weak() -> None:
    for name in ("sha", "sha1"):
        found = parse_repomd(repomd(record(algorithm=name, value="ab" * 20)), "here")
        assert found.weak
        assert found.records["primary"].checksum == f"sha1:{'ab' * 20}"
    assert not parse_repomd(repomd(record()), "here").weak


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("../x", "climbs out"),
        ("repodata/../../x", "climbs out"),
        ("repodata/%2e%2e/x", "climbs out"),
        ("repodata/%252e%252e/x", "climbs out"),
        ("/etc/passwd", "impossible location"),
        ("%2fetc/passwd", "impossible location"),
        ("//host/x", "lies elsewhere"),
        ("http://host/x", "lies elsewhere"),
        ("file:///etc/passwd", "lies elsewhere"),
        ("repodata\\..\\x", "lies elsewhere"),
        ("repodata/a%00b", "impossible location"),
        ("repodata/a?b", "impossible location"),
        ("", "has no location"),
    ],
)
def test_a_file_lies_inside_of_the_repository(href: str, reason: str) -> None:
    assert reason in fault_of(repomd(record(href=href)))


def test_a_base_elsewhere_is_refused() -> None:
    assert "xml:base" in fault_of(repomd(record(base=' xml:base="http://elsewhere.example/"')))


def test_a_location_that_is_refused_counts_for_every_kind() -> None:
    assert "filelists climbs out" in fault_of(repomd(record(), record("filelists", "../x")))


def test_other_forms_of_the_data_are_passed_over() -> None:
    found = parse_repomd(repomd(record(), record("primary_db", "../x"), record("primary_zck", "/x")), "here")
    assert list(found.records) == ["primary"]


@pytest.mark.parametrize("size", ["-1", "1e9", "many", "9" * 30, "1.5"])
def test_sizes_are_whole_numbers(size: str) -> None:
    assert "malformed size" in fault_of(repomd(record(extra=f"<size>{size}</size>")))


def test_a_timestamp_may_be_a_fraction() -> None:
    found = parse_repomd(repomd(record(extra="<timestamp>1700000000.25</timestamp>")), "here")
    assert found.date == 1700000000


def test_entities_are_refused_before_they_grow() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><repomd><revision>&b;</revision></repomd>'
    assert "document type declaration" in fault_of(bomb)
    external = b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><repomd/>'
    assert "document type declaration" in fault_of(external)


def test_html_is_called_by_its_name() -> None:
    for page in (b"<!DOCTYPE html><html>", b"\n <HTML><body>", b'<?xml version="1.0"?><html xmlns="x">'):
        assert looks_like_html(page)
        assert "is a web page (HTML)" in fault_of(page)
    assert not looks_like_html(b"<?xml?><repomd>")
