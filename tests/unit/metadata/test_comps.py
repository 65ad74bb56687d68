"""The package groups of a repository."""

import gzip
from pathlib import Path

import pytest

from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.comps import PackageGroup, read_groups

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE comps PUBLIC "-//X//DTD Comps info//EN" "comps.dtd">\n'
COMPS = """<comps>
  <group>
    <id>hypervisor</id>
    <name>Virtualization</name>
    <name xml:lang="de">Virtualisierung</name>
    <default>false</default>
    <packagelist>
      <packagereq type="mandatory">libvirt</packagereq>
      <packagereq type="default">qemu-kvm</packagereq>
      <packagereq type="optional">perl-Sys-Virt</packagereq>
      <packagereq type="conditional" requires="x">langpack</packagereq>
      <packagereq>plain</packagereq>
    </packagelist>
  </group>
  <group><id>empty</id></group>
  <environment><id>server</id><name>Server</name><grouplist><groupid>hypervisor</groupid></grouplist></environment>
</comps>
"""


def written(folder: Path, content: bytes) -> Path:
    path = folder / "comps.xml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_groups_have_their_mandatory_and_default_packages(tmp_path: Path, packed: bool) -> None:
    content = (HEAD + COMPS).encode()
    assert read_groups(written(tmp_path, gzip.compress(content) if packed else content)) == (
        PackageGroup("hypervisor", "Virtualization", frozenset({"libvirt", "qemu-kvm", "plain"})),
        PackageGroup("empty", "empty"),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('<!DOCTYPE comps [<!ENTITY a "b">]><comps>&a;</comps>', "brings a document type declaration"),
        ("<comps>", "is not well-formed XML"),
        ("", "is empty"),
        ("<!DOCTYPE html><html></html>", "is not a comps.xml: its root is html"),
    ],
)
def test_what_is_no_comps_or_declares_entities_is_damaged(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DamagedError, match=said):
        assert read_groups(written(tmp_path, content.encode())) != ()
