"""Source distributions by name and version, from the index, verified and stored by their digest."""

from packaging.version import Version

from ppcdeps.metadata.sources import FetchedSource, SourceKind, fetched_source
from ppcdeps.model.errors import RepositoryError, UsageError
from ppcdeps.python.distfiles import sdists_of
from ppcdeps.python.index import Index


def fetch_sdist(index: Index, name: str, version: str) -> FetchedSource:
    """The source distribution of a release, from the cache or from the index that owns the name.

    Raises UsageError where the version is none, RepositoryError where the index does not know the release, has no
    source distribution of it or no SHA-256, or sends something else.
    """
    try:
        wanted = Version(version)
    except ValueError as error:
        raise UsageError(
            f"{name}=={version}: {version!r} is not a version", hint="write pypi:NAME==VERSION"
        ) from error
    project = index.project(name)
    if not project.files:
        raise RepositoryError(f"no index knows the Python distribution {name}")
    spellings = project.spellings(wanted)
    sdists = sdists_of(file for text in spellings for file in project.files[text])
    if not sdists:
        what = "has no source distribution, only wheels," if spellings else "has no release"
        raise RepositoryError(f"{project.index or 'the index'} {what} of {name} {version}")
    file = sdists[0]
    digest = file.hashes.get("sha256")
    if digest is None:
        raise RepositoryError(f"{file.filename}: its index gives no SHA-256, so it cannot be verified")
    checksum = f"sha256:{digest.lower()}"
    path = index.local_file(file)
    return fetched_source(
        SourceKind.SDIST, name, version, file.filename, path, file.url, checksum, project.index or "find-links"
    )
