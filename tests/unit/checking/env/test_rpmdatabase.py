"""RPM databases of the formats that roots have."""

import sqlite3
import struct
from pathlib import Path

import pytest
from pythonroots import el_root, has_program, make_dist, own_rpm
from srpms import run

from ppcdeps.checking.env.environment import Environment, read_environment
from ppcdeps.verifying.dnf import rpm_database

pytestmark = pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one distribution that an RPM owns."""
    folder = tmp_path / "root"
    plain, _ = el_root(folder)
    info = make_dist(plain, "six", "1.16.0", installer="rpm")
    own_rpm(
        folder, "python3-six", "1.16.0", [info, plain / "six"], requires=["python3.9dist(Set.Up_tools)", "/bin/sh"]
    )
    return folder


def owner_of_six(environment: Environment) -> str | None:
    return environment.owner(environment.imported["six"])


def test_an_sqlite_database_is_read(root: Path) -> None:
    environment = read_environment(root)
    assert environment.rpm is not None
    assert list(map(str, environment.rpm.installed)) == ["python3-six-1.16.0-1.el9.noarch"]
    assert owner_of_six(environment) == "RPM python3-six"
    assert environment.rpm.python_requires == {"python3-six": frozenset({"set-up-tools"})}
    file = environment.rpm.files["/usr/lib/python3.9/site-packages/six/__init__.py"]
    assert (file.package, file.version, file.algorithm, len(file.digest)) == ("python3-six", "1.16.0", "sha256", 64)


@pytest.mark.parametrize("place", ["usr/lib/sysimage/rpm", "usr/share/rpm"])
@pytest.mark.parametrize("linked", [True, False])
def test_a_database_where_newer_systems_keep_it_is_read(place: str, linked: bool, root: Path) -> None:
    (root / place).parent.mkdir(parents=True)
    (root / "var/lib/rpm").rename(root / place)
    if linked:
        (root / "var/lib/rpm").symlink_to(f"../../{place}")
    environment = read_environment(root)
    assert owner_of_six(environment) == "RPM python3-six"
    assert environment.rpm is not None and environment.rpm.place == f"/{place}"
    assert rpm_database(root) == f"/{place}"


MACROS = "%_usr /usr\n%_var /var\n# {old}\n%_dbpath\t\t%{{{variable}}}{rest}\n%_dbpath_rebuild %{{_dbpath}}\n"


@pytest.mark.parametrize(
    ("variable", "rest", "stale"),
    [
        ("_var", "/lib/rpm", "usr/lib/sysimage/rpm"),
        ("_usr", "/lib/sysimage/rpm", "var/lib/rpm"),
        ("", "", "usr/share/rpm"),
    ],
)
def test_of_two_databases_the_one_of_the_roots_rpm_is_read_and_the_other_named(
    variable: str, rest: str, stale: str, root: Path
) -> None:
    """What a move to another place left behind, or an image was copied together from."""
    own = {"_var": "var/lib/rpm", "_usr": "usr/lib/sysimage/rpm", "": "usr/lib/sysimage/rpm"}[variable]
    if own != "var/lib/rpm":
        (root / own).parent.mkdir(parents=True)
        (root / "var/lib/rpm").rename(root / own)
    (root / stale).mkdir(parents=True, exist_ok=True)
    (root / stale / "rpmdb.sqlite").write_bytes(b"")
    if variable:
        (root / "usr/lib/rpm").mkdir(parents=True)
        (root / "usr/lib/rpm/macros").write_text(MACROS.format(old="%_dbpath /old", variable=variable, rest=rest))
    environment = read_environment(root)
    assert owner_of_six(environment) == "RPM python3-six"
    assert environment.rpm is not None
    assert (environment.rpm.place, environment.rpm.others) == (f"/{own}", (f"/{stale}",))
    named = [one for one in environment.skipped if one.what == f"the RPM database /{stale}"]
    assert [one.why for one in named] == [f"the one that is read is /{own}"]


@pytest.mark.parametrize("place", ["var/lib/rpm", "usr/share/rpm"])
def test_an_empty_folder_in_the_newer_place_is_no_database(place: str, root: Path) -> None:
    """Bootable containers and rpm-ostree have the folder, or /var without the link."""
    (root / "usr/lib/sysimage/rpm").mkdir(parents=True)
    if place != "var/lib/rpm":
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "var/lib/rpm").rename(root / place)
    environment = read_environment(root)
    assert owner_of_six(environment) == "RPM python3-six"
    assert environment.rpm is not None and environment.rpm.others == ()


@pytest.mark.skipif(not has_program("db_load"), reason="db_load is not installed (package db-util)")
def test_a_berkeley_database_of_el8_is_read(root: Path) -> None:
    """The format of EL8 and before: a hash of headers by their numbers, with the highest number under 0."""
    database = root / "var/lib/rpm"
    with sqlite3.connect(database / "rpmdb.sqlite") as sqlite:
        headers = sqlite.execute("SELECT hnum, blob FROM Packages").fetchall()
    sqlite.close()
    for left in database.iterdir():
        left.unlink()
    pairs = [(0, struct.pack("<I", max(number for number, _ in headers))), *headers]
    lines = [line for number, content in pairs for line in (struct.pack("<I", number).hex(), content.hex())]
    dump = root.parent / "dump"
    head = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder=1234\nHEADER=END\n"
    dump.write_text(head + "".join(f" {line}\n" for line in lines) + "DATA=END\n")
    run("db_load", "-f", str(dump), str(database / "Packages"))
    environment = read_environment(root)
    assert environment.rpm is not None
    assert (environment.rpm.unread, environment.rpm.fault) == ("", "")
    assert owner_of_six(environment) == "RPM python3-six"


def test_a_format_that_this_rpm_does_not_read_is_told_as_not_seen(root: Path) -> None:
    database = root / "var/lib/rpm"
    for left in database.iterdir():
        left.unlink()
    # SUSE's. Debian's rpm is built without it.
    (database / "Packages.db").write_bytes(b"RpmP" + bytes(4092))
    environment = read_environment(root)
    if environment.rpm is not None and not environment.rpm.unread:
        pytest.skip("this rpm reads ndb")
    assert any("RPM database" in one.what for one in environment.skipped)


def test_reading_changes_nothing_in_the_root(root: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*"))
    read_environment(root)
    assert sorted((path, path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")) == before
