"""Local repositories as their readers see them: dnf, and one that checks every digest."""

import gzip
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from srpms import run

_HREF = re.compile(r'<checksum type="sha256">([0-9a-f]+)</checksum>.*?<location href="([^"]+)"/>', re.DOTALL)
_PACKAGE = re.compile(
    r'<checksum type="sha256" pkgid="YES">([0-9a-f]+)</checksum>.*?<location href="([^"]+)"/>', re.DOTALL
)
_PROGRAMS = ("rpmbuild", "createrepo_c", "rpm2cpio")


def lacks() -> str:
    """Which program for publishing is not on this machine; empty where none lacks."""
    return next((f"needs {one}" for one in _PROGRAMS if shutil.which(one) is None), "")


def read(folder: Path) -> set[str]:
    """The package files of a repository, after checking everything that repomd.xml leads to as a client does."""
    repomd = (folder / "repodata/repomd.xml").read_text()
    primary = ""
    for digest, href in _HREF.findall(repomd):
        content = (folder / href).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, href
        if "primary" in href:
            primary = gzip.decompress(content).decode()
    assert primary, "no primary.xml"
    names = set()
    for digest, href in _PACKAGE.findall(primary):
        assert hashlib.sha256((folder / href).read_bytes()).hexdigest() == digest, href
        names.add(Path(href).name)
    return names


def dnf(folder: Path, cache: Path, *command: str, options: tuple[str, ...] = ()) -> str:
    """What dnf says with this repository alone."""
    return run(
        "dnf",
        "-q",
        "--forcearch=ppc64le",
        "--releasever=9",
        "--setopt=reposdir=/dev/null",
        f"--setopt=cachedir={cache}",
        "--disableplugin=*",
        f"--repofrompath=local,{folder.as_uri()}",
        "--repo=local",
        *options,
        *command,
    )


def tree(folder: Path, wanted: Callable[[Path], bool] = lambda _: True) -> dict[str, bytes]:
    """The content of all files below a folder, and where its links lead, by their place."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = str(path.readlink()).encode()
        elif path.is_file() and wanted(path):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found
