"""Buildroots of container images from a lock: saved, compared, and made anew without network by podman."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mirror import serving
from program import Program
from registry import registry_of
from rpms import Rpm, indexed
from smalltarget import small_target
from srpms import make_srpm, run

from ppcdeps.building.buildroots.images import archive_fault, save_image
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.reporter import Silence

pytestmark = [
    pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed"),
    pytest.mark.skipif(shutil.which("createrepo_c") is None, reason="needs createrepo_c"),
    pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a namespace without network takes root"),
]
SPEC = """\
Name: gadget
Version: 1
Release: 1
Summary: A gadget
License: MIT
%description
It is only there for x86_64.
%files
"""


def podman(*words: str | Path, stdin: bytes | None = None) -> str:
    done = subprocess.run(["podman", *map(str, words)], input=stdin, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"podman cannot do it here: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout.decode().strip()


@dataclass(frozen=True)
class User:
    """A user with a definition of a buildroot, and a target that is built in it."""

    program: Program
    variables: dict[str, str]

    def define(self, image: str, arch: str, containerfile: str, packages: str) -> None:
        place = self.program.folder / "own" / "mine"
        place.mkdir(parents=True)
        place.joinpath("buildroot.toml").write_text(
            f'title = "Mine"\nkind = "image"\narch = "{arch}"\nmodes = ["native", "emulated"]\n'
            f'[image]\nname = "{image}"\nenable = ["extra"]\npackages = [{packages}]\n'
        )
        place.joinpath("Containerfile.j2").write_text(containerfile)

    def lock(self, url: str) -> Any:
        """Make the root, plan and lock. Returns the lock's document."""
        own = ("--buildroots", "own")
        target = small_target("base", "reference", "source", place=url, more='buildroot = "mine"')
        (self.program.folder / "target.toml").write_text(target)
        self.program("buildroot", "create", "mine", *own)
        self.program("plan", "gadget", "--target", "target.toml", "--python", "rpm", "-o", "plan.json", code=1)
        self.program("lock", "plan.json", *own)
        return json.loads((self.program.folder / "ppcdeps.lock").read_text())

    def without_network(self, *words: str, code: int, **variables: str) -> str:
        done = subprocess.run(
            ["unshare", "--net", *self.program.command(*words)],
            cwd=self.program.folder,
            env=self.program.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == code, done.stderr
        return done.stderr


FETCH = ("fetch", "ppcdeps.lock", "--to", "files", "--buildroots", "own")
BUILD = ("build", "plan.json", "--locked", "files/ppcdeps.lock", "--buildroots", "own")


@pytest.fixture
def user(tmp_path: Path) -> User:
    (tmp_path / "user").mkdir()
    variables = {"PIP_CONFIG_FILE": "/dev/null"}
    return User(Program(tmp_path / "user", variables, patience=900), variables)


def layout_of(image: str, folder: Path) -> Path:
    """Move an image of this machine into a folder in the layout of OCI."""
    podman("save", "--quiet", "--format", "oci-dir", "--output", folder, image)
    podman("rmi", image)
    return folder


def repositories(folder: Path) -> None:
    """A library in two packages, a gadget for x86_64 alone, and its source."""
    one, other = Rpm("hello", tags=["Requires: greeting"], arch="noarch"), Rpm("greeting", arch="noarch")
    indexed(folder / "base", *(each.build(folder / "rpms" / each.name) for each in (one, other)))
    indexed(folder / "reference", Rpm("gadget", "1", arch="x86_64").build(folder / "rpms" / "gadget"))
    (folder / "gadget.spec").write_text(SPEC)
    indexed(folder / "source", make_srpm(folder / "gadget.spec", folder / "srpm"))


def test_an_image_is_fetched_by_its_digest_and_loaded_without_network(user: User, tmp_path: Path) -> None:
    repositories(tmp_path / "served")
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "hello").write_text("hello")
    packed = subprocess.run(["tar", "-C", tmp_path / "image", "-c", "."], capture_output=True, check=True).stdout
    name = f"localhost/ppcdeps-lock-{os.getpid()}:1"
    podman("import", "--os", "linux", "--arch", "ppc64le", "-", name, stdin=packed)
    with registry_of(layout_of(name, tmp_path / "layout")) as registry:
        image = f"{registry.address}/mine"
        user.variables.update(registry.configuration(tmp_path / "registries.conf"))
        user.define(f"{image}:1", "ppc64le", 'FROM {{ image }}\nLABEL wanted="{{ packages }}"\n', "")
        (root,) = user.lock(f"{(tmp_path / 'served').as_uri()}/")["buildroots"]
        assert root["origin"] == [f"{image}@{registry.digest}"]
        podman("rmi", f"{image}:1")
        user.program(*FETCH)
        assert f"/v2/mine/manifests/{registry.digest}" in registry.asked
        archive = user.program.folder / "files/images/mine.tar"
        assert archive_fault(archive, root["image"]) == ""
        said = user.program("lock", "--check", "--buildroots", "own").out
        assert "Registries were not asked for the images of buildroots." in said
        left = subprocess.run(["podman", "image", "exists", root["image"]], check=False)
        assert left.returncode, "it was left behind"
        # It cannot be had any more, and nothing else is lost.
        archive.rename(tmp_path / "mine.tar")
        shutil.rmtree(registry.layout / "blobs")
        fault = user.program(*FETCH, code=30).fault
        assert f"the image {image}@{registry.digest} cannot be pulled" in fault
        user.program(*FETCH, "--no-buildroots")
        assert not archive.parent.exists()
    archive.parent.mkdir(exist_ok=True)
    (tmp_path / "mine.tar").rename(archive)
    # Nothing runs in a root with one file; but it is made.
    said = user.without_network(*BUILD, code=20, PPCDEPS_CACHE=str(tmp_path / "other-cache"))
    assert "mine: made in" in said
    (made,) = (tmp_path / "other-cache/v1/buildroots").glob("mine-*/root")
    assert (made / "hello").read_text() == "hello"
    archive.write_bytes(archive.read_bytes().replace(b"hello", b"HELLO"))
    said = user.without_network(*BUILD, code=3)
    assert "images/mine.tar has a layer of another digest" in said
    archive.unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    fault = user.program(*FETCH, code=20, PATH=str(tools)).fault
    assert "container images need podman or docker; install podman" in fault


def archive(place: Path, layers: list[bytes], *, changed: bytes | None = None) -> str:
    """Write an archive as `podman save` does, with another first layer where one is given. Returns the image's id."""
    digests = [hashlib.sha256(one).hexdigest() for one in layers]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [f"sha256:{one}" for one in digests]}}).encode()
    name = hashlib.sha256(config).hexdigest()
    names = [f"{one}.tar" for one in digests]
    manifest = json.dumps([{"Config": f"{name}.json", "RepoTags": [], "Layers": names}]).encode()
    contents = dict(zip(names, layers, strict=True)) | {f"{name}.json": config, "manifest.json": manifest}
    if changed is not None:
        contents[names[0]] = changed
    with tarfile.open(place, "w") as packed:
        for each, content in contents.items():
            member = tarfile.TarInfo(each)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return name


def test_an_archive_with_a_hole_is_not_read(tmp_path: Path) -> None:
    place = tmp_path / "image.tar"
    name = archive(place, [b"one"])
    with tarfile.open(place) as packed:
        contents = {each.name: packed.extractfile(each).read() for each in packed}  # type: ignore[union-attr]
    (layer,) = (each for each in contents if each.endswith(".tar"))
    folder = tmp_path / "contents"
    folder.mkdir()
    for each, content in contents.items():
        (folder / each).write_bytes(content)
    os.truncate(folder / layer, 1 << 40)
    run("tar", "--sparse", "--format=gnu", "-C", str(folder), "-cf", str(place), *contents)
    assert archive_fault(place, name) == "is not a whole archive of an image"


def test_an_archive_is_compared_down_to_its_layers(tmp_path: Path) -> None:
    place = tmp_path / "image.tar"
    name = archive(place, [b"one", b"two"])
    assert archive_fault(place, name) == ""
    assert archive_fault(place, "0" * 64) == "has another image"
    assert archive(place, [b"one", b"two"], changed=b"One") == name
    assert archive_fault(place, name) == "has a layer of another digest"
    archive(place, [b"one", b"two"])
    whole = place.read_bytes()
    for end in (0, 100, 700, 3000):
        place.write_bytes(whole[:end])
        assert "is not a whole archive of an image" in archive_fault(place, name)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="needs mmdebstrap, to make an image with dnf")
def test_a_root_is_made_of_the_locks_image_and_packages_without_network(user: User, tmp_path: Path) -> None:
    repositories(tmp_path / "served")
    packed = Path(os.environ.get("PPCDEPS_TEST_DNF_IMAGE") or tmp_path / "root.tar")
    if not packed.exists():
        made = ["mmdebstrap", "--variant=minbase", "--include=dnf,rpm", "--arch=amd64", "bookworm", str(packed)]
        subprocess.run(made, check=True, capture_output=True)
    plain, name = (f"localhost/ppcdeps-lock-{os.getpid()}:{tag}" for tag in ("plain", "dnf"))
    with serving(tmp_path / "served") as mirror:
        context = tmp_path / "context"
        context.mkdir()
        (context / "base.repo").write_text(f"[base]\nname=base\nbaseurl={mirror.url}base\ngpgcheck=0\n")
        # Debian's dnf has its database in the home folder of the user who runs it.
        (context / "macros").write_text("%_dbpath /var/lib/rpm\n")
        (context / "Containerfile").write_text(
            f"FROM {plain}\nCOPY base.repo /etc/yum.repos.d/base.repo\nCOPY macros /etc/rpm/macros.place\n"
        )
        podman("import", "--os", "linux", "--arch", "amd64", packed, plain)
        podman("build", "--quiet", "--tag", name, context)
        with registry_of(layout_of(name, tmp_path / "layout")) as registry:
            podman("rmi", plain)
            user.variables.update(registry.configuration(tmp_path / "registries.conf"))
            containerfile = "FROM {{ image }}\nRUN dnf -y install {{ packages }} && dnf clean all\n"
            user.define(f"{registry.address}/mine:1", "x86_64", containerfile, '"hello"')
            lock = user.lock(mirror.url)
            podman("rmi", f"{registry.address}/mine:1")
            user.program(*FETCH)
    assert {one["nevra"]: one["needed_by"] for one in lock["packages"] if not one["nevra"].endswith("src")} == {
        "greeting-1.0-1.noarch": ["mine"],
        "hello-1.0-1.noarch": ["mine"],
    }
    # The packages that it builds are for x86_64, and so not what the target wants: it is the root that counts.
    said = user.without_network(*BUILD, code=10, PPCDEPS_CACHE=str(tmp_path / "other-cache"))
    assert "mine: made in" in said
    assert "it is for x86_64, not for ppc64le" in said
    (made_root,) = (tmp_path / "other-cache/v1/buildroots").glob("mine-*/root")
    listed = run("rpm", "--dbpath", str(made_root / "var/lib/rpm"), "-qa", "--qf", "%{NAME} ")
    assert sorted(listed.split()) == ["greeting", "hello"]


@pytest.mark.parametrize("name", ["--help", "dir:/etc", "docker-archive:/x.tar", "a b", "../x"])
def test_what_a_lock_calls_an_image_is_one_of_a_registry(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the name of an image in a registry"):
        save_image(f"{name}@sha256:{'0' * 64}", "0" * 64, "ppc64le", tmp_path / "x", Silence())
