"""Wheels that were built: checked, and listed as an index of plain files that pip reads.

Follows the binary distribution format (wheel 1.0), the simple repository API (PEP 503 for HTML, PEP 691 for JSON) and
metadata beside the files (PEP 658, PEP 714).
"""

import base64
import csv
import hashlib
import html
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from urllib.parse import quote

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import parse_tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ppcdeps.base.digests import sha256_of
from ppcdeps.building.publishing.abi import Abi, abi_of
from ppcdeps.building.publishing.elf import MAGIC, facts_of
from ppcdeps.building.publishing.repository import PublishedWheel
from ppcdeps.model.errors import BuildError
from ppcdeps.rpm.elf import DamagedElfError

_UP = "../../../"
"""From a project's page, wheels/simple/NAME/, to the top of the repository."""
_ALGORITHMS = ("sha256", "sha384", "sha512")
_LIMIT = 2 << 30
"""Bytes that one file of a wheel may open to."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that was built and checked. ``name`` is normalized; ``metadata`` is its METADATA, as it is there."""

    path: Path
    name: str
    version: str
    sha256: str
    tags: tuple[str, ...]
    requires_python: str
    metadata: bytes

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.path.name


def collect_wheels(folder: Path, arch: str) -> tuple[Wheel, ...]:
    """The wheels that a build left anywhere in a folder, sorted by name and version; of the same file, one.

    Raises BuildError with the first that cannot be used for ``arch``, or where two differ under one name.
    """
    if folder.is_symlink():
        raise BuildError(f"the build made {folder.name} a link")
    found: dict[str, Wheel] = {}
    for path in sorted(folder.rglob("*.whl")):
        if not path.is_file() or path.is_symlink():
            continue
        wheel = read_wheel(path, arch)
        other = found.setdefault(wheel.file, wheel)
        if other.sha256 != wheel.sha256:
            raise BuildError(f"the build made two different {wheel.file}: {other.path} and {path}")
    return tuple(sorted(found.values(), key=lambda one: (one.name, one.version, one.file)))


def read_wheel(path: Path, arch: str) -> Wheel:
    """Check a wheel: its name, tags and RECORD, and whether its native modules are of ``arch``.

    Raises BuildError that says what is wrong with it.
    """
    abi = abi_of(arch)
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as fault:
        raise BuildError(f"{path.name} is no name of a wheel: {fault}") from fault
    platforms = sorted({tag.platform for tag in tags})
    for platform in platforms:
        if platform != "any" and not (_is_of_linux(platform) and platform.endswith(f"_{arch}")):
            raise BuildError(f"{path.name} is for {platform}, not for {arch}")
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = _checked_content(archive, path.name, abi, is_pure=platforms == ["any"])
            said = _tags_inside(archive)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, NotImplementedError) as fault:
        raise BuildError(f"{path.name} is damaged: {' '.join(str(fault).split())}") from fault
    if said != {str(tag) for tag in tags}:
        raise BuildError(f"{path.name} says other tags inside: {', '.join(sorted(said)) or 'none'}")
    message = message_from_bytes(metadata)
    if canonicalize_name(message.get("Name", "")) != name or message.get("Version", "") != str(version):
        inner = f"{message.get('Name')} {message.get('Version')}"
        raise BuildError(f"{path.name} says inside to be {inner}")
    return Wheel(
        path=path,
        name=name,
        version=str(version),
        sha256=sha256_of(path),
        tags=tuple(sorted(map(str, tags))),
        requires_python=_specifiers(message.get("Requires-Python", ""), path.name),
        metadata=metadata,
    )


def index_pages(wheels: Sequence[PublishedWheel]) -> Mapping[str, bytes]:
    """The files of an index, by their places in the repository's folder ``wheels``.

    ``simple/`` is for --index-url, in HTML for pip and the same as JSON; ``index.html`` for --find-links. No server
    has to know of them: any that serves files, or a ``file://`` URL, will do.
    """
    projects: dict[str, list[PublishedWheel]] = {}
    for wheel in sorted(wheels, key=lambda one: (one.name, one.version, one.file)):
        projects.setdefault(wheel.name, []).append(wheel)
    meta = {"api-version": "1.1"}
    pages = {
        "index.html": _page(
            "Wheels built by ppcdeps", [_anchor(one, "../") for files in projects.values() for one in files]
        ),
        "simple/index.html": _page("Projects", [f'<a href="{name}/">{name}</a>' for name in projects]),
        "simple/index.json": _json({"meta": meta, "projects": [{"name": name} for name in projects]}),
    }
    for name, files in projects.items():
        pages[f"simple/{name}/index.html"] = _page(f"Wheels of {name}", [_anchor(one, _UP) for one in files])
        versions = list(dict.fromkeys(one.version for one in files))
        listed = [_entry(one) for one in files]
        pages[f"simple/{name}/index.json"] = _json(
            {"meta": meta, "name": name, "versions": versions, "files": listed}
        )
    return pages


def _is_of_linux(platform: str) -> bool:
    return platform.startswith(("linux_", "manylinux", "musllinux_"))


def _checked_content(archive: zipfile.ZipFile, file: str, abi: Abi, is_pure: bool) -> bytes:
    """The wheel's METADATA, after every file has passed. Raises BuildError where one does not."""
    listed = _listed(archive, file)
    metadata = b""
    for member in archive.infolist():
        if member.is_dir():
            continue
        if member.file_size > _LIMIT:
            raise BuildError(f"{file}: {member.filename} opens to {member.file_size} bytes")
        content = archive.read(member)
        signature = member.filename.rpartition("/")[2] in ("RECORD", "RECORD.jws", "RECORD.p7s")
        if not signature and not _is_as_listed(content, listed.get(member.filename, "")):
            raise BuildError(f"{file}: {member.filename} is not as RECORD says")
        if content.startswith(MAGIC):
            _check_module(content, f"{file}: {member.filename}", abi, is_pure)
        if _is_in_dist_info(member.filename, "METADATA"):
            metadata = content
    lacking = sorted(set(listed) - set(archive.namelist()))
    if lacking:
        raise BuildError(f"{file}: RECORD lists {lacking[0]}, which is not there")
    if not metadata:
        raise BuildError(f"{file} has no METADATA")
    return metadata


def _listed(archive: zipfile.ZipFile, file: str) -> dict[str, str]:
    """The hash of each file that RECORD lists."""
    name = next((one for one in archive.namelist() if _is_in_dist_info(one, "RECORD")), None)
    if name is None:
        raise BuildError(f"{file} has no RECORD")
    rows = csv.reader(io.StringIO(archive.read(name).decode()))
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[1]}


def _tags_inside(archive: zipfile.ZipFile) -> set[str]:
    name = next((one for one in archive.namelist() if _is_in_dist_info(one, "WHEEL")), None)
    if name is None:
        return set()
    tags = message_from_bytes(archive.read(name)).get_all("Tag", [])
    return {str(one) for tag in tags for one in parse_tag(tag.strip())}


def _is_in_dist_info(path: str, name: str) -> bool:
    folder, _, file = path.partition("/")
    return folder.endswith(".dist-info") and file == name


def _check_module(content: bytes, where: str, abi: Abi, is_pure: bool) -> None:
    try:
        wrong = facts_of(io.BytesIO(content), where).mismatches(abi)
    except DamagedElfError as fault:
        raise BuildError(f"{where} {fault}") from fault
    if wrong:
        raise BuildError(f"{where} is not for {abi.arch}: {', '.join(wrong)}")
    if is_pure:
        raise BuildError(f"{where} is compiled, and the wheel's name says that it is for any machine")


def _specifiers(text: str, file: str) -> str:
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier as fault:
        raise BuildError(f"{file} has a Requires-Python that is none: {text!r}") from fault


def _is_as_listed(content: bytes, listed: str) -> bool:
    algorithm, _, value = listed.partition("=")
    if algorithm not in _ALGORITHMS:
        return False
    digest = hashlib.new(algorithm, content).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == value


def _anchor(one: PublishedWheel, top: str) -> str:
    attributes = {"href": f"{top}{quote(one.path)}#sha256={one.sha256}"}
    if one.requires_python:
        attributes["data-requires-python"] = one.requires_python
    # The second name is what pip before 23.2 knows.
    for name in ("data-core-metadata", "data-dist-info-metadata"):
        attributes[name] = f"sha256={one.metadata_sha256}"
    joined = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {joined}>{html.escape(one.file)}</a>"


def _entry(one: PublishedWheel) -> dict[str, object]:
    return {
        "filename": one.file,
        "url": f"{_UP}{quote(one.path)}",
        "hashes": {"sha256": one.sha256},
        "core-metadata": {"sha256": one.metadata_sha256},
        **({"requires-python": one.requires_python} if one.requires_python else {}),
    }


def _page(title: str, anchors: Sequence[str]) -> bytes:
    head = f'<meta name="pypi:repository-version" content="1.1"><title>{html.escape(title)}</title>'
    body = "".join(f"{anchor}<br>\n" for anchor in anchors)
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{body}</body></html>\n".encode()


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
