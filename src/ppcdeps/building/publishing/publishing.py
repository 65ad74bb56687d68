"""Packages put into the local repository: readers see the state before a publication or the one after it.

Everything new is written beside what is seen, flushed to the disk, and then seen all at once when one symbolic link
is replaced by rename(2). What a killed process leaves is seen by no reader, and the next publication removes it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.atomic import is_full, no_space, put_file
from ppcdeps.building.publishing.generations import Generations, RepositoryContent
from ppcdeps.building.publishing.ownership import locked
from ppcdeps.building.publishing.package_folders import IncomingPackage, PackageFolders, incoming_packages
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.publishing.repository import CURRENT, Manifest, PublishedPackage, read_manifest, repo_file
from ppcdeps.building.publishing.signing import SigningKey
from ppcdeps.building.publishing.wheels import Wheel
from ppcdeps.model.errors import DISK_FULL, BuildError, ConfigError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.rpm.header import read_header

_NAME = re.compile(r"[A-Za-z0-9_.:-]+")
_SOURCE = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did. Packages are named by NEVRA, sorted.

    ``replaced`` are those of which another build was there; they are among the ``added``. Wheels are among the
    others, by file name. ``repo_file`` is what a target gets as /etc/yum.repos.d/NAME.repo.
    """

    folder: Path
    manifest: Manifest
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    withdrawn: tuple[str, ...]
    repo_file: Path
    is_changed: bool
    """Whether there is a new generation."""


def publish(
    folder: Path,
    packages: Sequence[Path],
    *,
    name: str = "ppcdeps",
    sign: SigningKey | None = None,
    url: str | None = None,
    records: Sequence[BuildRecord] = (),
    wheels: Sequence[Wheel] = (),
    withdraw: Sequence[str] = (),
    whole_sources: bool = False,
    reporter: Reporter | None = None,
    wait: float = 600.0,
) -> Published:
    """Add packages to the repository in the folder, which becomes one if it is empty or not there.

    A build whose NEVRA is there already with other content replaces it; so does a wheel of the same name.
    ``records`` are of the builds that made them: for each there will be a provenance statement, as long as
    something that it made is there. ``withdraw`` are NEVRAs, and names of wheels, to take away. With
    ``whole_sources`` the packages are all of their sources: what else was published of these is taken away. With
    ``sign`` copies of the packages and the metadata are signed; a repository that is signed stays so. ``name`` and
    ``url`` are what the `.repo` file says (default: the folder's own place). Waits for another publication up to
    ``wait`` seconds.

    Raises ConfigError where the folder belongs to something else, a package is damaged, or a key is missing;
    EnvironmentLacksError where createrepo_c is missing, no space is left, or another publication does not end;
    BuildError where signing fails or createrepo_c does. Readers then see what they saw before.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f'"{name}" is no name for a repository: letters, digits and any of _ . : - make one')
    reporter = reporter or Silence()
    incoming = incoming_packages(packages)
    with locked(folder, wait, reporter) as lock:
        generations = Generations(folder, lock, sign)
        try:
            generations.remove_unfinished()
            work = _Publication(folder, generations, sign, reporter)
            content = work.content(incoming, wheels, records, withdraw, whole_sources)
            return work.run(content, name, url or folder.resolve().as_uri())
        except OSError as fault:
            if fault.errno in DISK_FULL:
                raise no_space(folder) from fault
            raise
        except BuildError as fault:
            # createrepo_c and rpmsign have words of their own for a full disk.
            if is_full(folder):
                raise no_space(folder) from fault
            raise
        finally:
            generations.remove_unfinished()


class _Publication:
    """One publication, while the lock is held."""

    def __init__(self, folder: Path, generations: Generations, key: SigningKey | None, reporter: Reporter) -> None:
        self.folder = folder
        self.generations = generations
        self.key = key
        self.reporter = reporter
        self.folders = PackageFolders(folder, key)
        self.before = read_manifest(folder) or Manifest(0, ())
        self.records = generations.records()
        if self.before.key and key is None:
            raise ConfigError(
                f"{folder} is signed by the key {self.before.key[-16:]}, and its users refuse what is not",
                hint=f"give a key, as --sign-with {self.before.key[-16:]}",
            )

    def content(
        self,
        incoming: Sequence[IncomingPackage],
        wheels: Sequence[Wheel],
        records: Sequence[BuildRecord],
        withdraw: Sequence[str],
        whole_sources: bool,
    ) -> RepositoryContent:
        """What is to be there. New files of it lie in the repository already, where no metadata names them yet."""
        there = {one.nevra: one for one in self.before.packages if self._is_whole(one)}
        packages = self._remaining(there, incoming, withdraw, whole_sources)
        fresh = [one for one in incoming if not _has(packages.get(one.nevra), one)]
        added = {one.nevra: one for one in self.folders.add(fresh)}
        added |= {one.nevra: one for one in self._signed(packages, added)}
        packages |= added
        files = {one.file: one for one in self.before.wheels if one.file not in withdraw}
        files |= {one.file: self.folders.add_wheel(one) for one in wheels}
        digests = {one.origin for one in packages.values()} | {one.sha256 for one in files.values()}
        known = self.records | {_checked_source(one.source): one for one in records}
        return RepositoryContent(
            packages=tuple(packages[nevra] for nevra in sorted(packages)),
            wheels=tuple(files[name] for name in sorted(files)),
            records={name: one for name, one in sorted(known.items()) if digests & one.digests},
        )

    def run(self, content: RepositoryContent, name: str, url: str) -> Published:
        """Let readers see the content, if it is another than they see."""
        key = self.key.fingerprint if self.key else ""
        before = replace(self.before, generation=0)
        manifest = self.before
        is_seen = (
            (self.folder / CURRENT).exists() and self.records == content.records and self._has_envelopes(content)
        )
        if not is_seen or before != Manifest(0, content.packages, key, content.wheels):
            manifest = self.generations.switch(self.before.generation + 1, content, name)
        file = self.folder / f"{name}.repo"
        key_file = self.key.file_name if self.key else ""
        put_file(file, repo_file(name, f"Packages built by ppcdeps ({name})", url, key_file).encode())
        self.generations.remove_old(manifest.generation, self.reporter)
        old, new = _digests(self.before), _digests(manifest)
        return Published(
            folder=self.folder,
            manifest=manifest,
            added=tuple(sorted(one for one, digest in new.items() if old.get(one) != digest)),
            replaced=tuple(sorted(one for one, digest in new.items() if old.get(one, digest) != digest)),
            withdrawn=tuple(sorted(old.keys() - new.keys())),
            repo_file=file,
            is_changed=manifest != self.before,
        )

    def _remaining(
        self,
        there: Mapping[str, PublishedPackage],
        incoming: Sequence[IncomingPackage],
        withdraw: Sequence[str],
        whole_sources: bool,
    ) -> dict[str, PublishedPackage]:
        names = {one.nevra for one in incoming}
        sources = {one.source_name for one in incoming} if whole_sources else set()
        known = there.keys() | {one.file for one in self.before.wheels}
        for name in sorted(set(withdraw) - known):
            self.reporter.warn(f"{name} is not in {self.folder}")
        return {
            nevra: one
            for nevra, one in there.items()
            if nevra in names or (nevra not in withdraw and one.source_name not in sources)
        }

    def _has_envelopes(self, content: RepositoryContent) -> bool:
        """Whether all statements are signed, where they are to be: older repositories have none that is."""
        place = self.folder / CURRENT / "provenance"
        return self.key is None or all((place / f"{one}.intoto.jsonl").is_file() for one in content.records)

    def _is_whole(self, package: PublishedPackage) -> bool:
        path = self.folder / package.path
        if path.is_file() and path.stat().st_size == package.size:
            return True
        self.reporter.warn(f"{path} was removed or changed, and leaves the repository; publish it again")
        return False

    def _signed(
        self, packages: Mapping[str, PublishedPackage], added: Mapping[str, PublishedPackage]
    ) -> list[PublishedPackage]:
        """Signed copies of what was published before without this key."""
        if self.key is None:
            return []
        old = [one for one in packages.values() if one.key != self.key.fingerprint and one.nevra not in added]
        paths = [self.folder / one.path for one in old]
        return self.folders.add(
            [IncomingPackage(path, read_header(path), one.origin) for path, one in zip(paths, old, strict=True)]
        )


def _has(present: PublishedPackage | None, one: IncomingPackage) -> bool:
    return present is not None and one.origin in (present.origin, present.sha256)


def _digests(manifest: Manifest) -> dict[str, str]:
    """The digests of what a generation has, by NEVRA or name of the wheel."""
    found = {one.nevra: one.sha256 for one in manifest.packages}
    return found | {one.file: one.sha256 for one in manifest.wheels}


def _checked_source(name: str) -> str:
    """The name of a source, which becomes the name of a file."""
    if _SOURCE.fullmatch(name) is None:
        raise ConfigError(f'"{name}" is no name of a source')
    return name
