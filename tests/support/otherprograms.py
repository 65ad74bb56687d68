"""A machine that lacks a program: a folder for PATH with links to all others."""

from pathlib import Path


def all_but(program: str, folder: Path) -> Path:
    """Fill an empty folder with links to all programs of this machine but one. Returns the folder."""
    for place in ("/usr/bin", "/bin", "/usr/sbin"):
        for other in Path(place).iterdir():
            if other.name != program and not (folder / other.name).is_symlink():
                (folder / other.name).symlink_to(other)
    return folder
