"""Source RPMs made by rpmbuild from a spec and whatever files it names."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def make_srpm(spec: Path, folder: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """The source RPM of a spec. Files that it names and are not given become short texts."""
    sources, specs = folder / "SOURCES", folder / "SPECS"
    sources.mkdir(parents=True)
    specs.mkdir()
    (specs / spec.name).write_bytes(spec.read_bytes())
    options = ["--define", f"_topdir {folder}", "--define", "dist .el9", "--define", "kernel_arches x86_64 ppc64le"]
    for name in _named(specs / spec.name, options):
        (sources / name).write_bytes((files or {}).get(name, b"a stand-in\n"))
    run("rpmbuild", "-bs", "--nodeps", *options, str(specs / spec.name))
    return next((folder / "SRPMS").glob("*.src.rpm"))


def run(*command: str, cwd: Path | None = None) -> str:
    """What a command says; an error with all that it said where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def _named(spec: Path, options: list[str]) -> list[str]:
    """The sources and patches, as rpm sees them."""
    query = run("rpmspec", "-q", "--srpm", *options, "--qf", "[%{SOURCE}\\n][%{PATCH}\\n]", str(spec))
    return [line for line in query.splitlines() if line]
