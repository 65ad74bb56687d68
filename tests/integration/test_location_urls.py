"""The addresses that packages are fetched from, beside those that dnf asks the same server for."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from mirror import serving
from rpmmd import Package, write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.base.urls import path_of
from ppcdeps.metadata.repomd import check_location, location_below
from ppcdeps.metadata.sources import RepositoryPackage, fetch_package
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side

NAMES = (
    "text-tabs+wrap-1-1.noarch",
    "gcc-c++-14.2^git1-1.noarch",
    "plain-1.0~rc1-1.el9_5.noarch",
    "the_silver_searcher-2.2.0^2020704.5a1c8d8-1.el8.ppc64le",
    "containerd-0.2.8+gitr671_3addd8406531-58.1.ppc64le",
)


def asked_for(paths: list[str]) -> list[str]:
    """The paths of packages, with the digits of escapes in one spelling."""
    return [re.sub("%..", lambda each: each[0].upper(), path) for path in paths if "repodata" not in path]


@pytest.mark.skipif(shutil.which("dnf") is None, reason="needs dnf")
@pytest.mark.parametrize("name", NAMES)
def test_packages_are_asked_for_as_dnf_does(name: str, tmp_path: Path) -> None:
    nevra = Nevra.parse(name)
    folder = write_repository(tmp_path / "repo", [Package(nevra)])
    with serving(folder) as ours, serving(folder) as theirs:
        config = RepoConfig("r", Side.TARGET, baseurl=(ours.url,))
        cache = Cache.open(tmp_path / "cache")
        (metadata,) = fetch_repositories([config], cache, Silence())
        found = RepositoryPackage(nevra, f"{name}.rpm", f"sha256:{'0' * 64}", 1, metadata)
        with pytest.raises(RepositoryError, match="could not be fetched"):
            fetch_package(found, cache, Silence())
        command = ["dnf", "-q", f"--installroot={tmp_path / 'root'}", "--releasever", "9", "--nogpgcheck"]
        command += [f"--repofrompath=r,{theirs.url}", "--repo", "r", "--setopt=reposdir=/dev/null"]
        command += [
            "--setopt=module_platform_id=platform:el9",
            "--setopt=retries=1",
            f"--setopt=cachedir={tmp_path}/d",
        ]
        subprocess.run(
            [*command, f"--destdir={tmp_path}", "download", nevra.name],
            capture_output=True,
            check=False,
            timeout=120,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path)},
        )
    assert set(asked_for(ours.paths())) == set(asked_for(theirs.paths())) != set()
    assert "+" not in "".join(asked_for(ours.paths()))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("Packages/g/gcc-c++-1-1.ppc64le.rpm", "Packages/g/gcc-c%2B%2B-1-1.ppc64le.rpm"),
        ("a~b_c-1.2^git.rpm", "a~b_c-1.2%5Egit.rpm"),
        ("p/b c=d&e@f.rpm", "p/b%20c%3Dd%26e%40f.rpm"),
        ("p/m\u00e9.rpm", "p/m%C3%A9.rpm"),
        ("p/a%2Bb.rpm", "p/a%252Bb.rpm"),
        # A registry that encodes in its metadata: dnf encodes once more, and does not find it either.
        ("p/hello-0.0.1%5E15.git7166d1f2-1.el9.rpm", "p/hello-0.0.1%255E15.git7166d1f2-1.el9.rpm"),
    ],
)
def test_reserved_characters_are_encoded(location: str, url: str) -> None:
    # Tried with dnf 4.14, in lower case: %2b, %5e, %20, %3d, %26, %40, %c3%a9, and %252B.
    found = location_below("http://h.example/os/", check_location(location, "x"), "x", plain=True)
    assert found == f"http://h.example/os/{url}"
    assert unquote(url) == location


def test_metadata_may_be_encoded_already() -> None:
    assert location_below("http://h.example/?t=1", "repodata/a%2Bb+c.xml", "x") == (
        "http://h.example/repodata/a%2Bb%2Bc.xml?t=1"
    )


def test_a_local_file_is_found_by_its_own_name(tmp_path: Path) -> None:
    for name in ("a+b%2Bc.rpm", "d e.rpm"):
        (tmp_path / name).write_bytes(b"x")
        assert path_of(location_below(tmp_path.as_uri(), name, "x", plain=True)).read_bytes() == b"x"
