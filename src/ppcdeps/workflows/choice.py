"""Which repositories the user chose, as options say it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.model.values import dataclass

if TYPE_CHECKING:
    from ppcdeps.locking.folder import LockedFolder

DEFAULT_TARGET = "centos-stream-9"


@dataclass(frozen=True, slots=True)
class RepositoryChoice:
    """Which repositories to use, as the command line says it. All text is as given.

    ``target`` and ``release`` are None where the defaults are meant; ``only``, ``enable``, ``disable`` and
    ``setopt`` are dnf's --repo, --enablerepo, --disablerepo and --setopt. ``python_version`` is an interpreter beside
    the platform's (3.11), ``modules`` are streams to enable (name:stream).
    """

    target: str | None = None
    release: str | None = None
    releasever: str | None = None
    snapshot: str | None = None
    repofrompath: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    repo_files: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    setopt: tuple[str, ...] = ()
    python_version: str | None = None
    modules: tuple[str, ...] = ()
    offline: bool = False
    refresh: bool = False
    locked: "LockedFolder | None" = None
    """A folder that has all files of a lock: then nothing else is read, and no network used."""
    cache_directory: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that target and repositories are read from."""
        target = filter(os.path.isfile, (self.target or "",))
        return (*map(Path, target), *self.repo_files)

    @property
    def is_ad_hoc(self) -> bool:
        """Whether the command line names the target's repositories, and neither a target nor a snapshot.

        A source repository alone is one more of the default target.
        """
        named = self.repofrompath or self.reference or self.repo_files
        return bool(named) and self.target is None and self.snapshot is None
