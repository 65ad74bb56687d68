"""Whether a recipe's patches apply to the sources they are for."""

import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ppcdeps.base.programs import run_program
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.recipe import Patch

_TELLING = ("FAILED", "can't find", "malformed", "Reversed")
"""Words of the lines in which patch says what is wrong."""
_AUTHOR = "ppcdeps recipes <recipes@ppcdeps.invalid>"
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
            apply_patch(tree, folder / patch.file, patch.strip, archive.name)


def apply_patch(tree: Path, patch: Path, strip: int, to: str) -> None:
    """Apply a patch to a source tree without any fuzz. ``to`` names the sources for the message."""
    command = ["patch", f"-p{strip}", "--fuzz=0", "--forward", "--batch", "--input", str(patch.resolve())]
    done = run_program(command, folder=tree, needed_for="patches are checked with it", install="the package patch")
    if not done.is_well:
        said = [*done.text.splitlines(), *done.error_text.splitlines(), "patch failed"]
        telling = [line for line in said if any(word in line for word in _TELLING)]
        reason = (telling or said)[0]
        raise ConfigError(
            f"{patch.name} does not apply to {to}: {reason.strip()}",
            hint="rewrite the patch for this version, or narrow the recipe's versions",
        )


def unpack(archive: Path, into: Path) -> Path:
    """Unpack a source archive. Returns its single folder, or ``into`` where it has several.

    Raises ConfigError where it cannot be read as a tar archive, or would write outside.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(into, filter="data")
    except (OSError, tarfile.TarError, EOFError) as error:
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


def header_of(patch: Path) -> list[str]:
    """The lines before a patch's first change: who made it, and why. Raises ConfigError for what is no patch."""
    try:
        lines = patch.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{patch} is not UTF-8 text (byte {error.start})") from error
    first = _first_change(lines)
    if first == len(lines):
        raise ConfigError(f"{patch} changes nothing")
    return lines[:first]


def _first_change(lines: Sequence[str]) -> int:
    return next((n for n, line in enumerate(lines) if line.startswith(_HUNKS)), len(lines))
