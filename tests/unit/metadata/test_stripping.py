"""The dependency facts of rpm-md files."""

from pathlib import Path

import pytest

from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.stripping import filter_filelists, named_paths, strip_primary

PRIMARY = """<?xml version="1.0"?>
<metadata xmlns="http://linux.duke.edu/metadata/common"
 xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm"><name>a&amp;b</name><arch>noarch</arch><version epoch="1" ver="2" rel="3"/>
<checksum type="sha256" pkgid="YES">{id}</checksum><summary>prose</summary><description>more</description>
<packager>somebody</packager><url>http://host.example/</url><time file="1" build="2"/><size package="5"/>
<location href="a.rpm"/><format><rpm:license>MIT</rpm:license><rpm:sourcerpm>a-2-3.src.rpm</rpm:sourcerpm>
<rpm:provides><rpm:entry name="a" flags="EQ" epoch="1" ver="2" rel="3"/></rpm:provides>
<rpm:requires><rpm:entry name="/bin/sh" pre="1"/>
<rpm:entry name="(/usr/bin/x if (y or /opt/z))"/></rpm:requires>
<rpm:suggests/><file>/etc/a</file><file type="dir">/usr/bin/x</file></format></package>
</metadata>"""
LISTS = """<?xml version="1.0"?>
<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="1">
<package pkgid="{id}" name="a&amp;b" arch="noarch"><version epoch="1" ver="2" rel="3"/>
<file>/etc/a</file><file>/usr/bin/x</file><file type="ghost">/opt/z</file><file>/opt/unnamed</file></package>
</filelists>"""
ID = "ab" * 32


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.xml"
    path.write_text(text)
    return path


def test_a_package_keeps_its_facts_and_nothing_else(tmp_path: Path) -> None:
    found = strip_primary(write(tmp_path, PRIMARY.format(id=ID)))
    assert found.packages == 1
    assert found.requirements == {"/bin/sh", "(/usr/bin/x if (y or /opt/z))"}
    assert found.xml.decode().splitlines()[2:] == [
        '<package type="rpm">',
        "<name>a&amp;b</name>",
        "<arch>noarch</arch>",
        '<version epoch="1" ver="2" rel="3"/>',
        f'<checksum type="sha256" pkgid="YES">{1:064x}</checksum>',
        "<format>",
        "<rpm:sourcerpm>a-2-3.src.rpm</rpm:sourcerpm>",
        "<rpm:provides>",
        '<rpm:entry name="a" flags="EQ" epoch="1" ver="2" rel="3"/>',
        "</rpm:provides>",
        "<rpm:requires>",
        '<rpm:entry name="/bin/sh" pre="1"/>',
        '<rpm:entry name="(/usr/bin/x if (y or /opt/z))"/>',
        "</rpm:requires>",
        "<file>/etc/a</file>",
        "<file>/usr/bin/x</file>",
        "</format>",
        "</package>",
        "</metadata>",
    ]


def test_reducing_twice_changes_nothing(tmp_path: Path) -> None:
    once = strip_primary(write(tmp_path, PRIMARY.format(id=ID))).xml
    assert strip_primary(write(tmp_path, once.decode())).xml == once


def test_file_lists_keep_the_named_paths_that_primary_has_not(tmp_path: Path) -> None:
    primary = strip_primary(write(tmp_path, PRIMARY.format(id=ID)))
    wanted = named_paths(primary.requirements)
    assert wanted == {"/bin/sh", "/usr/bin/x", "/opt/z"}
    lists = filter_filelists(write(tmp_path, LISTS.format(id=ID)), wanted, primary).decode()
    assert lists.count("<file>") == 1
    assert "<file>/opt/z</file>" in lists
    assert f'pkgid="{1:064x}" name="a&amp;b"' in lists


def test_paths_with_parentheses_in_rich_dependencies() -> None:
    assert named_paths(["(a or /opt/x(1))", "foo(/not/this)", "(/a/b with /c/d)"]) == {
        "/opt/x(1)",
        "/a/b",
        "/c/d",
    }


@pytest.mark.parametrize(
    "text",
    [
        PRIMARY.format(id=ID)[:-40],
        PRIMARY.format(id=""),
        '<!DOCTYPE m [<!ENTITY a "b">]><metadata/>',
        "no xml",
    ],
)
def test_damage_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        strip_primary(write(tmp_path, text))
