"""A repository's metadata as it lies in the cache, checked and ready to be read."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from ppcdeps.base.digests import digest_of
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.values import dataclass

_compared: set[Path] = set()


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """One file named by repomd.xml, verified, compressed as it was served.

    ``checksum`` is ``algorithm:hex`` of the file as it is, ``open_checksum`` of its decompressed content.
    """

    kind: str
    """The type in repomd.xml: primary, filelists, modules, ..."""
    path: Path
    checksum: str
    open_checksum: str | None = None
    open_size: int | None = None

    def intact_path(self) -> Path:
        """Where the file lies, compared with its digest when a run first reads it.

        Raises RepositoryError where it was changed in the cache, and removes it there.
        """
        if self.path not in _compared:
            algorithm, _, wanted = self.checksum.partition(":")
            if digest_of(self.path, algorithm) != wanted:
                self.path.unlink(missing_ok=True)
                raise RepositoryError(
                    f"the {self.kind} metadata in the cache ({self.path}) are not what was fetched: they are removed",
                    hint="run the command again, to fetch them anew",
                )
            _compared.add(self.path)
        return self.path


@dataclass(frozen=True, slots=True)
class RepoMetadata:
    """What one repository offered. ``problem`` is set, and ``files`` is empty, where it did not answer
    although it need not (optional, skip_if_unavailable).
    """

    config: RepoConfig
    revision: str = ""
    date: int | None = None
    digest: str = ""
    fetched_from: str = ""
    files: Mapping[str, MetadataFile] = field(default_factory=dict)
    problem: str = ""
