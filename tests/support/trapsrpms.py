"""Source RPMs and RPMs made for tests from the specs of tests/data/specs, by rpmbuild."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ppcdeps.engines.confinement import UnconfinableError, run_confined

SPECS = Path(__file__).parents[1] / "data" / "specs"


def _lacking() -> list[str]:
    lacking = [tool for tool in ("rpmbuild", "rpmspec", "rpm2cpio") if shutil.which(tool) is None]
    try:
        run_confined(["true"], folder=SPECS)
    except UnconfinableError as error:
        # Emulated processes (qemu-user) have no seccomp.
        lacking.append(f"a kernel that confines programs ({error})")
    return lacking


MISSING = _lacking()
"""What these tests take and this machine lacks."""

_MACROS = {"dist": ".el9", "python3_pkgversion": "3", "debug_package": "%{nil}"}


def build_srpm(spec: Path, folder: Path, sources: Mapping[str, bytes] | None = None) -> Path:
    """Make the source RPM of a spec below the folder. Returns its path."""
    top = _top(folder, sources)
    _rpmbuild(top, "-bs", spec)
    return next((top / "SRPMS").glob(f"{spec.stem}-*.src.rpm"))


def build_rpms(spec: Path, folder: Path) -> list[Path]:
    """Make the x86_64 RPMs of a spec below the folder. Returns their paths."""
    top = _top(folder, None)
    _rpmbuild(top, "-bb", "--target", "x86_64", "--nodeps", spec)
    return sorted((top / "RPMS").rglob("*.rpm"))


def tarball(name: str, files: Mapping[str, str]) -> bytes:
    """A .tar.gz with these files below a folder of that name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


def _top(folder: Path, sources: Mapping[str, bytes] | None) -> Path:
    for name in ("SOURCES", "SPECS", "BUILD", "BUILDROOT", "RPMS", "SRPMS"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, content in (sources or {}).items():
        (folder / "SOURCES" / name).write_bytes(content)
    return folder


def _rpmbuild(top: Path, *words: str | Path) -> None:
    macros = {"_topdir": str(top), "_dbpath": str(top / "db"), **_MACROS}
    options = [word for name, body in macros.items() for word in ("--define", f"{name} {body}")]
    done = subprocess.run(["rpmbuild", *options, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
