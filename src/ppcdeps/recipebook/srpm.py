"""Source RPMs unpacked: the spec and its sources, as plain files in one folder and nowhere else."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.payload import BrokenArchiveError, Member, members_of, open_payload

SPEC_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*\.spec")
"""The name of a spec is a word in scripts."""


@dataclass(frozen=True, slots=True)
class UnpackedSrpm:
    """Where the parts of a source RPM lie. ``files`` are the names of all, the spec's included, sorted."""

    folder: Path
    spec: Path
    files: tuple[str, ...]


def unpack_srpm(srpm: Path, folder: Path) -> UnpackedSrpm:
    """Unpack a source RPM into an empty folder, which is created where it is not there.

    Raises ConfigError where it is no source RPM, is damaged, names a file outside of the folder, or has not
    exactly one spec; EnvironmentLacksError where rpm2cpio is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty, and source RPMs are unpacked into an empty folder")
    with open_payload(srpm, "source RPM") as stream:
        files = tuple(sorted(unpack_cpio(stream, folder)))
    specs = [name for name in files if name.endswith(".spec")]
    if len(specs) != 1:
        found = ", ".join(specs) or "none"
        raise ConfigError(f"{srpm.name} is to have one spec file, and has {found}", hint="is it a source RPM?")
    if not SPEC_NAME.fullmatch(specs[0]):
        raise ConfigError(f"{srpm.name} has a spec of the name {specs[0]!r}, and that is to be one plain word")
    return UnpackedSrpm(folder, folder / specs[0], files)


def unpack_cpio(stream: BinaryIO, folder: Path) -> Iterator[str]:
    """Write the files of a cpio archive into the folder, and give the name of each.

    Raises BrokenArchiveError where it is damaged, or holds anything but plain files of the folder itself.
    """
    seen: set[str] = set()
    total = 0
    for member in members_of(stream):
        try:
            name = member.name.decode("utf-8")
        except UnicodeDecodeError:
            raise BrokenArchiveError(f"it has a file name that is not UTF-8: {member.name!r}") from None
        plain = _plain_name(name, member.mode)
        total += member.size
        if plain in seen:
            raise BrokenArchiveError(f"it has the file {plain!r} twice")
        for most, count, what in (("opened", total, "bytes"), ("files", len(seen) + 1, "files")):
            ceiling: int = getattr(CEILINGS, f"package_{most}")
            if count > ceiling:
                raise BrokenArchiveError(
                    f"it unpacks to more than {ceiling} {what}; {how_to_raise(f'package_{most}')}"
                )
        seen.add(plain)
        _write(member, folder / plain)
        yield plain
    if not seen:
        raise BrokenArchiveError("it holds no files")


def _plain_name(name: str, mode: int) -> str:
    """The name, if it is one of a file that lies in the folder itself."""
    plain = name.removeprefix("./")
    if not stat.S_ISREG(mode):
        raise BrokenArchiveError(f"{plain!r} in it is no plain file")
    if plain in ("", ".", "..") or "/" in plain or "\0" in plain or not plain.isprintable():
        raise BrokenArchiveError(f"it has the file {name!r}, and files of a source RPM lie in one folder")
    if plain.startswith("-"):
        raise BrokenArchiveError(f"it has the file {name!r}, which programs would take for an option")
    return plain


def _write(member: Member, path: Path) -> None:
    # "x": never through a link, nor over a file, that another process put there.
    with path.open("xb") as file:
        for block in member.blocks():
            file.write(block)
