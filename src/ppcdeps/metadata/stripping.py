"""The dependency facts of rpm-md files: what a solver needs of them, and nothing else."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ppcdeps.base.compression import DamagedError, open_stream
from ppcdeps.metadata.modules import load_documents
from ppcdeps.metadata.primary import read_primary
from ppcdeps.metadata.safexml import refuse_doctype
from ppcdeps.model.capability import paths_in
from ppcdeps.model.values import dataclass

_BLOCK = 1 << 18
_COMMON = "http://linux.duke.edu/metadata/common"
_RPM = "http://linux.duke.edu/metadata/rpm"
_LISTS = "http://linux.duke.edu/metadata/filelists|"
_RELATIONS = (
    "provides",
    "requires",
    "conflicts",
    "obsoletes",
    "suggests",
    "enhances",
    "recommends",
    "supplements",
)
_ENTRY = ("name", "flags", "epoch", "ver", "rel", "pre")
_PLACEHOLDER = "-"
"""Stands for texts that the format of modules requires and a snapshot leaves out."""


@dataclass(frozen=True, slots=True)
class StrippedPrimary:
    """A primary.xml reduced to facts.

    ``requirements`` are the names in all relations but provides. ``ids`` maps the package ids of the
    original to the serial ids of the reduced one, ``paths`` each serial id to the paths that it has already.
    """

    xml: bytes
    packages: int
    requirements: frozenset[str]
    ids: Mapping[str, str]
    paths: Mapping[str, frozenset[str]]


def strip_primary(path: Path) -> StrippedPrimary:
    """The facts of a primary.xml, packages in their order. Raises DamagedError where it cannot be read."""
    out: list[str] = []
    requirements: set[str] = set()
    ids: dict[str, str] = {}
    paths: dict[str, frozenset[str]] = {}
    for package in read_primary(path):
        original = package.checksum.partition(":")[2]
        serial = f"{len(ids) + 1:064x}"
        # An id that comes twice would join the file lists of two packages; the repository is at fault then.
        if not original or original in ids or not package.name:
            raise DamagedError("has a package without name or an id of its own")
        files = package.files()
        relations = [(kind, entries) for kind, entries in package.relations() if kind in _RELATIONS and entries]
        ids[original] = serial
        paths[serial] = frozenset(files)
        requirements |= {one.get("name", "") for kind, entries in relations for one in entries if kind != "provides"}
        out += [
            f'<package type="rpm">\n<name>{_escaped(package.name)}</name>\n',
            f"<arch>{_escaped(package.arch)}</arch>\n",
            f"{_version(str(package.nevra.epoch), package.nevra.version, package.nevra.release)}\n",
            f'<checksum type="sha256" pkgid="YES">{serial}</checksum>\n<format>\n',
            f"<rpm:sourcerpm>{_escaped(package.source)}</rpm:sourcerpm>\n" if package.source else "",
            *(_relation(kind, entries) for kind, entries in relations),
            *(f"<file>{_escaped(one)}</file>\n" for one in files),
            "</format>\n</package>\n",
        ]
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<metadata xmlns="{_COMMON}" xmlns:rpm="{_RPM}" packages="{len(ids)}">\n'
    )
    xml = "".join((head, *out, "</metadata>\n")).encode("utf-8", "replace")
    return StrippedPrimary(xml, len(ids), frozenset(requirements), ids, paths)


def _relation(kind: str, entries: Iterable[Mapping[str, str]]) -> str:
    lines = ["".join(f' {key}="{_escaped(entry[key])}"' for key in _ENTRY if entry.get(key)) for entry in entries]
    return "".join((f"<rpm:{kind}>\n", *(f"<rpm:entry{line}/>\n" for line in lines), f"</rpm:{kind}>\n"))


def _version(epoch: str, version: str, release: str) -> str:
    return f'<version epoch="{_escaped(epoch)}" ver="{_escaped(version)}" rel="{_escaped(release)}"/>'


def named_paths(requirements: Iterable[str]) -> set[str]:
    """The absolute paths that requirements name, also those inside of rich dependencies."""
    return {path for name in requirements for path in paths_in(name)}


def filter_filelists(path: Path, wanted: set[str], primary: StrippedPrimary) -> bytes:
    """A filelists.xml with those wanted paths that the reduced primary has not. Raises DamagedError."""
    reader = _ListsReader(wanted, primary)
    _read(path, reader.start, reader.end, reader.text)
    root = f'<filelists xmlns="{_LISTS[:-1]}" packages="{reader.count}">'
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'
    return "".join((head, *reader.out, "</filelists>\n")).encode("utf-8", "replace")


def strip_modules(path: Path) -> bytes:
    """A modules.yaml with streams, dependencies, artifacts, defaults and obsoletes only. Raises
    DamagedError.
    """
    import yaml

    try:
        documents = [slim for raw in load_documents(path) if (slim := _slim_document(raw)) is not None]
        text: str = yaml.safe_dump_all(documents, sort_keys=True, explicit_start=True, explicit_end=True)
        return text.encode()
    except (yaml.YAMLError, TypeError, ValueError, RecursionError, AttributeError, LookupError) as fault:
        if isinstance(fault, DamagedError):
            raise
        raise DamagedError(f"has a malformed module document ({fault!r})") from fault


def _slim_document(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    data = raw.get("data")
    kind = raw.get("document")
    if not isinstance(data, dict):
        return None
    slim: dict[str, Any]
    if kind == "modulemd":
        slim = {key: data[key] for key in _STREAM_KEYS if key in data}
        artifacts = data.get("artifacts")
        if isinstance(artifacts, dict) and artifacts.get("rpms"):
            slim["artifacts"] = {"rpms": sorted(str(one) for one in artifacts["rpms"])}
        slim |= {"summary": _PLACEHOLDER, "description": _PLACEHOLDER, "license": {"module": [_PLACEHOLDER]}}
    elif kind == "modulemd-defaults":
        slim = {key: data[key] for key in ("module", "stream", "modified") if key in data}
    elif kind == "modulemd-obsoletes":
        slim = {key: data[key] for key in _OBSOLETE_KEYS if key in data} | {"message": _PLACEHOLDER}
    else:
        return None
    return {"document": kind, "version": raw.get("version"), "data": slim}


_STREAM_KEYS = ("name", "stream", "version", "context", "static_context", "arch", "dependencies")
_OBSOLETE_KEYS = ("module", "stream", "context", "modified", "reset", "obsoleted_by", "eol_date")


def _read(path: Path, start: Any, end: Any, text: Any) -> None:
    parser = expat.ParserCreate(namespace_separator="|")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        with open_stream(path) as stream:
            while block := stream.read(_BLOCK):
                parser.Parse(block, False)
        parser.Parse(b"", True)
    except DamagedError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as fault:
        raise DamagedError(f"is not well-formed XML ({fault})") from fault


def _escaped(text: str) -> str:
    if "&" in text or "<" in text or ">" in text or '"' in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text


class _ListsReader:
    """Keeps the wanted paths of each package."""

    def __init__(self, wanted: set[str], primary: StrippedPrimary) -> None:
        self.out: list[str] = []
        self.count = 0
        self._wanted = wanted
        self._primary = primary
        self._package: dict[str, str] = {}
        self._version: dict[str, str] = {}
        self._files: list[str] = []
        self._text: list[str] = []
        self._listening = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == _LISTS + "file":
            self._text.clear()
            self._listening = True
        elif name == _LISTS + "package":
            self._package = attributes
            self._files = []
        elif name == _LISTS + "version":
            self._version = attributes

    def text(self, data: str) -> None:
        if self._listening:
            self._text.append(data)

    def end(self, name: str) -> None:
        if name == _LISTS + "file":
            self._listening = False
            path = "".join(self._text).strip()
            if path in self._wanted:
                self._files.append(path)
        elif name == _LISTS + "package":
            self._finish()

    def _finish(self) -> None:
        serial = self._primary.ids.get(self._package.get("pkgid", ""))
        if serial is None:
            return
        files = [one for one in self._files if one not in self._primary.paths[serial]]
        if not files:
            return
        self.count += 1
        name, arch = _escaped(self._package.get("name", "")), _escaped(self._package.get("arch", ""))
        self.out += [
            f'<package pkgid="{serial}" name="{name}" arch="{arch}">\n',
            f"{_version(*(self._version.get(key) or '0' for key in ('epoch', 'ver', 'rel')))}\n",
            *(f"<file>{_escaped(one)}</file>\n" for one in files),
            "</package>\n",
        ]
