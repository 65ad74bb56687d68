"""ELF files of this machine, against readelf, and damaged ones."""

import io
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.rpm.elf import DamagedElfError, Elf, read_elf


def _samples() -> list[Path]:
    folders = [Path(sysconfig.get_path("purelib")), Path("/usr/lib"), Path("/usr/lib64")]
    found = [path for folder in folders if folder.is_dir() for path in folder.rglob("*.so*") if path.is_file()]
    kept = [path for path in sorted(found) if _is_elf(path)]
    return kept[:: max(1, len(kept) // 25)]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def _elf(path: Path) -> Elf:
    with path.open("rb") as stream:
        found = read_elf(stream)
    assert found is not None
    return found


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf is not installed (binutils)")
def test_readelf_says_the_same() -> None:
    samples = _samples()
    assert len(samples) > 5
    for path in samples:
        said = subprocess.run(
            ["readelf", "-dVhW", path],
            capture_output=True,
            text=True,
            check=True,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        ).stdout
        elf = _elf(path)
        assert list(elf.needed) == re.findall(r"\(NEEDED\).*\[(.*)\]", said), path
        assert ([elf.soname] if elf.soname else []) == re.findall(r"\(SONAME\).*\[(.*)\]", said), path
        assert ":".join(elf.runpath) == "".join(re.findall(r"\(RUNPATH\).*\[(.*)\]", said)), path
        _, _, needs = said.partition("Version needs section")
        versions = re.findall(r"Name: (\S+)  Flags: (?!WEAK)", needs)
        assert sorted(one for _, names in elf.versions_needed for one in names) == sorted(versions), path
        definitions = said.partition("Version definition section")[2].partition("Version needs section")[0]
        defined = re.findall(r"Flags: (?:none|WEAK).*Name: (\S+)", definitions)
        assert list(elf.versions_defined) == defined, path


def test_the_running_interpreter_is_of_this_machine() -> None:
    elf = _elf(Path(sys.executable).resolve())
    assert elf.arch == {"arm64": "aarch64"}.get(machine := sysconfig.get_platform().split("-")[-1], machine)
    assert elf.interpreter


def test_ppc64le_is_told_from_ppc64() -> None:
    little = Elf("dyn", "EM_PPC64", 64, True, 2)
    assert (little.arch, little.abi) == ("ppc64le", 2)
    assert Elf("dyn", "EM_PPC64", 64, False, 1).arch == "ppc64"
    assert Elf("dyn", "EM_PPC64", 32, False, 1).arch == "ppc64 (32 bits, big-endian)"


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fEL", b"!<arch>\n"])
def test_what_is_no_elf_file_is_none(content: bytes) -> None:
    assert read_elf(io.BytesIO(content)) is None


@given(data=st.data())
def test_a_damaged_file_is_told_and_never_crashes(data: st.DataObject) -> None:
    content = bytearray(_SMALL)
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(4, len(content)))]
    # Where only the magic number is left, there is nothing to damage.
    for _ in range(data.draw(st.integers(0, 8)) if len(content) > 4 else 0):
        # The headers, where damage leads furthest.
        content[data.draw(st.integers(4, min(len(content), 2048) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_elf(io.BytesIO(bytes(content)))
    except DamagedElfError as told:
        assert "damaged ELF file" in str(told)


_SMALL = min((path.read_bytes() for path in _samples()), key=len, default=b"\x7fELF" + bytes(60))
