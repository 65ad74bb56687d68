"""Doors of source RPMs: header, payload, spec."""

import functools
import gzip
import tempfile
from collections.abc import Mapping
from pathlib import Path

from damage import damage_bytes, damage_lines
from door import door
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


_GUESTFS: bytes = (
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


@door("srpm-render", damage_bytes, lambda: srpm(_GUESTFS), ".src.rpm", needs=("rpmbuild",), slow=True)
def _srpm_render(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("guestfs-tools-1.46-1.src.rpm", document)
    return ["recipes", "render", "guestfs-tools", "--to", "out", "--srpm", str(file)]


@door("spec", damage_lines, lambda: SPEC, ".spec", needs=("rpmbuild", "bwrap"), slow=True)
def _spec(scene: Scene, document: bytes) -> list[str]:
    """A spec inside of a source RPM whose header is right."""
    scene.file("srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": document}))
    reference = repository(scene, name="reference")
    return [*plan_on(repository(scene)), "--reference", f"x86,{reference}", "--srpms", str(scene.inputs / "srpms")]


@door("spec-render", damage_lines, lambda: _GUESTFS, ".spec", needs=("rpmbuild",), slow=True)
def _spec_render(scene: Scene, document: bytes) -> list[str]:
    """A spec that a recipe edits."""
    file = scene.file("guestfs-tools-1.46-1.src.rpm", repacked(srpm(_GUESTFS), {"lib.spec": document}))
    return ["recipes", "render", "guestfs-tools", "--to", "out", "--srpm", str(file)]


def repacked(package: bytes, changed: Mapping[str, bytes]) -> bytes:
    """The package with these files of its payload replaced; what the header says of them is left as it was."""
    head, payload = _divided(package)
    files = dict(_cpio_members(gzip.decompress(payload) if payload[:2] == b"\x1f\x8b" else _unpacked(payload)))
    files.update(changed)
    return head + gzip.compress(_cpio(files), 1, mtime=0)


def _unpacked(payload: bytes) -> bytes:
    import lzma

    import zstandard

    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    return lzma.decompress(payload)


def _divided(package: bytes) -> tuple[bytes, bytes]:
    """Lead, signature and header, and the payload: 96 bytes, then two header structures, the first padded to 8."""
    at = 96
    for number in range(2):
        entries = int.from_bytes(package[at + 8 : at + 12], "big")
        data = int.from_bytes(package[at + 12 : at + 16], "big")
        at += 16 + 16 * entries + data
        if number == 0:
            at += -at % 8
    return package[:at], package[at:]


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
