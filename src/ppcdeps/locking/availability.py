"""Whether repositories, indexes and mirrors still have all that a lock names."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ppcdeps.locking.fetching import Origins
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import UNKNOWN, RepositoryPackage, SoughtFile, packages_of, presence_of
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.lock import Lock, LockedPackage
from ppcdeps.model.nevra import Nevra


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Something of a lock that cannot be had any more. ``kind`` is the lock's list that it stands in.

    Where who has it did not answer, it is not known to be gone (``is_gone``).
    """

    kind: str
    what: str
    why: str
    is_gone: bool = True


def unavailable(lock: Lock, origins: Origins, *, offline: bool = False) -> tuple[Unavailable, ...]:
    """What cannot be had of a lock, in the order of its lists; nothing where all is there.

    Packages are there where the metadata of their repository has them with the locked checksum, and their file is
    there in its size. Files are asked for, and not fetched; without network that is left out.
    """
    found = [*_states(lock, origins.repositories), *_packages(lock, origins.repositories), *_python(lock, origins)]
    if not offline:
        lost = {one.what for one in found if one.kind == "packages"}
        files = [*_package_files(lock, origins.repositories, lost), *_files(lock, origins)]
        answers = zip(files, presence_of([sought for _, _, sought in files]), strict=True)
        found += [
            Unavailable(kind, what, why.removeprefix(UNKNOWN), not why.startswith(UNKNOWN))
            for (kind, what, _), why in answers
            if why
        ]
    return tuple(found)


def _states(lock: Lock, now: Mapping[str, RepoMetadata]) -> Iterator[Unavailable]:
    for state in lock.repositories:
        repository = now.get(state.id)
        if not state.digest or repository is None or repository.digest == state.digest:
            continue
        if repository.problem:
            why = repository.problem.removeprefix(f"repository {state.id}: ")
            yield Unavailable("repositories", state.id, why, is_gone=False)
            continue
        before, after = state.revision or "unknown", repository.revision or "unknown"
        moved = (
            f"moved on from revision {before} to {after}"
            if before != after
            else f"has other metadata now, of the same revision ({after})"
        )
        yield Unavailable("repositories", state.id, moved)


def _packages(lock: Lock, now: Mapping[str, RepoMetadata]) -> Iterator[Unavailable]:
    states = {state.id: state.digest for state in lock.repositories}
    by_repository: dict[str, list[LockedPackage]] = {}
    for package in lock.packages:
        by_repository.setdefault(package.repo, []).append(package)
    for repo, packages in by_repository.items():
        repository = now.get(repo)
        if repository is None or repository.problem or repository.digest == states.get(repo):
            continue
        known = packages_of([repository], [one.nevra for one in packages])
        for one in packages:
            there = known.get(one.nevra)
            if there is None:
                yield Unavailable("packages", one.nevra, f"{repo} does not have it any more")
            elif there.checksum != one.checksum:
                yield Unavailable("packages", one.nevra, f"{repo} has another file of that name and version")


def _package_files(
    lock: Lock, now: Mapping[str, RepoMetadata], lost: Collection[str]
) -> Iterator[tuple[str, str, SoughtFile]]:
    """The files of the packages that metadata still has: a mirror may have less than its metadata says."""
    for one in lock.packages:
        repository = now.get(one.repo)
        if repository is None or repository.problem or not one.path or one.nevra in lost:
            continue
        package = RepositoryPackage(Nevra.parse(one.nevra), one.path, one.checksum, one.size, repository)
        yield "packages", one.nevra, SoughtFile.of(package)


def _python(lock: Lock, origins: Origins) -> Iterator[Unavailable]:
    if origins.index is None:
        return
    for one in lock.python:
        try:
            there = origins.index.project(one.name).by_filename().get(one.file)
        except PpcdepsError as fault:
            yield Unavailable("python", one.file, fault.line, is_gone=False)
            continue
        if there is None:
            yield Unavailable("python", one.file, "the Python index does not have it any more")
        elif there.hashes.get("sha256", one.sha256).lower() != one.sha256:
            yield Unavailable("python", one.file, "the Python index has another file of that name")
        elif there.yanked:
            reason = f": {there.yanked}" if there.yanked != "*" else ""
            yield Unavailable("python", one.file, f"it was yanked from the Python index{reason}")


def _files(lock: Lock, origins: Origins) -> Iterator[tuple[str, str, SoughtFile]]:
    """Kind, name and addresses of the files that have an address of their own."""
    for source in lock.sources:
        if source.kind == "file" and source.origin:
            yield "sources", source.file, SoughtFile((source.origin,))
    for archive in lock.archives:
        urls = tuple(f"{base.rstrip('/')}/{archive.path}" for base in origins.mirrors)
        yield "root_packages", archive.path, SoughtFile(urls, archive.size)
