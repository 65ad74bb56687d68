"""The packages and wheels of a repository: copies in folders named by their content, which never change."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.atomic import NEW, flush
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.publishing.repository import PACKAGES, PublishedPackage, PublishedWheel
from ppcdeps.building.publishing.signing import SigningKey, sign_packages
from ppcdeps.building.publishing.wheels import Wheel
from ppcdeps.model.errors import BuildError, ConfigError
from ppcdeps.rpm.header import PackageHeader, check_digests, read_header


@dataclass(frozen=True, slots=True)
class IncomingPackage:
    """A package to be put into the repository: where it is now, and the digest that it was built with."""

    path: Path
    header: PackageHeader
    origin: str

    @property
    def nevra(self) -> str:
        """Its NEVRA as text."""
        return str(self.header.nevra)

    @property
    def source_name(self) -> str:
        """The name of its source package."""
        return self.header.source.removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)[0]

    @property
    def file_name(self) -> str:
        """The name that rpm gives such a file: without the epoch. Raises ConfigError where that cannot be a name."""
        name = f"{replace(self.header.nevra, epoch=0)}.rpm"
        if "/" in name or not name.isprintable():
            raise ConfigError(f"a package is called {name!r}, and no file can be")
        return name


def incoming_packages(paths: Sequence[Path]) -> list[IncomingPackage]:
    """The packages in these files. Raises ConfigError where one is damaged, a source package, or there twice."""
    found: dict[str, IncomingPackage] = {}
    for path in paths:
        header = read_header(path)
        check_digests(path)
        if not header.source:
            raise ConfigError(f"{path.name} is a source package, and the repository has packages to install")
        one = IncomingPackage(path, header, sha256_of(path))
        other = found.setdefault(one.nevra, one)
        if other.origin != one.origin:
            raise ConfigError(f"{other.path} and {path} are different builds of {one.nevra}", hint="give one of them")
    return list(found.values())


@dataclass(frozen=True, slots=True)
class PackageFolders:
    """The folders of a repository's packages; what is added is signed with ``key`` if there is one."""

    repository: Path
    key: SigningKey | None

    @property
    def folder(self) -> Path:
        """The folder that they are in."""
        return self.repository / PACKAGES

    def add(self, packages: Sequence[IncomingPackage]) -> list[PublishedPackage]:
        """Copy packages into the repository."""
        if not packages:
            return []
        place = self.folder / f"{NEW}{os.getpid()}"
        copies = []
        for number, one in enumerate(packages):
            copy = place / str(number) / one.file_name
            copy.parent.mkdir(parents=True)
            shutil.copyfile(one.path, copy)
            copies.append(copy)
        if self.key is not None:
            sign_packages(copies, self.key)
        return [self._added(one, copy) for one, copy in zip(packages, copies, strict=True)]

    def add_wheel(self, wheel: Wheel) -> PublishedWheel:
        """Copy a wheel into the repository, with its METADATA beside it."""
        scratch = self.folder / f"{NEW}{os.getpid()}-{wheel.file}"
        scratch.mkdir(parents=True)
        shutil.copyfile(wheel.path, scratch / wheel.file)
        if sha256_of(scratch / wheel.file) != wheel.sha256:
            raise _changed(wheel.path)
        (scratch / f"{wheel.file}.metadata").write_bytes(wheel.metadata)
        path = self._put_in_place(scratch / wheel.file, wheel.sha256)
        return PublishedWheel(
            file=wheel.file,
            path=path.relative_to(self.repository).as_posix(),
            name=wheel.name,
            version=wheel.version,
            sha256=wheel.sha256,
            metadata_sha256=hashlib.sha256(wheel.metadata).hexdigest(),
            requires_python=wheel.requires_python,
        )

    def _added(self, one: IncomingPackage, copy: Path) -> PublishedPackage:
        digest = sha256_of(copy)
        if self.key is None and digest != one.origin:
            raise _changed(one.path)
        copy.chmod(0o644)
        # The metadata has the time of the file: the same packages give the same metadata.
        os.utime(copy, (one.header.built, one.header.built))
        path = self._put_in_place(copy, digest)
        return PublishedPackage(
            nevra=one.nevra,
            path=path.relative_to(self.repository).as_posix(),
            sha256=digest,
            origin=one.origin,
            source=one.header.source,
            license=one.header.license,
            summary=one.header.summary,
            built=one.header.built,
            size=path.stat().st_size,
            key=self.key.fingerprint if self.key else "",
        )

    def _put_in_place(self, copy: Path, digest: str) -> Path:
        """Rename the folder of a copy to that of its digest, unless the same is there whole. Returns its place."""
        target = self.folder / digest[:16]
        path = target / copy.name
        if not (path.is_file() and sha256_of(path) == digest):
            for each in (*copy.parent.iterdir(), copy.parent):
                flush(each)
            remove_tree(target)
            copy.parent.rename(target)
            flush(target.parent)
        return path


def _changed(path: Path) -> BuildError:
    return BuildError(f"{path} was changed while it was published", hint="publish it again")
