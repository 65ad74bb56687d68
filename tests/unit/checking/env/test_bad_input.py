"""What `check env` makes of roots that nobody should have: findings or one clear error, never a crash."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonroots import check_env, el_root, has_program, make_dist

from ppcdeps.checking.findings import Report
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.report.findings import dump_report, render_report


def report(root: Path, **options: Path) -> Report:
    found = check_env(root, **options)
    # Whatever the names in it: it can be printed and encoded.
    render_report(found).encode("utf-8")
    dump_report(found).encode("ascii")
    return found


def messages(root: Path, rule: str) -> list[str]:
    return [one.message for one in report(root).findings if one.rule == rule]


def test_a_root_without_python_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no Python") as told:
        report(tmp_path)
    assert "--python" in str(told.value)


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        report(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        report(tmp_path / "file")


def test_an_interpreter_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    el_root(tmp_path)
    with pytest.raises(UsageError, match="no interpreter"):
        report(tmp_path, python=Path("/usr/bin/python4"))
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/tool").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="version can be found out"):
        report(tmp_path, python=Path("/usr/bin/tool"))


def test_python_without_a_folder_for_distributions_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "usr/lib64/python3.9").mkdir(parents=True)
    (tmp_path / "usr/lib64/python3.9/os.py").touch()
    with pytest.raises(ConfigError, match="no folder for distributions"):
        report(tmp_path)


def test_constraints_that_cannot_be_read_are_a_clear_error(tmp_path: Path) -> None:
    el_root(tmp_path / "root")
    (tmp_path / "bad.txt").write_text("six = = 1\nseven==1; os_name ~= 'posix'\n")
    with pytest.raises(ConfigError) as told:
        report(tmp_path / "root", constraints=tmp_path / "bad.txt")
    assert "bad.txt:1" in str(told.value)
    assert "bad.txt:2" in str(told.value)
    assert "its marker cannot be evaluated" in str(told.value)


METADATA = {
    "empty": (b"", "empty"),
    "not UTF-8": (b"Metadata-Version: 2.1\nName: six\nVersion: 1.0\nAuthor: \xe9\xff\n", "not UTF-8"),
    "no name": (b"Metadata-Version: 2.1\nVersion: 1.0\n", "no Name"),
    "no version": (b"Metadata-Version: 2.1\nName: six\n", "no Version"),
    "odd version": (b"Metadata-Version: 2.1\nName: six\nVersion: 2011k-beta-x\n", "not one that can be compared"),
    "odd requirement": (b"Metadata-Version: 2.1\nName: six\nVersion: 1\nRequires-Dist: a b c\n", "cannot be read"),
    "odd comparison": (
        b"Metadata-Version: 2.1\nName: six\nVersion: 1\nRequires-Dist: a; os_name ~= 'x'\n",
        "cannot be read",
    ),
    "odd marker": (
        b"Metadata-Version: 2.1\nName: six\nVersion: 1\nRequires-Dist: a; 'x' in extras\n",
        "cannot be read",
    ),
    "odd Python": (b"Metadata-Version: 2.1\nName: six\nVersion: 1\nRequires-Python: three\n", "cannot be read"),
    "long number": (
        b"Metadata-Version: 2.1\nName: six\nVersion: 1\nRequires-Dist: other>=" + b"9" * 5000 + b"\n",
        "more than a thousand digits",
    ),
    "binary": (bytes(range(256)) * 20, "not UTF-8"),
}


@pytest.mark.parametrize("name", METADATA)
def test_broken_metadata_are_a_finding(tmp_path: Path, name: str) -> None:
    content, expected = METADATA[name]
    plain, _ = el_root(tmp_path)
    info = make_dist(plain, "six", "1.0")
    (info / "METADATA").write_bytes(content)
    found = messages(tmp_path, "env-broken-metadata")
    assert any(expected in message for message in found), found


RECORDS = {
    "not UTF-8": b"six/\xe9\xff.py,,\nsix/__init__.py,,\n",
    "one column": b"six/__init__.py\n",
    "a NUL": b"six/\0.py,,\n",
    "an open quote": b'"six/__init__.py,,\nmore\n',
    "a long field": b"x" * 200_000 + b",,\n",
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_broken_record_is_a_finding(tmp_path: Path, name: str) -> None:
    plain, _ = el_root(tmp_path)
    (make_dist(plain, "six", "1.0") / "RECORD").write_bytes(RECORDS[name])
    assert messages(tmp_path, "env-broken-record")


def test_what_pip_left_behind_is_a_finding(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    make_dist(plain, "six", "1.0").rename(plain / "~ix-1.0.dist-info")
    found = report(tmp_path).findings
    assert any("interrupted pip" in one.message and one.fix == (f"rm -r '{one.where}'",) for one in found), found


def test_fifos_in_place_of_files_are_never_opened(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    info = make_dist(plain, "six", "1.0")
    for path in (info / "METADATA", info / "RECORD", info / "INSTALLER"):
        path.unlink()
        os.mkfifo(path)
    os.mkfifo(plain / "x.pth")
    os.mkfifo(plain / "fast.so")
    os.mkfifo(plain / "pipe.egg-info")
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    os.mkfifo(tmp_path / "var/lib/rpm/rpmdb.sqlite")
    rules = {one.rule for one in report(tmp_path).findings}
    assert {"env-broken-metadata", "env-broken-record"} <= rules


def test_links_that_leave_the_root_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    make_dist(outside, "six", "1.0", requires=["secret"])
    plain, native = el_root(tmp_path / "root")
    (plain / "six-1.0.dist-info").symlink_to(outside / "six-1.0.dist-info")
    (plain / "six").symlink_to("../../../../../outside/six")
    (plain / "all").symlink_to(outside)
    native.rmdir()
    native.symlink_to(outside)
    found = report(tmp_path / "root")
    assert found.findings == ()
    assert next(one.count for one in found.examined if one.what == "distributions") == 0


def test_circles_of_folders_end(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    make_dist(plain, "six", "1.0")
    (plain / "six/again").symlink_to("..")
    (plain / "here").symlink_to(".")
    (plain / "loop.dist-info").symlink_to("loop.dist-info")
    (plain / "loop.pth").write_text("here\nhere/here\nsix/again\n")
    found = report(tmp_path)
    assert [one for one in found.findings if one.rule != "env-broken-metadata"] == []
    assert any("loop.dist-info" in one.what for one in found.skipped)


def test_a_record_that_names_files_elsewhere_looks_at_none_of_them(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    record = make_dist(plain, "six", "1.0") / "RECORD"
    record.write_text(record.read_text() + "/etc/shadow,,\n../../../../../../../etc/shadow,,\n../../../bin/six,,\n")
    assert report(tmp_path).findings == ()


def test_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    odd = os.fsdecode(b"caf\xe9-1.0.dist-info")
    (plain / odd).mkdir()
    (plain / os.fsdecode(b"\xff.so")).write_bytes(b"")
    (plain / "new\nline-1.0.dist-info").mkdir()
    rules = [one.rule for one in report(tmp_path).findings]
    assert rules.count("env-broken-metadata") == 2
    assert "env-damaged-module" in rules


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told_as_not_seen(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    info = make_dist(plain, "six", "1.0")
    make_dist(plain, "seven", "1.0")
    unreadable = [info / "METADATA", plain / "seven", plain / "seven-1.0.dist-info"]
    for path in unreadable:
        path.chmod(0)
    try:
        found = report(tmp_path)
    finally:
        for path in unreadable:
            path.chmod(0o700)
    # Nothing is said to be broken or gone that may be there.
    assert found.findings == ()
    told = {one.what.rpartition("/")[2] for one in found.skipped if "denied" in one.why.lower()}
    assert told == {"METADATA", "seven", "seven-1.0.dist-info"}


@pytest.mark.skipif(not has_program("rpm"), reason="rpm is not installed")
@pytest.mark.parametrize("name", ["rpmdb.sqlite", "Packages", "Packages.db"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 5000, b"SQLite format 3\0" + bytes(8000)])
def test_a_damaged_rpm_database_is_told_in_one_way_or_the_other(tmp_path: Path, name: str, content: bytes) -> None:
    plain, _ = el_root(tmp_path)
    make_dist(plain, "six", "1.0")
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    (tmp_path / "var/lib/rpm" / name).write_bytes(content)
    found = report(tmp_path)
    told = [one for one in found.findings if one.rule == "env-rpmdb-damaged"]
    unread = [one for one in found.skipped if "RPM database" in one.what]
    assert len(told) + len(unread) == 1, found
    assert sorted(one.name for one in (tmp_path / "var/lib/rpm").iterdir()) == [name]


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: on a busy disk, files take longer to make than to examine."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if os.access(place, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


def test_a_hundred_thousand_files_take_seconds(memory_path: Path) -> None:
    plain, _ = el_root(memory_path)
    info = make_dist(plain, "big", "1.0", files={"big/__init__.py": b""})
    lines = []
    for number in range(200):
        folder = plain / f"big/p{number}"
        folder.mkdir()
        for each in range(500):
            # Names of one empty file: as much to look at, and quicker to make.
            if each:
                os.link(folder / "m0.py", folder / f"m{each}.py")
            else:
                (folder / "m0.py").touch()
            lines.append(f"big/p{number}/m{each}.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n")
    with (info / "RECORD").open("a") as record:
        record.writelines(lines)
    begun = time.process_time()
    found = report(memory_path)
    assert found.findings == ()
    assert next(one.count for one in found.examined if one.what == "files that they list") > 100_000
    assert time.process_time() - begun < 10


@settings(max_examples=40)
@given(
    content=st.binary(max_size=300),
    name=st.sampled_from(["METADATA", "RECORD", "INSTALLER", "direct_url.json", "top_level.txt"]),
)
def test_no_content_of_metadata_crashes(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    plain, _ = el_root(folder)
    (make_dist(plain, "six", "1.0", requires=["a"]) / name).write_bytes(content)
    assert report(folder).examined


def test_a_version_that_cannot_be_compared_is_told_once(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    make_dist(plain, "pytz", "2011k-x")
    make_dist(plain, "app", "1", requires=["pytz>=2010", "pytz===2011k-x"])
    assert [one.rule for one in report(tmp_path).findings] == ["env-broken-metadata"]


@settings(max_examples=40)
@given(
    line=st.sampled_from(["Name: ", "Version: ", "Requires-Dist: ", "Requires-Python: "]),
    value=st.text(max_size=40).map(lambda text: text.replace("\r", "").replace("\n", "")),
)
def test_no_value_of_metadata_crashes(tmp_path_factory: pytest.TempPathFactory, line: str, value: str) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    plain, _ = el_root(folder)
    info = make_dist(plain, "six", "1.0", requires=["seven[a]>1"])
    make_dist(plain, "seven", "1.0", requires=["eight; extra == 'a'"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: six\nVersion: 1\n{line}{value}\n", "utf-8", "surrogatepass"
    )
    assert report(folder).examined
