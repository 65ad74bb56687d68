"""What the header of a binary RPM says, as rpm itself reads it, and the bytes that it consists of."""

import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra

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
_LARGEST = 256 << 20


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
    query = ["rpm", "-qp", "--nomanifest", "--nosignature", "--qf", "".join(queries), str(package.resolve())]
    said = _rpm(query, package)
    words: dict[str, list[str]] = {}
    for line in said.splitlines():
        key, _, value = line.partition("\t")
        words.setdefault(key, []).append("" if value == "(none)" else value)
    try:
        name, epoch, version, release, arch, *texts = (words[tag][0] for tag in _TAGS)
        source, license_text, summary, vendor, url, host = texts
        built, size = (int(words[tag][0]) for tag in _NUMBERS)
        nevra = Nevra(name, int(epoch), version, release, arch)
    except (KeyError, ValueError):
        raise ConfigError(f"{package.name} is damaged: its header lacks what every package has") from None
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


def check_digests(package: Path) -> None:
    """Return if header and payload have the digests that the package says; signatures are not looked at.

    Raises as ``read_header``.
    """
    _rpm(["rpmkeys", "--checksig", "--nosignature", str(package.resolve())], package)


def raw_header(package: Path) -> bytes:
    """The bytes before the payload: lead, signatures and header, with every text that is in them.

    Raises ConfigError where the file is not an RPM.
    """
    with package.open("rb") as file:
        lead = file.read(_LEAD)
        if lead[:4] != _LEAD_MAGIC:
            raise ConfigError(f"{package.name} is not an RPM package: it does not begin as one")
        for padded in (True, False):
            intro = file.read(16)
            if len(intro) < 16 or intro[:4] != _HEADER_MAGIC:
                raise ConfigError(f"{package.name} is damaged: its header ends too early")
            entries, size = struct.unpack(">II", intro[8:])
            length = 16 * entries + size
            if length > _LARGEST:
                raise ConfigError(f"{package.name} is damaged: its header says to have {length} bytes")
            # Only the first of the two, the signatures, is filled up to a multiple of eight bytes.
            file.seek(length + (-length % 8 if padded else 0), os.SEEK_CUR)
        end = file.tell()
        file.seek(0)
        return file.read(end)


def _rpm(command: Sequence[str], package: Path) -> str:
    if not package.is_file():
        raise ConfigError(f"no such file: {package}")
    try:
        # Neither this machine's packages and keys nor the user's macros have a say. rpm makes a database if there
        # is none.
        with tempfile.TemporaryDirectory(prefix="ppcdeps-rpm-") as place:
            done = run_program(
                [command[0], "--dbpath", place, *command[1:]],
                needed_for="packages are read with it",
                install="the package rpm",
                environment={"HOME": place},
                bare=True,
                seconds=_SECONDS,
            )
    except UnfinishedProgramError as error:
        raise ConfigError(f"{package.name} is not read: {error.message}") from error
    if not done.is_well:
        reason = done.reason.removeprefix("error: ").replace(f"{package.resolve()}: ", "")
        raise ConfigError(f"{package.name} is no RPM package, or damaged: {reason}")
    return done.output.decode("utf-8", "surrogateescape")
