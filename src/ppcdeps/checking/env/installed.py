"""The distributions in a folder, as importlib.metadata finds them, and what their metadata say.

Followed: importlib.metadata's search (``*.dist-info``, ``*.egg-info`` folders and files, ``EGG-INFO`` of an
unpacked egg), the core metadata specification, and the one on recording installed projects (RECORD, INSTALLER,
direct_url.json).
"""

import csv
import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser

from ppcdeps.checking.env.root_file_system import EntryKind, RootFileSystem
from ppcdeps.checking.env.searchpath import PathEntry
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.names import normalize
from ppcdeps.python.sdistmetadata import requires_txt_requirements
from ppcdeps.python.zips import open_zip, read_member

_TELLS = (".dist-info", ".egg-info")


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file that RECORD or installed-files.txt lists, by its path inside the root.

    ``digest`` is of RECORD's form (`sha256=...`, base64 without padding); ``number`` the line that lists it.
    """

    path: str
    digest: str
    number: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Metadata that cannot be used: the rule, what is wrong, and where."""

    rule: str
    message: str
    where: str


@dataclass(frozen=True, slots=True)
class Installed:
    """One copy of a distribution.

    ``key`` is the normalized name, ``name`` the one its metadata has; ``entry`` the folder of the path that it is
    in, ``metadata`` its dist-info or egg-info. ``files`` is None where nothing lists them. ``installer`` is what
    INSTALLER says. ``modules`` are its top-level modules where they are known. ``editable`` is the place of the
    sources, if it is an editable installation.
    """

    key: str
    name: str
    version: str
    entry: PathEntry
    metadata: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    installer: str = ""
    editable: str | None = None
    modules: tuple[str, ...] = ()
    files: tuple[RecordedFile, ...] | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def shown(self) -> str:
        """Name and version for messages."""
        return f"{self.name} {self.version}".rstrip()


def installed_in(root: RootFileSystem, entry: PathEntry) -> Iterator[Installed]:
    """The distributions of one folder of the path, in the order of their metadata's names; of an archive, its one."""
    if root.is_file(entry.path):
        yield from _archived(root, entry)
        return
    egg = posixpath.basename(entry.path).lower().endswith(".egg")
    for one in root.entries(entry.path):
        low = one.name.lower()
        if one.kind is None or one.kind is EntryKind.OTHER:
            continue
        if low.endswith(_TELLS) or (egg and low == "egg-info"):
            named = posixpath.basename(entry.path) if low == "egg-info" else one.name
            yield _read(root, entry, f"{entry.path}/{one.name}", one.kind, named)


def _archived(root: RootFileSystem, entry: PathEntry) -> Iterator[Installed]:
    """The distribution of a zipped egg, as easy_install left them on the path."""
    try:
        with root.open(entry.path) as stream, open_zip(stream, "it", "archive") as archive:
            members = set(archive.namelist())
            texts = {
                name: read_member(archive, f"EGG-INFO/{name}", "root_metadata", "it").decode("utf-8", "replace")
                for name in ("PKG-INFO", "requires.txt")
                if f"EGG-INFO/{name}" in members
            }
    except (OSError, RepositoryError) as fault:
        root.unseen[entry.path] = f"an archive that cannot be read ({fault})"
        return
    if "PKG-INFO" not in texts:
        root.unseen[entry.path] = "an archive without metadata"
        return
    fields = HeaderParser().parsestr(texts["PKG-INFO"], headersonly=True)
    name, version = (" ".join(str(fields.get(field) or "").split()) for field in ("Name", "Version"))
    requires = requires_txt_requirements(texts.get("requires.txt", ""))
    yield Installed(normalize(name), name, version, entry, f"{entry.path}/EGG-INFO", requires)


def _read(root: RootFileSystem, entry: PathEntry, place: str, kind: EntryKind, named: str) -> Installed:
    stem = named.rpartition(".")[0]
    from_name, _, rest = stem.partition("-")
    faults: list[Fault] = []
    text = _metadata_text(root, place, kind, faults)
    fields = HeaderParser().parsestr(text.lstrip("\ufeff\n"), headersonly=True)
    name, version = (" ".join(str(fields.get(field) or "").split()) for field in ("Name", "Version"))
    if text:
        _judge(name, version, place, faults)
    requires = tuple(" ".join(str(one).split()) for one in fields.get_all("Requires-Dist") or ())
    if kind is EntryKind.FOLDER and not requires and root.has(f"{place}/requires.txt"):
        requires = requires_txt_requirements(_text(root, f"{place}/requires.txt", "root_text"))
    files = _recorded(root, entry, place, kind, faults)
    return Installed(
        key=normalize(name or from_name),
        name=name or from_name,
        version=version or rest.partition("-")[0],
        entry=entry,
        metadata=place,
        requires=requires,
        requires_python=" ".join(str(fields.get("Requires-Python") or "").split()),
        installer=_optional(root, place, kind, "INSTALLER").strip()[:40],
        editable=_editable(root, entry, place, kind, from_name),
        modules=_modules(root, entry, place, kind, files),
        files=files,
        faults=tuple(faults),
    )


def _metadata_text(root: RootFileSystem, place: str, kind: EntryKind, faults: list[Fault]) -> str:
    """The metadata up to the description."""
    if posixpath.basename(place).startswith("~"):
        message = "this is what an interrupted pip left behind: it counts as a distribution of a strange name"
        faults.append(Fault("env-broken-metadata", message, place))
        return ""
    paths = [place] if kind is EntryKind.FILE else [f"{place}/METADATA", f"{place}/PKG-INFO"]
    for path in paths:
        if not root.has(path):
            continue
        if not root.is_file(path):
            faults.append(Fault("env-broken-metadata", "the metadata are not a regular file", path))
            return ""
        content = root.read(path, "root_metadata")
        if content is None:
            # Noted as not seen: whether it is broken is not known.
            return ""
        head = re.split(rb"\r?\n\r?\n", content.lstrip(b"\r\n"), maxsplit=1)[0]
        if not head.strip():
            faults.append(Fault("env-broken-metadata", "the metadata are empty", path))
        try:
            return head.decode("utf-8")
        except UnicodeDecodeError:
            faults.append(Fault("env-broken-metadata", "the metadata are not UTF-8 text", path))
            return head.decode("utf-8", "backslashreplace")
    if place in root.unseen:
        return ""
    message = "there is no METADATA: programs that look up its version get none"
    faults.append(Fault("env-broken-metadata", message, place))
    return ""


def _judge(name: str, version: str, place: str, faults: list[Fault]) -> None:
    from packaging.version import Version

    for field, value in (("Name", name), ("Version", version)):
        if not value:
            faults.append(Fault("env-broken-metadata", f"the metadata have no {field}", place))
    try:
        Version(version or "0")
    except ValueError:
        message = f"the version {version!r} is not one that can be compared"
        faults.append(Fault("env-broken-metadata", message, place))


def _recorded(
    root: RootFileSystem, entry: PathEntry, place: str, kind: EntryKind, faults: list[Fault]
) -> tuple[RecordedFile, ...] | None:
    if kind is not EntryKind.FOLDER:
        return None
    if root.has(f"{place}/RECORD"):
        return _of_record(root, entry, f"{place}/RECORD", faults)
    listing = f"{place}/installed-files.txt"
    if not root.has(listing):
        return None
    # Its paths are relative to the egg-info itself.
    lines = enumerate(_text(root, listing, "root_list").splitlines(), 1)
    base = f"{entry.real}/{posixpath.basename(place)}"
    return tuple(RecordedFile(_joined(base, line), "", number) for number, line in lines if line.strip())


def _of_record(
    root: RootFileSystem, entry: PathEntry, path: str, faults: list[Fault]
) -> tuple[RecordedFile, ...] | None:
    content = root.read(path, "root_list") if root.is_file(path) else None
    if content is None:
        if root.has(path) and not root.is_file(path):
            faults.append(Fault("env-broken-record", "RECORD is not a regular file", path))
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        faults.append(Fault("env-broken-record", "RECORD is not UTF-8 text", path))
        text = content.decode("utf-8", "surrogateescape")
    found: list[RecordedFile] = []
    reader = csv.reader(text.splitlines())
    try:
        for row in reader:
            if not row:
                continue
            if len(row) != 3 or not row[0] or "\0" in row[0]:
                message = "the line is not a path, a digest and a size: pip cannot remove or upgrade what it lists"
                faults.append(Fault("env-broken-record", message, f"{path}:{reader.line_num}"))
                return tuple(found)
            found.append(RecordedFile(_joined(entry.real, row[0]), row[1], reader.line_num))
    except csv.Error as fault:
        message = f"RECORD is not of the form that pip writes ({fault})"
        faults.append(Fault("env-broken-record", message, f"{path}:{reader.line_num}"))
    return tuple(found)


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path)).replace("//", "/", 1)


def _editable(root: RootFileSystem, entry: PathEntry, place: str, kind: EntryKind, name: str) -> str | None:
    if kind is not EntryKind.FOLDER:
        return None
    try:
        said = json.loads(_optional(root, place, kind, "direct_url.json") or "{}")
        if isinstance(said, dict) and said.get("dir_info", {}).get("editable"):
            return str(said.get("url", "")).removeprefix("file://") or place
    except (ValueError, AttributeError, RecursionError):
        return None
    # An egg-info beside its sources, which `setup.py develop` put on the path.
    is_source = place.lower().endswith(".egg-info") and root.has(f"{entry.path}/setup.py")
    return entry.path if is_source and name else None


def _modules(
    root: RootFileSystem, entry: PathEntry, place: str, kind: EntryKind, files: tuple[RecordedFile, ...] | None
) -> tuple[str, ...]:
    if files is not None:
        below = f"{entry.real}/"
        found = {_top_module(one.path.removeprefix(below)) for one in files if one.path.startswith(below)}
        return tuple(sorted(found - {""}))
    lines = _optional(root, place, kind, "top_level.txt").split()
    return tuple(sorted({line.split("/")[0] for line in lines if line.split("/")[0].isidentifier()}))


def _top_module(path: str) -> str:
    """The top-level module that a file below the folder makes importable; empty for what is data."""
    first, _, rest = path.partition("/")
    if not rest:
        name, _, ending = first.partition(".")
        return name if ending in ("py", "so") or (ending.endswith(".so") and name.isidentifier()) else ""
    return first if first.isidentifier() and first != "__pycache__" and rest.endswith((".py", ".so")) else ""


def _optional(root: RootFileSystem, place: str, kind: EntryKind, name: str) -> str:
    path = f"{place}/{name}"
    return (
        _text(root, path, "root_text") if kind is EntryKind.FOLDER and root.has(path) and root.is_file(path) else ""
    )


def _text(root: RootFileSystem, path: str, ceiling: str) -> str:
    return (root.read(path, ceiling) or b"").decode("utf-8", "surrogateescape")
