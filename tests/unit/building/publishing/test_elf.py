"""ELF files judged: compared with readelf, damaged ones, and the order of glibc's versions."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpms import CROSS, compiled, lacks
from srpms import run

from ppcdeps.building.publishing.abi import abi_of, load_abis
from ppcdeps.building.publishing.elf import ElfFacts, LongDouble, archive_members, facts_of, newest_glibc, power_fp
from ppcdeps.model.errors import ConfigError
from ppcdeps.rpm.elf import DamagedElfError

needs_compiler = pytest.mark.skipif(bool(lacks()), reason=lacks())

PROGRAM = """#include <stdio.h>
int main(void) { long double x = 1; printf("%Lf", x); return 0; }
"""


def facts(content: bytes) -> ElfFacts:
    return facts_of(io.BytesIO(content), "/usr/bin/sample")


@needs_compiler
@pytest.mark.parametrize(
    "options",
    [(), ("-no-pie",), ("-shared", "-fPIC"), ("-c",), ("-mabi=ieeelongdouble", "-Wno-psabi")],
)
def test_programs_of_power_are_seen_as_readelf_sees_them(options: tuple[str, ...], tmp_path: Path) -> None:
    seen = facts(compiled(tmp_path, PROGRAM, *options))
    header = run("readelf", "-hW", str(tmp_path / "made"))
    assert ("abiv2" in header) is (seen.elf.flags & 3 == 2)
    attributes = run("readelf", "-A", str(tmp_path / "made"))
    assert (seen.long_double is LongDouble.IEEE) is ("128-bit IEEE long double" in attributes)
    assert (seen.long_double is LongDouble.IBM) is ("128-bit IBM long double" in attributes)
    assert seen.mismatches(abi_of("ppc64le")) == ()
    assert seen.mismatches(abi_of("x86_64")) == ("machine PPC64, not X86_64",)
    assert "big-endian" in seen.mismatches(abi_of("ppc64"))[0]


@needs_compiler
def test_libstdcxx_of_the_cross_compiler_has_both_long_doubles() -> None:
    library = Path(run(f"{CROSS}gcc", "-print-file-name=libstdc++.so.6").strip())
    if not library.is_file():
        pytest.skip("needs libstdc++ for ppc64le")
    assert facts(library.read_bytes()).long_double is LongDouble.MIXED


@needs_compiler
def test_damage_is_reported_and_never_a_crash(tmp_path: Path) -> None:
    content = compiled(tmp_path, PROGRAM)
    for damaged in (content[:80], b"\x7fELF" + b"\xff" * 300, b"", b"#!/bin/sh"):
        with pytest.raises(DamagedElfError):
            facts(damaged)


@given(st.binary(max_size=300))
def test_static_libraries_of_any_bytes_are_read_or_end(content: bytes) -> None:
    members = list(archive_members(io.BytesIO(b"!<arch>\n" + content)))
    assert len(members) <= len(content) // 60, "the size of a header"
    assert all(place >= 68 and size >= 0 for _, place, size in members)


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
