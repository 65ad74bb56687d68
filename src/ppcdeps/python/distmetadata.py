"""What a release requires, learned without running any of its code.

In this order: metadata that the index serves beside a wheel; the wheel itself, of which byte ranges suffice;
the sdist's PKG-INFO or pyproject.toml where they promise that a build would not change them; then, each
marked as what it is, the wheel for another machine, and what the author's machine wrote into the sdist. Else
it needs a build.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ppcdeps.base.http import path_of, shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.index import Index, IndexFile
from ppcdeps.python.names import normalise
from ppcdeps.python.purity import Purity, Verdict, judge
from ppcdeps.python.sdist import SdistContents, read_sdist

if TYPE_CHECKING:
    from ppcdeps.python.environment import TargetEnvironment

FILE_LIMIT = 2 * 1024**3
_WHOLE = 96 * 1024
"""Bytes up to which a wheel is read in one piece: a second request would cost more."""
_TAIL = 48 * 1024
_METADATA_LIMIT = 16 * 1024**2
_FORMAT = 5


class MetadataSource(StrEnum):
    """Where the requirements of a release were read, from the most to the least certain."""

    INDEX = "index"
    """PEP 658: the index serves the wheel's METADATA."""
    WHEEL = "wheel"
    SDIST = "sdist"
    """Metadata 2.2 or later that does not declare its requirements dynamic, or static pyproject.toml."""
    OTHER_WHEEL = "other-wheel"
    """A wheel of the same release for another machine."""
    EGG_INFO = "egg-info"
    """What setuptools wrote when the author made the sdist. A build on the target may say something else."""
    DECLARED = "declared"
    """PKG-INFO older than 2.2 of another build backend, or plain literals in setup.py: the same doubt."""
    NEEDS_BUILD = "needs-build"
    """Nothing in the archive says it: the requirements are unknown."""

    @property
    def is_certain(self) -> bool:
        """Whether the specifications guarantee that a build on the target says the same."""
        return self in (MetadataSource.INDEX, MetadataSource.WHEEL, MetadataSource.SDIST)


@dataclass(frozen=True, slots=True)
class DistMetadata:
    """Requirements of a release as PEP 508 texts, extras included, and where they were read."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: str
    source: MetadataSource


@dataclass(frozen=True, slots=True)
class SdistFacts:
    """What one reading of an sdist gives: its metadata and whether it is pure."""

    metadata: DistMetadata
    verdict: Verdict


def read_metadata(index: Index, files: Iterable[IndexFile], environment: "TargetEnvironment") -> DistMetadata:
    """The metadata of the release that ``files`` make up.

    Raises RepositoryError where a file cannot be read, is damaged, is not what its hash says, or where its
    metadata names another distribution or version.
    """
    wheels = [file for file in files if file.is_wheel]
    ranked = [(rank, file) for file in wheels if (rank := environment.rank(file.tags)) is not None]
    if ranked:
        return _of_wheel(index, min(ranked, key=lambda each: each[0])[1], MetadataSource.WHEEL)
    sdists = best_sdists(files)
    found = sdist_facts(index, sdists[0]).metadata if sdists else None
    if found is not None and found.source.is_certain:
        return found
    if wheels:
        smallest = min(wheels, key=lambda file: (file.metadata_hash is None, file.size or 0, file.filename))
        return _of_wheel(index, smallest, MetadataSource.OTHER_WHEEL)
    if found is None:
        raise RepositoryError("a release without files has no metadata")
    return found


def best_sdists(files: Iterable[IndexFile]) -> list[IndexFile]:
    """The source distributions among ``files``, the one that pip prefers first."""
    order = (".tar.gz", ".zip", ".tar.xz", ".tar.bz2", ".tgz")
    found = [file for file in files if not file.is_wheel]
    return sorted(
        found, key=lambda file: next((n for n, each in enumerate(order) if file.filename.endswith(each)), 9)
    )


def local_file(index: Index, file: IndexFile) -> Path:
    """The file on this disk, verified by its hash: where it lies, else in the cache, downloaded where
    needed.
    """
    if file.url.startswith("file:"):
        path = path_of(file.url)
        _verify_local(path, file)
        return path
    digest = file.hashes.get("sha256")
    known = index.cache.find_object(f"sha256:{digest}", file.size) if digest else None
    if known is not None:
        return known
    if index.offline:
        raise RepositoryError(
            f"{file.filename} is not in the cache, and --offline forbids fetching it",
            hint="run the same command once without --offline",
        )
    import hashlib

    with index.cache.new_object() as draft:
        index.downloader.fetch(file.url, draft.stream, file.hashes, limit=FILE_LIMIT)
        draft.stream.flush()
        if digest is None:
            digest = hashlib.sha256(draft.path.read_bytes()).hexdigest()
        return draft.publish(f"sha256:{digest}")


def sdist_facts(index: Index, file: IndexFile) -> SdistFacts:
    """Metadata and purity of an sdist, from the cache where it was read before. Raises like
    ``read_metadata``.
    """
    known = _recall(index, "sdist", file)
    if known is not None:
        verdict = Verdict(Purity(known["purity"]), tuple(known["builds_from"]), tuple(known["evidence"]))
        return SdistFacts(_revived(known["metadata"]), verdict)
    contents = read_sdist(local_file(index, file), file.filename)
    metadata = _checked(_of_sdist(contents, file), file)
    verdict = judge(contents)
    _remember(
        index,
        "sdist",
        file,
        {
            "metadata": asdict(metadata),
            "purity": verdict.purity.value,
            "builds_from": verdict.builds_from,
            "evidence": verdict.evidence,
        },
    )
    return SdistFacts(metadata, verdict)


# Wheels --------------------------------------------------------------------------------------------


def _of_wheel(index: Index, file: IndexFile, source: MetadataSource) -> DistMetadata:
    known = _recall(index, "wheel", file)
    if known is None:
        metadata = _checked(_parsed(*_wheel_text(index, file)), file)
        _remember(index, "wheel", file, asdict(metadata))
    else:
        metadata = _revived(known)
    return metadata if source is MetadataSource.WHEEL else replace(metadata, source=source)


def _wheel_text(index: Index, file: IndexFile) -> tuple[bytes, MetadataSource]:
    if file.url.startswith("file:"):
        with local_file(index, file).open("rb") as stream:
            return _metadata_member(stream, file), MetadataSource.WHEEL
    digest = file.hashes.get("sha256")
    known = index.cache.find_object(f"sha256:{digest}", file.size) if digest else None
    if known is not None:
        with known.open("rb") as stream:
            return _metadata_member(stream, file), MetadataSource.WHEEL
    if index.offline:
        raise RepositoryError(
            f"the metadata of {file.filename} is not in the cache, and --offline forbids fetching it",
            hint="run the same command once without --offline",
        )
    if file.metadata_hash is not None:
        text = _served_metadata(index, file)
        if text is not None:
            return text, MetadataSource.INDEX
    return _from_ranges(index, file), MetadataSource.WHEEL


def _served_metadata(index: Index, file: IndexFile) -> bytes | None:
    import hashlib

    answer = index.downloader.get(f"{file.url}.metadata", limit=_METADATA_LIMIT)
    if answer.status != 200:
        index.warn_once(f"{file.filename}: the index promises its metadata and has it not; the wheel is read")
        return None
    algorithm, _, digest = (file.metadata_hash or "").partition("=")
    if digest and algorithm in hashlib.algorithms_guaranteed:
        found = hashlib.new(algorithm, answer.body).hexdigest()
        if found != digest.lower():
            raise RepositoryError(
                f"the metadata of {file.filename} is not what its index says: "
                f"{algorithm} {found[:16]}… instead of {digest[:16]}… ({shown_url(file.url)}.metadata)",
                hint="it was replaced or damaged on the way: ask the index's owner",
            )
    return answer.body


def _from_ranges(index: Index, file: IndexFile) -> bytes:
    if file.size is not None and file.size <= _WHOLE:
        return _from_whole(index, file)
    first = index.downloader.get(file.url, _range(f"-{_TAIL}"), limit=FILE_LIMIT)
    total = _total(first.headers.get("content-range", ""))
    if first.status != 206 or total is None:
        # The server has no ranges (and sent everything, which is thrown away: it was not compared with its
        # hash).
        return _from_whole(index, file)
    sparse = _Sparse(index, file, total)
    sparse.add(total - len(first.body), first.body)
    return _metadata_member(io.BufferedReader(sparse, 1 << 14), file)


def _from_whole(index: Index, file: IndexFile) -> bytes:
    import hashlib

    stream = io.BytesIO()
    index.downloader.fetch(file.url, stream, file.hashes, limit=FILE_LIMIT)
    text = _metadata_member(stream, file)
    digest = file.hashes.get("sha256")
    if digest and hashlib.sha256(stream.getbuffer()).hexdigest() == digest:
        index.cache.store_object(f"sha256:{digest}", stream.getvalue())
    return text


def _metadata_member(stream: Any, file: IndexFile) -> bytes:
    try:
        with zipfile.ZipFile(stream) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            # A wheel has one; vendored ones would lie deeper.
            if len(names) != 1:
                raise RepositoryError(f"{file.filename} holds {len(names) or 'no'} METADATA files: it is no wheel")
            if archive.getinfo(names[0]).file_size > _METADATA_LIMIT:
                raise RepositoryError(f"{file.filename}: its METADATA is larger than {_METADATA_LIMIT} bytes")
            return archive.read(names[0])
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as fault:
        raise RepositoryError(f"{file.filename} is a damaged wheel ({fault})") from None


class _Sparse(io.RawIOBase):
    """A remote file of which only the parts that are read are fetched."""

    def __init__(self, index: Index, file: IndexFile, size: int) -> None:
        super().__init__()
        self._index = index
        self._file = file
        self._size = size
        self._at = 0
        self._parts: list[tuple[int, bytes]] = []

    def add(self, start: int, data: bytes) -> None:
        self._parts.append((start, data))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        start, data = next((part for part in self._parts if part[0] <= self._at < part[0] + len(part[1])), (0, b""))
        if not data:
            start, data = self._at, self._fetched(self._at, max(wanted, _TAIL))
            self.add(start, data)
        piece = data[self._at - start : self._at - start + wanted]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetched(self, start: int, length: int) -> bytes:
        end = min(start + length, self._size) - 1
        answer = self._index.downloader.get(self._file.url, _range(f"{start}-{end}"), limit=FILE_LIMIT)
        if answer.status != 206 or len(answer.body) != end - start + 1:
            raise RepositoryError(f"{shown_url(self._file.url)}: the server stopped giving byte ranges")
        return answer.body


def _range(span: str) -> dict[str, str]:
    return {"Range": f"bytes={span}", "Accept-Encoding": "identity"}


def _total(header: str) -> int | None:
    found = re.fullmatch(r"bytes \d+-\d+/(\d+)", header.strip())
    return int(found[1]) if found else None


# Sdists --------------------------------------------------------------------------------------------


def _of_sdist(contents: SdistContents, file: IndexFile) -> DistMetadata:
    text = contents.texts.get("PKG-INFO")
    if text is None:
        raise RepositoryError(
            f"{file.filename} has no PKG-INFO: it is no source distribution",
            hint="pin another version in the constraints file",
        )
    found = _parsed(text.encode(), MetadataSource.DECLARED)
    fields = _fields(text.encode())
    dynamic = {each.lower() for each in fields.get("dynamic") or ()}
    declared = tuple(int(part) for part in re.findall(r"\d+", str(fields.get("metadata_version") or "1.0"))[:2])
    if declared >= (2, 2) and "requires-dist" not in dynamic:
        return replace(found, source=MetadataSource.SDIST)
    static = _static_requirements(contents.texts.get("pyproject.toml", ""))
    if static is not None:
        return replace(found, requires=static, source=MetadataSource.SDIST)
    listed = sorted(path for path in contents.texts if path.endswith(".egg-info/requires.txt"))
    if listed:
        requires = requires_txt_requirements(contents.texts[min(listed, key=lambda path: (path.count("/"), path))])
        return replace(found, requires=requires, source=MetadataSource.EGG_INFO)
    if any(".egg-info/" in path for path in contents.paths):
        # setuptools writes no requires.txt where there is nothing to require.
        return replace(found, requires=(), source=MetadataSource.EGG_INFO)
    if found.requires or declared >= (2, 1):
        return found
    scripted = _script_requirements(contents.texts.get("setup.py", ""))
    if scripted is not None and "install_requires" not in contents.texts.get("setup.cfg", ""):
        return replace(found, requires=scripted)
    return replace(found, source=MetadataSource.NEEDS_BUILD)


def _script_requirements(text: str) -> tuple[str, ...] | None:
    """What a setup.py without egg-info requires, where it says so in plain literals or not at all; else
    None.
    """
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    setups = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup"
    ]
    if len(setups) != 1 or any(keyword.arg is None for keyword in setups[0].keywords):
        return None
    for keyword in setups[0].keywords:
        if keyword.arg == "install_requires":
            try:
                value = ast.literal_eval(keyword.value)
            except (ValueError, TypeError):
                return None
            return tuple(str(each) for each in value) if isinstance(value, list | tuple) else None
    return ()


def _static_requirements(text: str) -> tuple[str, ...] | None:
    """Requirements from a ``[project]`` table that declares neither them nor the extras dynamic, else
    None.
    """
    import tomllib

    try:
        project = tomllib.loads(text).get("project")
    except tomllib.TOMLDecodeError:
        return None
    if not isinstance(project, dict) or "name" not in project:
        return None
    if {"dependencies", "optional-dependencies"} & set(project.get("dynamic") or ()):
        return None
    found = [str(each) for each in project.get("dependencies") or ()]
    for extra, requirements in (project.get("optional-dependencies") or {}).items():
        found.extend(_with_marker(str(each), f'extra == "{normalise(str(extra))}"') for each in requirements)
    return tuple(found)


def requires_txt_requirements(text: str) -> tuple[str, ...]:
    """What setuptools' requires.txt says, as PEP 508 texts."""
    found: list[str] = []
    extra = condition = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            extra, _, condition = (part.strip() for part in line[1:-1].partition(":"))
            continue
        markers = [f"({condition})"] if condition else []
        if extra:
            markers.append(f'extra == "{normalise(extra)}"')
        found.append(_with_marker(line, " and ".join(markers)))
    return tuple(found)


def _with_marker(requirement: str, marker: str) -> str:
    if not marker:
        return requirement
    body, semicolon, own = requirement.partition(";")
    # A URL may hold a semicolon; a direct reference's marker follows a blank.
    if "@" in requirement and " ;" in requirement:
        body, semicolon, own = requirement.partition(" ;")
    return f"{body.strip()} ; ({own.strip()}) and {marker}" if semicolon else f"{body.strip()} ; {marker}"


# Parsing -------------------------------------------------------------------------------------------


def _fields(text: bytes) -> dict[str, Any]:
    from packaging.metadata import parse_email

    raw, _ = parse_email(text)
    return dict(raw)


def _parsed(text: bytes, source: MetadataSource) -> DistMetadata:
    fields = _fields(text)
    return DistMetadata(
        str(fields.get("name") or ""),
        str(fields.get("version") or ""),
        tuple(str(each) for each in fields.get("requires_dist") or ()),
        str(fields.get("requires_python") or ""),
        source,
    )


def _checked(metadata: DistMetadata, file: IndexFile) -> DistMetadata:
    from packaging.version import InvalidVersion, Version

    named = normalise(file.filename.partition("-")[0]) if file.is_wheel else ""
    try:
        same_version = Version(metadata.version) == Version(file.version)
    except InvalidVersion:
        same_version = metadata.version == file.version
    if not same_version or (named and normalise(metadata.name) != named):
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
    return f"python {kind} {_FORMAT} {digest} {place}" if digest else None


def _recall(index: Index, kind: str, file: IndexFile) -> dict[str, Any] | None:
    key = _key(kind, file)
    if key is None:
        return None
    try:
        value = json.loads(index.cache.derived_path(key, ".json").read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _remember(index: Index, kind: str, file: IndexFile, value: dict[str, Any]) -> None:
    key = _key(kind, file)
    if key is None:
        return
    text = json.dumps(value, separators=(",", ":")).encode()

    def write(stream: BinaryIO) -> None:
        stream.write(text)

    index.cache.store_derived(key, ".json", write)


def _revived(value: dict[str, Any]) -> DistMetadata:
    return DistMetadata(
        value["name"],
        value["version"],
        tuple(value["requires"]),
        value["requires_python"],
        MetadataSource(value["source"]),
    )


def _verify_local(path: Path, file: IndexFile) -> None:
    import hashlib

    algorithm = next((name for name in ("sha512", "sha384", "sha256") if name in file.hashes), None)
    if not path.is_file():
        raise RepositoryError(f"{path} is not there, though its index lists it")
    if algorithm is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, algorithm).hexdigest()
    if found != file.hashes[algorithm]:
        raise RepositoryError(
            f"{path} is not what its index says: {algorithm} {found[:16]}… instead of {file.hashes[algorithm][:16]}…",
            hint="the file was replaced or damaged: do not install it",
        )
