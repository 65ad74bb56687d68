"""The shipped recipes for Debian roots: built by the program from Debian's upstream tarballs, inspected, installed,
and tried in the emulated root by their smoke tests.
"""

import os
import shutil
from pathlib import Path

import buildworld
import debianroots
import pytest
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.debiansources import SourceArchive, UnavailableError
from ppcdeps.recipebook.book import load_book, sources_of
from ppcdeps.rpm.header import read_header

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="installing into a root takes root"),
]

BUILDS = [
    ("libvirt-debian", "9.0.0", "bookworm", "cross"),
    ("libvirt-debian", "11.3.0", "trixie", "cross"),
    ("supermin-debian", "5.2.2", "bookworm", "accelerated"),
    ("libguestfs-debian", "1.48.6", "bookworm", "accelerated"),
]


@pytest.mark.parametrize(("name", "version", "suite", "mode"), BUILDS)
def test_a_recipe_builds_what_installs_and_runs(
    name: str, version: str, suite: str, mode: str, debian_cache: Cache, tmp_path: Path
) -> None:
    if not debianroots.emulates():
        pytest.skip("programs of ppc64le do not run here")
    recipe = load_book().named(name)
    source = recipe.source
    (named,) = sources_of(recipe, version)[1]
    (tmp_path / "sources").mkdir()
    try:
        tarball = SourceArchive(tmp_path / "archive").fetch(source, suite)
    except UnavailableError as reason:
        pytest.skip(f"no source package {source} of {suite}: {reason}")
    # The digest is compared by the program.
    shutil.copyfile(tarball.file, tmp_path / "sources" / named.file)

    root = "debian-12-cross" if mode == "cross" else "debian-12"
    base = debianroots.made(debian_cache, "debian-12").path.parent / "repository"
    buildworld.write_target(tmp_path, {source: version}, base, root)

    program = Program(tmp_path, {"PPCDEPS_CACHE": str(debian_cache.directory)}, patience=4 * 3600)
    program("plan", source, "--target", "target.toml", "-o", "plan.json", code=1)
    program(
        *("build", "plan.json", "--target", "target.toml", "--sources", "sources", "--mode", mode),
        *("--buildroot", root, "--repository", "out", "--timeout", "240"),
    )
    (package,) = (tmp_path / "out" / "packages").rglob("*.rpm")
    header = read_header(package)
    assert (header.nevra.name, header.nevra.version, header.nevra.arch) == (source, version, "ppc64le")
