"""The Containerfile of a plan, built by podman on a ppc64le root with Debian's dnf, and what is then in the image."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import debianroots
import pytest
from program import Program
from repositories import lacks
from rpms import Rpm, indexed, sides

from ppcdeps.building.buildroots.debian import sources_for
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.building.publishing.publishing import publish

pytestmark = pytest.mark.skipif(
    bool(lacks()) or any(shutil.which(one) is None for one in ("podman", "mmdebstrap")),
    reason="needs podman, mmdebstrap, rpmbuild, createrepo_c",
)
# Unpacked only: no maintainer script runs under emulation.
MAKE = ("mmdebstrap", "--architectures=ppc64el", "--variant=extract", "--include=dnf,bash,coreutils,dash,base-files")


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """A Debian 12 for ppc64le with dnf."""
    if not debianroots.emulates():
        pytest.skip("no program of ppc64le runs here")
    name = f"localhost/ppcdeps-test-{uuid.uuid4().hex[:8]}"
    tar = tmp_path / "root.tar"
    less = ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    making = load_definitions().named("debian-12").making
    assert isinstance(making, DebianMaking)
    # The first has all that is needed here; further ones are for updates.
    source = sources_for(making)[0]
    subprocess.run([*MAKE, *less, "bookworm", tar, "-"], check=True, input=source, text=True)
    subprocess.run(["podman", "import", "--arch", "ppc64le", tar, name], check=True)
    yield name
    subprocess.run(["podman", "rmi", "--force", f"{name}-query", f"{name}-app", name], check=False)


def test_podman_builds_it_and_the_packages_are_there(image: str, tmp_path: Path) -> None:
    target, reference = tmp_path / "target", tmp_path / "reference"
    base = Rpm("base", arch="noarch", files={"/usr/share/base": b"x"}).build(tmp_path / "b")
    native = Rpm("native", files={"/usr/share/native": b"x"}).build(tmp_path / "n")
    native_x86 = Rpm("native", arch="x86_64", files={"/usr/share/native": b"x"}).build(tmp_path / "x")
    tags = ["Requires: base", "Requires: native"]
    app = Rpm("app", arch="noarch", files={"/usr/share/app": b"x"}, tags=tags).build(tmp_path / "a")
    indexed(target, base)
    indexed(reference, app, native_x86)
    (tmp_path / "user").mkdir()
    ppcdeps = Program(tmp_path / "user", {})
    ppcdeps("plan", "app", "--python", "rpm", *sides(target, reference), code=1)
    publish(ppcdeps.folder / "repository-app", [app, native])
    ppcdeps("export", "plan-app.json", "containerfile", "--image", image)
    # In a chroot, as podman within containers does it: `podman run` wants more of the machine's cgroups.
    build = ["podman", "build", "--isolation=chroot", "--no-cache"]
    command = [*build, "--tag", f"{image}-app", "--file", "Containerfile.app"]
    subprocess.run([*command, "--volume", f"{target}:{target}:ro", "."], cwd=ppcdeps.folder, check=True)
    (tmp_path / "query").mkdir()
    (tmp_path / "query/Containerfile").write_text(f"FROM {image}-app\nRUN dnf -q repoquery --installed\n")
    done = subprocess.run(
        [*build, "--tag", f"{image}-query", tmp_path / "query"], check=True, capture_output=True, text=True
    )
    expected = {"app-0:1.0-1.noarch", "base-0:1.0-1.noarch", "native-0:1.0-1.ppc64le"}
    assert expected <= set(done.stdout.split())
