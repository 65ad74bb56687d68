"""ELF files read: compared with readelf, damaged ones, and the order of glibc's versions."""

import io
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpms import CROSS, compiled, lacks
from srpms import run

from ppcdeps.building.abi import abi_of, load_abis
from ppcdeps.building.elf import BrokenElfError, ElfFacts, LongDouble, newest_glibc, power_fp, read_elf
from ppcdeps.model.errors import ConfigError

needs_compiler = pytest.mark.skipif(bool(lacks()), reason=lacks())

PROGRAM = """#include <stdio.h>
int main(void) { long double x = 1; printf("%Lf", x); return 0; }
"""


def facts_of(content: bytes) -> ElfFacts:
    return read_elf(io.BytesIO(content), "/usr/bin/sample")


@needs_compiler
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ((), "shared"),
        (("-no-pie",), "executable"),
        (("-shared", "-fPIC", "-Wl,-soname,libsample.so.3", "-Wl,-rpath,/opt/a:$ORIGIN/b"), "shared"),
        (("-c",), "relocatable"),
        (("-mabi=ieeelongdouble", "-Wno-psabi"), "shared"),
    ],
)
def test_what_is_read_is_what_readelf_says(options: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    content = compiled(tmp_path, PROGRAM, *options)
    facts = facts_of(content)
    made = str(tmp_path / "made")
    header = run("readelf", "-hW", made)
    assert (facts.kind, facts.machine, facts.bits, facts.endian) == (kind, "PPC64", 64, "little")
    assert "little endian" in header and "PowerPC64" in header
    assert f"Flags:                             0x{facts.flags:x}" in header
    assert ("abiv2" in header) is (facts.abi == 2)
    versions = run("readelf", "-VW", made)
    assert set(facts.versions) == set(re.findall(r"Name: (\S+)  Flags", versions.partition("version_r")[2]))
    dynamic = run("readelf", "-dW", made)
    assert list(facts.needed) == re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    assert [facts.soname] == (re.findall(r"\(SONAME\).*\[(.*)\]", dynamic) or [""])
    assert ":".join(facts.search) == "".join(re.findall(r"\(RUNPATH\).*\[(.*)\]", dynamic))
    attributes = run("readelf", "-A", made)
    assert (facts.long_double is LongDouble.IEEE) is ("128-bit IEEE long double" in attributes)
    assert (facts.long_double is LongDouble.IBM) is ("128-bit IBM long double" in attributes)
    assert not facts.mismatches(abi_of("ppc64le"))
    assert facts.mismatches(abi_of("x86_64"))


@needs_compiler
def test_libstdcxx_of_the_cross_compiler_has_both_long_doubles() -> None:
    library = Path(run(f"{CROSS}gcc", "-print-file-name=libstdc++.so.6").strip())
    if not library.is_file():
        pytest.skip("needs libstdc++ for ppc64le")
    facts = facts_of(library.read_bytes())
    assert facts.long_double is LongDouble.MIXED
    assert "GLIBCXX_3.4" in facts.defines


def test_a_program_of_this_machine_is_read_as_readelf_reads_it() -> None:
    program = Path(shutil.which("rpm") or shutil.which("ls") or "")
    if not program.is_file() or shutil.which("readelf") is None:
        pytest.skip("needs readelf and a program")
    facts = facts_of(program.read_bytes())
    assert set(facts.versions) == set(re.findall(r"Name: (\S+)  Flags", run("readelf", "-VW", str(program))))


@needs_compiler
def test_damage_is_told_and_never_a_crash(tmp_path: Path) -> None:
    content = compiled(tmp_path, PROGRAM)
    with pytest.raises(BrokenElfError):
        facts_of(content[:80])
    with pytest.raises(BrokenElfError):
        facts_of(b"\x7fELF" + b"\xff" * 300)


@given(st.binary(max_size=200))
def test_any_bytes_after_the_magic_are_read_or_told(rest: bytes) -> None:
    try:
        facts_of(b"\x7fELF" + rest)
    except BrokenElfError as fault:
        assert "\n" not in str(fault)


@given(st.permutations(["2.2.5", "2.17", "2.3.4", "2.4", "2.34", "2.9", "2.28"]))
def test_the_newest_glibc_is_found_by_rpms_order_in_any_row(versions: list[str]) -> None:
    names = [f"GLIBC_{version}" for version in versions]
    assert newest_glibc(names) == "2.34"
    assert newest_glibc([name for name in names if name != "GLIBC_2.34"]) == "2.28"


def test_what_is_no_version_of_glibc_does_not_count() -> None:
    assert newest_glibc(["GLIBCXX_3.4.30", "GLIBC_PRIVATE", "GCC_3.0"]) is None
    assert newest_glibc(["GLIBC_2.17", "GLIBC_ABI_DT_RELR"]) == "2.36"


@pytest.mark.parametrize("data", [b"", b"A", b"A\4\0\0\0", b"A\xff\0\0\0gnu\0\1\3\0\0\0", b"B\0\0\0\0gnu\0"])
def test_damaged_attributes_say_nothing(data: bytes) -> None:
    assert power_fp(data) == 0


def test_every_abi_that_is_shipped_is_whole() -> None:
    abis = load_abis()
    assert set(abis) >= {"ppc64le", "x86_64", "aarch64"}
    assert all(abi.endian in ("little", "big") and abi.origin for abi in abis.values())
    with pytest.raises(ConfigError, match="did you mean"):
        abi_of("ppc46le")
