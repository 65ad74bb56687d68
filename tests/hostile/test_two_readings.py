"""What is checked is what is used: documents read twice in different ways, images, archives that ask for much."""

import lzma
import struct
import tarfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from doortrial import Bring, Scene
from repositorydoors import plan_on, repomd_of
from rpmmd import Package, write_repository

from ppcdeps.base.compression import open_stream
from ppcdeps.building.buildroots.definitions import load_definitions
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.recipebook.patches import unpack


@pytest.mark.parametrize(
    "second",
    [
        "<name></name>",
        '<name file="1"/>',
        "<name>--setopt=x</name>",
        "<name>a/../b</name>",
        '<version epoch="0" ver="1/2" rel="1"/>',
        "<arch>../x</arch>",
    ],
)
def test_an_element_that_comes_twice(second: str, place: Scene, bring: Bring) -> None:
    folder = write_repository(place.inputs / "repo", [Package(Nevra.parse("app-1.0-1.noarch"))])
    (found,) = (folder / "repodata").glob("*primary.xml*")
    with open_stream(found) as stream:
        primary = stream.read()
    changed = primary.replace(b"<checksum", second.encode() + b"<checksum", 1)
    assert changed != primary
    place.file("repo/repodata/primary.xml", changed)
    place.file("repo/repodata/repomd.xml", repomd_of({"repodata/primary.xml": changed}))
    bring(*plan_on(folder.as_uri(), "app"), code={2, 30})


@pytest.mark.parametrize("name", ["--help", "-v", "a b", "x\nRUN id", "http://x/y", "../x", "X:y:z", "x;id"])
def test_an_image_is_a_reference(name: str, place: Scene) -> None:
    text = f'title = "t"\nkind = "image"\narch = "machine"\nmodes = ["native"]\n[image]\nname = {name!r}\n'
    file = place.file("roots/mine/buildroot.toml", text.replace("'", '"').encode())
    with pytest.raises(ConfigError, match="reference of a container image"):
        load_definitions([file.parent.parent], shipped=False).named("mine")


def test_a_tarball_does_not_say_how_much_memory_it_gets(tmp_path: Path) -> None:
    plain = BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    packed = bytearray(lzma.compress(plain.getvalue(), lzma.FORMAT_XZ, preset=0))
    (tmp_path / "good.tar.xz").write_bytes(packed)
    (tmp_path / "into").mkdir()
    assert unpack(tmp_path / "good.tar.xz", tmp_path / "into").is_dir()
    # The header of the first block, as xz-file-format.txt has it: the filter LZMA2, its size of properties, and its
    # dictionary, where 37 stands for 1.5 GiB. A checksum ends it.
    size = (packed[12] + 1) * 4
    header = packed[12 : 12 + size - 4]
    header[header.index(b"\x21\x01") + 2] = 37
    packed[12 : 12 + size] = header + struct.pack("<I", zlib.crc32(header))
    (tmp_path / "bad.tar.xz").write_bytes(packed)
    with pytest.raises(ConfigError, match=r"cannot be (unpacked|decompressed).*[Mm]emory"):
        unpack(tmp_path / "bad.tar.xz", tmp_path / "into")
