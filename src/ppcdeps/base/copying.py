"""Copying a folder: what the operating system refuses is raised as it says it."""

import os
import re
import shutil
from pathlib import Path

from ppcdeps.model.errors import DISK_FULL

_NUMBERED = re.compile(r"\[Errno ([0-9]{1,5})\] ")


def copy_tree(
    source: Path, target: Path, *, keep_links: bool = False, exist_ok: bool = False, skip_lost: bool = False
) -> None:
    """Copy a folder and all below it.

    Links are followed unless ``keep_links`` is set; with ``skip_lost`` those to nothing are left out. ``exist_ok``:
    the target may be there, and is added to.

    Raises OSError: `shutil.copytree` goes on after a fault, and raises the texts of all; this is the first of them.
    """
    try:
        # Not its own option, which takes where a link leads to from the current folder.
        ignored = _lost if skip_lost else None
        shutil.copytree(source, target, symlinks=keep_links, dirs_exist_ok=exist_ok, ignore=ignored)
    except shutil.Error as faults:
        read, written, said = faults.args[0][0]
        numbered = _NUMBERED.match(said)
        if numbered is None:
            raise OSError(f"{read}: {said}") from faults
        number = int(numbered[1])
        raise OSError(number, os.strerror(number), str(written if number in DISK_FULL else read)) from faults


def _lost(folder: str, names: list[str]) -> set[str]:
    """The links among the names in a folder that lead to nothing."""
    return {name for name in names if not Path(folder, name).exists()}
