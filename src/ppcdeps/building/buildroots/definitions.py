"""Definitions of buildroots: ``containers/NAME/buildroot.toml``, with the user's own folder laid over the shipped
one.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ppcdeps.base.datafiles import shipped_folder
from ppcdeps.base.named_files import read_folder
from ppcdeps.base.toml import Table, closest, raise_faults, read_toml
from ppcdeps.engines.job import BuildMode
from ppcdeps.model import names
from ppcdeps.model.capability import Capability, Requirement, capabilities_in, parse_requirement
from ppcdeps.model.errors import ConfigError, UsageError

DEFINITION_FILE = "buildroot.toml"
MACHINE = "machine"
"""Stands for the architecture of the machine that ppcdeps runs on."""
_WHAT = "buildroot definition"

_KINDS = ("debian", "image")
_ARCHITECTURES = ("ppc64le", "x86_64", "aarch64", MACHINE)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
IMAGE_NAME = re.compile(
    r"[a-z0-9][a-z0-9._-]*(?::[0-9]{1,5})?(?:/[a-z0-9][a-z0-9._-]*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ISA = re.compile(r"(.+)\((?:ppc|x86|aarch)-64\)")
_VERSIONED_DISTRIBUTION = re.compile(r"python3\.[0-9]+dist\((.+)\)")


@dataclass(frozen=True, slots=True)
class DebianMaking:
    """A root out of Debian packages. ``packages`` are of the root's architecture, ``target_packages`` of the
    target's.

    ``links`` are made where the root has nothing yet: a path inside, and where it points. ``tools`` and
    ``libraries`` map what RPM distributions call a build requirement to the Debian package that is it; a tool is run
    while building, a library is of the target's architecture. ``instead`` names what a package is replaced by where
    it is wanted for the target.
    """

    suite: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str
    packages: tuple[str, ...]
    target_packages: tuple[str, ...]
    links: Mapping[str, str]
    tools: Mapping[str, str]
    libraries: Mapping[str, str]
    instead: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImageMaking:
    """A root out of a container image. ``digests`` are by architecture, those that are known for certain only."""

    image: str
    digests: Mapping[str, str]
    enable: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a buildroot is made from. ``arch`` is that of its programs, ``machine`` standing for this machine's.

    ``digest`` is of everything in the definition's folder, and of the definition that it takes tables from.
    """

    name: str
    title: str
    arch: str
    modes: tuple[BuildMode, ...]
    folder: Path
    making: DebianMaking | ImageMaking
    digest: str
    target: str = "ppc64le"
    origins: tuple[Path, ...] = field(default=())

    def check_mode(self, mode: BuildMode | None) -> None:
        """Raise UsageError for a build mode that it does not have."""
        if mode is not None and mode not in self.modes:
            raise UsageError(f"{self.name} has no build mode {mode}", hint=f"its modes: {', '.join(self.modes)}")


class Definitions:
    """All definitions that are known, by name. Each is read when it is needed."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(sorted(self._folders))

    def named(self, name: str) -> Definition:
        """The definition of that name. Raises UsageError where there is none, ConfigError where it has faults."""
        folder = self._folders.get(name)
        if folder is None:
            hint = closest(name, self.names) or f"known: {', '.join(self.names)}"
            raise UsageError(f'there is no buildroot "{name}"', hint=hint)
        return _read(folder, self._folders)


def load_definitions(folders: Sequence[Path] = (), *, shipped: bool = True) -> Definitions:
    """The shipped definitions with those of ``folders`` laid over them: one replaces an earlier one of the same
    name.
    """
    found: dict[str, Path] = {}
    for folder in (*([shipped_definitions()] if shipped else []), *folders):
        if not folder.is_dir():
            raise ConfigError(
                f"there is no folder of buildroots {folder}", hint=f"give one that holds NAME/{DEFINITION_FILE}"
            )
        for file in folder.glob(f"*/{DEFINITION_FILE}"):
            try:
                found[names.buildroot_name(file.parent.name)] = file.parent
            except ValueError as fault:
                raise ConfigError(f"the folder {str(file.parent)!a} is {fault}") from fault
    return Definitions(found)


def shipped_definitions() -> Path:
    """The folder of definitions that ppcdeps brings. Raises ConfigError where there is none."""
    return shipped_folder("containers", option="--buildroots")


def packages_for(definition: Definition, requirements: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The distribution's packages that build requirements stand for, in order, and the requirements that nothing is
    known for.

    A root of a container image takes every requirement as it is. In a Debian root that cross-compiles, libraries are
    named for the target (``zlib1g-dev:ppc64el``). Of a rich requirement all parts are meant. What the definition has
    in any case is left out.
    """
    making = definition.making
    if isinstance(making, ImageMaking):
        return tuple(sorted(set(requirements))), ()
    found: set[str] = set()
    unmapped: list[str] = []
    for text in requirements:
        packages = [_debian_package(definition, making, one) for one in _capabilities(text)]
        if not packages or None in packages:
            unmapped.append(text)
        found.update(package for package in packages if package)
    return tuple(sorted(found - _held(definition))), tuple(dict.fromkeys(unmapped))


def for_target(definition: Definition, package: str) -> str:
    """A Debian package as it is wanted for the target in this root."""
    making = definition.making
    if definition.arch == definition.target or isinstance(making, ImageMaking):
        return package
    return f"{making.instead.get(package, package)}:{DEBIAN_ARCH[definition.target]}"


def _held(definition: Definition) -> set[str]:
    assert isinstance(definition.making, DebianMaking)
    target = {for_target(definition, package) for package in definition.making.target_packages}
    return {*definition.making.packages, *target}


def _capabilities(text: str) -> list[Capability]:
    try:
        requirement: Requirement = parse_requirement(text)
    except ValueError:
        return []
    return list(capabilities_in(requirement))


def _debian_package(definition: Definition, making: DebianMaking, capability: Capability) -> str | None:
    name = capability.name
    isa = _ISA.fullmatch(name)
    name = isa[1] if isa else name
    versioned = _VERSIONED_DISTRIBUTION.fullmatch(name)
    name = f"python3dist({versioned[1]})" if versioned else name
    if name in making.tools:
        return making.tools[name]
    if name in making.libraries:
        return for_target(definition, making.libraries[name])
    return None


DEBIAN_ARCH: Mapping[str, str] = {"ppc64le": "ppc64el", "x86_64": "amd64", "aarch64": "arm64"}
"""What Debian calls the architectures."""

TRIPLET: Mapping[str, str] = {
    "ppc64le": "powerpc64le-linux-gnu",
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
}
"""Debian's multiarch folder of each architecture."""


# --- reading -----------------------------------------------------------------------------------------------


def _read(folder: Path, folders: Mapping[str, Path]) -> Definition:
    file = folder / DEFINITION_FILE
    top = read_toml(file, _WHAT)
    title = top.text("title")
    kind = _choice(top, "kind", _KINDS)
    arch = _choice(top, "arch", _ARCHITECTURES)
    modes = _modes(top)
    like = top.optional_text("like")
    origins = [folder]
    if like is not None and like not in folders:
        top.fault(f'"like" names "{like}", and there is no such definition; {closest(like, folders)}'.rstrip("; "))
        like = None
    base: Definition | None = None
    if like is not None:
        if folders[like] == folder or "like" in read_toml(folders[like] / DEFINITION_FILE, _WHAT):
            top.fault(f'"like" names "{like}", which takes tables from another itself')
        else:
            base = _read(folders[like], folders)
            origins.append(folders[like])
    making = _debian(top, base) if kind == "debian" else _image(top)
    top.finish()
    raise_faults(top, file, _WHAT)
    return Definition(folder.name, title, arch, modes, folder, making, _digest(origins), origins=tuple(origins))


def _choice(table: Table, key: str, known: Sequence[str]) -> str:
    value = table.text(key)
    if value and value not in known:
        table.fault(f'"{key}" is "{value}"; known: {", ".join(known)}')
    return value if value in known else known[0]


def _modes(top: Table) -> tuple[BuildMode, ...]:
    texts = top.texts("modes")
    known = [mode.value for mode in BuildMode]
    for text in texts:
        if text not in known:
            top.fault(f'"modes" names "{text}"; known: {", ".join(known)}')
    if not texts:
        top.fault('"modes" is missing')
    return tuple(BuildMode(text) for text in texts if text in known)


def _word(table: Table, key: str) -> str:
    word = table.text(key)
    if word and not _WORD.fullmatch(word):
        table.fault(f'"{key}" is "{word}", which is no name of a suite')
    return word


def _keyring(table: Table) -> str:
    path = table.text("keyring")
    if path and (not path.startswith("/") or not path.isprintable()):
        table.fault(f'"keyring" is "{path}", which is no absolute path')
    return path


def _words(table: Table, key: str) -> tuple[str, ...]:
    words = table.texts(key)
    for word in words:
        if not _WORD.fullmatch(word):
            table.fault(f'"{key}" has "{word}", which is no name of a package, suite or component')
    return words


def _debian(top: Table, base: Definition | None) -> DebianMaking:
    table = top.table("debian")
    inherited = base.making if base is not None and isinstance(base.making, DebianMaking) else None
    making = DebianMaking(
        suite=_word(table, "suite"),
        suites=_words(table, "suites"),
        components=_words(table, "components"),
        keyring=_keyring(table),
        packages=_words(table, "packages"),
        target_packages=_words(table, "target_packages"),
        links={**(inherited.links if inherited else {}), **_links(top.table("links"))},
        tools={**(inherited.tools if inherited else {}), **_mapping(top.table("tools"))},
        libraries={**(inherited.libraries if inherited else {}), **_mapping(top.table("libraries"))},
        instead=_mapping(top.table("instead")),
    )
    for key in ("suites", "components", "packages"):
        if not getattr(making, key):
            table.fault(f'"{key}" names nothing')
    table.finish()
    return making


def _links(table: Table) -> dict[str, str]:
    links = table.entries()
    for name in links:
        path = PurePosixPath(name)
        if not path.is_absolute() or ".." in path.parts:
            table.fault(f'"{name}" is to be an absolute path inside the root')
    return links


def _mapping(table: Table) -> dict[str, str]:
    entries = table.entries()
    for capability, package in entries.items():
        if not _WORD.fullmatch(package):
            table.fault(f'"{capability}" is "{package}", which is no name of a Debian package')
    return entries


def _image(top: Table) -> ImageMaking:
    table = top.table("image")
    digests = {arch: digest for arch, digest in _digests(top.table("digests")).items() if digest}
    name = table.text("name")
    if name and not IMAGE_NAME.fullmatch(name):
        table.fault(f'"name" is "{name}", which is no reference of a container image')
    making = ImageMaking(name, digests, _words(table, "enable"), _words(table, "packages"))
    table.finish()
    return making


def _digests(table: Table) -> dict[str, str]:
    entries = table.entries()
    for arch, digest in entries.items():
        if arch not in _ARCHITECTURES or arch == MACHINE:
            table.fault(f'"{arch}" is no architecture; known: {", ".join(_ARCHITECTURES[:-1])}')
        if digest and not _DIGEST.fullmatch(digest):
            table.fault(f'"{arch}" is to be sha256: and 64 hexadecimal digits, or empty, not "{digest}"')
    return entries


def _digest(folders: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for folder in folders:
        for name, content in read_folder(folder, "the folder of a buildroot"):
            found.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            found.update(content)
    return found.hexdigest()
