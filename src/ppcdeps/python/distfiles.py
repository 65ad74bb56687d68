"""The files of releases: what an index says of each, their names, and which of them is a release's sdist."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ppcdeps.model.values import dataclass
from ppcdeps.python.names import normalize

if TYPE_CHECKING:
    from packaging.version import Version

SDIST_ENDINGS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
"""The forms of source distributions, the preferred first: PEP 625 allows the first alone, PEP 527 the first two, and
the others are left from before."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a release. ``hashes`` are by algorithm, ``yanked`` is the reason, ``*`` without one, or
    empty.

    ``metadata_hash`` is None where the index serves no metadata beside the file, else ``algorithm=hex`` or
    empty.
    """

    filename: str
    url: str
    version: str
    hashes: Mapping[str, str]
    requires_python: str = ""
    yanked: str = ""
    upload_time: str = ""
    size: int | None = None
    metadata_hash: str | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel and not a source distribution."""
        return self.filename.endswith(".whl")

    @property
    def tags(self) -> str:
        """The tag set of a wheel, such as ``cp39-cp39-manylinux_2_28_ppc64le``; empty for an sdist."""
        return "-".join(self.filename.removesuffix(".whl").rsplit("-", 3)[1:]) if self.is_wheel else ""

    @property
    def build_number(self) -> tuple[int, str]:
        """The build tag of a wheel as a sort key; a wheel without one sorts first."""
        from packaging.utils import parse_wheel_filename

        try:
            return parse_wheel_filename(self.filename)[2] or (-1, "")
        except ValueError:
            return (-1, "")


@dataclass(frozen=True, slots=True)
class Project:
    """A distribution's files by the version text in their names, as one index offers them."""

    name: str
    index: str
    """The index that owns the name, without credentials; empty where none knows it."""
    files: Mapping[str, tuple[IndexFile, ...]]

    def by_filename(self) -> dict[str, IndexFile]:
        """All files, of whatever version, by their names."""
        return {file.filename: file for group in self.files.values() for file in group}

    def versions(self) -> "dict[Version, list[str]]":
        """Every version with the texts that name it, the newest first. What is not a version is left out.

        A wheel and an sdist of one release may spell its version in two ways.
        """
        from packaging.version import Version

        found: dict[Version, list[str]] = {}
        for text in self.files:
            try:
                found.setdefault(Version(text), []).append(text)
            except ValueError:
                continue
        return dict(sorted(found.items(), reverse=True))

    def spellings(self, version: "Version") -> list[str]:
        """The texts that name this version; without a local part, also those that add one, as ``==`` does."""
        from packaging.version import Version

        # A cheap test before the slow parsing. PEP 440 allows a v and zeros in front; an epoch would come first.
        head = str(version.release[0]).lstrip("0")
        found = []
        for text in self.files:
            if version.epoch == 0 and not text.lstrip("v0").startswith(head):
                continue
            try:
                each = Version(text)
            except ValueError:
                continue
            if each == version or (version.local is None and each.public == version.public):
                found.append(text)
        return found


def sdists_of(files: Iterable[IndexFile]) -> list[IndexFile]:
    """The source distributions among a release's files: the first is the one to take."""
    return sorted((file for file in files if not file.is_wheel), key=_preference)


def _preference(file: IndexFile) -> tuple[int, str]:
    return next(n for n, ending in enumerate((*SDIST_ENDINGS, "")) if file.filename.endswith(ending)), file.filename


def version_in(filename: str, name: str) -> str:
    """The version in the name of a file of project ``name``; empty where it is not one of its files."""
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        return parts[1] if len(parts) in (5, 6) and normalize(parts[0]) == name else ""
    ending = next((each for each in SDIST_ENDINGS if filename.endswith(each)), "")
    if not ending:
        return ""
    stem = filename[: -len(ending)]
    # Old sdists have hyphens in their names and versions, which packaging.utils.parse_sdist_filename does not split
    # right: the project's name says where one ends.
    for position, character in enumerate(stem):
        if character == "-" and normalize(stem[:position]) == name:
            return stem[position + 1 :]
    return ""


def name_in(filename: str) -> str:
    """The normalized project name in the name of a wheel or sdist; empty where it is neither."""
    if filename.endswith(".whl"):
        return normalize(filename.partition("-")[0])
    stem = next((filename[: -len(each)] for each in SDIST_ENDINGS if filename.endswith(each)), "")
    return normalize(stem.rpartition("-")[0])
