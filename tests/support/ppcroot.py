"""A small real ppc64le root: Debian's busybox-static for ppc64el, unpacked by mmdebstrap."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ppcdeps.engines.emulation import ensure_emulation, static_qemu
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.model.reporter import Silence


def make_ppc_root(folder: Path) -> Buildroot:
    """A root in ``folder`` with busybox for every command. Skips the test where it cannot be made."""
    emulation = ensure_emulation("ppc64le", Silence())
    if not emulation.works:
        pytest.skip(f"programs of ppc64le do not run here: {emulation.describe()}")
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        pytest.skip("needs mmdebstrap, as root: see scripts/setup.sh")
    done = subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--architectures=ppc64el", "--variant=extract", "--include=busybox-static"),
            *("--dpkgopt=path-exclude=/usr/share/*", "--format=directory", _suite(), str(folder), "-"),
        ],
        input=_sources(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    if done.returncode != 0:
        pytest.skip(f"no ppc64el package could be fetched: {done.stderr.strip().splitlines()[-1:]}")
    for place in ("var/lib/apt", "var/cache/apt"):
        shutil.rmtree(folder / place, ignore_errors=True)
    for place in ("build", "proc", "root", "sys", "run"):
        (folder / place).mkdir(exist_ok=True)
    qemu = static_qemu("ppc64le")
    busybox = folder / "bin" / "busybox"
    command = [str(qemu), str(busybox)] if qemu else [str(busybox)]
    for name in subprocess.run([*command, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if not (folder / "bin" / name).exists():
            (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")
    folder.chmod(0o755)
    return Buildroot("busybox", BuildMode.EMULATED, folder, "ppc64le", "ppc64le", "busybox-1")


def digest_of(folder: Path) -> str:
    """A digest of all names, modes, owners, links and contents below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path.relative_to(folder)} {status.st_mode} {status.st_uid} {status.st_size}\n".encode())
        if path.is_symlink():
            digest.update(bytes(path.readlink()))
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _suite() -> str:
    words = Path("/etc/os-release").read_text().split()
    named = dict(word.split("=", 1) for word in words if "=" in word)
    return named.get("VERSION_CODENAME", "stable").strip('"')


def _sources() -> str:
    """The machine's own apt sources, without the security suite, whose ppc64el index is not on every mirror."""
    stanzas = []
    for file in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        stanzas += ["\n".join(lines)]
    kept = [one.strip() for text in stanzas for one in text.split("\n\n") if "security" not in one and one.strip()]
    lists = Path("/etc/apt/sources.list")
    lines = lists.read_text().splitlines() if lists.exists() else []
    plain = [line for line in lines if line.startswith("deb ") and "security" not in line]
    return "\n\n".join(kept) + "\n" if kept else "\n".join(plain) + "\n"
