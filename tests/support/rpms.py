"""Small binary RPMs made by rpmbuild, with programs for ppc64le from the cross compiler."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from srpms import run

CROSS = "powerpc64le-linux-gnu-"


def indexed(folder: Path, *packages: Path) -> Path:
    """A new folder with these packages as a repository that createrepo_c makes. Returns the folder."""
    folder.mkdir(parents=True)
    for one in packages:
        shutil.copy(one, folder)
    run("createrepo_c", "--quiet", str(folder))
    return folder


def sides(target: Path, reference: Path) -> list[str]:
    """The options of two such repositories, of the target and of its reference, whose packages are not signed."""
    places = ("--repofrompath", f"t,{target.as_uri()}", "--reference", f"r,{reference.as_uri()}")
    return [*places, "--setopt", "t.gpgcheck=0"]


def lacks() -> str:
    """Which program for making these packages is not on this machine; empty where none lacks."""
    programs = ("rpmbuild", f"{CROSS}gcc", f"{CROSS}ar", "readelf")
    return next((f"needs {one}" for one in programs if shutil.which(one) is None), "")


@dataclass(frozen=True, slots=True)
class Rpm:
    """What a package is to be. ``files`` are contents by their places, ``folders`` what it owns of folders; ``tags``
    lines of the spec's preamble.
    """

    name: str = "sample"
    version: str = "1.0"
    release: str = "1"
    arch: str = "ppc64le"
    files: Mapping[str, bytes] | None = None
    folders: Sequence[str] = ()
    tags: Sequence[str] = ()
    payload: str = "w3.zstdio"
    host: str = "builder.invalid"
    built: int = 1_700_000_000

    def build(self, folder: Path) -> Path:
        """Build it below the folder, which is made. Returns the file."""
        sources = folder / "files"
        listed = []
        for place, content in (self.files or {}).items():
            target = sources / place.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755)
            listed.append(place)
        sources.mkdir(parents=True, exist_ok=True)
        spec = folder / f"{self.name}.spec"
        lines = [
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Release: {self.release}",
            "Summary: A small package",
            "License: MIT",
            *(["BuildArch: noarch"] if self.arch == "noarch" else []),
            *self.tags,
            "%description",
            "Made by a test.",
            "%install",
            f"mkdir -p %{{buildroot}}; cp -a {sources}/. %{{buildroot}}/",
            "%files",
            *(f"%dir {each}" for each in self.folders),
            *listed,
            "",
        ]
        spec.write_text("\n".join(lines))
        macros = {
            "_topdir": folder / "top",
            "_buildhost": self.host,
            "_binary_payload": self.payload,
            "__os_install_post": "%{nil}",
            "debug_package": "%{nil}",
            "_build_id_links": "none",
            "_binaries_in_noarch_packages_terminate_build": "0",
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
        }
        defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
        options = ["--target", "noarch" if self.arch == "noarch" else self.arch]
        run("env", f"SOURCE_DATE_EPOCH={self.built}", "rpmbuild", "-bb", *options, *defines, str(spec))
        (made,) = (folder / "top/RPMS").rglob("*.rpm")
        return made


def compiled(folder: Path, source: str, *options: str, compiler: str = f"{CROSS}gcc") -> bytes:
    """What the compiler makes of a C source."""
    folder.mkdir(parents=True, exist_ok=True)
    file, made = folder / "source.c", folder / "made"
    file.write_text(source)
    run(compiler, "-o", str(made), str(file), *options)
    return made.read_bytes()
