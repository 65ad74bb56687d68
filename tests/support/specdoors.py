"""Doors of source RPMs: header, payload, spec."""

import functools
import gzip
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from damage import damage_bytes, damage_lines, damage_tar, tar_of
from door import door, unpack
from doortrial import Scene
from pythonroots import has_program
from repositorydoors import plan_on, repository
from srpms import make_srpm, run

SPEC = b"""%global base 1
%bcond_without docs
Name: lib
Version: 1.%{base}
Release: 2%{?dist}
Summary: A library
License: MIT
Source0: https://example.org/lib-%{version}.tar.gz
Patch0: fix.patch
ExclusiveArch: x86_64 ppc64le
BuildRequires: gcc, make >= 4
%ifarch x86_64
BuildRequires: nasm
%endif
Requires: other%{?_isa} >= %{version}
Provides: bundled(x) = 1
%description
A library.
%package devel
Summary: Headers
Requires: %{name}%{?_isa} = %{version}-%{release}
%description devel
Headers.
%prep
%autosetup -p1
%build
make
%install
make install
%files
/usr/lib64/lib.so.1
%files devel
/usr/include/lib.h
%changelog
* Tue Nov 14 2023 A Name <a@example.org> - 1.1-2
- first
"""


GUESTFS: bytes = (
    SPEC.replace(b"Name: lib", b"Name: guestfs-tools")
    .replace(b"1.%{base}", b"1.46")
    .replace(b"ExclusiveArch: x86_64 ppc64le", b"ExcludeArch: %{power64}")
)


@functools.cache
def srpm(spec: bytes = SPEC) -> bytes:
    """The source RPM of a spec, made by rpmbuild."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "lib.spec"
        file.write_bytes(spec)
        return make_srpm(file, Path(name) / "top").read_bytes()


@door("srpm", damage_bytes, srpm, ".src.rpm", needs=("rpmbuild", "bwrap"), slow=True)
def _srpm(scene: Scene, document: bytes) -> list[str]:
    scene.file("srpms/lib-1.1-2.el9.src.rpm", document)
    return [*plan_on(repository(scene)), "--srpms", str(scene.inputs / "srpms")]


@door("srpm-render", damage_bytes, lambda: srpm(GUESTFS), ".src.rpm", needs=("rpmbuild",), slow=True)
def _srpm_render(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("guestfs-tools-1.46-1.src.rpm", document)
    return ["recipes", "render", "guestfs-tools", "--to", "out", "--srpm", str(file)]


@door("spec", damage_lines, lambda: SPEC, ".spec", needs=("rpmbuild", "bwrap"), slow=True)
def _spec(scene: Scene, document: bytes) -> list[str]:
    """A spec inside of a source RPM whose header is right."""
    scene.file("srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": document}))
    reference = repository(scene, name="reference")
    return [*plan_on(repository(scene)), "--reference", f"x86,{reference}", "--srpms", str(scene.inputs / "srpms")]


@door("spec-render", damage_lines, lambda: GUESTFS, ".spec", needs=("rpmbuild",), slow=True)
def _spec_render(scene: Scene, document: bytes) -> list[str]:
    """A spec that a recipe edits."""
    file = scene.file("guestfs-tools-1.46-1.src.rpm", repacked(srpm(GUESTFS), {"lib.spec": document}))
    return ["recipes", "render", "guestfs-tools", "--to", "out", "--srpm", str(file)]


@door("own-spec", damage_lines, lambda: SPEC, ".spec", needs=("rpmbuild", "bwrap"), slow=True)
def _own_spec(scene: Scene, document: bytes) -> list[str]:
    """A spec that the command line names."""
    return plan_on(repository(scene), str(scene.file("lib.spec", document)))


@door("own-srpm", damage_bytes, srpm, ".src.rpm", needs=("rpmbuild", "bwrap"), slow=True)
def _own_srpm(scene: Scene, document: bytes) -> list[str]:
    """A source RPM that the command line names."""
    return plan_on(repository(scene), str(scene.file("lib-1.1-2.src.rpm", document)))


@functools.cache
def own_tar() -> bytes:
    """A folder of packages: a spec, a spec in a checkout's folder, and a source RPM."""
    tool = SPEC.replace(b"Name: lib", b"Name: tool").replace(b"BuildRequires: gcc", b"BuildRequires: lib-devel")
    return tar_of({"tool.spec": tool, "lib/lib.spec": SPEC, "g-1.src.rpm": srpm(GUESTFS)})


@door("own-folder", damage_tar, own_tar, ".tar", needs=("rpmbuild", "bwrap"), slow=True)
def _own_folder(scene: Scene, document: bytes) -> list[str]:
    """A folder of packages: its links, FIFOs and odd names too."""
    unpack(document, scene.inputs / "mine")
    return plan_on(repository(scene), f"{scene.inputs / 'mine'}/")


def repacked(package: bytes, changed: Mapping[str, bytes], tags: Mapping[bytes, bytes] | None = None) -> bytes:
    """The package with these files of its payload replaced, and all its digests and sizes right.

    ``tags`` are texts of the header and what stands in their place, of the same length.

    What the header says of the single files is left as it was: nothing compares it.
    """
    signature, header, payload = _divided(package)
    opened = _unpacked(payload)
    made = _cpio({**dict(_cpio_members(opened)), **changed})
    packed = gzip.compress(made, 1, mtime=0)
    for old, new in ((payload, packed), (opened, made)):
        header = header.replace(_hex("sha256", old), _hex("sha256", new))
    for text, other in (tags or {}).items():
        header = header.replace(text, other)
    before = _divided(package)[1]
    whole = before + payload
    for old, new in (
        (_hex("sha256", before), _hex("sha256", header)),
        (_hex("sha1", before), _hex("sha1", header)),
        (hashlib.md5(whole).digest(), hashlib.md5(header + packed).digest()),
        (len(whole).to_bytes(4, "big"), len(header + packed).to_bytes(4, "big")),
        (len(opened).to_bytes(4, "big"), len(made).to_bytes(4, "big")),
    ):
        signature = signature.replace(old, new, 1)
    return signature + header + packed


def _hex(algorithm: str, content: bytes) -> bytes:
    return hashlib.new(algorithm, content).hexdigest().encode()


def _unpacked(payload: bytes) -> bytes:
    import lzma

    import zstandard

    if payload[:2] == b"\x1f\x8b":
        return gzip.decompress(payload)
    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    return lzma.decompress(payload)


def _divided(package: bytes) -> tuple[bytes, bytes, bytes]:
    """Lead with signature, header, and payload: 96 bytes, then two header structures, the first padded to 8."""
    ends: list[int] = []
    at = 96
    for _ in range(2):
        entries = int.from_bytes(package[at + 8 : at + 12], "big")
        data = int.from_bytes(package[at + 12 : at + 16], "big")
        at += 16 + 16 * entries + data
        at += 0 if ends else -at % 8
        ends.append(at)
    return package[: ends[0]], package[ends[0] : ends[1]], package[ends[1] :]


def _cpio_members(content: bytes) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    at = 0
    while True:
        fields = [int(content[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = content[at + 110 : at + 110 + length - 1].decode()
        at += 110 + length
        at += -at % 4
        if name == "TRAILER!!!":
            return found
        found.append((name.removeprefix("./"), content[at : at + size]))
        at += size + -size % 4


def _cpio(files: Mapping[str, bytes]) -> bytes:
    made = bytearray()
    for number, (name, content) in enumerate({**files, "TRAILER!!!": b""}.items(), 1):
        fields = [number, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        made += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        made += bytes(-len(made) % 4) + content
        made += bytes(-len(made) % 4)
    return bytes(made)


def installed() -> str:
    """The rpm of this machine, for the record of a run."""
    return run("rpm", "--version").strip() if has_program("rpm") else "none"
