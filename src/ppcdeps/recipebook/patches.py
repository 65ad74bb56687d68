"""Whether a recipe's patches apply to the sources they are for."""

import errno
import lzma
import re
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ppcdeps.base.compression import open_stream
from ppcdeps.base.programs import run_program
from ppcdeps.base.tars import BoundedMember
from ppcdeps.base.untrusted import read_beneath
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.recipe import Patch

_TELLING = ("FAILED", "can't find", "malformed", "Reversed")
"""Words of the lines in which patch says what is wrong."""
_AUTHOR = "ppcdeps recipes <recipes@ppcdeps.invalid>"
_UNIFIED = re.compile(rb"^@@ ", re.MULTILINE)
_HUNKS = ("--- ", "diff ", "Index: ")


def check_patches(archive: Path, folder: Path, patches: Sequence[Patch]) -> None:
    """Apply patches of a recipe's ``folder``, one after the other, to a copy of a source archive without any fuzz.

    Raises ConfigError with patch's own words for the first that does not apply, EnvironmentLacksError without patch.
    """
    if not patches:
        return
    with tempfile.TemporaryDirectory(prefix="ppcdeps-patches-") as name:
        tree = unpack(archive, Path(name))
        for patch in patches:
            apply_patch(tree, folder, patch.file, patch.strip, archive.name)


def read_patch(folder: Path, name: str) -> bytes:
    """A patch of the recipe in a folder, or of the recipe beside it that ``../NAME/`` leads to.

    Raises ConfigError where it cannot be read, is a link, no regular file, or too large.
    """
    up, _, rest = name.partition("/")
    try:
        if up == "..":
            return read_beneath(folder.parent, rest, CEILINGS.patch_size)
        return read_beneath(folder, name, CEILINGS.patch_size)
    except OSError as error:
        hint = how_to_raise("patch_size") if error.errno == errno.EFBIG else None
        raise ConfigError(f"cannot read the patch {folder / name}: {error.strerror}", hint=hint) from error


def apply_patch(tree: Path, folder: Path, name: str, strip: int, to: str) -> None:
    """Apply a patch of a recipe's folder to a source tree without any fuzz. ``to`` names the sources in messages."""
    content = read_patch(folder, name)
    # Said, and not left to patch to guess: it would give an ed script to ed, which runs commands.
    form = "--unified" if _UNIFIED.search(content) else "--context"
    command = ["patch", f"-p{strip}", form, "--fuzz=0", "--forward", "--batch"]
    done = run_program(
        command, given=content, folder=tree, needed_for="patches are checked with it", install="the package patch"
    )
    if not done.is_well:
        said = [*done.text.splitlines(), *done.error_text.splitlines(), "patch failed"]
        telling = [line for line in said if any(word in line for word in _TELLING)]
        reason = (telling or said)[0]
        raise ConfigError(
            f"{PurePosixPath(name).name} does not apply to {to}: {reason.strip()}",
            hint="rewrite the patch for this version, or narrow the recipe's versions",
        )


def unpack(archive: Path, into: Path) -> Path:
    """Unpack a source archive. Returns its single folder, or ``into`` where it has several.

    Raises ConfigError where it cannot be read as a tar archive, or would write outside.
    """
    size = 0
    try:
        # Opened here and not by tarfile, which gives xz all the memory that the file asks for.
        with (
            open_stream(archive, ceiling="package_opened") as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=BoundedMember) as tar,
        ):
            for number, member in enumerate(tar, start=1):
                size += member.size
                for key, count in (("archive_members", number), ("package_opened", size)):
                    if count > getattr(CEILINGS, key):
                        what = "members" if key == "archive_members" else "bytes"
                        raise ConfigError(
                            f"{archive} has more than {getattr(CEILINGS, key)} {what}", hint=how_to_raise(key)
                        )
                tar.extract(member, into, filter="data")
    except (OSError, tarfile.TarError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise ConfigError(f"{archive} cannot be unpacked: {error}") from error
    entries = list(into.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else into


def mailed(text: str, subject: str) -> str:
    """A patch as `git am` takes it, which is how some specs apply theirs: with the head of a mail. One that has it
    stays as it is. ``patch`` takes both.
    """
    lines = text.splitlines(keepends=True)
    first = _first_change(lines)
    header = lines[:first]
    if any(line.startswith("From: ") for line in header) and any(line.startswith("Subject: ") for line in header):
        return text
    head = f"From: {_AUTHOR}\nDate: Thu, 1 Jan 1970 00:00:00 +0000\nSubject: [PATCH] {subject}\n\n"
    # Git takes a line of three dashes for the end of the message.
    return head + "".join(header).rstrip("\n") + "\n---\n" + "".join(lines[first:])


def header_of(folder: Path, name: str) -> list[str]:
    """The lines before a patch's first change: who made it, and why. Raises ConfigError for what is no patch."""
    patch = folder / name
    try:
        lines = read_patch(folder, name).decode().splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{patch} is not UTF-8 text (byte {error.start})") from error
    first = _first_change(lines)
    if first == len(lines):
        raise ConfigError(f"{patch} changes nothing")
    return lines[:first]


def _first_change(lines: Sequence[str]) -> int:
    return next((n for n, line in enumerate(lines) if line.startswith(_HUNKS)), len(lines))
