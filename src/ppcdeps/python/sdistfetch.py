"""Source distributions by name and version, from the index, verified and kept by their digest."""

from ppcdeps.metadata.sources import LARGEST, FetchedSource, SourceKind, fetched_source
from ppcdeps.model.errors import RepositoryError, UsageError
from ppcdeps.python.index import Index, IndexFile

_BEST = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


def fetch_sdist(index: Index, name: str, version: str) -> FetchedSource:
    """The source distribution of a release, from the cache or from the index that owns the name.

    Raises UsageError where the version is none, RepositoryError where the index does not know the release, has no
    source distribution of it or no SHA-256, or sends something else.
    """
    from packaging.version import InvalidVersion, Version

    try:
        wanted = Version(version)
    except InvalidVersion as error:
        raise UsageError(f"{name}=={version}: {version!r} is no version", hint="write pypi:NAME==VERSION") from error
    project = index.project(name)
    if not project.files:
        raise RepositoryError(f"no index knows the Python distribution {name}")
    spellings = project.spellings(wanted)
    files = [file for text in spellings for file in project.files[text] if not file.is_wheel]
    if not files:
        what = "has no source distribution, only wheels," if spellings else "has no release"
        raise RepositoryError(f"{project.index or 'the index'} {what} of {name} {version}")
    file = min(files, key=_preference)
    digest = file.hashes.get("sha256")
    if digest is None:
        raise RepositoryError(f"{file.filename}: its index gives no SHA-256, so it cannot be verified")
    checksum = f"sha256:{digest.lower()}"
    cache = index.cache
    path = cache.find_object(checksum, file.size)
    if path is None:
        if index.offline and not file.url.startswith("file:"):
            raise RepositoryError(
                f"{file.filename}: not in the cache, and no network may be used (offline)",
                hint="run the same command once without --offline",
            )
        with cache.new_object() as draft:
            index.downloader.fetch(file.url, draft.stream, {"sha256": digest}, limit=file.size or LARGEST)
            path = draft.publish(checksum)
    return fetched_source(
        SourceKind.SDIST, name, version, file.filename, path, file.url, checksum, project.index or "find-links"
    )


def _preference(file: IndexFile) -> tuple[int, str]:
    return next(n for n, ending in enumerate((*_BEST, "")) if file.filename.endswith(ending)), file.filename
