"""The libvirt patch beside pristine upstream sources: it applies as it is, and what it changes compiles."""

import re
import shutil
import subprocess
from email.parser import Parser
from pathlib import Path

import pytest
from libvirtbuild import OBJECT, PATCH, applied, compiled, configure, missing_for_build

from ppcdeps.building.buildroots.debiansources import SourceArchive, Tarball, UnavailableError

PATCHED = "src/qemu/qemu_domain.c"


@pytest.fixture(scope="module", params=["", "-backports"], ids=["release", "backports"])
def tarball(request: pytest.FixtureRequest, archive: SourceArchive) -> Tarball:
    """libvirt of this machine's release, and the newer one that the distribution carries back to it."""
    try:
        return archive.fetch("libvirt", archive.suite + request.param)
    except UnavailableError as reason:
        pytest.skip(f"no source package libvirt in {archive.suite}{request.param}: {reason}")


@pytest.fixture(scope="module")
def source(tarball: Tarball, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pristine source, of a release that the patch names."""
    if tarball.version not in checked_versions():
        pytest.skip(f"the patch does not name libvirt {tarball.version}")
    return tarball.unpack(tmp_path_factory.mktemp("source") / tarball.version)


def checked_versions() -> list[str]:
    return Parser().parsestr(PATCH.read_text())["Checked-With"].split(", ")


def test_the_header_says_why_where_from_and_for_which_releases() -> None:
    header = Parser().parsestr(PATCH.read_text())
    reason, _, diff = str(header.get_payload()).partition("\n---\n")

    assert header["Subject"].startswith("[PATCH] qemu: ")
    assert header["From"]
    assert header["Origin"].startswith("vendor, ")
    assert header["Forwarded"] in ("no", "not-needed") or header["Forwarded"].startswith("https://")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", header["Last-Update"])
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in checked_versions())
    assert "does not support video model" in reason
    assert re.findall(r"^\+\+\+ b/(\S+)$", diff, re.MULTILINE) == [PATCHED]


def test_it_applies_without_fuzz_and_compiles(source: Path, tmp_path: Path) -> None:
    pristine = (source / PATCHED).read_text()
    applied(source)
    try:
        assert "qemuDomainVideoFallBackToVGA" in (source / PATCHED).read_text()
        if missing := missing_for_build(source):
            pytest.skip(f"it applies; not compiled, because there is no {', '.join(missing)}")
        build = configure(source, tmp_path / "build")
        compiled(build, OBJECT)
        symbols = subprocess.run(["nm", build / OBJECT], capture_output=True, text=True, check=True).stdout
        assert re.search(r" U virQEMUCapsFillDomainDeviceVideoCaps$", symbols, re.MULTILINE)
        assert re.search(r" t qemuDomainDeviceDefPostParseFallback$", symbols, re.MULTILINE)
    finally:
        applied(source, reverse=True)
    assert (source / PATCHED).read_text() == pristine


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_git_am_takes_it(source: Path, tmp_path: Path) -> None:
    """EL9's spec applies its patches that way."""
    (tmp_path / PATCHED).parent.mkdir(parents=True)
    shutil.copy(source / PATCHED, tmp_path / PATCHED)

    def git(*arguments: str | Path) -> str:
        identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid")
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    git("init", "--quiet", ".")
    git("add", ".")
    git("commit", "--quiet", "--message", "pristine")
    git("am", "--quiet", PATCH)

    assert git("log", "-1", "--format=%s").strip() == "qemu: use VGA on pseries for a video model that QEMU lacks"
    assert git("diff", "--name-only", "HEAD~1").split() == [PATCHED]
