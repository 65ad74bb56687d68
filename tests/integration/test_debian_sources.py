"""Debian's source packages of what the recipes for Debian roots build: their tarballs are the ones that the recipes
name, and take the patches; one of libguestfs's libraries is built by the program, inspected, installed and run.

The whole builds of QEMU, libvirt and libguestfs take minutes to hours (test_debian_recipes_long.py,
test_qemu_debian_long.py). hivex, the library that libguestfs reads Windows registries with, takes seconds.
"""

import base64
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import debianroots
import pytest
from buildworld import write_target
from debianroots import beside
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.building.buildroots.debiansources import SourceArchive, UnavailableError
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.engines.job import Buildroot
from ppcdeps.recipebook.book import for_version, load_book
from ppcdeps.rpm.header import read_header

PATCHED = [
    ("qemu-debian", "7.2.0", "bookworm"),
    ("qemu-debian", "10.0.2", "bookworm-backports"),
    ("libvirt-debian", "9.0.0", "bookworm"),
    ("libvirt-debian", "11.3.0", "trixie"),
    ("libguestfs-debian", "1.48.6", "bookworm"),
    ("libguestfs-debian", "1.54.1", "trixie"),
]
HIVEX = "1.3.24"
HIVEX_SHA256 = "a52fa45cecc9a78adb2d28605d68261e4f1fd4514a778a5473013d2ccc8a193c"


def tarball_of(archive: SourceArchive, source: str, suite: str, sha256: str) -> Path:
    """The upstream tarball of that digest. Skips where this machine's mirror has none, or another by now."""
    try:
        file = archive.fetch(source, suite).file
    except UnavailableError as reason:
        pytest.skip(f"no source package {source} of {suite}: {reason}")
    if sha256_of(file) != sha256:
        pytest.skip(f"{suite} has another {source}: {file.name}")
    return file


@pytest.mark.parametrize(("name", "version", "suite"), PATCHED)
def test_the_patches_of_a_recipe_apply_to_the_tarball_that_it_names(
    name: str, version: str, suite: str, archive: SourceArchive, tmp_path: Path
) -> None:
    recipe = for_version(load_book().named(name), version)
    (main,) = [each for each in recipe.sources if (each.version, each.role) == (version, "main")]
    tarball = tarball_of(archive, recipe.source, suite, main.sha256)
    assert recipe.patches
    patches = [(recipe.folder / patch.file).resolve() for patch in recipe.patches]
    touched = {
        line.split()[1].removeprefix("b/")
        for patch in patches
        for line in patch.read_text().splitlines()
        if line.startswith("+++ ")
    }
    # Only what the patches touch; one of QEMU's is a new file.
    names = subprocess.run(["tar", "-tf", tarball], capture_output=True, text=True, check=True).stdout.splitlines()
    members = [each for each in names if each.partition("/")[2] in touched]
    if members:
        subprocess.run(["tar", "-xf", tarball, "-C", tmp_path, "--strip-components=1", *members], check=True)
    for patch in patches:
        command = ["patch", "--strip=1", "--fuzz=0", "--forward", f"--input={patch}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert all((tmp_path / file).is_file() for file in touched)


def empty_hive() -> bytes:
    """A registry hive whose root key has neither keys nor values, and room for some."""
    none, root = 0xFFFFFFFF, b"root"
    times = struct.pack("<Q", 0)
    head = struct.pack("<4sII8sIIIIIII", b"regf", 1, 1, times, 1, 3, 0, 1, 0x20, 0x1000, 1).ljust(508, b"\0")
    check = 0
    for (word,) in struct.iter_unpack("<I", head):
        check ^= word
    head = (head + struct.pack("<I", check)).ljust(4096, b"\0")
    key = b"nk" + struct.pack("<H8s12I", 0x2C, times, 0, none, 0, 0, none, none, 0, none, none, none, 0, 0)
    key += struct.pack("<IIIHH", 0, 0, 0, len(root), 0) + root
    size = (4 + len(key) + 7) // 8 * 8
    page = struct.pack("<4sII8s8sI", b"hbin", 0, 0x1000, b"\0" * 8, times, 0)
    page += struct.pack("<i", -size) + key.ljust(size - 4, b"\0")
    page += struct.pack("<i", 0x1000 - len(page))
    return head + page.ljust(4096, b"\0")


RECIPE = """\
source = "hivex"
kind = "compile"
summary = "hivex without its bindings"
reason = "a test builds it"
links = ["https://libguestfs.org/hivex.3.html"]
packages = ["hivex"]
smoke_test = '''
cd "$(mktemp -d)"
echo {hive} | base64 -d | gzip -d >hive
printf 'setval 1\\nmachine\\nstring:POWER\\ncommit\\n' | hivexsh -w hive
hivexget hive '\\' machine
'''

[build]
requires = ["gcc", "make", "perl-interpreter"]

[upstream]
summary = "Read and write Windows registry hives"
license = "LGPL-2.1-only"
url = "https://libguestfs.org/hivex.3.html"
description = "hivex."
system = "autotools"
options = [
    "--disable-static", "--disable-nls", "--disable-ocaml", "--disable-perl", "--disable-python", "--disable-ruby",
]

[[sources]]
version = "{version}"
url = "https://download.libguestfs.org/hivex/hivex-{version}.tar.gz"
sha256 = "{sha256}"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="installing into a root takes root")
def test_a_source_package_is_built_inspected_installed_and_run(
    archive: SourceArchive, debian_cache: Cache, debian_root: Buildroot, debian_cross_root: Buildroot, tmp_path: Path
) -> None:
    if not debianroots.emulates():
        pytest.skip("programs of ppc64le do not run here")
    tarball = tarball_of(archive, "hivex", "trixie", HIVEX_SHA256)
    world = tmp_path / "world"
    for folder in ("sources", "recipes/hivex"):
        (world / folder).mkdir(parents=True)
    shutil.copyfile(tarball, world / "sources" / f"hivex-{HIVEX}.tar.gz")
    hive = base64.b64encode(gzip.compress(empty_hive(), mtime=0)).decode()
    recipe = RECIPE.format(hive=hive, version=HIVEX, sha256=HIVEX_SHA256)
    (world / "recipes" / "hivex" / "recipe.toml").write_text(recipe)
    write_target(world, {"hivex": HIVEX}, debian_root.path.parent / "repository", "debian-12-cross")
    cache = beside(debian_cache, tmp_path / "cache")
    program = Program(world, {"PPCDEPS_CACHE": str(cache)}, patience=1200)
    place = ("--target", "target.toml", "--recipes", "recipes")

    program("plan", "hivex", *place, "-o", "plan.json", code=1)
    run = program("build", "plan.json", *place, "--sources", "sources", "--repository", "out", "--json")

    (result,) = json.loads(run.out)["results"]
    assert result["outcome"] == "built"
    manifest = read_manifest(world / "out")
    assert manifest is not None
    (published,) = manifest.packages
    header = read_header(world / "out" / published.path)
    assert (header.nevra.name, header.nevra.version, header.nevra.arch) == ("hivex", HIVEX, "ppc64le")
    assert {"/usr/bin/hivexsh", "/usr/lib/powerpc64le-linux-gnu/libhivex.so.0"} <= set(header.files)
    assert "libhivex.so.0()(64bit)" in {str(each) for each in header.provides}
    symbols = re.findall(r"\(GLIBC_([\d.]+)\)", " ".join(map(str, header.requires)))
    oldest = max(symbols, key=lambda version: [int(part) for part in version.split(".")])
    assert result["inspection"]["glibc"] == oldest
    # The packager's own work folder is in the header; nothing else is found fault with.
    assert [each for each in result["inspection"]["findings"] if "/build/BUILD" not in each] == []
    log = (world / "build-hivex" / "logs" / "hivex.log").read_text(errors="replace")
    assert log.rstrip().endswith("POWER"), log[-2000:]
