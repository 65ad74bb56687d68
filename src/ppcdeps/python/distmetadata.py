"""What a release requires, learned without running any of its code, and remembered.

In this order: metadata that the index serves beside a wheel; the wheel itself, of which byte ranges suffice;
the sdist's PKG-INFO or pyproject.toml where they guarantee that a build would not change them; then, each
marked as what it is, the wheel for another machine, and what the author's machine wrote into the sdist. Else
it needs a build.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ppcdeps.base.urls import shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass
from ppcdeps.python.coremetadata import DistMetadata, MetadataSource, parse_metadata
from ppcdeps.python.distfiles import IndexFile, sdists_of
from ppcdeps.python.index import Index
from ppcdeps.python.names import normalize
from ppcdeps.python.purity import Purity, Verdict, judge
from ppcdeps.python.sdist import read_sdist
from ppcdeps.python.sdistmetadata import sdist_metadata
from ppcdeps.python.wheelmetadata import wheel_metadata_text

if TYPE_CHECKING:
    from ppcdeps.python.environment import TargetEnvironment

T = TypeVar("T")

_FORMAT = 5


@dataclass(frozen=True, slots=True)
class SdistFacts:
    """What one reading of an sdist gives: its metadata, whether it is pure, and its size in bytes."""

    metadata: DistMetadata
    verdict: Verdict
    size: int


def read_metadata(index: Index, files: Iterable[IndexFile], environment: "TargetEnvironment") -> DistMetadata:
    """The metadata of the release that ``files`` make up.

    Raises RepositoryError where a file cannot be read, is damaged, is not what its hash says, or where its
    metadata names another distribution or version.
    """
    wheels = [file for file in files if file.is_wheel]
    ranked = [(rank, file) for file in wheels if (rank := environment.rank(file.tags)) is not None]
    if ranked:
        return _of_wheel(index, min(ranked, key=lambda each: each[0])[1], MetadataSource.WHEEL)
    sdists = sdists_of(files)
    found = sdist_facts(index, sdists[0]).metadata if sdists else None
    if found is not None and found.source.is_certain:
        return found
    if wheels:
        return _of_wheel(index, cheapest_wheel(wheels), MetadataSource.OTHER_WHEEL)
    if found is None:
        raise RepositoryError("a release without files has no metadata")
    return found


def cheapest_wheel(wheels: Iterable[IndexFile]) -> IndexFile:
    """The wheel of a release whose metadata is read where none is for the target: one of which the index serves it
    costs least, then the smallest.
    """
    return min(wheels, key=lambda file: (file.metadata_hash is None, file.size or 0, file.filename))


def sdist_facts(index: Index, file: IndexFile) -> SdistFacts:
    """Metadata and purity of an sdist, from the cache where it was read before. Raises like ``read_metadata``."""
    key = _key("sdist", file)
    known = _sdist_facts_in(index.cache.recall(key)) if key else None
    if known is not None:
        return known
    path = index.local_file(file)
    contents, size = read_sdist(path, file.filename), path.stat().st_size
    metadata = _checked(_read(lambda: sdist_metadata(contents, file.filename), file), file)
    verdict = _read(lambda: judge(contents), file)
    if key:
        index.cache.remember(
            key,
            {
                "metadata": asdict(metadata),
                "purity": verdict.purity.value,
                "builds_from": verdict.builds_from,
                "evidence": verdict.evidence,
                "size": size,
            },
        )
    return SdistFacts(metadata, verdict, size)


def _of_wheel(index: Index, file: IndexFile, source: MetadataSource) -> DistMetadata:
    key = _key("wheel", file)
    metadata = _metadata_in(index.cache.recall(key)) if key else None
    if metadata is None:
        text, where = wheel_metadata_text(index, file)
        metadata = _checked(_read(lambda: parse_metadata(text, where), file), file)
        if key:
            index.cache.remember(key, asdict(metadata))
    return metadata if source is MetadataSource.WHEEL else replace(metadata, source=source)


def _read(reader: Callable[[], T], file: IndexFile) -> T:
    """What the reader makes of a file's texts, whatever it raises becoming a RepositoryError that names the file."""
    try:
        return reader()
    except RepositoryError as fault:
        if file.filename in fault.message:
            raise
        raise RepositoryError(f"{file.filename}: {fault.message}", hint=fault.hint) from None
    except Exception as fault:
        # The parsers of Python, TOML and mails have no one error: deep nesting and long numbers raise others.
        words = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise RepositoryError(f"{file.filename}: its metadata cannot be read ({words})") from None


def _checked(metadata: DistMetadata, file: IndexFile) -> DistMetadata:
    from packaging.version import Version

    # Only in a wheel's file name is the name free of hyphens.
    named = normalize(file.filename.partition("-")[0]) if file.is_wheel else ""
    try:
        same_version = Version(metadata.version) == Version(file.version)
    except ValueError:
        same_version = metadata.version == file.version
    if not same_version or (named and normalize(metadata.name) != named):
        raise RepositoryError(
            f"{file.filename} says of itself that it is {metadata.name or 'nameless'} {metadata.version}: "
            "its metadata contradicts its name",
            hint="do not install it; pin another version in the constraints file",
        )
    return metadata


# The cache -----------------------------------------------------------------------------------------


def _key(kind: str, file: IndexFile) -> str | None:
    digest = file.hashes.get("sha256")
    # Of a wheel only ranges may have been read, and not compared with the hash: what one place said of it is
    # not held to be true of another.
    place = shown_url(file.url) if kind == "wheel" else ""
    # Without a digest, the file at this address may be another one next time.
    return f"python {kind} {_FORMAT} {digest} {place}" if digest else None


def _sdist_facts_in(value: Any) -> SdistFacts | None:
    """What the cache remembers, None where its record has another shape than this version writes."""
    try:
        verdict = Verdict(Purity(value["purity"]), tuple(value["builds_from"]), tuple(value["evidence"]))
        metadata, size = _metadata_in(value["metadata"]), int(value["size"])
    except (KeyError, TypeError, ValueError):
        return None
    return SdistFacts(metadata, verdict, size) if metadata is not None else None


def _metadata_in(value: Any) -> DistMetadata | None:
    try:
        found = DistMetadata(
            value["name"],
            value["version"],
            tuple(value["requires"]),
            value["requires_python"],
            MetadataSource(value["source"]),
        )
        texts = (found.name, found.version, found.requires_python, *found.requires)
        return found if all(isinstance(text, str) for text in texts) else None
    except (KeyError, TypeError, ValueError):
        return None
