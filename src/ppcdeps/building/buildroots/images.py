"""Root file systems out of container images: pulled for the target's architecture, prepared by the definition's
Containerfile, and unpacked into a plain folder, which every engine can use.
"""

import hashlib
import io
import json
import os
import posixpath
import re
import shlex
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ppcdeps.base.programs import ProgramResult, run_program
from ppcdeps.base.untrusted import open_regular
from ppcdeps.building.buildroots.definitions import IMAGE_NAME, Definition, ImageMaking
from ppcdeps.engines.engine import one_line
from ppcdeps.engines.podman import FIXES
from ppcdeps.engines.probe import probe_engine
from ppcdeps.model.errors import BuildError, ConfigError, EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.recipebook.templates import fill_template
from ppcdeps.rpm.database import IN_THIS_FOLDER

CONTAINERFILE = "Containerfile.j2"
INSTALLABLE = re.compile(r"[A-Za-z0-9/(][\w.+~^:()/<>= -]*")
"""What can be given to dnf to install: names, capabilities with versions, paths."""
_OCI = {"ppc64le": "ppc64le", "x86_64": "amd64", "aarch64": "arm64"}
_MOST_TEXT = 8 << 20
"""Bytes that are read of an image's configuration, which has some thousand."""
_SECONDS = 4 * 3600.0
"""Pulling and preparing an image through a slow network, its programs emulated."""
_DATABASES = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_UNREACHABLE = re.compile(
    r"pinging container registry|dial tcp|lookup |no such host|connection refused|i/o timeout|TLS handshake"
    r"|proxyconnect|EOF|Temporary failure|network is unreachable|received unexpected HTTP status"
)


@dataclass(frozen=True, slots=True)
class ImageContents:
    """What a root was made from: versions by ``name.arch`` of its packages, and the image with its digest."""

    packages: Mapping[str, str]
    image: str
    id: str
    """The SHA-256 of the image's configuration, which has the digest of each layer."""


@dataclass(frozen=True, slots=True)
class RootRepository:
    """A repository in a folder, and the packages of it (by NEVRA) that may be installed."""

    id: str
    folder: Path
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedImage:
    """What a root is made of without network: an image in an archive of `save_image`, by the image's ``id``, and the
    repositories that its Containerfile installs from.
    """

    archive: Path
    id: str
    repositories: tuple[RootRepository, ...] = ()


def reference_of(making: ImageMaking, arch: str) -> str:
    """The image as it is pulled: by digest where the definition has one, else by tag."""
    digest = making.digests.get(arch)
    return f"{making.image.rpartition(':')[0] or making.image}@{digest}" if digest else making.image


def make_root(
    definition: Definition,
    root: Path,
    packages: Sequence[str],
    reporter: Reporter,
    locked: LockedImage | None = None,
) -> ImageContents:
    """Fill the new folder ``root`` from the definition's image. ``packages`` are installed beside the definition's.
    Where it is ``locked``, image and packages are taken from there, and no network is used.

    Raises RepositoryError where the registry cannot be reached, ConfigError for an image of another architecture,
    BuildError where the image's own packages cannot be installed, EnvironmentLacksError where there is no podman or
    docker.
    """
    making = definition.making
    assert isinstance(making, ImageMaking)
    program = _ContainerProgram.found()
    reference = reference_of(making, definition.arch)
    is_new = False
    if locked is None:
        found = _had(program, reference, definition.arch, definition.name, reporter)
    else:
        if not program.is_podman:
            raise EnvironmentLacksError(
                f"the image of {definition.name} can be taken from a lock by podman alone", hint="install podman"
            )
        is_new = program.inspect(locked.id) is None
        found = _loaded(program, locked)
    tag = f"localhost/ppcdeps-making:{uuid.uuid4().hex[:12]}"
    try:
        _check_arch(definition, reference, found)
        _build(program, definition, making, found, packages, tag, reporter, locked)
        _unpack(program, tag, root)
    finally:
        program.run("rmi", "-f", tag, check=False)
        if is_new and locked is not None:
            program.run("rmi", locked.id, check=False)
    for folder in ("build", "proc", "sys", "dev", "run", "tmp", "opt/accel"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    return ImageContents(_packages(root), _identity(reference, found), _id_of(found))


def save_image(reference: str, image: str, arch: str, file: Path, reporter: Reporter) -> None:
    """Write an image, by its name with digest and its id, into an archive that `podman load` reads. It is pulled
    where this machine does not have it.

    Raises ConfigError for what is not the name of an image, RepositoryError where it cannot be pulled or is another,
    EnvironmentLacksError where there is no podman or docker, or no space.
    """
    if IMAGE_NAME.fullmatch(reference) is None:
        # It may come from somebody else's lock: podman would take it for an option, or for a file of this machine.
        raise ConfigError(f"{reference[:200]!r} is not the name of an image in a registry")
    program = _ContainerProgram.found()
    is_new = program.inspect(reference) is None
    found = _had(program, reference, arch, reference, reporter)
    try:
        if _id_of(found) != image:
            raise RepositoryError(
                f"the image {reference} is another than is locked: {_id_of(found)[:12]} instead of {image[:12]}",
                hint="lock it anew with `ppcdeps lock PLAN`",
            )
        # The format that keeps the configuration as it is, and so the id; docker has no other.
        form = ("--format", "docker-archive", "--quiet") if program.is_podman else ()
        saving = shlex.join([*program.command, "save", *form, reference])
        done = run_program(["bash", "-c", f"exec {saving} > {shlex.quote(str(file))}"], seconds=_SECONDS)
        if not done.is_well:
            if "no space left" in done.error_text:
                raise EnvironmentLacksError(f"no space left while saving {reference}", hint="free some space")
            raise RepositoryError(f"the image {reference} cannot be saved: {_words(done)}")
    finally:
        if is_new:
            program.run("rmi", reference, check=False)


def archive_fault(file: Path, image: str) -> str:
    """What is wrong with an archive of the image with this id, as a phrase; empty where it is whole.

    The id is the digest of the configuration, and that has the digests of all layers. Raises OSError.
    """
    try:
        with open_regular(file.resolve()) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            (manifest,) = json.loads(_member(archive, "manifest.json").read(_MOST_TEXT))
            text = _member(archive, manifest["Config"]).read(_MOST_TEXT)
            if hashlib.sha256(text).hexdigest() != image:
                return "has another image"
            wanted = json.loads(text)["rootfs"]["diff_ids"]
            layers = manifest["Layers"]
            # Each once, however often it is listed: no more is read than the archive has.
            digests = {
                name: f"sha256:{hashlib.file_digest(_member(archive, name), 'sha256').hexdigest()}"
                for name in set(layers)
            }
            return "" if [digests[name] for name in layers] == wanted else "has a layer of another digest"
    except (tarfile.TarError, ValueError, TypeError, KeyError, AttributeError, RecursionError, EOFError):
        return "is not a whole archive of an image"


def _member(archive: tarfile.TarFile, name: str) -> io.BufferedReader:
    """A file of an archive. Raises KeyError where it is not there, ValueError where it is not one stored whole."""
    member = archive.getmember(name)
    if member.issym():
        # docker has a layer once, and links where it comes again.
        member = archive.getmember(posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname)))
    found = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if found is None:
        raise ValueError(f"{name} is not a file that is stored whole")
    return cast(io.BufferedReader, found)


def _had(program: "_ContainerProgram", reference: str, arch: str, name: str, reporter: Reporter) -> dict[str, Any]:
    """What is said of an image, which is pulled where this machine does not have it."""
    found = program.inspect(reference)
    if found is None:
        reporter.note(f"{name}: pulling {reference} for {arch}")
        _pull(program, arch, reference)
        found = program.inspect(reference) or {}
    return found


def _loaded(program: "_ContainerProgram", locked: LockedImage) -> dict[str, Any]:
    found = program.inspect(locked.id)
    if found is None:
        program.run("load", "--quiet", "--input", str(locked.archive))
        found = program.inspect(locked.id)
    if found is None:
        raise RepositoryError(f"{locked.archive} does not have the image {locked.id[:12]}")
    return found


@dataclass(frozen=True, slots=True)
class _ContainerProgram:
    """podman or docker as it works here, with the user's own images."""

    command: tuple[str, ...]
    running: tuple[str, ...] = ()
    """Options of what runs something."""

    @classmethod
    def found(cls) -> "_ContainerProgram":
        for name in ("podman", "docker"):
            if shutil.which(name) is None:
                continue
            # Not the cache: podman 4 refuses to work below a folder whose name is long.
            with tempfile.TemporaryDirectory(prefix="ppcdeps-", ignore_cleanup_errors=True) as place:
                probe = probe_engine(name, home=Path(place))
            options = [word for fix in probe.fixes for word in FIXES[fix][0]]
            running = [word for fix in probe.fixes for word in FIXES[fix][1]]
            if probe.works or name == "podman":
                return cls((name, *options), tuple(running))
        raise EnvironmentLacksError(
            "container images need podman or docker", hint="install podman; or use debian-12, which needs neither"
        )

    @property
    def is_podman(self) -> bool:
        return Path(self.command[0]).name == "podman"

    def run(self, *arguments: str, check: bool = True) -> ProgramResult:
        done = run_program([*self.command, *arguments], seconds=_SECONDS)
        if check and not done.is_well:
            raise BuildError(f"{self.command[0]} {arguments[0]} failed: {_words(done)}")
        return done

    def inspect(self, reference: str) -> dict[str, Any] | None:
        done = self.run("image", "inspect", reference, check=False)
        try:
            (value,) = json.loads(done.output)
        except ValueError:
            return None
        return value if done.is_well and isinstance(value, dict) else None


def _pull(program: _ContainerProgram, arch: str, reference: str) -> None:
    done = program.run("pull", "--quiet", "--platform", f"linux/{_OCI[arch]}", reference, check=False)
    if not done.is_well:
        raise _refused(arch, reference, done.error_text)


def _refused(arch: str, reference: str, said: str) -> PpcdepsError:
    line = one_line(said)
    if re.search(r"no image found in (manifest|image index).*(arch|platform)|no matching manifest", said):
        return ConfigError(f"the image {reference} is not there for {arch}")
    if "no space left" in said:
        return EnvironmentLacksError(f"no space left while pulling {reference}", hint="free some space")
    hint = "debian-12 and debian-12-cross need no registry"
    if _UNREACHABLE.search(said):
        host = reference.partition("/")[0]
        return RepositoryError(f"the registry {host} cannot be reached for the image {reference}: {line}", hint=hint)
    return RepositoryError(f"the image {reference} cannot be pulled: {line}", hint=hint)


def _check_arch(definition: Definition, reference: str, found: Mapping[str, Any]) -> None:
    arch = str(found.get("Architecture", ""))
    if arch != _OCI[definition.arch]:
        raise ConfigError(
            f"the image {reference} is for {arch or 'no known architecture'}, and {definition.name} is to be "
            f"{definition.arch}",
            hint=f"remove the image ({reference}) from this machine, or correct the digest in its buildroot.toml",
        )


def _build(
    program: _ContainerProgram,
    definition: Definition,
    making: ImageMaking,
    found: Mapping[str, Any],
    packages: Sequence[str],
    tag: str,
    reporter: Reporter,
    locked: LockedImage | None,
) -> None:
    reporter.note(f"{definition.name}: installing what builds need")
    # By its id: the tag may have moved to another image since it was inspected.
    identity = str(found["Id"])
    values = {
        "name": definition.name,
        "image": identity if program.is_podman else making.image,
        "enable": making.enable,
        "packages": shlex.join((*making.packages, *packages)),
    }
    with tempfile.TemporaryDirectory(prefix="ppcdeps-image-") as place:
        context = Path(place) / "context"
        context.mkdir()
        file = context / "Containerfile"
        file.write_text(fill_template(definition.folder / CONTAINERFILE, values, values))
        platform = f"linux/{_OCI[definition.arch]}"
        options = [*program.running, "--platform", platform, "--tag", tag, "--file", str(file)]
        options += ["--pull=never", "--quiet"] if program.is_podman else ["--quiet"]
        options += ["--network", "host"] if locked is None else _without_network(locked, making.enable, Path(place))
        done = program.run("build", *options, str(context), check=False)
    if not done.is_well:
        said = done.error_text or done.text
        if locked is not None:
            raise RepositoryError(
                f"the buildroot {definition.name} cannot be made of what its lock has: {one_line(said)}",
                hint="make it anew where there is network, with `ppcdeps buildroot create "
                f"{definition.name} --renew`, and lock again",
            )
        if re.search(r"Cannot download|Could not resolve|Curl error|Failed to download metadata", said):
            raise RepositoryError(f"the repositories of {definition.name} cannot be read: {one_line(said)}")
        raise BuildError(f"the Containerfile of {definition.name} fails: {one_line(said)}")


def _without_network(locked: LockedImage, enable: Sequence[str], place: Path) -> list[str]:
    """Options of `podman build` that put the lock's repositories in the place of the image's own."""
    repositories = place / "repositories"
    repositories.mkdir()
    # dnf writes there what it enables.
    configured = place / "yum.repos.d"
    configured.mkdir()
    options = []
    sections = []
    for number, one in enumerate(locked.repositories):
        # A name that podman takes apart nowhere, whatever the folder is called.
        link = repositories / str(number)
        link.symlink_to(one.folder.resolve(), target_is_directory=True)
        inside = f"/ppcdeps-lock/{number}"
        options += ["--volume", f"{link}:{inside}:ro"]
        sections.append(
            f"[{one.id}]\nname={one.id}\nbaseurl=file://{inside}\nenabled=1\ngpgcheck=0\nmodule_hotfixes=1\n"
            f"metadata_expire=never\nincludepkgs={' '.join(one.packages) or '-'}\n"
        )
    known = {one.id for one in locked.repositories}
    sections += [
        f"[{name}]\nname={name}\nbaseurl=file:///ppcdeps-lock/none\nenabled=0\nskip_if_unavailable=1\n"
        for name in enable
        if name not in known
    ]
    (configured / "ppcdeps.repo").write_text("\n".join(sections))
    # On a machine with SELinux the container would not see folders without its label.
    options += ["--volume", f"{configured}:/etc/yum.repos.d", "--security-opt", "label=disable"]
    return [*options, "--network", "none"]


def _unpack(program: _ContainerProgram, tag: str, root: Path) -> None:
    container = program.run("create", tag, "/bin/true").text.strip().splitlines()[-1]
    root.mkdir(exist_ok=True)
    owner = [] if os.geteuid() == 0 else ["--no-same-owner", "--exclude=dev/*"]
    try:
        tar = ["tar", "--extract", f"--directory={root}", "--numeric-owner", *owner]
        pipe = f"set -o pipefail; {shlex.join([*program.command, 'export', container])} | {shlex.join(tar)}"
        done = run_program(["bash", "-c", pipe], seconds=_SECONDS)
        if not done.is_well:
            raise EnvironmentLacksError(f"the image could not be unpacked into {root}: {_words(done)}")
    finally:
        program.run("rm", "-f", container, check=False)


def _packages(root: Path) -> dict[str, str]:
    top = root.resolve()
    places = [(root / path).resolve() for path in _DATABASES]
    # Not where a link leads out of the image: that would be this machine's own.
    inside = (path for path in places if path.is_relative_to(top))
    place = next((path for path in inside if path.is_dir() and any(path.iterdir())), None)
    if place is None or shutil.which("rpm") is None:
        return {}
    listed = run_program(["rpm", *IN_THIS_FOLDER, "-qa", "--qf", "%{NAME}.%{ARCH} %{EVR}\n"], folder=place)
    pairs = (line.split(" ", 1) for line in listed.text.splitlines() if " " in line)
    return dict(sorted((name, version) for name, version in pairs))


def _identity(reference: str, found: Mapping[str, Any]) -> str:
    digest = str(found.get("Digest") or found.get("Id") or "")
    return reference if "@" in reference else f"{reference.rpartition(':')[0] or reference}@{digest}"


def _id_of(found: Mapping[str, Any]) -> str:
    return str(found.get("Id", "")).removeprefix("sha256:")


def _words(done: ProgramResult) -> str:
    return one_line(done.error_text or done.text)
