"""libvirt from source with the QEMU driver and little else, and what a machine needs for that."""

import os
import shutil
import subprocess
from pathlib import Path

PATCH = Path(__file__).parents[2] / "recipes" / "libvirt" / "patches" / "pseries-video-fallback.patch"

OBJECT = "src/qemu/libvirt_driver_qemu_impl.a.p/qemu_domain.c.o"
"""The one file that the patch changes, as ninja knows what is compiled from it."""

PROGRAMS = ("patch", "meson", "ninja", "gcc", "pkg-config", "perl", "xmllint", "xsltproc", "rpcgen")
LIBRARIES = ("glib-2.0", "gio-unix-2.0", "gnutls", "libxml-2.0", "libtirpc")
PATIENCE = 1800
"""Seconds after which a build is surely stuck. Nothing waits for it that works."""


def has_library(name: str) -> bool:
    return subprocess.run(["pkg-config", "--exists", name]).returncode == 0


def json_library(source: Path) -> str:
    """The JSON library that this libvirt takes, by the name of its option: json_c since 10.8, yajl before."""
    options = (source / "meson_options.txt").read_text()
    return "json_c" if "'json_c'" in options else "yajl"


def missing_for_build(source: Path) -> list[str]:
    """The programs and libraries that a build of this source needs and this machine has not."""
    programs = [name for name in PROGRAMS if shutil.which(name) is None]
    if "pkg-config" in programs:
        return programs
    libraries = (*LIBRARIES, json_library(source).replace("_", "-"))
    return programs + [name for name in libraries if not has_library(name)]


def environment() -> dict[str, str]:
    """The environment of a build: without this test run's Python, whose docutils and meson are not the system's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"LC_ALL": "C.UTF-8"}


def applied(source: Path, *, reverse: bool = False) -> None:
    """Apply the patch, every line of its context as it is; an AssertionError tells what patch said."""
    command = ["patch", "--fuzz=0", "--forward", "--strip=1", f"--input={PATCH}"]
    if reverse:
        command = ["patch", "--fuzz=0", "--reverse", "--force", "--strip=1", f"--input={PATCH}"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(source.glob("src/qemu/*.rej"))


def configure(source: Path, build: Path, *options: str) -> Path:
    """The build folder, configured: the QEMU driver, the daemon, no optional feature, warnings as errors."""
    command = [
        *("meson", "setup", str(build), str(source)),
        *("--auto-features=disabled", "-Dsystem=true", "-Dwerror=true", "-Dtests=disabled", "-Ddocs=disabled"),
        *("-Ddriver_qemu=enabled", "-Ddriver_libvirtd=enabled", "-Ddriver_remote=enabled"),
        f"-D{json_library(source)}=enabled",
        *options,
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return build


def compiled(build: Path, *targets: str) -> None:
    """Build the named targets, or everything; an AssertionError tells what ninja said."""
    command = ["ninja", "-C", str(build), *targets]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
