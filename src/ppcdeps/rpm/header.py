"""What the header of a binary RPM says, as rpm itself reads it, and the bytes that it consists of."""

import os
import re
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ppcdeps.base.named_files import open_named
from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.database import IN_THIS_FOLDER

_TAGS = (
    *("NAME", "EPOCHNUM", "VERSION", "RELEASE", "ARCH", "SOURCERPM"),
    *("LICENSE", "SUMMARY", "VENDOR", "URL", "BUILDHOST"),
)
_NUMBERS = ("BUILDTIME", "LONGSIZE")
_LISTS = {"R": "REQUIRENEVRS", "P": "PROVIDENEVRS", "F": "FILENAMES"}
_SECONDS = 120

_LEAD = 96
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_VERSION = re.compile(r"[A-Za-z0-9._+~^]+")
_ARCH = re.compile(r"[A-Za-z0-9_]+")
"""What rpmbuild lets a name, a version or a release, and an architecture be. A header can have any text for one."""


@dataclass(frozen=True, slots=True)
class PackageHeader:
    """A package as its header has it. ``requires`` and ``provides`` are rpm's texts of them (``name >= 1.2``).

    ``size`` is what it takes installed, in bytes; ``built`` seconds since 1970. ``source`` is the file name of its
    source RPM, empty for a source RPM itself; ``host`` the name of the machine that built it. Texts that it lacks are
    empty.
    """

    nevra: Nevra
    source: str
    license: str
    summary: str
    vendor: str
    url: str
    host: str
    built: int
    size: int
    requires: tuple[str, ...]
    provides: tuple[str, ...]
    files: tuple[str, ...]


def read_header(package: Path) -> PackageHeader:
    """The header of an RPM file, its digests checked, its signatures not.

    Raises ConfigError where the file is not an RPM, or damaged; EnvironmentLacksError where rpm is missing.
    """
    queries = [f"{tag}\\t%{{{tag}}}\\n" for tag in (*_TAGS, *_NUMBERS)]
    queries += [f"[{letter}\\t%{{{tag}}}\\n]" for letter, tag in _LISTS.items()]
    words: dict[str, list[str]] = {}
    for line in read_queried(package, "".join(queries)).split("\n"):
        key, _, value = line.partition("\t")
        words.setdefault(key, []).append("" if value == "(none)" else value)
    try:
        name, epoch, version, release, arch, *texts = (words[tag][0] for tag in _TAGS)
        source, license_text, summary, vendor, url, host = texts
        built, size = (int(words[tag][0]) for tag in _NUMBERS)
        nevra = Nevra(name, int(epoch), version, release, arch)
    except (KeyError, ValueError):
        raise ConfigError(f"{package.name} is damaged: its header lacks what every package has") from None
    _check_words(package, name=name, version=version, release=release, arch=arch)
    return PackageHeader(
        nevra=nevra,
        source=source,
        license=license_text,
        summary=summary,
        vendor=vendor,
        url=url,
        host=host,
        built=built,
        size=size,
        requires=tuple(dict.fromkeys(words.get("R", ()))),
        provides=tuple(dict.fromkeys(words.get("P", ()))),
        files=tuple(words.get("F", ())),
    )


@dataclass(frozen=True, slots=True)
class SourceHeader:
    """What the header of a source RPM says, as the machine that made it evaluated the spec."""

    nevra: Nevra
    build_requires: tuple[str, ...]
    exclusive_arch: tuple[str, ...]
    exclude_arch: tuple[str, ...]


def read_source_header(package: Path) -> SourceHeader:
    """The header of a source RPM. Raises as ``read_header``, and ConfigError where it is no source RPM."""
    source_identity(package)
    header = read_header(package)
    words: dict[str, list[str]] = {}
    for line in read_queried(package, "[only\\t%{EXCLUSIVEARCH}\\n][not\\t%{EXCLUDEARCH}\\n]").splitlines():
        key, _, value = line.partition("\t")
        if _ARCH.fullmatch(value):
            words.setdefault(key, []).append(value)
    return SourceHeader(
        replace(header.nevra, arch="src"),
        tuple(sorted({text for text in header.requires if not text.startswith("rpmlib(")})),
        tuple(words.get("only", ())),
        tuple(words.get("not", ())),
    )


def source_identity(package: Path) -> tuple[str, str]:
    """Name and upstream version of a source RPM. Raises ConfigError where the file is none, or damaged."""
    said = read_queried(package, "%{SOURCEPACKAGE}\\t%{NAME}\\t%{VERSION}")
    is_source, _, rest = said.partition("\t")
    name, _, version = rest.partition("\t")
    if is_source != "1":
        raise ConfigError(f"{package} is an RPM, but not a source RPM", hint="give the .src.rpm")
    _check_words(package, name=name, version=version)
    return name, version


def _check_words(package: Path, **words: str) -> None:
    for what, word in words.items():
        known = {"name": _NAME, "arch": _ARCH}.get(what, _VERSION)
        if not known.fullmatch(word) or word == "(none)":
            raise ConfigError(f"{package.name} is damaged: the {what} in its header is {word[:100]!r}")


def check_digests(package: Path) -> None:
    """Return if header and payload have the digests that the package says; signatures are not looked at.

    Raises as ``read_header``.
    """
    _rpm(["rpmkeys", "--checksig", "--nosignature"], package)


def raw_header(package: Path) -> bytes:
    """The bytes before the payload: lead, signatures and header, with every text that is in them.

    Raises ConfigError where the file is not an RPM.
    """
    with open_named(package, "package_size") as file:
        lead = file.read(_LEAD)
        if lead[:4] != _LEAD_MAGIC:
            raise ConfigError(f"{package.name} is not an RPM package: it does not begin as one")
        for padded in (True, False):
            intro = file.read(16)
            if len(intro) < 16 or intro[:4] != _HEADER_MAGIC:
                raise ConfigError(f"{package.name} is damaged: its header ends too early")
            entries, size = struct.unpack(">II", intro[8:])
            length = 16 * entries + size
            if length > CEILINGS.package_header:
                raise ConfigError(
                    f"{package.name} has a header of more than {CEILINGS.package_header} bytes",
                    hint=how_to_raise("package_header"),
                )
            # Only the first of the two, the signatures, is filled up to a multiple of eight bytes.
            file.seek(length + (-length % 8 if padded else 0), os.SEEK_CUR)
        end = file.tell()
        file.seek(0)
        return file.read(end)


def read_queried(package: Path, form: str) -> str:
    """What rpm's query format makes of the header of an RPM file. Raises as ``read_header``."""
    # A text file would be taken for a manifest: a list of files and URLs that rpm reads as well.
    return _rpm(["rpm", "-qp", "--nomanifest", "--nosignature", "--qf", form], package)


def _rpm(command: Sequence[str], package: Path) -> str:
    # A pipe or a device has no end, and rpm would read it.
    with open_named(package, "package_size") as file, tempfile.TemporaryDirectory(prefix="ppcdeps-rpm-") as place:
        # Not by its path, in which `rpm -qp` takes quotes, backslashes and patterns for its own.
        opened = f"/proc/self/fd/{file.fileno()}"
        try:
            # Neither this machine's packages and keys nor the user's macros have a say. rpm makes a database if there
            # is none.
            done = run_program(
                [command[0], *IN_THIS_FOLDER, *command[1:], opened],
                needed_for="packages are read with it",
                install="the package rpm",
                folder=Path(place),
                environment={"HOME": place},
                bare=True,
                seconds=_SECONDS,
                descriptors=[file.fileno()],
            )
        except UnfinishedProgramError as error:
            raise ConfigError(f"{package.name} is not read: {error.message}") from error
    if not done.is_well:
        # rpm says nothing of a file that does not even begin as a package.
        said = done.reason if done.error_text.strip() else "it does not begin as one"
        reason = said.removeprefix("error: ").replace(f"{opened}: ", "")
        raise ConfigError(f"{package} is no RPM package, or damaged: {reason}")
    return done.text
