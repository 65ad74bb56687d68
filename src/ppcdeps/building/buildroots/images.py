"""Root file systems out of container images: pulled for the target's architecture, prepared by the definition's
Containerfile, and unpacked into a plain folder, which every engine can use.
"""

import json
import os
import re
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppcdeps.base.programs import ProgramResult, run_program
from ppcdeps.building.buildroots.definitions import Definition, ImageMaking
from ppcdeps.engines.engine import one_line
from ppcdeps.engines.podman import FIXES
from ppcdeps.engines.probe import probe_engine
from ppcdeps.model.errors import BuildError, ConfigError, EnvironmentLacksError, PpcdepsError, RepositoryError
from ppcdeps.model.reporter import Reporter
from ppcdeps.recipebook.templates import fill_template

CONTAINERFILE = "Containerfile.j2"
INSTALLABLE = re.compile(r"[A-Za-z0-9/(][\w.+~^:()/<>= -]*")
"""What can be given to dnf to install: names, capabilities with versions, paths."""
_OCI = {"ppc64le": "ppc64le", "x86_64": "amd64", "aarch64": "arm64"}
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


def reference_of(making: ImageMaking, arch: str) -> str:
    """The image as it is pulled: by digest where the definition has one, else by tag."""
    digest = making.digests.get(arch)
    return f"{making.image.rpartition(':')[0] or making.image}@{digest}" if digest else making.image


def make_root(definition: Definition, root: Path, packages: Sequence[str], reporter: Reporter) -> ImageContents:
    """Fill the new folder ``root`` from the definition's image. ``packages`` are installed beside the definition's.

    Raises RepositoryError where the registry cannot be reached, ConfigError for an image of another architecture,
    BuildError where the image's own packages cannot be installed, EnvironmentLacksError where there is no podman or
    docker.
    """
    making = definition.making
    assert isinstance(making, ImageMaking)
    program = _ContainerProgram.found()
    reference = reference_of(making, definition.arch)
    platform = f"linux/{_OCI[definition.arch]}"
    found = program.inspect(reference)
    if found is None:
        reporter.note(f"{definition.name}: pulling {reference} for {definition.arch}")
        _pull(program, definition, reference, platform)
        found = program.inspect(reference) or {}
    _check_arch(definition, reference, found)
    tag = f"localhost/ppcdeps-making:{uuid.uuid4().hex[:12]}"
    try:
        _build(program, definition, making, found, packages, platform, tag, reporter)
        _unpack(program, tag, root)
    finally:
        program.run("rmi", "-f", tag, check=False)
    for folder in ("build", "proc", "sys", "dev", "run", "tmp", "opt/accel"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    return ImageContents(_packages(root), _identity(reference, found))


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


def _pull(program: _ContainerProgram, definition: Definition, reference: str, platform: str) -> None:
    done = program.run("pull", "--quiet", "--platform", platform, reference, check=False)
    if not done.is_well:
        raise _refused(definition, reference, done.error_text)


def _refused(definition: Definition, reference: str, said: str) -> PpcdepsError:
    line = one_line(said)
    if re.search(r"no image found in (manifest|image index).*(arch|platform)|no matching manifest", said):
        return ConfigError(f"the image {reference} is not there for {definition.arch}")
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
    platform: str,
    tag: str,
    reporter: Reporter,
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
    with tempfile.TemporaryDirectory(prefix="ppcdeps-image-") as context:
        file = Path(context) / "Containerfile"
        file.write_text(fill_template(definition.folder / CONTAINERFILE, values, values))
        options = [*program.running, "--platform", platform, "--network", "host", "--tag", tag, "--file", str(file)]
        options += ["--pull=never", "--quiet"] if program.is_podman else ["--quiet"]
        done = program.run("build", *options, context, check=False)
    if not done.is_well:
        said = done.error_text or done.text
        if re.search(r"Cannot download|Could not resolve|Curl error|Failed to download metadata", said):
            raise RepositoryError(f"the repositories of {definition.name} cannot be read: {one_line(said)}")
        raise BuildError(f"the Containerfile of {definition.name} fails: {one_line(said)}")


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
    listed = run_program(["rpm", "--dbpath", str(place), "-qa", "--qf", "%{NAME}.%{ARCH} %{EVR}\n"])
    pairs = (line.split(" ", 1) for line in listed.text.splitlines() if " " in line)
    return dict(sorted((name, version) for name, version in pairs))


def _identity(reference: str, found: Mapping[str, Any]) -> str:
    digest = str(found.get("Digest") or found.get("Id") or "")
    return reference if "@" in reference else f"{reference.rpartition(':')[0] or reference}@{digest}"


def _words(done: ProgramResult) -> str:
    return one_line(done.error_text or done.text)
