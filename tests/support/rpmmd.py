"""Small repositories for tests: packages as values, written as rpm-md the way createrepo_c writes it."""

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from ppcdeps.model.nevra import Nevra

RELATIONS = (
    "provides",
    "requires",
    "conflicts",
    "obsoletes",
    "suggests",
    "enhances",
    "recommends",
    "supplements",
)
_SIGNS = {"<": "LT", ">": "GT", "=": "EQ", "<=": "LE", ">=": "GE"}
_PRIMARY_PATH = re.compile(r"^/etc/|bin/|^/usr/lib/sendmail$")


@dataclass(frozen=True, slots=True)
class Package:
    """A package by its identity. It provides itself, with its ISA marker if it has one, as rpmbuild's do.

    ``source`` is the name of its source package, its own where that is empty.
    """

    nevra: Nevra
    source: str = ""
    files: tuple[str, ...] = ()
    relations: Mapping[str, tuple[str, ...]] | None = None
    pre: tuple[str, ...] = ()
    """Requirements of its install scripts, which rpm-md marks with pre="1"."""
    content: bytes | None = None
    """What its file has, where there is to be one."""

    @property
    def file(self) -> str:
        """The name of its file, without the epoch, as rpmbuild gives it."""
        nevra = self.nevra
        return f"{nevra.name}-{nevra.version}-{nevra.release}.{nevra.arch}.rpm"

    @property
    def pkgid(self) -> str:
        """A checksum that no other package has."""
        if self.content is not None:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def related(self, relation: str) -> tuple[str, ...]:
        """The capabilities of a relation, those that every package has included."""
        given = tuple((self.relations or {}).get(relation, ()))
        if relation != "provides" or self.nevra.arch in ("src", "nosrc"):
            return given
        name, evr = self.nevra.name, self.nevra.evr
        marker = {"ppc64le": "(ppc-64)", "ppc64": "(ppc-64)", "x86_64": "(x86-64)", "i686": "(x86-32)"}
        own = [f"{name} = {evr}"]
        if self.nevra.arch in marker:
            own.append(f"{name}{marker[self.nevra.arch]} = {evr}")
        return (*own, *given)


def write_repository(folder: Path, packages: Iterable[Package], modules: str = "", groups: str = "") -> Path:
    """Write a repository's metadata below the folder, packages in the order given. Returns the folder.

    ``groups`` is a comps.xml.
    """
    packages = list(packages)
    for one in packages:
        if one.content is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / one.file).write_bytes(one.content)
    files = {"primary": _primary(packages), "filelists": _filelists(packages)}
    if modules:
        files["modules"] = modules
    if groups:
        files["group"] = groups
    return write_files(folder, files)


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the repodata of a repository: the text of each kind of file, and repomd.xml. Returns the folder."""
    repodata = folder / "repodata"
    repodata.mkdir(parents=True)
    records = []
    for kind, text in files.items():
        name = f"{kind}.{'yaml' if kind == 'modules' else 'xml'}.gz"
        packed = gzip.compress(text.encode(), compresslevel=1, mtime=0)
        (repodata / name).write_bytes(packed)
        records.append(
            f'<data type="{kind}"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
            f'<open-checksum type="sha256">{hashlib.sha256(text.encode()).hexdigest()}</open-checksum>'
            f'<location href="repodata/{name}"/><timestamp>1700000000</timestamp>'
            f"<size>{len(packed)}</size><open-size>{len(text.encode())}</open-size></data>"
        )
    (repodata / "repomd.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo"'
        ' xmlns:rpm="http://linux.duke.edu/metadata/rpm"><revision>1</revision>'
        f"{''.join(records)}</repomd>\n"
    )
    return folder


def modules_yaml(streams: Mapping[str, Iterable[str]], arch: str, defaults: Mapping[str, str] | None = None) -> str:
    """A modules.yaml with the artifacts of each ``name:stream``, and the default streams."""
    text = []
    for title, artifacts in streams.items():
        name, _, stream = title.partition(":")
        rpms = ", ".join(f'"{one}"' for one in artifacts)
        text.append(
            f'---\ndocument: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: "{stream}"\n'
            f'  version: 1\n  context: aaaaaaaa\n  arch: {arch}\n  summary: "-"\n  description: "-"\n'
            f'  license: {{module: ["-"]}}\n  dependencies:\n  - requires: {{platform: [el9]}}\n'
            f"  artifacts: {{rpms: [{rpms}]}}\n...\n"
        )
    text += [
        f'---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {name}\n  stream: "{stream}"\n...\n'
        for name, stream in (defaults or {}).items()
    ]
    return "".join(text)


def _primary(packages: list[Package]) -> str:
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
        f' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{len(packages)}">\n'
    )
    return head + "".join(_package(one) for one in packages) + "</metadata>\n"


def _package(package: Package) -> str:
    nevra = package.nevra
    is_source = nevra.arch in ("src", "nosrc")
    source = package.source or nevra.name
    if re.search(r"-\d", source):
        source_rpm = f"{source}.src.rpm"
    else:
        source_rpm = f"{source}-{nevra.version}-{nevra.release}.src.rpm"
    parts = [
        f'<package type="rpm"><name>{escape(nevra.name)}</name><arch>{nevra.arch}</arch>'
        f'<version epoch="{nevra.epoch}" ver="{escape(nevra.version)}" rel="{escape(nevra.release)}"/>'
        f'<checksum type="sha256" pkgid="YES">{package.pkgid}</checksum>'
        f'<summary/><description/><packager/><url/><time file="1" build="1"/>'
        f'<size package="{len(package.content or b"1")}" installed="1" archive="1"/>'
        f'<location href="{escape(package.file)}"/>'
        f"<format><rpm:license>-</rpm:license><rpm:vendor/><rpm:group/><rpm:buildhost/>"
        f"<rpm:sourcerpm>{'' if is_source else escape(source_rpm)}</rpm:sourcerpm>"
        '<rpm:header-range start="0" end="0"/>\n'
    ]
    for relation in RELATIONS:
        entries = [_entry(one) for one in package.related(relation)]
        if relation == "requires":
            entries += [_entry(one, ' pre="1"') for one in package.pre]
        if entries:
            parts.append(f"<rpm:{relation}>{''.join(entries)}</rpm:{relation}>\n")
    parts += [f"<file>{escape(path)}</file>" for path in package.files if _PRIMARY_PATH.search(path)]
    parts.append("</format></package>\n")
    return "".join(parts)


def _entry(capability: str, more: str = "") -> str:
    if capability.startswith("(") or " " not in capability:
        return f"<rpm:entry name={quoteattr(capability)}{more}/>"
    name, sign, evr = capability.split()
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.partition("-")
    attributes = f' epoch="{epoch or 0}" ver={quoteattr(version)}'
    if release:
        attributes += f" rel={quoteattr(release)}"
    return f'<rpm:entry name={quoteattr(name)} flags="{_SIGNS[sign]}"{attributes}{more}/>'


def _filelists(packages: list[Package]) -> str:
    body = "".join(
        f'<package pkgid="{one.pkgid}" name={quoteattr(one.nevra.name)} arch="{one.nevra.arch}">'
        f'<version epoch="{one.nevra.epoch}" ver={quoteattr(one.nevra.version)}'
        f" rel={quoteattr(one.nevra.release)}/>\n"
        + "".join(f"<file>{escape(path)}</file>\n" for path in one.files)
        + "</package>\n"
        for one in packages
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<filelists xmlns="http://linux.duke.edu/metadata/filelists"'
        f' packages="{len(packages)}">\n{body}</filelists>\n'
    )
