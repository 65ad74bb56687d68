"""Which files of the user's own a word of the command line names: specs, source RPMs, folders of them."""

from collections.abc import Iterator
from pathlib import Path

from ppcdeps.model import names
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.values import dataclass

SPEC, SRPM = names.OWN_ENDINGS
_PLACES = ("SPECS", "SRPMS")
"""Folders of rpmbuild's tree that are looked into as well."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A spec or source RPM: its path, and how the user named it."""

    path: Path
    shown: str


def is_own_word(word: str) -> bool:
    """Whether a word of the command line names own packages: a spec, a source RPM, or a folder, written with a slash.
    One that begins with a dot and a slash is of this machine, there or not.

    A bare name is a root though a folder is called so, and a path such as /usr/share, which is a folder of this
    machine by chance, is one unless it has specs.
    """
    if names.is_own_file(word):
        return "/" in word or Path(word).is_file()
    if word in (".", "..") or word.startswith(("./", "../")):
        return True
    place = Path(word)
    if "/" not in word or not place.is_dir():
        return False
    return not word.startswith("/") or word.endswith("/") or next(_inside(place), None) is not None


def own_files(word: str) -> tuple[OwnFile, ...]:
    """The files that a word means, in the order of their names.

    Raises ConfigError where there is no such file, or nothing in the folder.
    """
    place = Path(word)
    if names.is_own_file(word):
        if not place.is_file():
            what = "spec" if word.endswith(SPEC) else "source RPM"
            if place.is_dir():
                raise ConfigError(f"{word} is a folder, not a {what}", hint="write a folder with a slash at its end")
            raise ConfigError(f"{word} is not a regular file" if place.exists() else f"there is no {what} {word}")
        found = [place]
    elif not place.is_dir():
        missing = f"there is no folder {word}" if word.endswith("/") else f"there is no file or folder {word}"
        raise ConfigError(
            f"{word} is not a spec, source RPM or folder of them" if place.exists() else missing,
            hint=None if place.exists() else "to plan a package, write its name without a path",
        )
    else:
        found = list(_inside(place))
        if not found:
            raise ConfigError(
                f"the folder {word} has no spec and no source RPM",
                hint="*.spec and *.src.rpm are looked for in it, in SPECS and SRPMS, and in its folders",
            )
    for path in found:
        try:
            names.own_file(str(path))
        except ValueError as fault:
            raise ConfigError(str(fault)) from fault
    return tuple(OwnFile(path, word if path is place else str(path)) for path in found)


def _inside(folder: Path) -> Iterator[Path]:
    """The specs and source RPMs of a folder, of rpmbuild's folders in it, and of folders with a spec each."""
    try:
        below = [place for place in sorted(folder.iterdir()) if place.is_dir() and not place.name.startswith(".")]
    except OSError:
        return
    # A folder of folders, as checkouts of distributions are; those of a source tree may be no packages.
    for place in (folder, *below):
        for ending in (SPEC, SRPM):
            for path in sorted(place.glob(f"*{ending}")):
                if path.is_file() and (place in (folder, *(folder / each for each in _PLACES)) or ending == SPEC):
                    yield path
