"""Two builds of a package compared by what a user of them could notice: requires, provides and files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.rpm.header import read_header, read_queried

_FILES = "[%{FILENAMES}\\t%{FILEDIGESTS}\\t%{FILEMODES:octal}\\t%{FILELINKTOS}\\t%{FILEFLAGS:fflags}\\n]"


@dataclass(frozen=True, slots=True)
class PackageContents:
    """What a package requires and provides, and its files: path, digest, mode, target of a link, flags.

    ``build_time`` is the BUILDTIME of its header, in seconds since 1970: the SOURCE_DATE_EPOCH of its build.
    """

    requires: frozenset[str]
    provides: frozenset[str]
    files: frozenset[str]
    build_time: int = 0

    @property
    def digests(self) -> tuple[str, str, str]:
        """The SHA-256 of the sorted requires, provides and files, in hexadecimal."""
        return _digest(self.requires), _digest(self.provides), _digest(self.files)


def contents_of(package: Path) -> PackageContents:
    """What an RPM file has. Raises as `ppcdeps.rpm.header.read_header`."""
    header = read_header(package)
    files = frozenset(line for line in read_queried(package, _FILES).splitlines() if line)
    return PackageContents(frozenset(header.requires), frozenset(header.provides), files, header.built)


def differences(one: PackageContents, other: PackageContents) -> tuple[str, ...]:
    """What two builds of a package do not have in common, a line each, sorted: nothing where they are the same."""
    found = []
    for what, before, after in (
        ("requires", one.requires, other.requires),
        ("provides", one.provides, other.provides),
    ):
        found += [f"{what} {text}: in the first only" for text in before - after]
        found += [f"{what} {text}: in the second only" for text in after - before]
    before_files = dict(line.split("\t", 1) for line in one.files)
    after_files = dict(line.split("\t", 1) for line in other.files)
    for path in before_files.keys() | after_files.keys():
        if path not in after_files:
            found.append(f"{path}: in the first only")
        elif path not in before_files:
            found.append(f"{path}: in the second only")
        elif before_files[path] != after_files[path]:
            names = ("digest", "mode", "link", "flags")
            pairs = zip(names, before_files[path].split("\t"), after_files[path].split("\t"), strict=True)
            found.append(f"{path}: another {' and '.join(name for name, old, new in pairs if old != new)}")
    return tuple(sorted(found))


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{text}\n" for text in sorted(texts)).encode()).hexdigest()
